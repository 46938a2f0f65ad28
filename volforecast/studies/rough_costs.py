"""What the units of the rough-transfer study cost, before they run; see :mod:`volforecast.studies.costs`."""

from collections.abc import Sequence

from volforecast.models.rough.recipe import Recipe
from volforecast.studies.costs import STORED_A_UNIT, WORKER, WORKER_WITH_GPU, Cost

SECONDS_A_STEP = 3.7e-9  # core-seconds of one training row and parameter, forwards and backwards over 22 days
SHARE_OF_EPOCHS = {"pretraining": 0.6, "fine_tuning": 0.9}  # that early stopping leaves
WORKER_WITH_TORCH = WORKER + (200 << 20)
FASTER_ON_GPU = 20.0  # than one core, for the order of work only
COPIES = 6  # of the weights: the stack, its gradients, two moments, the best ones, the checkpoint


def roughness_cost(days: int, replications: int) -> Cost:
    """Four estimators and their bootstrap, of a series of so many days."""
    return Cost("roughness", 0.05 + days * replications * 1e-6, WORKER, STORED_A_UNIT + days * 40)


def benchmarks_cost(days: int) -> Cost:
    """Regressions of one target."""
    return Cost("benchmarks", 0.05, WORKER, STORED_A_UNIT + days * 40)


def confidence_cost(days: int, models: int, replications: int) -> Cost:
    """One confidence set."""
    seconds = 0.05 + replications * (days * models * 4e-10 + models**2 * 2e-9)
    return Cost("confidence", seconds, WORKER + replications * days * 16, STORED_A_UNIT)


def training_cost(recipe: Recipe, lengths: Sequence[int], epochs: int, parameters: int, *, on_gpu: bool) -> Cost:
    """A stack of networks.

    Args:
        recipe: The model.
        lengths: Training rows of each network.
        epochs: Most epochs.
        parameters: Of one network.
        on_gpu: Whether it computes on a GPU.
    """
    stages = recipe.rates(("encoder", "head"), 1.0)
    moved = 0.05 if len(stages) == 1 and len(stages[0][1]) == 1 else 1.0  # a frozen encoder is gone through once
    share = SHARE_OF_EPOCHS[recipe.phase]
    seconds = sum(lengths) * epochs * share * parameters * SECONDS_A_STEP * moved
    held = (WORKER_WITH_GPU if on_gpu else WORKER_WITH_TORCH) + len(lengths) * parameters * 4 * COPIES
    faster = FASTER_ON_GPU if on_gpu else 1.0
    return Cost("networks", seconds / faster, held, STORED_A_UNIT + len(lengths) * 6000)
