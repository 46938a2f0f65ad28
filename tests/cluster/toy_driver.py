"""A driver of its own: ``python -m tests.cluster.toy_driver OUT TROUBLE [ADDRESS]`` (TROUBLE is JSON).

It ends as the command does: 0 complete, 1 some units failed, 2 what was asked cannot be done, 3 the cluster or the
store was lost, 130 interrupted.
"""

import os
import signal
import sys

import msgspec

from cluster import watch
from cluster.driver import run_study
from cluster.errors import ClusterLostError, EngineError, StoreLostError
from tests.cluster.toy_study import ROWS, ToyStudy, Trouble, toy_data


def main(out: str, trouble: str, address: str | None = None) -> int:
    study = ToyStudy(trouble=msgspec.json.decode(trouble, type=Trouble))
    watch.HEAD_SECONDS = float(os.environ.get("TOY_HEAD_SECONDS", watch.HEAD_SECONDS))
    watch.LATE_SECONDS = float(os.environ.get("TOY_LATE_SECONDS", watch.LATE_SECONDS))
    watch.LATE_TIMES = float(os.environ.get("TOY_LATE_TIMES", watch.LATE_TIMES))
    data = toy_data(int(os.environ.get("TOY_ROWS", ROWS)))
    try:
        summary = run_study(study, data, out, address=address, workers=None if address else 2)
    except (ClusterLostError, StoreLostError) as error:
        print(error, file=sys.stderr, flush=True)
        os._exit(3)  # as the command does: a Ray whose head has gone may keep the process from ending
    except EngineError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0 if summary.complete else 1


if __name__ == "__main__":
    # a shell that runs the tests in the background has its children ignore Ctrl-C, and Python keeps it so
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main(*sys.argv[1:]))
