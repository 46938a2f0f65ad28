"""What searches came to, and what a search's results folder publishes of it.

    tables/trials.*     all trials
    best.json           the best of each search by its name

Both are made of the committed trials alone, and so is :func:`read_best`.
"""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

from cluster.keys import encode
from cluster.search.space import SearchError, Trial, Value
from cluster.search.stored import PREFIX, stored_trials
from cluster.search.within import best
from cluster.store import ResultStore
from cluster.study import Plan


class Found(NamedTuple):
    """What one search came to.

    Attributes:
        name: The search's.
        trials: Those that are done, in order of number.
        best: The complete one with the smallest loss; None where none is complete.
        median: Of the complete trials' losses.
        default: The loss of the study's default values; None where it gives none, or they failed or were pruned.
    """

    name: str
    trials: list[Trial]
    best: Trial | None
    median: float | None
    default: float | None


def findings(plan: Plan, trials: Mapping[str, list[Trial]]) -> list[Found]:
    """What each search came to, in the plan's order."""
    found = []
    for name, about in plan.config["searches"].items():
        complete = [trial for trial in trials[name] if trial.status == "complete"]
        losses = {encode(trial.values): float(trial.loss) for trial in complete if trial.loss is not None}
        middle = median(losses.values()) if losses else None
        default = losses.get(encode(about["defaults"]))
        found.append(Found(name, trials[name], best(complete) if complete else None, middle, default))
    return found


def publish(store: ResultStore, plan: Plan, found: Sequence[Found]) -> None:
    """Write the table of trials and the best values."""
    for path, payload in _published(plan, found):
        store.objects.replace(path, payload)


def _published(plan: Plan, found: Sequence[Found]) -> Iterator[tuple[str, bytes]]:
    import pyarrow.parquet as pq

    table = trials_table(plan, found)
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", store_schema=False)
    yield "tables/trials.parquet", sink.getvalue()
    yield "tables/trials.csv", table.to_pandas().to_csv(index=False, lineterminator="\n").encode()
    chosen = {
        entry.name: {
            "values": entry.best.values,
            "loss": entry.best.loss,
            "number": entry.best.number,
            "trials": len(entry.trials),
            "median": entry.median,
            "default": entry.default,
        }
        for entry in found
        if entry.best is not None
    }
    yield "best.json", json.dumps(chosen, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def trials_table(plan: Plan, found: Sequence[Found]) -> Any:
    """All trials as an Arrow table.

    Columns: ``search``, the coordinates, ``number``, ``values`` (JSON), ``loss``, ``status``, ``chosen``, ``steps``
    (reported on the way), ``reason``.
    """
    import pyarrow as pa

    where = plan.config["searches"]
    coordinates = list(dict.fromkeys(name for about in where.values() for name in about["coordinates"]))
    rows = [(entry, trial) for entry in found for trial in entry.trials]
    columns: dict[str, Any] = {"search": pa.array([entry.name for entry, _ in rows], pa.string())}
    for name in coordinates:
        values = [where[entry.name]["coordinates"].get(name) for entry, _ in rows]
        whole = all(isinstance(value, int) for value in values)
        texts = [None if value is None else str(value) for value in values]
        columns[name] = pa.array(values, pa.int64()) if whole else pa.array(texts, pa.string())
    columns["number"] = pa.array([trial.number for _, trial in rows], pa.int64())
    columns["values"] = pa.array([encode(trial.values).decode() for _, trial in rows], pa.string())
    columns["loss"] = pa.array([trial.loss for _, trial in rows], pa.float64())
    columns["status"] = pa.array([trial.status for _, trial in rows], pa.string())
    columns["chosen"] = pa.array([trial is entry.best for entry, trial in rows], pa.bool_())
    columns["steps"] = pa.array([len(trial.curve) for _, trial in rows], pa.int64())
    columns["reason"] = pa.array([trial.reason for _, trial in rows], pa.string())
    return pa.table(columns)


def read_best(url: str) -> dict[str, dict[str, Value]]:
    """The best values of each search in a search's results folder, by the search's name.

    Raises:
        SearchError: The folder holds no search, or one that has not come to its end, or a search without a result.
        CorruptPartError: A part was damaged.
        StoreError: It cannot be reached or read.
    """
    store = ResultStore(url, create=False)
    plan = store.plan()
    if not plan.study.startswith(PREFIX):
        raise SearchError(
            f"{store.url} holds the study {plan.study}, and no search; give a folder of volforecast search"
        )
    found = findings(plan, stored_trials(store, plan))
    for entry in found:
        total = plan.config["searches"][entry.name]["trials"]
        if len(entry.trials) < total:
            done = f"{len(entry.trials)} of {total}"
            raise SearchError(f"{store.url}: {entry.name} has {done} trials; run the same search to its end first")
    return {entry.name: best(entry.trials).values for entry in found}
