"""The rough-transfer study as a Ray job: ``ray job submit -- python -m jobs.rough_transfer --panel P --out O``."""

import sys

from volforecast.cli import command

if __name__ == "__main__":
    command(["study", "rough-transfer", *sys.argv[1:]])
