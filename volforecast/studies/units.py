"""Units of work as every study makes them: what a unit's key holds, what it is called."""

import platform
from functools import cache
from importlib.metadata import version
from typing import Any

from cluster.keys import unit_key
from cluster.study import Unit
from volforecast.studies.costs import Cost

ALL_PERIODS = 0  # the coordinate of the sample periods' days together
GPUS = 0.5  # of a unit or a source store that computes on one: two fit on each


@cache
def versions(*more: str, on_gpu: bool = False) -> dict[str, str]:
    """Those of the code and of the libraries that change numbers.

    Args:
        more: Libraries beside those that every study computes with.
        on_gpu: Whether a unit computes on a GPU.
    """
    names = ("volforecast", "numpy", "numba", "pyarrow", "xgboost", *(("torch",) if on_gpu else ()), *more)
    libraries = {name: version(name) for name in names}
    return libraries | {"python": ".".join(platform.python_version_tuple()[:2])}


def make_unit(
    study: str,
    data: str,
    kind: str,
    where: dict[str, str | int],
    needs: tuple[str, ...],
    settings: dict[str, Any],
    cost: Cost,
    *,
    gpus: float = 0.0,
    label: str = "",
) -> Unit:
    """One unit, whose key hashes everything that changes its numbers.

    Args:
        study: The study's name.
        data: The panel's fingerprint.
        kind: Which of the study's computations; those called ``selection`` scan the source stores.
        where: Coordinates, ``target`` and ``period`` among them.
        needs: Keys of the units it reads.
        settings: Those that change its numbers.
        cost: What it is expected to take.
        gpus: GPUs it asks for, a fraction allowed (:data:`GPUS` for what fits twice on one); a scan's are those of each
            source store.
        label: The last word of its name; its model or its kind when empty.
    """
    key = unit_key(
        {
            "study": study,
            "data": data,
            "versions": versions(on_gpu=gpus > 0),
            "kind": kind,
            "where": where,
            "settings": settings,
            "needs": list(needs),
        }
    )
    period = "all" if where["period"] == ALL_PERIODS else where["period"]
    name = f"{where['target']}/{period}/{label or where.get('model', kind)}"
    return Unit(key, kind, name, where, needs, round(cost.seconds, 3), kind == "selection", gpus, cost.memory)
