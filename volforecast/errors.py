"""What can go wrong, drawn once.

    VolforecastError
    ├── InputError        what the user gave is wrong: one line, exit code 2
    │   ├── PanelError    a panel's tables break a rule (asset, date and column are named)
    │   └── ConfigError   an option or a configuration file breaks a rule
    └── FitError          one model could not be estimated on one training set

A message says what is wrong and where, why it matters, and what to do; it is one line, because the command line prints
it as it is.
"""


class VolforecastError(Exception):
    """Anything this project raises on purpose."""


class InputError(VolforecastError):
    """Wrong input; the command line prints the message alone and ends with exit code 2."""


class PanelError(InputError):
    """A panel cannot be read, or its tables break a rule."""


class ConfigError(InputError):
    """An option or a configuration file is not understood."""


class FitError(VolforecastError):
    """A model could not be estimated; the forecasts of that origin get the status ``failed``."""
