"""What the paper says of the windows its MTL models select (section 6.2), as statements that tables can answer."""

from collections.abc import Iterator, Mapping
from typing import Final

import pandas as pd

from volforecast.report.claims.counts import Count, Statement, Test, tally
from volforecast.report.claims.lookups import Tables
from volforecast.report.paper import SELECTION_TABLES

LOW: Final[Mapping[int, float]] = {25: 0.05, 50: 0.30, 75: 0.55}
"""Below these rates tables 12 to 14 mark a source as rarely selected, by inclusion rate."""
RARE: Final[Mapping[int, tuple[str, ...]]] = {
    25: ("PG", "JNJ"),
    50: ("PG", "JNJ", "TTWO", "TSLA", "DXCM"),
    75: ("PG", "TTWO", "TSLA", "DXCM", "FTNT", "QRVO"),
}
"""The sources that the paper names as rarely selected."""
STEADY: Final = 1.5
"""Rates of near and far windows that differ by less than this factor count as equal."""


def _same_sector(least: float, most: float) -> Test:
    """The mean rate of sources of the target's sector, minus that of the others, lies between the two."""

    def test(tables: Tables) -> Count | None:
        hits: dict[str, list[bool]] = {}
        for inclusion, table in _rates(tables):
            means = table.groupby(["target", "same_sector"])["selection_rate"].mean().unstack()
            if True in means.columns and False in means.columns:
                lead = (means[True] - means[False]).dropna().round(3)
                hits[f"MTL-{inclusion}"] = [bool(held) for held in (lead > least) & (lead <= most)]
        return tally(hits)

    return test


def _every_sector(tables: Tables) -> Count | None:
    """The mean rate of a sector's sources reaches the mark of what is rarely selected, by target and sector."""
    hits = {}
    for inclusion, table in _rates(tables):
        known = table[table["sector"] != ""]
        means = known.groupby(["target", "sector"])["selection_rate"].mean().round(3)
        hits[f"MTL-{inclusion}"] = [bool(held) for held in means >= LOW[inclusion]]
    return tally(hits)


def _rarely(tables: Tables) -> Count | None:
    """The rate of a source that the paper names is below the mean of the target's sources."""
    hits = {}
    for inclusion, table in _rates(tables):
        means = table.groupby("target")["selection_rate"].transform("mean")
        chosen = table["asset"].isin(RARE[inclusion])
        hits[f"MTL-{inclusion}"] = [bool(held) for held in (table["selection_rate"] < means)[chosen]]
    return tally(hits)


def _steady(tables: Tables) -> Count | None:
    """The mean rates of the nearer and the farther half of a target's 100-day bins differ little.

    The farthest bin, which few origins reach, is left out as in the paper.
    """
    if "selection_by_time" not in tables:
        return None
    table = tables["selection_by_time"]
    near = far = 0
    hits: dict[str, list[bool]] = {}
    for (inclusion, _), rows in table.groupby(["inclusion", "target"]):
        rates = rows.sort_values("bin")["selection_rate"].to_numpy(dtype=float)[:-1]
        rates = rates[rates == rates]
        if len(rates) < 2:
            continue
        nearer, farther = rates[: len(rates) // 2].mean(), rates[len(rates) // 2 :].mean()
        near += bool(nearer >= STEADY * farther)
        far += bool(farther >= STEADY * nearer)
        hits.setdefault(f"MTL-{inclusion}", []).append(bool(max(nearer, farther) < STEADY * min(nearer, farther)))
    count = tally(hits)
    return count and count._replace(text=f"{count.text}; nearer preferred in {near}, farther in {far}")


def _rates(tables: Tables) -> Iterator[tuple[int, pd.DataFrame]]:
    """Tables 12 to 14 without the sources that had no window, by inclusion rate."""
    for number, inclusion in SELECTION_TABLES.items():
        if f"table_{number}" in tables:
            yield inclusion, tables[f"table_{number}"].dropna(subset="selection_rate")


SELECTION: Final = (
    Statement(
        "sources of the target's own sector are selected more than the others, for most targets (tables 12-14)",
        _same_sector(0.0, 1.0),
        most=True,
    ),
    Statement(
        "their mean rate is within 10 percentage points of the others', for most targets (tables 12-14)",
        _same_sector(-0.1, 0.1),
        most=True,
    ),
    Statement(
        "sources of every sector are selected: no sector's mean rate is marked as low (tables 12-14)", _every_sector
    ),
    Statement(
        "the sources named as rarely selected (PG, JNJ, TTWO, TSLA, DXCM, FTNT, QRVO) have rates below the mean"
        " (tables 12-14)",
        _rarely,
        most=True,
    ),
    Statement(
        "the selection rate does not depend on the distance in time, for most targets (figures 4-6)",
        _steady,
        most=True,
        stated="6 of 10 targets; nearer preferred in 2, farther in 2 (its text)",
    ),
)
