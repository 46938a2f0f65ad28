"""The bitcoin-mixture study as a Ray job: ``ray job submit -- python -m jobs.bitcoin_mixture --data D --out O``."""

import sys

from volforecast.cli import command

if __name__ == "__main__":
    command(["study", "bitcoin-mixture", *sys.argv[1:]])
