"""Write files and folders: atomic writes, locks, growing files."""
