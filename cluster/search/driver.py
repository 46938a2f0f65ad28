"""One search run from plan to best values: adopt or resume the plan, compute the missing trials, publish."""

import _thread
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from cluster import session, watch
from cluster.coordinator import Coordinator
from cluster.driver import ROUNDS, describe, sigterm_interrupts
from cluster.errors import ClusterError, ClusterLostError, CorruptPartError, NondeterminismError, StoreError
from cluster.progress import Display
from cluster.search.book import LOST, Book, Point
from cluster.search.outcome import Found, findings, publish
from cluster.search.space import Asked, Trial
from cluster.search.stored import as_trial, search_plan, stored_trials, trial_output
from cluster.search.study import Search, Searchable
from cluster.store import Failure, ResultStore
from cluster.study import Plan, Unit

if TYPE_CHECKING:
    from cluster.search.tune import Desk

LOOKS = 2.0  # seconds between two looks at the cluster
# Tune leaves Ctrl-C alone, writes no logs, prints nothing, and hardly ever writes its state, which nobody reads
TUNE = {
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",
    "TUNE_FORCE_TRIAL_CLEANUP_S": "1",  # where it ends with an error; a trial may take minutes to the next report
    "RAY_AIR_NEW_OUTPUT": "0",
}
# trials that wait for a CPU, beyond the CPUs: Tune ends an actor for which none waits, and starting one takes seconds
WAITING = 8


class Searched(NamedTuple):
    """How a search run ended.

    Attributes:
        plan: The run's plan.
        computed: Trials committed by this run.
        resumed: Trials that were there before it.
        found: What each search came to.
        lost: How often a trial's worker died, by the name of the trial's unit.
    """

    plan: Plan
    computed: int
    resumed: int
    found: list[Found]
    lost: dict[str, int]

    @property
    def complete(self) -> bool:
        """Whether every search has a best trial and none was given up because its workers died."""
        given_up = any(trial.reason == LOST for entry in self.found for trial in entry.trials)
        return not given_up and all(entry.best is not None for entry in self.found)


def run_searches(
    study: Searchable,
    data: Any,
    url: str,
    asked: Asked,
    *,
    address: str | None = None,
    workers: int | None = None,
    early_stopping: bool = True,
    quiet: bool = False,
) -> Searched:
    """Compute what is missing of all searches of a study and publish trials and best values at ``url``.

    Without early stopping the results folder is the same, byte by byte, for any number of workers and whatever happened
    on the way. With it each search has the same trials' numbers, but which are stopped depends on which were there
    first, and so do points that are proposed after them.

    Args:
        study: What is searched.
        data: Its data.
        url: The results folder, local or ``s3://``.
        asked: How each space is searched.
        address: Ray cluster, ``host:port`` or ``auto``; None starts a private Ray.
        workers: CPUs of the private Ray.
        early_stopping: Whether trials with more than one step may be stopped on their way (asynchronous halving).
        quiet: Show no progress.

    Raises:
        SearchError: What is asked breaks a rule.
        PlanMismatchError: The folder holds another run.
        ClusterError: The cluster cannot do what is asked.
        ClusterLostError: It has gone; the same call goes on.
        StoreError: The folder cannot be reached.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the same call goes on where this one ended.
    """
    if address is not None and address.startswith("ray://"):
        raise ClusterError(
            f"{address}: Ray Tune does not work through a client's proxy; give host:port, or submit a job"
        )
    searches = tuple(study.searches(data))
    plan = search_plan(study.name, searches, asked, early_stopping=early_stopping)
    store = ResultStore(url)
    plan = store.adopt_plan(plan)
    store.objects.replace("study.json", describe(plan))
    resumed: int | None = None
    run = Trials(store, plan, searches, asked)
    with sigterm_interrupts(), Display(plan.study, quiet=quiet) as display:
        for _ in range(ROUNDS):
            try:
                trials = stored_trials(store, plan)
                resumed = sum(map(len, trials.values())) if resumed is None else resumed
                if sum(map(len, trials.values())) == len(plan.units):
                    found = findings(plan, trials)
                    publish(store, plan, found)
                    break
            except CorruptPartError:
                store.set_damaged_aside([unit.key for unit in plan.units])  # all at once, not one a round
                continue
            with session.ray_session(address, workers):
                run.compute(study, data, trials, display, early_stopping=early_stopping)
        else:
            raise StoreError(f"{store.url}: what is stored there keeps being damaged or lost; check the disk")
    resumed = resumed or 0
    return Searched(plan, len(plan.units) - resumed, resumed, found, run.lost)


