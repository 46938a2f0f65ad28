"""The new-issues study as a Ray job: ``ray job submit -- python -m jobs.new_issues --panel s3://... --out s3://...``."""

import sys

from volforecast.cli import command

if __name__ == "__main__":
    command(["study", "new-issues", *sys.argv[1:]])
