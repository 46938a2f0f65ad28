import pandas as pd
import pytest

from volforecast.data.sessions import exchange_zone, sessions
from volforecast.errors import ConfigError, PanelError


def hours(start: str, end: str, calendar: str = "XNYS") -> list[tuple[str, str, str]]:
    table = sessions(pd.Timestamp(start), pd.Timestamp(end), calendar)
    return [(f"{row.date:%m-%d}", f"{row.open:%m-%d %H:%M}", f"{row.close:%m-%d %H:%M}") for row in table.itertuples()]


def test_new_york_week_with_early_close_and_holiday() -> None:
    assert hours("2025-07-02", "2025-07-07") == [
        ("07-02", "07-02 09:30", "07-02 16:00"),
        ("07-03", "07-03 09:30", "07-03 13:00"),
        ("07-07", "07-07 09:30", "07-07 16:00"),
    ]


@pytest.mark.parametrize("day", ["2025-07-03", "2025-11-28", "2025-12-24"])
def test_early_closes(day: str) -> None:
    assert hours(day, day)[0][2].endswith("13:00")


def test_hours_are_local_on_both_sides_of_summer_time() -> None:
    table = sessions(pd.Timestamp("2024-01-01"), pd.Timestamp("2024-12-31"))
    assert len(table) == 252
    assert set(table["open"].dt.strftime("%H:%M")) == {"09:30"}
    assert table["open"].dt.tz is None


def test_unscheduled_closures_are_known() -> None:
    assert hours("2025-01-09", "2025-01-09") == []  # day of mourning
    assert len(hours("2001-09-10", "2001-09-17")) == 2


def test_crypto_sessions_are_utc_days() -> None:
    assert hours("2024-02-29", "2024-03-02", "24/7")[1] == ("03-01", "03-01 00:00", "03-02 00:00")
    assert len(hours("2024-02-29", "2024-03-02", "24/7")) == 3
    assert str(exchange_zone("24/7")) == "UTC"


def test_overnight_session_opens_the_day_before() -> None:
    assert hours("2024-01-03", "2024-01-03", "CMES") == [("01-03", "01-02 17:00", "01-03 17:00")]


def test_range_ignores_the_time_of_day() -> None:
    table = sessions(pd.Timestamp("2025-07-02 15:00"), pd.Timestamp("2025-07-03 08:00"))
    assert list(table["date"].dt.day) == [2, 3]


def test_sessions_across_years_are_those_of_each_year() -> None:
    whole = sessions(pd.Timestamp("2019-12-27"), pd.Timestamp("2021-01-05"))
    parts = [
        sessions(pd.Timestamp("2019-12-27"), pd.Timestamp("2019-12-31")),
        sessions(pd.Timestamp("2020-01-01"), pd.Timestamp("2021-01-05")),
    ]
    pd.testing.assert_frame_equal(whole, pd.concat(parts, ignore_index=True))


def test_unknown_calendar_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"calendar 'NASDQ' is not known; .* XNYS") as caught:
        sessions(pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-05"), "NASDQ")
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="not known"):
        exchange_zone("NASDQ")


def test_years_no_calendar_knows() -> None:
    with pytest.raises(PanelError, match="no sessions are known for 1950 to 1951"):
        sessions(pd.Timestamp("1950-01-01"), pd.Timestamp("1951-01-01"), "XHKG")
