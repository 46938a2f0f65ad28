"""A search inside one unit of work: one trial after the other, the same as by Ray Tune, and resumed where it was."""

import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec
from msgspec import Struct

from cluster.keys import encode
from cluster.search.proposals import batch_size, filled_study, propose, quietly
from cluster.search.space import Asked, SearchError, Space, Trial, Value, checked_space, space_text, trial_count
from cluster.search.study import Report
from cluster.study import NOTHING_KEPT, Checkpoint

Objective: TypeAlias = Callable[[dict[str, Value], Report], float]


class LossError(Exception):
    """A trial's loss is no finite number; the trial has failed."""


class EndedEarlyError(Exception):
    """A trial is stopped on its way; whoever computes it lets this pass."""


class EarlyStopping(Struct, frozen=True):
    """The median rule: a trial ends at a step where its best loss so far is above the median of the complete trials'.

    Attributes:
        startup: Complete trials that there must be first.
        grace: Steps that every trial has.
    """

    startup: int = 4
    grace: int = 1


class _State(Struct, frozen=True):
    """What a unit keeps of its search: which one it is, and its trials so far."""

    search: str
    trials: tuple[Trial, ...]


def search_within(
    objective: Objective,
    space: Space,
    asked: Asked,
    checkpoint: Checkpoint = NOTHING_KEPT,
    *,
    early: EarlyStopping | None = None,
    fails: tuple[type[Exception], ...] = (),
    first: Mapping[str, Value] | None = None,
    demand: bool = True,
) -> list[Trial]:
    """All trials of a search, computed here; they depend on nothing but the objective and what is asked.

    Args:
        objective: The loss of a point, lower is better. It may report losses on its way, as
            :class:`cluster.search.study.Searchable` says.
        space: What is searched.
        asked: How. Without early stopping the trials are those that Ray Tune finds, whatever their number at a time.
        checkpoint: Where the trials so far are kept, and from where an attempt after a killed one goes on.
        early: Stop trials that fall behind; None lets all come to their end.
        fails: Errors after which a trial counts as failed, with the reason; any other ends the search.
        first: A point to be tried before any other.
        demand: Whether it is an error if no trial is complete.

    Returns:
        The trials in order of number.

    Raises:
        SearchError: What is asked breaks a rule, or, on demand, no trial is complete.
    """
    space = checked_space(space)
    about = encode([space_text(space), msgspec.to_builtins(asked), msgspec.to_builtins(early), dict(first or {})])
    trials = _resumed(checkpoint, about.decode())
    size, total = batch_size(space, asked), trial_count(space, asked)
    while len(trials) < total:
        batch = len(trials) // size
        points = propose(space, asked, trials, batch, first)
        for values in points[len(trials) - batch * size :]:
            falls_behind = _median_rule(space, trials, early)
            trials.append(run_trial(objective, len(trials), values, fails, falls_behind))
            if checkpoint.due():
                checkpoint.save(msgspec.json.encode(_State(about.decode(), tuple(trials))))
    if demand:
        best(trials)
    return trials


def best(trials: list[Trial]) -> Trial:
    """The complete trial with the smallest loss, of equal ones the first.

    Raises:
        SearchError: None is complete; the first failure is named.
    """
    complete = [(trial.loss, trial.number, trial) for trial in trials if trial.loss is not None]
    complete = [entry for entry in complete if entry[2].status == "complete"]
    if not complete:
        reasons = [trial.reason for trial in trials if trial.reason]
        why = f"trial 0: {reasons[0]}" if reasons else "there is none"
        raise SearchError(f"none of {len(trials)} trials is complete ({why}); widen the space or mend the model")
    return min(complete, key=lambda entry: entry[:2])[2]


def run_trial(
    objective: Objective,
    number: int,
    values: dict[str, Value],
    fails: tuple[type[Exception], ...],
    falls_behind: Callable[[list[float]], bool] = lambda curve: False,
) -> Trial:
    """One trial from its beginning.

    Args:
        objective: As in :func:`search_within`.
        number: The trial's place in the search.
        values: Its point.
        fails: Errors after which it counts as failed.
        falls_behind: Asked with the losses so far after each step: whether it is to end.
    """
    curve: list[float] = []
    caught: tuple[type[Exception], ...] = (LossError, *fails)

    def report(step: int, loss: float) -> None:
        if step != len(curve) + 1:
            raise SearchError(f"a trial reported step {step} after {len(curve)} steps; it must count 1, 2, 3, ...")
        curve.append(_finite(loss, f"at step {step}"))
        if falls_behind(curve):
            raise EndedEarlyError

    try:
        loss = _finite(objective(dict(values), report), "in the end")
    except EndedEarlyError:
        return Trial(number, values, curve[-1], "pruned", tuple(curve))
    except caught as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return Trial(number, values, None, "failed", tuple(curve), reason)
    return Trial(number, values, loss, "complete", tuple(curve))


def _finite(loss: float, where: str) -> float:
    if not math.isfinite(loss):
        raise LossError(f"the loss is {loss} {where}")
    return float(loss)


def _median_rule(space: Space, trials: list[Trial], early: EarlyStopping | None) -> Callable[[list[float]], bool]:
    if early is None:
        return lambda curve: False
    from optuna.pruners import MedianPruner
    from optuna.trial import TrialState, create_trial

    with quietly():
        study = filled_study(space, trials)
        pruner = MedianPruner(n_startup_trials=early.startup, n_warmup_steps=early.grace)

    def falls_behind(curve: list[float]) -> bool:
        with quietly():
            mine = create_trial(state=TrialState.RUNNING, intermediate_values=dict(enumerate(curve, 1)))
            return pruner.prune(study, mine)

    return falls_behind


def _resumed(checkpoint: Checkpoint, about: str) -> list[Trial]:
    kept = checkpoint.load()
    if kept is None:
        return []
    state = msgspec.json.decode(kept, type=_State)
    return list(state.trials) if state.search == about else []
