"""Which points a search tries next: a pure function of what was asked and what was found, so that neither the number of
workers nor an interruption changes a search.

Nothing of Optuna outlives a call: each batch has a sampler of its own, seeded by the batch, and a study that is filled
with the trials of the batches before it, in order of number.
"""

import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cluster.keys import encode
from cluster.search.space import (
    Asked,
    Range,
    Space,
    Trial,
    Value,
    checked_point,
    checked_space,
    grid_point,
    grid_size,
    trial_count,
)

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import FrozenTrial

STARTUP = 6  # trials drawn at random before the estimator has something to go by; Optuna's own 10 are half of 20 trials
TRIES = 8  # proposals of a point that was tried before, after which the next one that was not is taken instead


def batch_size(space: Space, asked: Asked) -> int:
    """How many points are proposed at once: what does not learn proposes everything at once."""
    return asked.batch if asked.method == "tpe" else trial_count(space, asked)


def propose(
    space: Space, asked: Asked, trials: Sequence[Trial], batch: int, first: Mapping[str, Value] | None = None
) -> list[dict[str, Value]]:
    """The points of one batch, in order of their trials' numbers.

    No point of a finite space (listed values and whole numbers) is proposed twice; with a range of real numbers twice
    the same is no more likely than two equal draws, and is let pass.

    Args:
        space: What is searched; the order of its names is of no importance.
        asked: How.
        trials: All trials of earlier batches, in any order; later ones are ignored.
        batch: Which batch, from 0.
        first: A point of the space to be tried before any other; a grid, which tries all, keeps its order.

    Returns:
        The batch's points, fewer in the last one, none after it.

    Raises:
        SearchError: The space or the point breaks a rule.
        ValueError: A trial of an earlier batch is missing.
    """
    space, asked = checked_space(space), asked.checked()
    size, total = batch_size(space, asked), trial_count(space, asked)
    begin, end = batch * size, min((batch + 1) * size, total)
    if asked.method == "grid":
        return [grid_point(space, index) for index in range(begin, end)]
    earlier = sorted((trial for trial in trials if trial.number < begin), key=lambda trial: trial.number)
    if [trial.number for trial in earlier] != list(range(min(begin, total))):
        raise ValueError(f"batch {batch} depends on trials 0 to {begin - 1}, and not all of them are there")
    points: list[dict[str, Value]] = []
    if begin == 0 and first:
        points.append(checked_point(space, first))
    if len(points) == end - begin:
        return points
    with quietly():
        study = filled_study(space, earlier, _sampler(asked, batch))
        known = {encode(trial.values) for trial in earlier} | {encode(point) for point in points}
        for point in points:
            study.enqueue_trial(point)
            study.ask(distributions(space))  # running, so that the others of its batch keep away from it
        while len(points) < end - begin:
            points.append(_new_point(space, study, known, f"{asked.seed}/{begin + len(points)}"))
            known.add(encode(points[-1]))
    return points


def _new_point(space: Space, study: "Study", known: set[bytes], draw: str) -> dict[str, Value]:
    """The sampler's next point that was not tried before."""
    from optuna.trial import TrialState

    size = grid_size(space)
    for _ in range(TRIES):
        trial = study.ask(distributions(space))
        point = _plain(space, trial.params)
        if size is None or encode(point) not in known:
            return point
        study.tell(trial, state=TrialState.FAIL)  # as if it had never been asked for
    index = _digest(draw) % size if size else 0
    while encode(grid_point(space, index)) in known:
        index = (index + 1) % (size or 1)
    point = grid_point(space, index)
    study.enqueue_trial(point)
    study.ask(distributions(space))
    return point


def filled_study(space: Space, trials: Sequence[Trial], sampler: "BaseSampler | None" = None) -> "Study":
    """A study of Optuna's that holds these trials, in this order.

    One that failed is told as pruned before its first step: the sampler takes it for the worst, and keeps away from
    where it was; Optuna's own failed trials are forgotten and proposed again.
    """
    import optuna

    study = optuna.create_study(direction="minimize", sampler=sampler)
    study.add_trials([_frozen(space, trial) for trial in trials])
    return study


def _frozen(space: Space, trial: Trial) -> "FrozenTrial":
    from optuna.trial import TrialState, create_trial

    complete = trial.status == "complete"
    return create_trial(
        state=TrialState.COMPLETE if complete else TrialState.PRUNED,
        value=trial.loss if complete else None,
        params=dict(trial.values),
        distributions=distributions(space),
        intermediate_values=dict(enumerate(trial.curve, 1)) if trial.status != "failed" else {},
    )


def distributions(space: Space) -> "dict[str, BaseDistribution]":
    """The space in Optuna's words."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, BaseDistribution] = {}
    for name, choice in space.items():
        if not isinstance(choice, Range):
            found[name] = CategoricalDistribution(choice)
        elif choice.integer:
            found[name] = IntDistribution(int(choice.low), int(choice.high), log=choice.log)
        else:
            found[name] = FloatDistribution(float(choice.low), float(choice.high), log=choice.log)
    return found


def _plain(space: Space, values: Mapping[str, Value]) -> dict[str, Value]:
    """A point as Python's own numbers, names sorted."""
    kinds = {name: choice for name, choice in space.items() if isinstance(choice, Range)}
    plain: dict[str, Value] = {}
    for name in sorted(space):
        value = values[name]
        plain[name] = (int(value) if kinds[name].integer else float(value)) if name in kinds else value
    return plain


def _sampler(asked: Asked, batch: int) -> "BaseSampler":
    from optuna.samplers import RandomSampler, TPESampler

    seed = _digest(f"{asked.seed}/{batch}")
    if asked.method == "random":
        return RandomSampler(seed)
    # dimensions together, and points that are under way count as bad ones: else a batch would be one point many times
    return TPESampler(seed=seed, multivariate=True, constant_liar=True, n_startup_trials=STARTUP)


def _digest(text: str) -> int:
    """32 bits, which is what the samplers' generators take."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


@contextmanager
def quietly() -> Iterator[None]:
    """Without what Optuna says of each study, and of options that it calls experimental in some of its versions."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
