"""Tables and jobs for the tests of many networks at once."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from volforecast.models.fnn_start import Job
from volforecast.models.protocol import FloatArray

RATE = 1e-3
WITHOUT_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def sample(rows: int, inputs: int, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Skewed predictors of very different size, and labels with noise."""
    draw = np.random.default_rng(seed)
    X = draw.standard_normal((rows, inputs))
    y = np.abs(X[:, 0]) + 0.5 * X[:, 1] + draw.standard_normal(rows)
    return 7.0 + X * 10.0 ** np.arange(inputs), y


def jobs_of(sizes: Sequence[int], rows: int, seed: int = 5, ahead: int = 3) -> list[Job]:
    """Jobs whose training rows are drawn from all but the table's last rows, which are forecast."""
    draw = np.random.default_rng(seed)
    last = np.arange(rows - ahead, rows)
    chosen = [np.sort(draw.choice(rows - ahead, size, replace=False)).astype(np.int32) for size in sizes]
    return [Job(own, last, seed + k) for k, own in enumerate(chosen)]
