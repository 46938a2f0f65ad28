"""Searches on Ray Tune: one experiment for all of them, whose trials come from a book and go into the results store.

Tune knows which trials run where, runs those again whose worker died, and stops those that fall behind. What is true is
in the results store: Tune's own files are of no use after the run and lie in a temporary folder.
"""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from ray import tune
from ray.exceptions import RayActorError
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler
from ray.tune.search import Searcher
from ray.util import remove_placement_group
from threadpoolctl import threadpool_limits

from cluster.errors import ClusterError, EngineError
from cluster.search.book import ATTEMPTS, LOST, Book, Point
from cluster.search.space import Trial, Value
from cluster.search.study import Report, Search, Searchable
from cluster.search.within import run_trial
from cluster.worker import one_line, one_thread

REDUCTION = 3  # of trials at a rung one in so many goes on
GRACE = 10  # every trial has at least this part of its steps
_places: list[Any] = []  # that the running experiment has made
Settle = Callable[[Point, Trial], None]


class LeaveError(BaseException):
    """Tune is left at once, as Ctrl-C leaves it; the desk has the error. Tune itself would wait for its trials."""


class Desk:
    """Between Tune and a book: hands out points, takes results in, and keeps the error for which Tune was left.

    Args:
        book: The searches.
        settle: Called with each trial that has ended; commits it and writes it into the book.
        note_loss: Called when a trial's worker died, with the reason.
    """

    def __init__(self, book: Book, settle: Settle, note_loss: Callable[[Point, str], None]) -> None:
        self.book = book
        self.error: EngineError | None = None
        self.points: dict[str, Point] = {}
        self._curves: dict[str, list[float]] = {}
        self._settle = settle
        self._note_loss = note_loss

    def take(self, trial_id: str) -> Point | None:
        """A point for a trial of Tune's."""
        point = self.book.take()
        if point is not None:
            self.points[trial_id] = point
        return point

    def heard(self, trial_id: str, result: dict[str, Any]) -> None:
        """A trial reported a loss on its way; one that was begun again counts from the first step again."""
        step = int(result["step"])
        self._curves[trial_id] = [*self._curves.get(trial_id, [])[: step - 1], float(result["loss"])]

    def ended(self, trial_id: str, result: dict[str, Any]) -> None:
        """A trial came to its end, or was stopped after this result."""
        point = self.points.pop(trial_id)
        if result["ended"]:
            trial = msgspec.json.decode(result["trial"], type=Trial)
        else:
            self.heard(trial_id, result)
            curve = tuple(self._curves[trial_id])
            trial = Trial(point.number, point.values, curve[-1], "pruned", curve)
        self._curves.pop(trial_id, None)
        self._guard(lambda: self._settle(point, trial))

    def failed(self, trial_id: str, error: object, *, last: bool) -> None:
        """A trial's worker died, or what surrounds trials does not work."""
        if not isinstance(error, RayActorError):
            # not the trial's own computation, whose errors are results: no trial after it would fare better
            cause = getattr(error, "cause", None)
            fault = cause if isinstance(cause, EngineError) else ClusterError(f"trials cannot be run ({_said(error)})")
            self.error = fault
            raise LeaveError
        point = self.points[trial_id]
        self._guard(lambda: self._note_loss(point, one_line(error)))
        if last:
            del self.points[trial_id]
            curve = tuple(self._curves.pop(trial_id, ()))
            self._guard(lambda: self._settle(point, Trial(point.number, point.values, None, "failed", curve, LOST)))

    def _guard(self, doing: Callable[[], None]) -> None:
        try:
            doing()
        except EngineError as error:
            self.error = error
            raise LeaveError from error


def run_tune(study: Searchable, data: Any, desk: Desk, storage: str, *, early_stopping: bool) -> None:
    """Run what is missing in the book; returns when nothing is.

    Args:
        study: Travels to the workers.
        data: Put once into shared memory.
        desk: Of the book.
        storage: A folder for Tune's own files.
        early_stopping: Whether trials that fall behind are stopped.

    Raises:
        LeaveError: The desk has an error.
    """
    searches = desk.book.searches
    trainable = tune.with_resources(
        tune.with_parameters(_compute, study=study, data=data, searches=tuple(searches)),
        lambda config: _Place([{"CPU": 1.0, "GPU": searches[config["search"]].gpus}]),
    )
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=_Proposals(desk),
            scheduler=_Rungs(desk.book) if early_stopping else FIFOScheduler(),
            num_samples=desk.book.missing,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name="search",
            storage_path=storage,
            failure_config=tune.FailureConfig(max_failures=ATTEMPTS - 1),
            callbacks=[_Losses(desk)],
            stop=_Stop(desk),
            verbose=0,
        ),
    )
    tuner.fit()
    _places.clear()


