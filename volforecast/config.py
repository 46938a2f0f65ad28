"""Settings from one strict TOML file and from options; every key is checked."""

import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from volforecast.errors import ConfigError
from volforecast.printable import printable

Settings = TypeVar("Settings", bound=msgspec.Struct)


def load_settings(kind: type[Settings], path: str | None, options: dict[str, Any]) -> Settings:
    """Settings of a study from a TOML file, overridden by options.

    Args:
        kind: The study's settings; its fields are the file's keys, nested ones are tables such as ``[xgb]``.
        path: The file, or None.
        options: Settings given on the command line; None means not given.

    Raises:
        ConfigError: The file cannot be read, a key is unknown, or a value has the wrong type.
    """
    given: dict[str, Any] = {}
    if path is not None:
        try:
            given = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--config: {path} cannot be read ({error}); check the path") from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"--config: {path} is not TOML ({printable(error, 200)}); correct the line") from error
        except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets within brackets
            raise ConfigError(
                f"--config: {path} is not TOML of any use ({printable(error, 200)}); correct it"
            ) from error
    given |= {name: value for name, value in options.items() if value is not None}
    try:
        return msgspec.convert(given, kind)
    except (msgspec.ValidationError, OverflowError) as error:
        known = ", ".join(field.name for field in msgspec.structs.fields(kind))
        where = path if path is not None else "options"
        raise ConfigError(f"--config: {where}: {printable(error, 300)}; the settings are {known}") from error
