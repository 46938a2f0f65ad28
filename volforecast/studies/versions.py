"""Versions of the code and of the libraries that change numbers; every unit's key holds them."""

import platform
from functools import cache
from importlib.metadata import version


@cache
def versions(on_gpu: bool = False) -> dict[str, str]:
    """By name, for a unit that computes on a GPU or does not."""
    names = ("volforecast", "numpy", "numba", "pyarrow", "xgboost", *(("torch",) if on_gpu else ()))
    libraries = {name: version(name) for name in names}
    return libraries | {"python": ".".join(platform.python_version_tuple()[:2])}
