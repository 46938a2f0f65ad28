"""Bars, snapshots of an order book and daily sentiment through ``volforecast hourly`` into one table of hours."""

from pathlib import Path

import numpy as np
import pandas as pd

from volforecast.cli import main
from volforecast.data.hourly_build import BAR_FEATURES
from volforecast.data.hourly_files import read_hourly
from volforecast.data.order_book import BOOK_FEATURES, book_features
from volforecast.data.simulate_hourly import START, simulate_snapshots

HOURS = 700


def test_a_table_of_bars_books_and_sentiment(tmp_path: Path) -> None:
    minutes = START.astype("datetime64[m]") + np.arange(-120, (HOURS + 2) * 60)
    close = 7000 * np.exp(np.cumsum(np.random.default_rng(3).normal(0, 5e-4, len(minutes))))
    prices = {"open": close, "high": close * 1.0001, "low": close * 0.9999, "close": close}
    stamps = pd.DatetimeIndex(minutes).tz_localize("UTC")
    pd.DataFrame({"timestamp": stamps, **prices, "volume": 1.0}).to_parquet(tmp_path / "BTC.parquet")
    simulate_snapshots(HOURS, seed=4, levels=3).to_parquet(tmp_path / "books.parquet")
    days = pd.date_range("2018-05-20", "2018-07-20")
    pd.DataFrame({"date": days, "value": np.arange(len(days)) % 100}).to_parquet(tmp_path / "mood.parquet")
    words = ["hourly", "--bars", str(tmp_path / "BTC.parquet"), "--out", str(tmp_path / "hours")]
    words += ["--books", str(tmp_path / "books.parquet"), "--sentiment", str(tmp_path / "mood.parquet")]
    assert main(words) == 0

    table = read_hourly(str(tmp_path / "hours"))
    assert table.feature_names == (*BOOK_FEATURES, *BAR_FEATURES)
    assert table.index_names == ("fng_value",)
    assert len(table) >= HOURS - 2
    book = book_features(str(tmp_path / "books.parquet")).set_index("timestamp")
    at = pd.DatetimeIndex(table.times).tz_localize("UTC")
    own = book.set_axis(pd.DatetimeIndex(book.index).tz_convert("UTC")).loc[at, list(BOOK_FEATURES)]
    np.testing.assert_array_equal(table.features[:, : len(BOOK_FEATURES)], own.to_numpy(dtype=float))
    returns = pd.Series(np.log(close), index=stamps + pd.Timedelta(minutes=1)).diff()
    hour = returns[(returns.index > at[5]) & (returns.index <= at[5] + pd.Timedelta(hours=1))]
    np.testing.assert_allclose(table.vol[5], 100 * np.sqrt(365 * (hour**2).sum()), rtol=1e-12)
