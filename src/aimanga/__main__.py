"""`python -m aimanga`."""

from aimanga.cli import main

if __name__ == "__main__":
    main()