def give_places_back() -> None:
    """After Tune was left: in a Ray that outlives the run, what its trials had asked for would stay taken."""
    while _places:
        remove_placement_group(_places.pop())


class _Place(tune.PlacementGroupFactory):  # type: ignore[misc]
    """What a trial asks for."""

    def to_placement_group(self) -> Any:
        _places.append(super().to_placement_group())
        return _places[-1]


def _compute(config: dict[str, Any], study: Searchable, data: Any, searches: tuple[Search, ...]) -> None:
    """One trial, on a worker."""
    one_thread()
    search = searches[config["search"]]

    def objective(values: dict[str, Value], report: Report) -> float:
        with threadpool_limits(limits=1):
            return study.trial(search, data, values, report)

    def tell(curve: list[float]) -> bool:
        if search.steps > 1:
            tune.report({"step": len(curve), "loss": curve[-1], "ended": False})  # does not return if it is to end
        return False

    values = msgspec.json.decode(config["values"], type=dict[str, Value])
    trial = run_trial(objective, config["number"], values, (Exception,), tell)
    loss = trial.loss if trial.loss is not None else 0.0  # nobody looks at that of an ended one
    tune.report({"step": 0, "loss": loss, "ended": True, "trial": msgspec.json.encode(trial).decode()})


class _Proposals(Searcher):  # type: ignore[misc]
    """What the book says is next."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(metric="loss", mode="min")
        self.desk = desk

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        if not self.desk.book.missing:
            return str(Searcher.FINISHED)
        point = self.desk.take(trial_id)
        if point is None:  # a batch has to end first
            return None
        values = msgspec.json.encode(point.values).decode()
        return {"search": point.search, "number": point.number, "values": values}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        self.desk.heard(trial_id, result)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        if result is not None and not error:
            self.desk.ended(trial_id, result)

    def save(self, checkpoint_path: str) -> None:
        """Nothing to keep: the results store has it."""
        with open(checkpoint_path, "wb"):
            pass

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("a search is gone on with from the results store")


class _Rungs(FIFOScheduler):  # type: ignore[misc]
    """Asynchronous successive halving within each search: losses of different searches are not comparable."""

    def __init__(self, book: Book) -> None:
        super().__init__()
        self.halving = {
            place: ASHAScheduler(
                time_attr="step",
                metric="loss",
                mode="min",
                max_t=search.steps + 1,  # the last step ends no trial that is about to end by itself
                grace_period=max(1, search.steps // GRACE),
                reduction_factor=REDUCTION,
            )
            for place, search in enumerate(book.searches)
            if search.steps > 1
        }

        for place, halving in self.halving.items():
            for trial in book.trials(place):
                _retell(halving, trial)

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        if halving := self.halving.get(trial.config["search"]):
            halving.on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        halving = self.halving.get(trial.config["search"])
        if halving is None:
            return str(FIFOScheduler.CONTINUE)
        return str(halving.on_trial_result(tune_controller, trial, result))


class _Past(NamedTuple):
    """A trial of an earlier run, as far as halving looks at it."""

    trial_id: str


def _retell(halving: ASHAScheduler, trial: Trial) -> None:
    """Let halving know a trial of an earlier run, as it would if it had never been interrupted."""
    past = _Past(f"past {trial.number}")
    halving.on_trial_add(None, past)
    for step, loss in enumerate(trial.curve, 1):
        halving.on_trial_result(None, past, {"step": step, "loss": loss})


class _Stop(tune.Stopper):  # type: ignore[misc]
    """A trial ends with its last report; everything ends with an error that somebody left at the desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return bool(result["ended"])

    def stop_all(self) -> bool:
        return self.desk.error is not None


class _Losses(tune.Callback):  # type: ignore[misc]
    """Tells the desk of workers that died."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.desk.failed(trial.trial_id, _error_of(trial), last=False)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.desk.failed(trial.trial_id, _error_of(trial), last=True)


def _error_of(trial: Any) -> object:
    """What a trial of Tune's failed with last; its text where it is no error of Ray's.

    This process has written the file, in Ray's folder of this session.
    """
    if trial.pickled_error_file and Path(trial.pickled_error_file).exists():
        return pickle.loads(Path(trial.pickled_error_file).read_bytes())
    return Path(trial.error_file).read_text() if trial.error_file else "Tune does not say why"


def _said(error: object) -> str:
    return one_line(error) if isinstance(error, BaseException) else " ".join(str(error).split())[:300]
