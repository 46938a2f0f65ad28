"""``python -m volforecast`` is the command ``volforecast``."""

import sys

from volforecast.cli import main

if __name__ == "__main__":
    sys.exit(main())
