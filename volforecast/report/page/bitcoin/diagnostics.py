"""What tests say of the data: stationarity, memory, and which series tell of the next hour's volatility."""

from typing import Final

import numpy as np
import pandas as pd

from volforecast.evaluation.hourly_order import ALL
from volforecast.report import paper_bitcoin
from volforecast.report.page.bitcoin.grids import SIGNIFICANCE, Line, lines_of, p_text, rows_of, signed
from volforecast.report.page.grids import Cell, Grid

_HYPOTHESES: Final = {"ADF": "a unit root", "KPSS": "stationarity", "Ljung-Box": "no autocorrelation"}
_TONES: Final = ((0.001, "h8"), (0.01, "h7"), (SIGNIFICANCE, "h6"))


def stationarity(table: pd.DataFrame, caption: str) -> Grid:
    """ADF, KPSS and other tests: a row each series and test.

    Args:
        table: Rows of ``diagnostics`` of one mode and span.
        caption: What the numbers are.
    """
    lines: list[Line] = []
    places = {name: place for place, name in enumerate(dict.fromkeys(table["series"]))}
    for row in sorted(lines_of(table), key=lambda row: places[row.series]):
        cells = [
            Cell(signed(float(row.statistic), 2, plus=False) if pd.notna(row.statistic) else "n/a"),
            Cell(p_text(float(row.p_value))),
            Cell("rejected" if row.rejected else "not rejected", "high" if row.rejected else ""),
            Cell("" if pd.isna(row.lags) else f"{int(row.lags)}"),
            Cell("" if pd.isna(row.rows) else f"{int(row.rows):,}"),
        ]
        test = str(row.test)
        hypothesis = f": {_HYPOTHESES[test]}" if test in _HYPOTHESES else ""
        lines.append((f"{test}{hypothesis}", words(str(row.series)), cells))
    return Grid(caption, "Test", [], ["Statistic", "p-value", "At 5%", "Lags", "Rows"], rows_of(lines))


def causality(table: pd.DataFrame, caption: str, *, outlined: bool) -> Grid:
    """p-values of Granger tests: a row each series, a column each lag; the smaller, the darker.

    Args:
        table: Rows of ``granger`` of one mode and span.
        caption: What the numbers are.
        outlined: Whether lags at which the paper finds the same are outlined.
    """
    lags = sorted(set(table["lag"].astype(int)))
    found = {(str(row.cause), int(row.lag)): row for row in lines_of(table)}
    said = _said() if outlined else {}
    lines: list[Line] = []
    for cause in dict.fromkeys(table["cause"].astype(str)):
        cells = []
        for lag in lags:
            row = found.get((cause, lag))
            p_value = float("nan") if row is None else float(row.p_value)
            kinds = [tone for limit, tone in _TONES if p_value < limit][:1]
            first, last = said.get(cause, (1, 0))
            kinds += ["same"] * (first <= lag <= last)
            cells.append(Cell(_short(p_value), " ".join(kinds)))
        lines.append((words(cause), "", cells))
    return Grid(caption, "Lag", [], [str(lag) for lag in lags], rows_of(lines), "heat")


def spans_of(table: pd.DataFrame) -> list[int]:
    """The whole table (0) and the spans of hours that a table has rows of, ascending."""
    return sorted(set(table["iteration"].astype(int)))


def span_words(iteration: int) -> str:
    """``Whole table``, ``Before interval 3``."""
    return "Whole table" if iteration == ALL else f"Before interval {iteration}"


def words(name: str) -> str:
    """A column's name for people."""
    return name.replace("_", " ")


def _said() -> dict[str, tuple[int, int]]:
    ranges = {str(row.cause): (int(row.first), int(row.last)) for row in lines_of(paper_bitcoin.granger())}
    return ranges | {name: (1, last) for name, last in paper_bitcoin.SENTIMENT.items()}


def _short(p_value: float) -> str:
    """``.04``; ``<.01``."""
    if np.isnan(p_value):
        return "\N{EN DASH}"
    if p_value < 0.01:
        return "<.01"
    text = f"{p_value:.2f}"
    return text if text.startswith("1") else text[1:]
