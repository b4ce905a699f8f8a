"""Files and folders: atomic writes, locks, growing files."""
