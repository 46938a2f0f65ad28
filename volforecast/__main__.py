"""``python -m volforecast`` is the command ``volforecast``."""

from volforecast.cli import command

if __name__ == "__main__":
    command()
