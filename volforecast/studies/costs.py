"""What the units of the new-issues study cost, before they run: core-seconds, memory, bytes in the store.

For the order of work, the bound on memory and ``volforecast plan``; no result depends on it. The coefficients are
core-seconds of the run in ``docs/results/dj30.md`` (its table of core-seconds by model), where rows and epochs are
known; ``studies/speed.py`` measures how another machine compares.
"""

import pickle
from collections.abc import Iterable, Sequence
from pickle import PickleBuffer
from typing import Literal, NamedTuple

from volforecast.measured_rows import EXTRA_SETS
from volforecast.models.fnn import FNN
from volforecast.models.log_har import LogHAR
from volforecast.models.protocol import Model
from volforecast.models.xgb import XGB
from volforecast.predictors import PREDICTOR_SETS, REDUCED_SETS
from volforecast.studies.model_names import NAIVE, NAIVE_MEAN, ModelName, parse
from volforecast.transfer.dtw import DTW

Path = Literal[
    "selection",
    "naive",
    "HAR",
    "FNN",
    "XGB",
    "confidence",
    "networks",
    "benchmarks",
    "roughness",
    "mixtures",
    "GARCH",
    "averages",
    "diagnostics",
]

WORKER = 600 << 20  # bytes of a worker that has imported everything and fitted nothing
WORKER_WITH_GPU = 4 << 30  # with PyTorch and a CUDA context
FASTER_ON_GPU = 50.0  # than one core, for the order of work only
EPOCHS = {"TO": 80, "NP": 100, "MTL-25": 190, "MTL-50": 175, "MTL-75": 145}  # that tuning settles on, mean by rows
COPIES = 4  # of a training set's predictors that a fit holds at once: gathered, z-scored, as the library's own
# bytes in the store, of parts, commits and what is published
STORED_A_UNIT = 2400  # a small part's columns, its commit, its line in the plan
STORED_A_BLOCK = 16.0  # each origin and block of a selection
STORED_A_FORECAST = 30.0
STORE, DRIVER = 410 << 20, 500 << 20  # bytes of a source store and of the driver with nothing in them
STORED_A_RUN = 2_500_000  # tables and report


class Cost(NamedTuple):
    """What one unit costs.

    Attributes:
        path: The code that takes the time.
        seconds: Core-seconds on the machine the coefficients come from.
        memory: Most bytes that its worker holds.
        stored: Bytes it leaves in the results store.
    """

    path: Path
    seconds: float
    memory: int
    stored: int


class Outlook(NamedTuple):
    """What all units of one kind cost.

    Attributes:
        path: The code that takes the time.
        units: How many there are.
        estimations: How often a model is estimated in them.
        seconds: Core-seconds on the machine the coefficients come from.
        longest: Those of the longest unit.
        memory: Most bytes that a worker holds.
        stored: Bytes they leave in the results store.
    """

    path: Path
    units: int
    estimations: int
    seconds: float
    longest: float
    memory: int
    stored: int


class Fixed(NamedTuple):
    """What a run takes besides its units.

    Attributes:
        seconds: Of the driver alone: starting Ray, making tables and report.
        shared: Bytes of the data that all processes of a machine share.
        store: Most bytes that a source store holds.
        driver: Most bytes that the driver holds.
        stored: Bytes of tables and report.
    """

    seconds: float
    shared: int
    store: int
    driver: int
    stored: int


def fixed_costs(data: object, units: int) -> Fixed:
    """Of a run over these data with so many units."""
    arrays: list[PickleBuffer] = []
    pickle.dumps(data, protocol=5, buffer_callback=arrays.append)
    shared = sum(array.raw().nbytes for array in arrays)
    return Fixed(10.0 + units * 0.01, shared, STORE + shared, DRIVER + 3 * shared + units * 40_000, STORED_A_RUN)


def outlook(costs: Iterable[tuple[Cost, int]]) -> list[Outlook]:
    """Costs and numbers of estimations of single units, added up by the code that takes the time."""
    grouped: dict[Path, list[tuple[Cost, int]]] = {}
    for cost, estimations in costs:
        grouped.setdefault(cost.path, []).append((cost, estimations))
    return [
        Outlook(
            path,
            len(entries),
            sum(estimations for _, estimations in entries),
            sum(cost.seconds for cost, _ in entries),
            max(cost.seconds for cost, _ in entries),
            max(cost.memory for cost, _ in entries),
            sum(cost.stored for cost, _ in entries),
        )
        for path, entries in grouped.items()
    ]


