"""Table 1 on a terminal, as CSV and as JSON."""

import json
import sys
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from volforecast.printable import printable
from volforecast.roughness.estimators import METHODS


def print_hurst(found: pd.DataFrame) -> None:
    """Hurst exponents with standard errors in brackets, one row an asset; below it what could not be estimated."""
    table = Table(title="Hurst exponents of log realized variance (standard error in brackets), R² of the line")
    for name, side in (("asset", "left"), ("role", "left"), ("days", "right")):
        table.add_column(name, justify="left" if side == "left" else "right", no_wrap=True)
    for method in METHODS:
        table.add_column(method, justify="right", no_wrap=True)
        table.add_column("R²", justify="right", no_wrap=True)
    table.add_column("wavelet\nslope", justify="right", no_wrap=True)
    longest = 0
    for (asset, role), rows in found.groupby(["asset", "role"], sort=False):
        by_method = rows.set_index("method")
        cells = []
        for method in METHODS:
            row = by_method.loc[method]
            cells += [_with_error(row["hurst"], row["standard_error"]), _number(row["r_squared"])]
        name = printable(asset)
        longest = max(longest, len(name))
        days = f"{int(rows['observations'].iloc[0]):,}"
        table.add_row(Text(name), printable(role), days, *cells, _number(by_method.loc["Wavelet", "slope"]))
    # a pipe or a file has no width of its own; the table must not be cut to 80 columns there
    Console(width=None if sys.stdout.isatty() else 130 + longest).print(table)
    missing = found[found["reason"].notna()]
    for (asset, reason), rows in missing.groupby(["asset", "reason"], sort=False):
        print(printable(f"{asset}: no {', '.join(rows['method'])}: {reason}"))


def hurst_json(found: pd.DataFrame) -> str:
    """The table as a JSON list of rows; what could not be estimated is null."""
    rows = [
        {name: None if pd.isna(value) else value for name, value in row.items()} for row in found.to_dict("records")
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False)


def _with_error(value: Any, error: Any) -> str:
    if pd.isna(value):
        return "-"
    return f"{value:.3f} ({error:.3f})" if pd.notna(error) else f"{value:.3f} (-)"


def _number(value: Any) -> str:
    return "-" if pd.isna(value) else f"{value:.3f}"
