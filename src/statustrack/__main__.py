"""Lets ``python -m statustrack`` do what the command ``statustrack`` does."""

from statustrack.cli.app import main

if __name__ == "__main__":
    main()
