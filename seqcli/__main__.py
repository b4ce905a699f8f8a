"""``python -m seqcli``."""

from seqcli.cli import main

if __name__ == "__main__":
    main()
