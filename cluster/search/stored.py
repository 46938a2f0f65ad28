"""A search in the results store: its plan and its trials.

    plan.json           study ``search:<study>``; a unit each trial, known before the search begins
    parts/, commits/    a trial each, as :class:`cluster.search.space.Trial` in JSON

Nothing of when, where or how long is in them: :mod:`cluster.store` says how they get there, and what is made of them
is in :mod:`cluster.search.outcome`.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

import msgspec

from cluster.keys import encode, unit_key
from cluster.search.space import Asked, SearchError, Trial, checked_point, checked_space, space_text, trial_count
from cluster.search.study import Search
from cluster.store import READERS, ResultStore
from cluster.study import Output, Plan, Unit

PREFIX = "search:"
COLUMNS = ("number", "values", "loss", "status", "chosen", "steps", "reason")


def search_plan(study: str, searches: Sequence[Search], asked: Asked, *, early_stopping: bool) -> Plan:
    """All trials of all searches as units.

    Raises:
        SearchError: There is no search, or one breaks a rule: it is named.
    """
    if not searches:
        raise SearchError(f"{study}: there is nothing to search with these settings; ask for a model that has a space")
    settings = msgspec.to_builtins(asked.checked()) | {"early_stopping": early_stopping}
    versions = {"optuna": version("optuna")}
    described: dict[str, Any] = {}
    units: list[Unit] = []
    for search in searches:
        if search.name in described:
            raise SearchError(f"{search.name}: two searches have this name; a study must tell them apart")
        if search.key in (about["key"] for about in described.values()):
            raise SearchError(f"{search.name}: its key is another search's, too; a study must tell them apart")
        described[search.name], total = _described(search, asked)
        stops = early_stopping and search.steps > 1
        for number in range(total):
            about = {"search": search.key, "space": described[search.name]["space"], "defaults": search.defaults}
            key = unit_key(about | {"asked": settings | {"early_stopping": stops}, "number": number, "by": versions})
            where = search.coordinates | {"number": number}
            units.append(Unit(key, "trial", f"{search.name}/{number}", where, (), search.cost, gpus=search.gpus))
    keys = unit_key({"searches": sorted(search.key for search in searches)})
    return Plan(PREFIX + study, settings | {"searches": described}, keys, versions, tuple(units))


def _described(search: Search, asked: Asked) -> tuple[dict[str, Any], int]:
    """A search as the plan holds it, and how many trials it has."""
    try:
        space = checked_space(search.space)
        defaults = checked_point(space, search.defaults) if search.defaults else {}
        total = trial_count(space, asked)
        taken = sorted(set(search.coordinates) & {"search", *COLUMNS})
        if taken:
            raise SearchError(f"{taken[0]} is a column of the table of trials and cannot be a coordinate")
        if search.steps < 1:
            raise SearchError(f"a trial has {search.steps} steps; it needs 1 or more")
    except SearchError as error:
        raise SearchError(f"{search.name}: {error}") from error
    about = {"key": search.key, "coordinates": dict(search.coordinates), "space": space_text(space)}
    return about | {"defaults": defaults, "steps": search.steps, "trials": total}, total


def trial_output(trial: Trial) -> Output:
    """A trial as a unit's outcome: nothing of when, where or how long is in it."""
    return Output(encode(msgspec.to_builtins(trial)), 1, {trial.status: 1})


def stored_trials(store: ResultStore, plan: Plan) -> dict[str, list[Trial]]:
    """The committed trials of each search by its name, in order of number; every part is verified.

    Raises:
        CorruptPartError: A part was damaged; it has been set aside and its trial must be computed again.
        SearchError: A part is no trial of this version.
    """
    done = store.committed()
    found: dict[str, list[Trial]] = {name: [] for name in plan.config["searches"]}
    wanted = [unit for unit in plan.units if unit.key in done]
    with ThreadPoolExecutor(READERS) as pool:  # one by one, a large search's would take minutes on S3
        payloads = list(pool.map(store.load, [unit.key for unit in wanted]))
    for unit, payload in zip(wanted, payloads, strict=True):
        if payload is not None:
            found[unit.name.rpartition("/")[0]].append(as_trial(payload, f"{store.url}: {unit.name}"))
    return found


def as_trial(payload: bytes, where: str) -> Trial:
    """A stored trial.

    Raises:
        SearchError: It is none of this version.
    """
    try:
        return msgspec.json.decode(payload, type=Trial)
    except msgspec.DecodeError as error:
        raise SearchError(f"{where} is no trial ({error}): written by another version or program") from error
