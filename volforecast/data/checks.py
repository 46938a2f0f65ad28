"""The rules a panel's tables must keep; every message names asset, date, column and remedy in one line."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from volforecast.data.measures import check_measures
from volforecast.errors import PanelError
from volforecast.printable import printable

ROLES = ("source", "target")
Roles = Literal["given", "any"]
# the median asset of no market moves 22 % a day; a median this high means the column is in per cent squared
LARGEST_MEDIAN_RV = 0.05
# a daily volatility of a millionth of a per cent, and of 10,000 per cent: squares and ratios of what lies between stay
# finite
SMALLEST_RV, LARGEST_RV = 1e-16, 1e4
LARGEST_LEVEL = 1e9  # of a market series, in size
ISO_DATE = re.compile(r"\d{4}-?\d\d-?\d\d|$|NaT|nan")  # or nothing, in words of pandas
LONGEST_NAME = 64  # bytes of an asset's name: results are stored in files named by it


def check_daily(daily: pd.DataFrame, measures: tuple[str, ...] = ()) -> pd.DataFrame:
    """The daily table, typed and sorted by asset and date, with those of the measures that it has.

    Raises:
        PanelError: A null asset or date, a duplicate, a rv that is NaN, infinite, zero or negative, or a column that is
            not a number.
    """
    table = daily.copy()
    if not len(table):
        raise PanelError("daily.parquet: the table is empty; it needs one row for each asset and trading day")
    table["asset"] = _names(table["asset"], "daily.parquet")
    nameless = int((table["asset"] == "").sum())
    if nameless:
        raise PanelError(f"daily.parquet: {nameless} row(s) name no asset (column asset); name it or drop them")
    table["date"] = _dates(table, "date", "daily.parquet")
    for column in ("rv", "close", "volume", *measures):
        if column in table:
            table[column] = _numbers(table, column, "daily.parquet")
    if "earnings_next_day" in table:
        flags = table["earnings_next_day"]
        odd = ~flags.isin([True, False]) & flags.notna()
        if odd.any():
            row, more = table[odd].iloc[0], _more(int(odd.sum()) - 1)
            raise PanelError(
                f"daily.parquet: {_where(row)}: earnings_next_day is {_shown(row['earnings_next_day'])}, not a boolean"
                f"{more}; store true or false"
            )
        table["earnings_next_day"] = flags.astype("boolean").fillna(False).astype(bool)
    table = table.sort_values(["asset", "date"], kind="stable").reset_index(drop=True)
    twice = table.duplicated(["asset", "date"])
    if twice.any():
        row = table[twice].iloc[0]
        raise PanelError(
            f"daily.parquet: asset {row['asset']} has more than one row for {row['date']:%Y-%m-%d} (column date)"
            f"{_more(int(twice.sum()) - 1)}; keep one"
        )
    rv = table["rv"].to_numpy()
    _reject(table, ~np.isfinite(rv), "rv", "drop the day or supply its realized variance")
    _reject(table, rv <= 0, "rv", "a realized variance is a positive decimal; drop days without trading")
    _reject(
        table,
        (rv < SMALLEST_RV) | (rv > LARGEST_RV),
        "rv",
        f"a decimal daily variance lies between {SMALLEST_RV:g} and {LARGEST_RV:g}; correct it or drop the day",
    )
    if np.median(rv) > LARGEST_MEDIAN_RV:
        raise PanelError(
            f"daily.parquet: the median rv is {np.median(rv):.3g}, a daily volatility of {np.sqrt(np.median(rv)):.0%}; "
            "column rv must be a decimal variance (divide per cent squared by 10,000)"
        )
    if "close" in table:
        close = table["close"].to_numpy()
        _reject(
            table, (close <= 0) | np.isinf(close), "close", "a price is positive and finite; leave it empty if unknown"
        )
    if "volume" in table:
        volume = table["volume"].to_numpy()
        _reject(table, (volume < 0) | np.isinf(volume), "volume", "a volume is 0 or more; leave it empty if unknown")
    check_measures(table, measures)
    keep = ["asset", "date", "rv", *(c for c in ("close", "volume", "earnings_next_day", *measures) if c in table)]
    return table[keep]


def check_assets(
    assets: pd.DataFrame,
    daily: pd.DataFrame,
    targets: Sequence[str],
    sources: Sequence[str] = (),
    *,
    roles: Roles = "given",
) -> pd.DataFrame:
    """The asset table with all its columns, one row for each asset of ``daily`` (or for those named).

    Raises:
        PanelError: An unknown role, an asset listed twice or not at all, a target that is not in the panel, or a target
            whose first trading days are missing.
    """
    first_rows = daily.groupby("asset", sort=True)["date"].min()
    unknown = [name for name in targets if name not in first_rows.index]
    if unknown:
        raise PanelError(
            f"--targets: {printable(unknown[0])} is not in daily.parquet (it has {_few(first_rows.index)}); check the "
            "spelling"
        )
    table = assets.copy() if len(assets) else pd.DataFrame({"asset": first_rows.index})
    table["asset"] = _names(table["asset"], "assets.parquet")
    twice = table.duplicated("asset")
    if twice.any():
        raise PanelError(f"assets.parquet: asset {table.loc[twice, 'asset'].iloc[0]} has more than one row; keep one")
    unlisted = first_rows.index.difference(pd.Index(table["asset"]))
    if len(unlisted):
        raise PanelError(f"assets.parquet: no row for {_few(unlisted)}, found in daily.parquet; add it with its role")
    table = table[table["asset"].isin(first_rows.index)].sort_values("asset").reset_index(drop=True)
    if sources:
        table = _given_roles(table, targets, sources)
    if "role" not in table:
        if roles == "any":
            table["role"] = "target"
        elif not targets:
            raise PanelError(
                "assets.parquet: no column role; say which assets are sources and targets, or name the targets "
                "with --targets"
            )
        else:
            table["role"] = np.where(table["asset"].isin(targets), "target", "source")
    for asset, role in zip(table["asset"], table["role"], strict=True):
        if role not in ROLES:
            raise PanelError(
                f"assets.parquet: asset {asset} has the unknown role {_shown(role)} (column role); use source or target"
            )
    role_of = table.set_index("asset")["role"]
    for name in targets:
        if role_of[name] != "target":
            raise PanelError(
                f"--targets: {name} has the role source in assets.parquet (column role); targets are "
                f"{_few(role_of.index[role_of == 'target'])}"
            )
    for role in ROLES if roles == "given" else ():
        if not (role_of == role).any():
            raise PanelError(f"assets.parquet: no asset has the role {role} (column role); a study needs at least one")
    for column in ("name", "sector"):
        fallback = table["asset"] if column == "name" else pd.Series("", index=table.index)
        given = table[column].astype(object) if column in table else fallback
        table[column] = given.fillna(fallback).astype(str).astype(object)
    starts = table["asset"].map(first_rows)
    if "first_trading_day" in table:
        given = _dates(table, "first_trading_day", "assets.parquet", empty=starts)
        # rows before the first trading day may exist (when-issued trading); the row of the day itself must
        since = daily["date"].where(daily["date"] >= daily["asset"].map(pd.Series(given.to_numpy(), table["asset"])))
        begins = table["asset"].map(since.groupby(daily["asset"]).min())
        late = (table["role"] == "target") & (begins != given)
        if late.any():
            row, begin = table[late].iloc[0], begins[late].iloc[0]
            found = "it has no row since" if pd.isna(begin) else f"its first row since then is {begin:%Y-%m-%d}"
            raise PanelError(
                f"assets.parquet: target {row['asset']} first traded on {given[late].iloc[0]:%Y-%m-%d} (column "
                f"first_trading_day) but {found}; days since listing would be counted wrongly: add the missing days or "
                "correct the date"
            )
        table["first_trading_day"] = given.where(table["role"] == "target", starts)
    else:
        table["first_trading_day"] = starts
    return table[["asset", "name", "sector", "role", "first_trading_day"]]


def _given_roles(table: pd.DataFrame, targets: Sequence[str], sources: Sequence[str]) -> pd.DataFrame:
    """The assets that were named, in these roles; without targets, all the panel's that are no sources.

    Raises:
        PanelError: A source is not in the panel, or is a target at the same time.
    """
    names = table["asset"]
    unknown = [name for name in sources if name not in set(names)]
    if unknown:
        raise PanelError(
            f"--source: {printable(unknown[0])} is not in daily.parquet (it has {_few(names)}); check the spelling"
        )
    both = [name for name in sources if name in targets]
    if both:
        raise PanelError(f"--source: {printable(both[0])} is also a target; an asset is one of the two")
    is_source = names.isin(sources)
    is_target = names.isin(targets)
    if not targets:
        is_target = ~is_source & (table["role"].eq("target") if "role" in table else True)
    table = table.assign(role=np.where(is_source, "source", "target"))
    return table[is_source | is_target].reset_index(drop=True)


def check_market(market: pd.DataFrame, series: Sequence[str]) -> pd.DataFrame:
    """The market table, typed and sorted by date, with the known series it has.

    Raises:
        PanelError: No date column, a duplicate date, or a column that is not a number.
    """
    if not len(market):
        return pd.DataFrame({"date": pd.Series(dtype="datetime64[ns]")})
    if "date" not in market:
        raise PanelError("market.parquet: no column date; it holds one row for each day with the levels of that day")
    table = market.copy()
    table["date"] = _dates(table, "date", "market.parquet")
    table = table.sort_values("date", kind="stable").reset_index(drop=True)
    twice = table["date"].duplicated()
    if twice.any():
        raise PanelError(
            f"market.parquet: more than one row for {table.loc[twice, 'date'].iloc[0]:%Y-%m-%d} (column date); keep one"
        )
    known = [name for name in series if name in table]
    for name in known:
        table[name] = _numbers(table, name, "market.parquet")
        infinite = np.isinf(table[name])
        if infinite.any():
            date = table.loc[infinite, "date"].iloc[0]
            raise PanelError(f"market.parquet: {name} is infinite on {date:%Y-%m-%d}; correct it or leave it empty")
        far = table[name].abs() > LARGEST_LEVEL
        if far.any():
            date, level = table.loc[far, "date"].iloc[0], table.loc[far, name].iloc[0]
            raise PanelError(
                f"market.parquet: {name} is {level:g} on {date:%Y-%m-%d}, beyond {LARGEST_LEVEL:g}; correct it or "
                "leave it empty"
            )
        if name == "hsi" and (table[name] <= 0).any():
            date = table.loc[table[name] <= 0, "date"].iloc[0]
            raise PanelError(
                f"market.parquet: hsi is not positive on {date:%Y-%m-%d}, but its predictor is a log return; correct it"
            )
    return table[["date", *known]]


def check_gaps(daily: pd.DataFrame) -> None:
    """Stop if an asset lacks a date, between its first and last, on which most of the panel trades.

    Raises:
        PanelError: Names the asset and the first missing date.
    """
    by_asset = {str(name): dates.to_numpy() for name, dates in daily.groupby("asset", sort=True)["date"]}
    calendar, trading = np.unique(daily["date"].to_numpy(), return_counts=True)
    # how many assets live on a day: those that have begun less those that have ended
    firsts = np.searchsorted(calendar, [dates[0] for dates in by_asset.values()])
    lasts = np.searchsorted(calendar, [dates[-1] for dates in by_asset.values()])
    days = len(calendar)
    alive = np.cumsum(np.bincount(firsts, minlength=days) - np.bincount(lasts + 1, minlength=days + 1)[:days])
    common = calendar[2 * trading >= alive]
    for asset, dates in by_asset.items():
        begin, end = np.searchsorted(common, dates[0]), np.searchsorted(common, dates[-1], side="right")
        missing = np.setdiff1d(common[begin:end], dates, assume_unique=True)
        if len(missing):
            raise PanelError(
                f"daily.parquet: asset {asset} has no row for {pd.Timestamp(missing[0]):%Y-%m-%d}, a day on which most "
                f"of the panel trades (column date){_more(len(missing) - 1)}; add the day, or pass --gaps allow to "
                "take its rows as consecutive trading days"
            )


def _dates(
    table: pd.DataFrame, column: str, name: str, *, empty: "pd.Series[pd.Timestamp] | None" = None
) -> "pd.Series[pd.Timestamp]":
    """The column as dates without time and zone; ``empty`` fills those that are not given."""
    try:
        if pd.api.types.is_numeric_dtype(table[column]) and table[column].notna().any():
            raise ValueError(f"it holds numbers such as {table[column].iloc[0]}")
        text = pd.api.types.is_string_dtype(table[column]) or pd.api.types.is_object_dtype(table[column])
        # of other texts a guess would be made: which number is the month, and what day "today" is
        odd = [day for day in table[column].dropna().unique() if isinstance(day, str) and not ISO_DATE.match(day)]
        if odd:
            raise ValueError(f"it holds {_shown(odd[0])}")
        dates = pd.to_datetime(table[column], format="ISO8601" if text else None)
        if getattr(dates.dt, "tz", None) is not None:
            dates = dates.dt.tz_localize(None)
        dates = dates.dt.as_unit("ns")
    except (ValueError, TypeError, AttributeError) as error:
        raise PanelError(
            f"{name}: column {column} is not a date ({printable(error, 120)}); store dates, or text like 2024-12-31"
        ) from error
    if empty is not None:
        dates = dates.fillna(empty)
    missing = dates.isna()
    if missing.any():
        whose = f"asset {table.loc[missing.to_numpy(), 'asset'].iloc[0]} has a row" if "asset" in table else "a row is"
        raise PanelError(
            f"{name}: {whose} without a date (column {column}){_more(int(missing.sum()) - 1)}; fill it in or drop the "
            "row"
        )
    return dates.dt.normalize()


def _names(assets: "pd.Series[Any]", name: str) -> "pd.Series[str]":
    """Names of assets as text that can be printed on a line and be part of a file's name; what is empty is ``""``."""
    texts = assets.astype(object).fillna("").astype(str).astype(object)
    for text in texts.unique():
        if not text.isprintable():
            raise PanelError(
                f"{name}: the asset {_shown(text)} (column asset) has a character that cannot be printed; rename it"
            )
        if len(text.encode()) > LONGEST_NAME:
            raise PanelError(
                f"{name}: the asset {_shown(text)}... (column asset) has a name of {len(text.encode())} bytes; results "
                f"are stored in files named by it, so shorten it to {LONGEST_NAME}"
            )
    return texts


