"""Every rule of a panel's tables: the message is one line and says where (asset, date, column) and what to do."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from volforecast.data.checks import check_assets, check_daily, check_gaps, check_market
from volforecast.data.panel import MARKET_SERIES
from volforecast.errors import PanelError

Change = Callable[[pd.DataFrame], pd.DataFrame]
DATES = pd.bdate_range("2020-01-01", periods=6)  # 2020-01-01 is a Wednesday; row 3 is Monday the 6th


def daily() -> pd.DataFrame:
    table = pd.DataFrame({"asset": np.repeat(["AAA", "BBB", "CCC"], 6), "date": np.tile(DATES, 3), "rv": 1e-4})
    return table.assign(close=10.0, volume=5.0, earnings_next_day=False)


def assets() -> pd.DataFrame:
    roles = ["source", "source", "target"]
    return pd.DataFrame({"asset": ["AAA", "BBB", "CCC"], "role": roles, "first_trading_day": DATES[0]})


def market() -> pd.DataFrame:
    return pd.DataFrame({"date": DATES, **dict.fromkeys(MARKET_SERIES, 1.0)})


def put(column: str, value: object, row: int = 3) -> Change:
    """Replace one value; the default row is that of AAA on 2020-01-06."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        copy = table.copy()
        copy[column] = copy[column].astype(object)
        copy.loc[row, column] = value
        return copy

    return change


