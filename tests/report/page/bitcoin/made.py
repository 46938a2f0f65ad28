"""Made-up runs of the study for the tests of its report: whole, in one mode, without features, with failures."""

from collections.abc import Sequence
from functools import cache

import pandas as pd

from cluster.study import Plan, Unit
from tests.report.hourly_frames import MODELS, MODES, hourly_tables
from volforecast.report.page.bitcoin.html import render_bitcoin_report

Frames = dict[str, pd.DataFrame]
HOSTILE = "<b>no</b> & 'quote' " + 60 * "x"
"""The worst text: markup, and a word that cannot be broken."""
PLAIN = ("HAR", "Flexible HAR", "GARCH", "XGB")
"""Models that need neither features nor sentiment."""


@cache
def _whole() -> Frames:
    return hourly_tables(1)


def run() -> Frames:
    """All frames and tables of a run in both modes."""
    return dict(_whole())


def of_mode(mode: str) -> Frames:
    """The same run in one mode alone."""
    return {
        name: table[table["mode"] == mode].reset_index(drop=True) if "mode" in table.columns else table
        for name, table in run().items()
        if name not in ("table_1", "table_2", "claims")
    }


@cache
def _plain() -> Frames:
    return hourly_tables(2, ("clean",), PLAIN)


def plain() -> Frames:
    """A run without features, sentiment and mixtures, of other months than the paper's."""
    left = ("table_1", "table_2", "gates", "claims")
    return {name: table for name, table in _plain().items() if name not in left}


def plan_of(modes: Sequence[str] = MODES, models: Sequence[str] = MODELS, features: str = "spread, ask_depth") -> Plan:
    config = {"mode": "both" if len(modes) > 1 else modes[0], "models": list(models), "seed": 1, "confidence": 0.95}
    units = tuple(
        Unit(f"{mode}{model}{iteration}", "forecasts", model, {"mode": mode, "model": model, "iteration": iteration})
        for mode in modes
        for model in models
        for iteration in range(1, 7)
    )
    about = {"data": {"hours": "2605", "first": "2018-06-04", "last": "2018-09-30", "features": features}}
    return Plan("bitcoin-mixture", config, "0123abcd", {"volforecast": "0.1.0", "torch": "2.9"}, units, about)


def page(tables: Frames, failures: tuple[str, ...] = (), plan: Plan | None = None) -> bytes:
    """The page of a run that has these frames."""
    forecasts = tables.get("forecasts", pd.DataFrame())
    return render_bitcoin_report(plan or plan_of(), forecasts, tables, failures)
