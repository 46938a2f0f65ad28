"""Made-up runs of the study for the tests of its report: with any names, with many targets, with one seed."""

from collections.abc import Mapping

import msgspec
import numpy as np
import pandas as pd

from cluster.study import Plan
from tests.report.pages import HOSTILE
from tests.report.rough_frames import HORIZONS, SOURCE, TARGETS, rough_tables
from volforecast.report.claims.verdicts import claims_table
from volforecast.report.page.rough.html import render_rough_report
from volforecast.studies.rough_config import RoughTransferConfig

Frames = dict[str, pd.DataFrame]
NAMED = {SOURCE: "S&P <i>500</i>", "BTC": HOSTILE, "ETH": "E" + 60 * "x", "LTC": "KO"}
"""The worst names: markup, and one that cannot be broken."""


def run(names: Mapping[str, str] | None = None) -> Frames:
    """All frames and tables of a run, its claims too, with other names for its assets."""
    tables = rough_tables(1)
    found = dict(tables) | {"claims": claims_table(tables, "rough-transfer")}
    return renamed(found, names or {})


def renamed(tables: Frames, names: Mapping[str, str]) -> Frames:
    """The same run of assets with other names."""
    columns = ("asset", "target", "name")
    return {
        key: table.assign(**{column: table[column].replace(dict(names)) for column in columns if column in table})
        for key, table in tables.items()
    }


def of_targets(tables: Frames, targets: list[str]) -> Frames:
    """The same run of some of its targets only; ``table_across`` and what is not about targets stay."""
    kept = {*targets, SOURCE}
    found = {}
    for key, table in tables.items():
        column = next((name for name in ("target", "asset", "name") if name in table), None)
        found[key] = table if column is None else table[table[column].isin(kept)].reset_index(drop=True)
    return found


def many(count: int, drawn: int = 12) -> Frames:
    """A run of many targets, each of which is one of three; forecasts, curves and series of the first by name."""
    tables = rough_tables(1)
    found = {}
    for key, table in tables.items():
        column = next((name for name in ("target", "asset", "name") if name in table), None)
        if column is None:
            found[key] = table
            continue
        frames = key in ("forecasts", "quantile_forecasts", "curves", "series", "roughness_points")
        parts = [table[table[column] == SOURCE]] if column != "target" else []
        for number in range(min(count, drawn) if frames else count):
            own = table[table[column] == TARGETS[number % len(TARGETS)]]
            parts.append(own.assign(**{column: f"T{number:05d}"}))
        found[key] = pd.concat(parts, ignore_index=True)
    found["table_across"] = tables["table_across"].assign(targets=count)
    return found


def one_seed(tables: Frames) -> Frames:
    """The same run of one seed: no spread anywhere."""
    spread = ("spread", "spread_coverage")
    found = {key: table.assign(**{name: np.nan for name in spread if name in table}) for key, table in tables.items()}
    for key in ("forecasts", "quantile_forecasts", "curves", "estimations"):
        found[key] = found[key][found[key]["seed"] <= 1].reset_index(drop=True)
    for key in ("table_3", "table_4"):
        found[key] = found[key].assign(seeds=1)
    return found


def plan_of(targets: tuple[str, ...] = TARGETS) -> Plan:
    config = RoughTransferConfig(sources=(SOURCE,), targets=targets, horizons=HORIZONS)
    roles = {SOURCE: "source", **dict.fromkeys(targets, "target")}
    versions = {"volforecast": "0.1.0", "torch": "2.9"}
    return Plan("rough-transfer", msgspec.to_builtins(config), "0123abcd", versions, (), {"roles": roles})


def page(tables: Frames, failures: tuple[str, ...] = (), plan: Plan | None = None) -> bytes:
    """The page of a run that has these frames."""
    forecasts = tables.get("forecasts", pd.DataFrame())
    return render_rough_report(plan or plan_of(), forecasts, tables, failures)
