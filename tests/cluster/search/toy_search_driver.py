"""A driver of its own: ``python -m tests.cluster.search.toy_search_driver OUT STUDY`` (STUDY is JSON).

It ends as the command does: 0 complete, 1 a search without a result, 2 what was asked cannot be done, 3 the cluster or
the store was lost, 130 interrupted.
"""

import os
import signal
import sys

import msgspec

from cluster.errors import ClusterLostError, EngineError, StoreLostError
from cluster.search.driver import run_searches
from tests.cluster.search.toy_search import ToySearch, toy_rows


def main(out: str, words: str) -> int:
    study = msgspec.json.decode(words, type=ToySearch)
    workers = int(os.environ.get("TOY_WORKERS", 2))
    try:
        found = run_searches(study, toy_rows(), out, study.asked, workers=workers, early_stopping=study.early_stopping)
    except (ClusterLostError, StoreLostError) as error:
        print(error, file=sys.stderr, flush=True)
        os._exit(3)
    except EngineError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0 if found.complete else 1


if __name__ == "__main__":
    # a shell that runs the tests in the background has its children ignore Ctrl-C, and Python keeps it so
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main(*sys.argv[1:]))
