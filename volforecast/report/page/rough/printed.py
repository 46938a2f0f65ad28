"""The printed tables of the study of log volatility: the paper's 1 to 7 in its order, and those over all targets."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import pandas as pd

from volforecast.evaluation.rough_order import HAR
from volforecast.report.page.evidence import Tables
from volforecast.report.page.printed import Printed
from volforecast.report.page.rough import across, grids
from volforecast.report.page.rough.names import ahead

ROUGH: Final = "rough-transfer"  # the study
MOST_TARGETS: Final = 12  # targets with tables and plots of their own, the first by name
PER_TARGET: Final = ("table_3", "table_4", "table_5", "table_6")

_HEADINGS: Final = {
    "table_3": "Table 3: forecasting performance",
    "table_4": "Table 4: transfer against training from scratch",
    "table_5": "Table 5: advanced architectures against HAR",
    "table_6": "Table 6: Diebold\N{EN DASH}Mariano tests",
}
_CAPTIONS: Final = {
    "table_3": "Errors of log RV on the test part: mean over seeds, standard deviation over seeds below",
    "table_4": "By how much Transfer LSTM is better than the LSTM from scratch, mean over seeds; p-values by "
    "Diebold\N{EN DASH}Mariano tests of squared (RMSE) and absolute errors (MAE)",
    "table_5": "RMSE, mean and standard deviation over seeds, and its distance from HAR's; minus: worse than HAR",
    "table_6": "Statistic (minus: the model is worse) and two-sided p-value of squared errors",
}
_ACROSS: Final = {
    "table_3": "Means over {} targets, standard deviation across targets below",
    "table_4": "Mean over {} targets of Transfer LSTM's improvement on the LSTM from scratch, standard deviation "
    "across targets below; for how many targets there is one, and for how many tests (5%) agree",
    "table_5": "Means over {} targets, standard deviation across targets below; minus: worse than HAR",
    "table_6": "Mean statistic over {} targets (minus: the model is worse), and for how many targets tests (5%) find a "
    "model better, and worse",
}

_BY_ASSET: Final = (
    (
        "table_1",
        "Table 1: Hurst exponents of log RV",
        "H and its 95% interval; slope of the wavelet regression and its fit",
        grids.roughness,
    ),
    (
        "table_2",
        "Table 2: log RV in numbers",
        "Natural log of the decimal daily variance; a normal has kurtosis 3",
        grids.descriptive,
    ),
    (
        "zeta",
        "Not in the paper: how moments scale",
        "The mean of |x(t + lag) - x(t)|^q grows like the lag to the power of zeta, and zeta is q H if one H is enough",
        grids.moments,
    ),
)


def printed_rough(tables: Tables, config: Mapping[str, Any]) -> list[Printed]:
    """The printed tables with all horizons beside each other; 3 to 6 once for each of the first targets.

    Args:
        tables: A run's tables by name.
        config: The plan's configuration.
    """
    found = {name: table for name, table in tables.items() if len(table)}
    horizons = horizons_of(found)
    shown, every = first_targets(found), targets_of(found)
    made = by_asset(found)
    for name in PER_TARGET:
        for number, target in enumerate(shown, 1):
            for entry in of_target(found, target, horizons, (name,)):
                file_name = name if len(every) == 1 else f"{name}_{number}"
                made.append(entry._replace(name=file_name, heading=f"{entry.heading}, {target}"))
        made += [entry._replace(name=f"{name}_all") for entry in over_targets(found, horizons, (name,))]
    made += [entry for horizon in horizons for entry in relative_to_har(found, horizon)]
    made += [entry for horizon in horizons for entry in sets(found, horizon, config)]
    return [*made, *architecture(found)]


def by_asset(tables: Tables) -> list[Printed]:
    """Tables 1 and 2, and how moments scale: sources, and the first targets by name."""
    made = []
    for name, heading, caption, build in _BY_ASSET:
        if name in tables and len(tables[name]):
            table = tables[name]
            assets, left = _first_assets(tables, table)
            more = f"; {name}.csv has {left:,} more" if left else ""
            made.append(Printed(name, "assets", heading, build(table, assets, caption + more)))
    return made


def of_target(tables: Tables, target: str, horizons: Sequence[int], names: Iterable[str] = PER_TARGET) -> list[Printed]:
    """Tables 3 to 6 of one target."""
    made = []
    for name in names:
        own = _rows(tables, name, horizons)
        own = own[own["target"] == target] if len(own) else own
        if own.empty:
            continue
        caption = _CAPTIONS[name]
        if name == "table_3":
            grid = grids.performance(own, horizons, f"{caption}; {own['days'].max():,} days")
        elif name == "table_4":
            grid = grids.improvement(own, horizons, caption)
        elif name == "table_5":
            grid = grids.architectures(own, horizons, _har(tables, target), caption)
        else:
            grid = grids.tests(own, horizons, caption)
        made.append(Printed(name, "targets", _HEADINGS[name], grid))
    return made


def over_targets(tables: Tables, horizons: Sequence[int], names: Iterable[str] = PER_TARGET) -> list[Printed]:
    """Tables 3 to 6 over all targets; none for a single one."""
    made = []
    for name in names:
        own = _rows(tables, name, horizons)
        targets = own["target"].nunique() if len(own) else 0
        if targets < 2:
            continue
        caption = _ACROSS[name].format(f"{targets:,}")
        if name == "table_5":
            grid = across.architectures(own, tables.get("table_3", _NO_ERRORS), horizons, caption)
        else:
            build = {"table_3": across.performance, "table_4": across.improvement, "table_6": across.tests}[name]
            grid = build(own, horizons, caption)
        made.append(Printed(name, "across", f"{_HEADINGS[name]}, all {targets:,} targets", grid))
    return made


def relative_to_har(tables: Tables, horizon: int) -> list[Printed]:
    """RMSE relative to HAR over targets, with tests; ``table_across``."""
    own = _rows(tables, "table_across", (horizon,))
    if own.empty:
        return []
    caption = "Better, worse: for how many targets Diebold\N{EN DASH}Mariano tests (two-sided, 5%) find the model so"
    heading = f"Relative to HAR, {ahead(horizon)}"
    return [Printed(f"table_across_{horizon}", "relative", heading, across.relative(own, horizon, caption))]


def sets(tables: Tables, horizon: int, config: Mapping[str, Any]) -> list[Printed]:
    """Model confidence sets by target for a horizon."""
    own = _rows(tables, "confidence_sets", (horizon,))
    if own.empty:
        return []
    level = f"{config.get('confidence', 0.95):.0%}"
    targets = sorted(set(own["target"].astype(str)))
    caption = f"Bold: in the {level} model confidence set by squared error"
    if len(targets) > MOST_TARGETS:
        caption += f"; by target the first {MOST_TARGETS}, confidence_sets.csv has all {len(targets):,}"
    grid = across.confidence(own, horizon, targets[:MOST_TARGETS], caption)
    return [Printed(f"confidence_sets_{horizon}", "sets", f"Model confidence sets, {ahead(horizon)}", grid)]


def architecture(tables: Tables) -> list[Printed]:
    """Table 7 with true counts."""
    if "table_7" not in tables or tables["table_7"].empty:
        return []
    grid = grids.parameters(tables["table_7"], "Numbers of trained parameters, counted in the networks that were run")
    return [Printed("table_7", "networks", "Table 7: the networks", grid)]


def horizons_of(tables: Tables) -> list[int]:
    """Horizons of the run, ascending."""
    return sorted({int(h) for name in ("table_3", "table_across") if name in tables for h in tables[name]["horizon"]})


def targets_of(tables: Tables) -> list[str]:
    """All targets that have numbers, by name."""
    return sorted(set(tables["table_3"]["target"].astype(str))) if "table_3" in tables else []


def first_targets(tables: Tables) -> list[str]:
    """Those with tables and plots of their own."""
    return targets_of(tables)[:MOST_TARGETS]


_NO_ERRORS: Final = pd.DataFrame({"model": [], "metric": [], "horizon": [], "value": []})


def _first_assets(tables: Tables, table: pd.DataFrame) -> tuple[list[str], int]:
    """Sources and targets with a row of their own, and how many others there are."""
    assets = sorted(set(table["asset"].astype(str)))
    roles: dict[str, str] = {}
    for name in ("table_1", "table_2"):
        if name in tables:
            roles |= dict(zip(tables[name]["asset"].astype(str), tables[name]["role"].astype(str), strict=True))
    sources = [asset for asset in assets if roles.get(asset) == "source"][:MOST_TARGETS]
    targets = [asset for asset in assets if roles.get(asset) != "source"][:MOST_TARGETS]
    return [*sources, *targets], len(assets) - len(sources) - len(targets)


def _har(tables: Tables, target: str) -> "pd.Series[float]":
    """HAR's RMSE by horizon."""
    table = tables.get("table_3")
    if table is None:
        return pd.Series(dtype=float)
    own = table[(table["target"] == target) & (table["model"] == HAR) & (table["metric"] == "RMSE")]
    return own.set_index("horizon")["value"].astype(float)


def _rows(tables: Tables, name: str, horizons: Sequence[int]) -> pd.DataFrame:
    """A table's rows of some horizons; empty without it."""
    table = tables.get(name, pd.DataFrame({"horizon": []}))
    return table[table["horizon"].isin(list(horizons))]