def message_of(call: Callable[[], object]) -> str:
    with pytest.raises(PanelError) as error:
        call()
    message = str(error.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


HERE = ("daily.parquet", "AAA", "2020-01-06")
DAILY_RULES: dict[str, tuple[Change, tuple[str, ...]]] = {
    "duplicate": (lambda t: pd.concat([t, t.iloc[3:5]]), (*HERE, "column date", "1 more", "keep one")),
    "same day twice": (
        lambda t: pd.concat([t, t.iloc[3:4].assign(date=DATES[3] + pd.Timedelta("16h"))]),
        (*HERE, "column date", "keep one"),
    ),
    "no date": (put("date", pd.NaT), ("daily.parquet", "AAA", "column date", "without a date", "fill it in or drop")),
    "not a date": (put("date", "someday"), ("daily.parquet", "column date", "someday", "2024-12-31")),
    "numbers for dates": (
        lambda t: t.assign(date=t["date"].dt.strftime("%Y%m%d").astype(int)),
        ("daily.parquet", "column date", "20200101", "2024-12-31"),
    ),
    "no asset": (put("asset", None), ("daily.parquet", "1 row", "column asset", "name it or drop")),
    "empty asset": (put("asset", ""), ("daily.parquet", "1 row", "column asset", "name it or drop")),
    "rv NaN": (put("rv", np.nan), (*HERE, "rv is nan", "drop the day or supply")),
    "rv null": (lambda t: put("rv", pd.NA)(t.convert_dtypes()), (*HERE, "rv is nan", "drop the day or supply")),
    "rv infinite": (put("rv", np.inf), (*HERE, "rv is inf", "drop the day or supply")),
    "rv negative": (put("rv", -1e-4), (*HERE, "rv is -0.0001", "positive decimal; drop")),
    "rv zero": (put("rv", 0.0), (*HERE, "rv is 0", "positive decimal; drop")),
    "rv text": (put("rv", "much"), (*HERE, "rv is 'much'", "not a number", "convert")),
    "rv dates": (lambda t: t.assign(rv=t["date"]), ("daily.parquet", "AAA", "rv is", "not a number", "convert")),
    "rv in per cent squared": (
        lambda t: t.assign(rv=1e4 * t["rv"]),
        ("daily.parquet", "median rv is 1", "column rv", "divide per cent squared by 10,000"),
    ),
    "close zero": (put("close", 0.0), (*HERE, "close is 0", "leave it empty")),
    "close negative": (put("close", -3.0), (*HERE, "close is -3", "leave it empty")),
    "close infinite": (put("close", np.inf), (*HERE, "close is inf", "leave it empty")),
    "close text": (put("close", "high"), (*HERE, "close is 'high'", "not a number", "convert")),
    "volume negative": (put("volume", -1.0), (*HERE, "volume is -1", "leave it empty")),
    "volume infinite": (put("volume", np.inf), (*HERE, "volume is inf", "leave it empty")),
    "volume text": (put("volume", "many\nlines"), (*HERE, r"volume is 'many\nlines'", "not a number", "convert")),
    "earnings text": (put("earnings_next_day", "perhaps"), (*HERE, "earnings_next_day is 'perhaps'", "true or false")),
    "earnings 2": (put("earnings_next_day", 2), (*HERE, "earnings_next_day is '2'", "true or false")),
    "empty": (lambda t: t.iloc[:0], ("daily.parquet", "empty", "one row for each asset and trading day")),
}


@pytest.mark.parametrize(("change", "words"), DAILY_RULES.values(), ids=DAILY_RULES)
def test_daily(change: Change, words: tuple[str, ...]) -> None:
    check_daily(daily())
    message = message_of(lambda: check_daily(change(daily())))
    for word in words:
        assert word in message


def test_the_first_of_many_errors_is_named_and_the_others_are_counted() -> None:
    table = put("rv", np.nan, 9)(put("rv", np.nan, 3)(daily()))
    message = message_of(lambda: check_daily(table.sample(frac=1.0, random_state=0)))
    assert "AAA, 2020-01-06: rv is nan (and 1 more)" in message


def test_missing_close_and_volume_are_no_errors() -> None:
    table = put("volume", 0.0, 4)(put("volume", None)(put("close", None)(daily())))
    checked = check_daily(table)
    assert checked["close"].isna().sum() == 1
    assert checked["volume"].isna().sum() == 1


ASSET_RULES: dict[str, tuple[Change, tuple[str, ...], tuple[str, ...]]] = {
    "unknown role": (
        put("role", "peer", 1),
        (),
        ("assets.parquet", "BBB", "'peer'", "column role", "source or target"),
    ),
    "role left empty": (put("role", None, 1), (), ("assets.parquet", "BBB", "column role", "source or target")),
    "no roles": (lambda t: t.drop(columns="role"), (), ("assets.parquet", "no column role", "--targets")),
    "no table": (lambda t: t.iloc[:0], (), ("assets.parquet", "no column role", "--targets")),
    "no source": (
        lambda t: t.assign(role="target"),
        (),
        ("assets.parquet", "role source", "column role", "at least one"),
    ),
    "no target": (
        lambda t: t.assign(role="source"),
        (),
        ("assets.parquet", "role target", "column role", "at least one"),
    ),
    "listed twice": (lambda t: pd.concat([t, t.iloc[:1]]), (), ("assets.parquet", "AAA", "keep one")),
    "not listed": (lambda t: t.iloc[1:], (), ("assets.parquet", "AAA", "daily.parquet", "add it with its role")),
    "target absent": (
        lambda t: t,
        ("ZZZ",),
        ("--targets", "ZZZ", "daily.parquet", "AAA, BBB, CCC", "check the spelling"),
    ),
    "target is a source": (lambda t: t, ("AAA",), ("--targets", "AAA", "role source", "column role", "CCC")),
    "first days missing": (
        put("first_trading_day", pd.Timestamp("2019-12-20"), 2),
        (),
        (
            "assets.parquet",
            "CCC",
            "2019-12-20",
            "2020-01-01",
            "column first_trading_day",
            "add the missing days or correct the date",
        ),
    ),
    "listed after its last row": (
        put("first_trading_day", pd.Timestamp("2021-01-04"), 2),
        (),
        ("assets.parquet", "CCC", "2021-01-04", "no row since", "column first_trading_day", "correct the date"),
    ),
    "first day not a date": (
        put("first_trading_day", "soon", 2),
        (),
        ("assets.parquet", "column first_trading_day", "soon", "2024-12-31"),
    ),
}


@pytest.mark.parametrize(("change", "targets", "words"), ASSET_RULES.values(), ids=ASSET_RULES)
def test_assets(change: Change, targets: tuple[str, ...], words: tuple[str, ...]) -> None:
    checked = check_daily(daily())
    check_assets(assets(), checked, ())
    message = message_of(lambda: check_assets(change(assets()), checked, targets))
    for word in words:
        assert word in message


def test_the_days_after_a_listing_must_be_there_even_if_rows_before_it_are() -> None:
    """When-issued rows to the 3rd, listed on the 6th, rows again from the 7th: day 1 is missing."""
    rows = daily()
    rows = check_daily(rows[(rows["asset"] != "CCC") | (rows["date"] != pd.Timestamp("2020-01-06"))])
    listed = put("first_trading_day", pd.Timestamp("2020-01-06"), 2)(assets())
    message = message_of(lambda: check_assets(listed, rows, ()))
    for word in ("CCC", "2020-01-06", "2020-01-07", "column first_trading_day"):
        assert word in message


def test_the_first_day_of_a_source_is_its_first_row() -> None:
    given = put("first_trading_day", pd.Timestamp("1980-01-02"), 0)(assets())
    assert check_assets(given, check_daily(daily()), ()).loc[0, "first_trading_day"] == DATES[0]


MARKET_RULES: dict[str, tuple[Change, tuple[str, ...]]] = {
    "duplicate": (lambda t: pd.concat([t, t.iloc[3:4]]), ("2020-01-06", "column date", "keep one")),
    "no dates": (lambda t: t.drop(columns="date"), ("no column date", "one row for each day")),
    "no date": (put("date", pd.NaT), ("without a date", "column date", "fill it in or drop")),
    "not a date": (put("date", "someday"), ("column date", "someday", "2024-12-31")),
    "text": (put("vix", "calm"), ("2020-01-06", "vix is 'calm'", "not a number", "convert")),
    "infinite": (put("ads", -np.inf), ("2020-01-06", "ads is infinite", "leave it empty")),
    "hsi zero": (put("hsi", 0.0), ("2020-01-06", "hsi is not positive", "correct it")),
}


@pytest.mark.parametrize(("change", "words"), MARKET_RULES.values(), ids=MARKET_RULES)
def test_market(change: Change, words: tuple[str, ...]) -> None:
    check_market(market(), MARKET_SERIES)
    message = message_of(lambda: check_market(change(market()), MARKET_SERIES))
    for word in ("market.parquet", *words):
        assert word in message


def test_negative_levels_are_fine_where_no_log_is_taken() -> None:
    checked = check_market(market().assign(us3m=-0.05, ads=-2.0), MARKET_SERIES)
    assert (checked["us3m"] < 0).all()


def test_a_gap_names_asset_date_column_and_remedy() -> None:
    table = check_daily(daily().drop(index=[3, 4]))
    message = message_of(lambda: check_gaps(table))
    for word in ("daily.parquet", "AAA", "2020-01-06", "1 more", "column date", "--gaps allow"):
        assert word in message
    check_gaps(check_daily(daily()))


def test_roles_may_be_anything_where_nobody_asks_for_them() -> None:
    daily = check_daily(pd.DataFrame({"asset": ["A", "B"], "date": ["2020-01-02", "2020-01-02"], "rv": [1e-4, 2e-4]}))
    assert check_assets(pd.DataFrame(), daily, (), roles="any")["role"].tolist() == ["target", "target"]
    only = pd.DataFrame({"asset": ["A", "B"], "role": ["source", "source"]})
    assert check_assets(only, daily, (), roles="any")["role"].tolist() == ["source", "source"]
    with pytest.raises(PanelError, match="no asset has the role target"):
        check_assets(only, daily, ())


def test_sources_that_are_named_are_sources_whatever_their_role() -> None:
    rows = {"asset": ["A", "B", "C"], "date": ["2020-01-02"] * 3, "rv": [1e-4] * 3}
    daily = check_daily(pd.DataFrame(rows))
    assets = pd.DataFrame({"asset": ["A", "B", "C"], "role": ["source", "target", "target"]})
    found = check_assets(assets, daily, (), ("B",))
    assert dict(zip(found["asset"], found["role"], strict=True)) == {"B": "source", "C": "target"}
    found = check_assets(assets, daily, ("A",), ("B",))
    assert dict(zip(found["asset"], found["role"], strict=True)) == {"A": "target", "B": "source"}
    found = check_assets(pd.DataFrame(), daily, (), ("B",))
    assert dict(zip(found["asset"], found["role"], strict=True)) == {"A": "target", "B": "source", "C": "target"}
    with pytest.raises(PanelError, match="--source: D is not in"):
        check_assets(assets, daily, (), ("D",))
    with pytest.raises(PanelError, match="--source: B is also a target"):
        check_assets(assets, daily, ("B",), ("B",))
