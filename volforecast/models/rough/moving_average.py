"""Moving average: the mean of the last 22 days (Dhansoia 2025, table 3)."""

from volforecast.models.rough.benchmark import FloatArray


def moving_average(X: FloatArray, y: FloatArray, rows: FloatArray, levels: tuple[float, ...]) -> FloatArray:
    """The monthly predictor itself; see :class:`Benchmark`."""
    return rows[:, 2].copy()