def selection_cost(pairs: int, origins: int, length: int) -> Cost:
    """Distances to all blocks at every origin of a sample period, and their table.

    Args:
        pairs: Source pairs known in the middle of the period.
        origins: Origins of the period.
        length: Rows of a block.
    """
    distances = origins * pairs / length
    seconds = 0.01 + distances * 0.6e-6
    return Cost("selection", seconds, WORKER + int(distances * 400), STORED_A_UNIT + int(distances * STORED_A_BLOCK))


def short_selection_cost(pairs: int, lengths: Sequence[int], dtw: DTW, volatilities: int, sources: int) -> Cost:
    """Distances to all windows at every origin of a sample period of the first days, and what they select.

    Args:
        pairs: Source pairs known in the middle of the period.
        lengths: m, rows of a window, at each origin.
        dtw: Which windows there are.
        volatilities: Predictors compared.
        sources: How many sources there are.
    """
    windows = [pairs / dtw.step(m) for m in lengths]
    cells = [n * m * m for n, m in zip(windows, lengths, strict=True)]
    # origins that ask for one length share most costs of single days
    first = dict(zip(lengths, cells, strict=True))
    measured = sum(first.values()) * 1.3e-9 + (sum(cells) - sum(first.values())) * 0.25e-9
    laid_out = len(first) * pairs * volatilities * 4e-9
    seconds = 0.01 + measured + laid_out + sum(windows) * 4e-8 + len(lengths) * sources * 1.5e-6
    stored = STORED_A_UNIT + int(sum(windows) * 3 / 8 + len(lengths) * sources * 12)
    return Cost("selection", seconds, WORKER + int(sum(windows) * 16 + max(windows) * 60), stored)


def forecast_cost(model: str, settings: Model | None, pairs: int, own: int, origins: int, days: int) -> Cost:
    """All estimations of one model in one sample period.

    Args:
        model: Its name.
        settings: Its class with the study's settings; None for the naive forecast.
        pairs: Source pairs known in the middle of the period.
        own: Pairs of the target likewise.
        origins: Origins of the period.
        days: Days of the period.
    """
    stored = STORED_A_UNIT + int(days * STORED_A_FORECAST)
    if model in (NAIVE, NAIVE_MEAN):
        return Cost("naive", 0.02, WORKER, stored)
    name = parse(model)
    predictors = _width(name)
    share = {"TO": 0.0, "NP": 1.0, "MTL": (name.rate or 0) / 100}[name.approach]
    rows = own + share * pairs
    memory = WORKER + int(rows * predictors * 8 * COPIES)
    gathering = origins * rows * predictors * 1.5e-9
    reading = 0.008 if name.approach == "MTL" else 0.0  # the selection
    match settings:
        case FNN():
            approach = name.approach if name.rate is None else f"{name.approach}-{name.rate}"
            settled = min(EPOCHS[approach], settings.max_epochs)
            tuning = min(settled + settings.patience, settings.max_epochs)
            steps = rows / settings.batch[name.approach] * 2.1e-7
            epoch = steps + rows * (8.2e-9 + predictors * 5.9e-10)
            seconds = 0.01 + reading + gathering + epoch * (origins * settled + tuning)
            return Cost("FNN", seconds, memory, stored)
        case XGB():
            growth = settings.trees / 40 * settings.depth / 5
            grow = growth * (0.0094 + predictors * 8.8e-4 + rows * (1.28e-6 + predictors * 1.56e-7))
            return Cost("XGB", reading + gathering + origins * grow, memory, stored)
        case LogHAR():  # logarithms of all rows, added up and gone through again for the residuals
            return Cost("HAR", 0.006 + reading + gathering + origins * (5e-4 + rows * 1.8e-7), memory, stored)
        case _:
            summed = rows * 3e-8 if name.approach == "MTL" else 0.0
            return Cost("HAR", 0.006 + reading + origins * (3e-4 + summed), memory, stored)


def _width(name: ModelName) -> int:
    """Number of a model's predictors."""
    if name.prefix is None:
        return len((PREDICTOR_SETS | EXTRA_SETS)[name.predictors])
    predictors = REDUCED_SETS[name.prefix]
    return predictors.volatilities if name.predictors == "STD" else len(predictors.names)


def networks_cost(places: Sequence[Cost]) -> Cost:
    """All networks of one model on a GPU, from what each target and sample period would cost on a CPU."""
    seconds = sum(place.seconds for place in places) / FASTER_ON_GPU
    memory = WORKER_WITH_GPU + sum(place.memory - WORKER for place in places)
    return Cost("FNN", seconds, memory, sum(place.stored for place in places))


def confidence_cost(days: int, models: int, replications: int, losses: int = 3) -> Cost:
    """The confidence sets of one target and sample period, one for each loss."""
    seconds = 0.05 + losses * replications * (days * models * 4e-10 + models**2 * 2e-9)
    return Cost("confidence", seconds, WORKER + replications * days * 16, STORED_A_UNIT)