class Trials:
    """One call of :func:`run_searches`."""

    def __init__(self, store: ResultStore, plan: Plan, searches: tuple[Search, ...], asked: Asked) -> None:
        self.store = store
        self.plan = plan
        self.searches = searches
        self.asked = asked
        self.units: dict[tuple[str, int], Unit] = {}
        for unit in plan.units:
            name, _, number = unit.name.rpartition("/")
            self.units[name, int(number)] = unit
        self.lost: dict[str, int] = {}

    def compute(
        self, study: Searchable, data: Any, trials: dict[str, list[Trial]], display: Display, *, early_stopping: bool
    ) -> None:
        """Run the trials that are missing, within a Ray session."""
        from cluster.search.tune import Desk, LeaveError, give_places_back, run_tune

        hungriest = max(self.searches, key=lambda search: search.gpus)
        if hungriest.gpus > session.gpus():
            raise ClusterError(
                f"trials of {hungriest.name} ask for {hungriest.gpus:g} GPUs and the cluster has {session.gpus():g}; "
                "connect to one that has them, or ask for none"
            )
        places = {search.name: place for place, search in enumerate(self.searches)}
        done = {(places[name], trial.number): trial for name, some in trials.items() for trial in some}
        book = Book(self.searches, self.asked, done)
        coordinator = Coordinator(self.plan.units, [self._unit(*spot).key for spot in done])

        def settle(point: Point, trial: Trial) -> None:
            trial = self.committed(self._unit(point.search, point.number), trial)
            book.settle(point.search, trial)
            coordinator.committed(self._unit(point.search, point.number).key)
            display(coordinator, book.missing)

        desk = Desk(book, settle, lambda point, reason: self._note_loss(point, reason))
        display(coordinator, book.missing)
        with session.short_folder() as folder, _tunes_surroundings(), _watched(desk):
            try:
                run_tune(study, data, desk, folder, early_stopping=early_stopping)
            except (Exception, KeyboardInterrupt, LeaveError) as error:
                if not isinstance(desk.error, ClusterLostError):  # nobody would take them
                    give_places_back()
                if desk.error is None and _interrupted(error):
                    raise KeyboardInterrupt from error
                if desk.error is None:
                    raise
        if desk.error is not None:
            raise desk.error

    def _unit(self, place: int, number: int) -> Unit:
        return self.units[self.searches[place].name, number]

    def committed(self, unit: Unit, trial: Trial) -> Trial:
        """The trial as the store has it: another driver may have been first, and may have stopped it elsewhere."""
        try:
            if self.store.commit(unit.key, trial_output(trial)):
                return trial
        except NondeterminismError:
            if not self.plan.config["early_stopping"]:
                raise
        payload = self.store.load(unit.key)
        if payload is None:
            raise StoreError(f"{self.store.url}: {unit.name} was committed and is gone; run the same command again")
        return as_trial(payload, f"{self.store.url}: {unit.name}")

    def _note_loss(self, point: Point, reason: str) -> None:
        unit = self._unit(point.search, point.number)
        self.lost[unit.name] = self.lost.get(unit.name, 0) + 1
        self.store.record_failure(Failure(unit.key, unit.kind, unit.name, reason, "", unit.coordinates))


def _interrupted(error: BaseException | None) -> bool:
    """Whether an error is an interruption, or what Ray made of one that came at an unlucky moment."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


@contextmanager
def _tunes_surroundings() -> Iterator[None]:
    """Tune's settings, which it reads when it runs; its complaints are ours to make."""
    logger = logging.getLogger("ray.tune")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with session.environment(TUNE | {"TUNE_MAX_PENDING_TRIALS_PG": str(session.cpus() + WAITING)}):
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def _watched(desk: "Desk") -> Iterator[None]:
    """Look at the cluster while the block runs: Tune would wait for ever for one that has gone.

    The error is left at the desk, and a main thread that waits for Ray is interrupted.
    """
    ended = threading.Event()
    looking = watch.Watch(session.head(), session.cpus_alive)
    in_main = threading.current_thread() is threading.main_thread()

    def look() -> None:
        while not ended.wait(LOOKS):
            try:
                looking.look()
                session.check_disk()
            except ClusterLostError as error:
                desk.error = error
                if in_main:
                    _thread.interrupt_main()
                return

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(LOOKS)
