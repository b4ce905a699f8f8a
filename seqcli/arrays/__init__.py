"""Work with arrays of any library that follows the Python array API standard."""
