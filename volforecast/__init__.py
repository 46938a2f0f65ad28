"""Forecast the realized variance of assets with little history by transfer learning from assets with much.

import volforecast as vf

panel = vf.read_panel("PANEL")
study = vf.NewIssues(vf.NewIssuesConfig(models=("HAR",)))
run = vf.run(study, panel, "RESULTS", workers=2)
run.tables["table_3"]
run.plot_forecast("V")

``docs/api.md`` has the rest. Names are imported when they are first used: the package alone takes no time.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from volforecast.api import StudyOutlook, plan, run, simulate
    from volforecast.data.build import BuiltPanel, build_panel
    from volforecast.data.frames import make_panel
    from volforecast.data.hourly import HourlyTable
    from volforecast.data.hourly_files import read_hourly
    from volforecast.data.panel import Columns, Panel, read_panel
    from volforecast.data.simulate_settings import SimulatorSettings
    from volforecast.errors import ConfigError, FitError, InputError, PanelError, VolforecastError
    from volforecast.models.fnn import FNN
    from volforecast.models.har import HAR
    from volforecast.models.xgb import XGB
    from volforecast.results import Run, open_run
    from volforecast.roughness.tables import hurst
    from volforecast.studies.bitcoin_config import BitcoinMixtureConfig
    from volforecast.studies.bitcoin_mixture import BitcoinMixture
    from volforecast.studies.first_days import FirstDays
    from volforecast.studies.first_days_config import FirstDaysConfig
    from volforecast.studies.new_issues import NewIssues
    from volforecast.studies.new_issues_config import NewIssuesConfig
    from volforecast.studies.rough_config import RoughTransferConfig
    from volforecast.studies.rough_transfer import RoughTransfer
    from volforecast.transfer.dtw import DTW
else:
    _HOMES = {
        "volforecast.api": ("StudyOutlook", "plan", "run", "simulate"),
        "volforecast.data.build": ("BuiltPanel", "build_panel"),
        "volforecast.data.frames": ("make_panel",),
        "volforecast.data.hourly": ("HourlyTable",),
        "volforecast.data.hourly_files": ("read_hourly",),
        "volforecast.data.panel": ("Columns", "Panel", "read_panel"),
        "volforecast.data.simulate_settings": ("SimulatorSettings",),
        "volforecast.errors": ("ConfigError", "FitError", "InputError", "PanelError", "VolforecastError"),
        "volforecast.models.fnn": ("FNN",),
        "volforecast.models.har": ("HAR",),
        "volforecast.models.xgb": ("XGB",),
        "volforecast.results": ("Run", "open_run"),
        "volforecast.roughness.tables": ("hurst",),
        "volforecast.studies.bitcoin_config": ("BitcoinMixtureConfig",),
        "volforecast.studies.bitcoin_mixture": ("BitcoinMixture",),
        "volforecast.studies.first_days": ("FirstDays",),
        "volforecast.studies.first_days_config": ("FirstDaysConfig",),
        "volforecast.studies.new_issues": ("NewIssues",),
        "volforecast.studies.new_issues_config": ("NewIssuesConfig",),
        "volforecast.studies.rough_config": ("RoughTransferConfig",),
        "volforecast.studies.rough_transfer": ("RoughTransfer",),
        "volforecast.transfer.dtw": ("DTW",),
    }

    def __getattr__(name: str) -> Any:
        for home, names in _HOMES.items():
            if name in names:
                from importlib import import_module

                return getattr(import_module(home), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted([*globals(), *__all__])


__all__ = [
    "DTW",
    "FNN",
    "HAR",
    "XGB",
    "BitcoinMixture",
    "BitcoinMixtureConfig",
    "BuiltPanel",
    "Columns",
    "ConfigError",
    "FirstDays",
    "FirstDaysConfig",
    "FitError",
    "HourlyTable",
    "InputError",
    "NewIssues",
    "NewIssuesConfig",
    "Panel",
    "PanelError",
    "RoughTransfer",
    "RoughTransferConfig",
    "Run",
    "SimulatorSettings",
    "StudyOutlook",
    "VolforecastError",
    "__version__",
    "build_panel",
    "hurst",
    "make_panel",
    "open_run",
    "plan",
    "read_hourly",
    "read_panel",
    "run",
    "simulate",
]
