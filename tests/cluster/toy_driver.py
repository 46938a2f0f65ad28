"""A driver of its own: ``python -m tests.cluster.toy_driver OUT TROUBLE`` (JSON); exits with 130 if interrupted."""

import signal
import sys

import msgspec

from cluster.driver import run_study
from tests.cluster.toy_study import ToyStudy, Trouble, toy_data


def main(out: str, trouble: str) -> int:
    study = ToyStudy(trouble=msgspec.json.decode(trouble, type=Trouble))
    try:
        summary = run_study(study, toy_data(), out, workers=2)
    except KeyboardInterrupt:
        return 130
    return 0 if summary.complete else 1


if __name__ == "__main__":
    # a shell that runs the tests in the background has its children ignore Ctrl-C, and Python keeps it so
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main(*sys.argv[1:]))