def _numbers(table: pd.DataFrame, column: str, name: str) -> "pd.Series[float]":
    """The column as floats; what is empty is NaN."""
    values = table[column]
    if pd.api.types.is_numeric_dtype(values):
        return values.astype(float)
    numbers = pd.to_numeric(values.astype(object), errors="coerce").astype(float)
    odd = numbers.isna() & values.notna()
    if odd.any():
        row, more = table[odd].iloc[0], _more(int(odd.sum()) - 1)
        raise PanelError(
            f"{name}: {_where(row)}: {column} is {_shown(row[column])}, not a number{more}; convert the column"
        )
    return numbers


def _reject(table: pd.DataFrame, bad: np.ndarray, column: str, remedy: str) -> None:
    if bad.any():
        row = table[bad].iloc[0]
        raise PanelError(
            f"daily.parquet: {_where(row)}: {column} is {row[column]:g}{_more(int(bad.sum()) - 1)}; {remedy}"
        )


def _where(row: "pd.Series[Any]") -> str:
    return ", ".join([*([f"asset {row['asset']}"] if "asset" in row else []), f"{row['date']:%Y-%m-%d}"])


def _shown(value: object) -> str:
    return repr(str(value)[:40])


def _more(count: int) -> str:
    return f" (and {count:,} more)" if count > 0 else ""


def _few(names: Iterable[str]) -> str:
    listed = sorted(map(str, names))
    return ", ".join(listed[:8]) + (f" and {len(listed) - 8} more" if len(listed) > 8 else "")
