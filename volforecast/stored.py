"""What a results folder holds was written by anybody: it makes sense, or one line says that it does not."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from volforecast.errors import ConfigError
from volforecast.printable import printable


@contextmanager
def understood(url: str) -> Iterator[None]:
    """Say of a results folder whose contents make no sense that they do not; the engine's own errors say more.

    Raises:
        ConfigError: In place of what Python raises on them.
    """
    try:
        yield
    except (LookupError, ValueError, TypeError, ArithmeticError, AttributeError) as error:
        raise ConfigError(
            f"{url}: what is stored there makes no tables ({type(error).__name__}: {printable(error, 200)}); "
            "it was changed by hand or written by another version: run the study again in another folder"
        ) from error


def stored_settings(kind: type[Any], stored: dict[str, Any], where: str) -> Any:
    """Settings as a results folder holds them.

    Raises:
        ConfigError: They are not settings of this version.
    """
    try:
        return msgspec.convert(stored, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"{where}/plan.json: {error}; it was written by another version or changed by hand"
        ) from error
