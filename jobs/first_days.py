"""The first-days study as a Ray job: ``ray job submit -- python -m jobs.first_days --panel s3://... --out s3://...``."""

import sys

from volforecast.cli import command

if __name__ == "__main__":
    command(["study", "first-days", *sys.argv[1:]])
