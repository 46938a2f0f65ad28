"""The report of a new-issues run: well-formed, closed to the outside, safe with any name, the same bytes every time."""

import re

import numpy as np
import pandas as pd
import pytest

from tests.report.pages import (
    EXTRA,
    HAR_ONLY,
    HOSTILE,
    NOISE,
    Page,
    first_days_report,
    forecasts_of,
    report_of,
    selection_tables,
)
from volforecast.evaluation.intervals import mean_interval
from volforecast.report.page.drawings import MOST_TARGETS
from volforecast.report.page.evidence import contrast
from volforecast.report.page.findings import compared
from volforecast.report.page.html import render_report
from volforecast.report.page.plots import MOST_MARKS, advantage
from volforecast.report.page.plots_forecasts import forecast_path
from volforecast.report.page.svg import linear_axis, log_ticks, number


@pytest.fixture(scope="module")
def page_bytes() -> bytes:
    return render_report(report_of(forecasts_of(), planned=9))


@pytest.fixture(scope="module")
def page(page_bytes: bytes) -> Page:
    return Page(page_bytes.decode())


def test_page_is_well_formed(page_bytes: bytes, page: Page) -> None:
    assert page_bytes.startswith(b"<!DOCTYPE html>")
    assert page.open == []
    assert ("html", {"lang": "en"}) in page.tags
    ids = page.having("id")
    assert len(ids) == len(set(ids))
    assert set(page.having("aria-labelledby")) <= set(ids)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert max(np.diff(levels)) <= 1


def test_tables_and_plots_can_be_read_without_seeing_them(page: Page) -> None:
    assert page.count("caption") == page.count("table") >= 8
    assert all(attrs.get("scope") in {"row", "col", "colgroup"} for tag, attrs in page.tags if tag == "th")
    drawings = [attrs for tag, attrs in page.tags if tag == "svg"]
    # leads; for each of three losses models, periods, days, lead; for each of two targets forecasts and lead
    assert len(drawings) == page.count("figcaption") == page.count("figure") == 1 + 3 * 4 + 2 * 2
    assert all(attrs["role"] == "img" for attrs in drawings)
    assert all(len(re.findall(r"\d", str(attrs["aria-label"]))) >= 4 for attrs in drawings)  # they say numbers
    assert page.count("title") == 1


def test_page_refers_to_nothing_outside(page_bytes: bytes, page: Page) -> None:
    assert not re.search(rb"https?:|//[a-z]|@import|url\(|[\"'(]data:", page_bytes)
    assert page.count("script") == page.count("link") == page.count("img") == page.count("iframe") == 0
    links = page.having("href")
    assert links
    assert all(link.startswith("#") for link in links)
    assert {link[1:] for link in links} <= set(page.having("id"))
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert set(page.having("for")) <= set(page.having("id"))
    assert b"default-src 'none'; style-src 'unsafe-inline'\"" in page_bytes  # not even a script of its own may run


def test_names_and_reasons_are_only_text(page_bytes: bytes, page: Page) -> None:
    assert b"<script" not in page_bytes
    assert b"<b>broke" not in page_bytes
    assert HOSTILE in page.text
    assert "it <b>broke</b>" in page.text


def test_equal_input_gives_equal_bytes(page_bytes: bytes) -> None:
    forecasts = forecasts_of()
    shuffled = report_of(forecasts, planned=9)._replace(forecasts=forecasts.sample(frac=1.0, random_state=1))
    assert render_report(shuffled) == page_bytes


def test_summary_says_what_the_tables_say(page: Page) -> None:
    report = report_of(forecasts_of())
    table = report.tables["table_3"]
    over_all = table[(table["period"] == "all") & (table["loss"] == "MSE") & (table["left_out"] == 0)]
    best, ratio = min(zip(over_all["model"], over_all["ratio"], strict=True), key=lambda row: row[1])
    assert f"{best} (transfer learning) has the smallest mean squared error (MSE) of the 5 models" in page.text
    assert f"on average over 2 targets it is {1 - ratio:.1%} below that of the naive forecast (NF)" in page.text
    assert "NP FNN-STD lacks forecasts for some target and is not ranked." in page.text
    assert "this page covers 4 of 9 sample periods" in page.text


def test_what_went_wrong_is_named_and_counted(page: Page) -> None:
    rows = re.search(r"Forecasts that are not as ordered(.*)Reasons of failures", page.text)
    assert rows is not None
    assert re.search(r"fallback ?TO HAR-EXT ?6", rows[1])
    assert re.search(r"KO ?failed ?NP FNN-STD ?40", rows[1])
    assert re.search(r"KO ?MTL-25 XGB-EXT ?32", page.text)  # 4 rows at each of 8 origins
    assert f"{HOSTILE}/50/NP FNN-STD: it broke" in page.text


def test_best_numbers_stand_out_and_partial_ones_do_not_compete(page_bytes: bytes) -> None:
    text = page_bytes.decode()
    table = text[text.index('id="grid-1"') : text.index('id="grid-2"')]
    rows = dict(re.findall(r'<th scope="row">(.*?)</th>(.*?)</tr>', table, flags=re.DOTALL))
    assert rows["MTL-25 XGB-EXT"].count('class="top"') == 6
    assert 'class="top"' not in "".join(cells for name, cells in rows.items() if name != "MTL-25 XGB-EXT")
    assert rows["NP FNN-STD"].count("†") == 6
    assert "class=" not in rows["NP FNN-STD"]
    assert "".join(cells for name, cells in rows.items() if " HAR-" in name).count('class="best"') == 6


@pytest.mark.parametrize(
    ("targets", "periods", "models", "sets"),
    [
        (("KO", "GE"), (50, 150), HAR_ONLY, True),
        (("KO",), (50, 150), HAR_ONLY, True),
        (("KO", "GE"), (50,), tuple(NOISE), False),
        (("KO",), (50,), ("NF", "TO HAR-STD"), False),
        (("KO",), (50,), ("NF", "NP FNN-STD"), True),
        (("KO",), (50,), ("NF", "MTL-25 XGB-EXT"), True),
    ],
)
def test_part_of_a_study(
    targets: tuple[str, ...], periods: tuple[int, ...], models: tuple[str, ...], sets: bool
) -> None:
    forecasts = forecasts_of(targets, periods, {model: NOISE[model] for model in models})
    page = Page(render_report(report_of(forecasts, sets)).decode())
    assert page.open == []
    assert ("Table 4" in " ".join(page.having("aria-label")) or "model confidence sets" in page.text) or not sets
    assert ("No model confidence set has been computed" in page.text) == (not sets and models != ("NF", "NP FNN-STD"))
    assert "nan" not in page.text.lower().replace("finance", "").split()


@pytest.mark.parametrize(
    ("noise", "sentence"),
    [
        ({"NF": 0.1, "TO HAR-STD": 0.6, "MTL-75 HAR-STD": 0.9}, "No model has a smaller mean squared error (MSE) than"),
        ({"NF": 0.9, "MTL-75 HAR-STD": 0.3}, "MTL-75 HAR-STD (transfer learning) is the only model compared by"),
        ({"NF": 0.9, "TO HAR-STD": 0.1, "NP HAR-STD": 0.5}, "learning from other assets or more predictors does not"),
        ({"NF": 0.9, "NP FNN-STD": 0.3}, "there is nothing to compare"),
    ],
)
def test_summary_stays_honest(noise: dict[str, float], sentence: str) -> None:
    forecasts = forecasts_of(("KO",), (50, 150), noise)
    assert sentence in Page(render_report(report_of(forecasts, False)).decode()).text


def test_ratios_in_words() -> None:
    words = [compared(ratio) for ratio in (0.699, 1.5, 1.0001, 12.34, 1660.889)]
    assert words == ["30.1% below", "50.0% above", "about equal to", "12.3 times", "1,660.9 times"]


@pytest.mark.parametrize(("low", "high"), [(0.5, 2.0), (0.97, 1.04), (0.01, 2000.0), (1e-9, 1e12), (0.6, 0.65)])
def test_log_axes_have_a_few_round_ticks(low: float, high: float) -> None:
    ticks = log_ticks(low, high)
    assert 1 <= len(ticks) <= 8
    assert all(low <= tick <= high for tick in ticks)


def test_ticks_of_seven_decades_stay_apart() -> None:
    shown = [number(tick) for tick in log_ticks(0.2, 3e5)]
    assert shown == ["1", "10", "100", "1,000", "10k", "100k"]
    assert [number(value) for value in (0.0, 0.05, 2.5, 1e6, 12_500.0)] == ["0", "0.05", "2.5", "1e+06", "12.5k"]


def contrast_of(first: str, second: str) -> float:
    """WCAG 2's contrast ratio of two colours ``#rrggbb``."""
    lights = []
    for colour in (first, second):
        parts = [int(colour[at : at + 2], 16) / 255.0 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def mixed(colour: str, share: int, paper: str) -> str:
    """``color-mix(in srgb, colour share%, paper)``."""
    pairs = [(int(colour[at : at + 2], 16), int(paper[at : at + 2], 16)) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(a * share / 100 + b * (100 - share) / 100):02x}" for a, b in pairs)


def test_text_stands_out_from_what_is_behind_it_in_light_dark_and_print(page_bytes: bytes) -> None:
    style = page_bytes.decode().partition("</style>")[0]
    palettes = [dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in re.findall(r":root \{([^}]*)\}", style)]
    assert len(palettes) == 3
    tones = [(side, int(share)) for side, share in re.findall(r"color-mix\(in srgb, var\(--(\w+)\) (\d+)%", style)]
    assert len(tones) == 8
    for palette in palettes:
        for words in ("ink", "muted", "accent", "to", "np", "mtl"):
            for behind in ("paper", "soft"):
                assert contrast_of(palette[words], palette[behind]) >= 4.5, (words, behind)
        assert contrast_of(palette["accent"], palette["tint"]) >= 4.5
        for side, share in tones:
            assert contrast_of(palette["ink"], mixed(palette[side], share, palette["paper"])) >= 4.5, (side, share)


def test_intervals_are_those_of_the_t_distribution() -> None:
    low, high = mean_interval(np.array([0.7, 0.8, 0.9, 1.0]))
    half = 3.182446305 * np.std([0.7, 0.8, 0.9, 1.0], ddof=1) / 2.0  # t quantile of 3 degrees of freedom at 97.5%
    assert (low, high) == pytest.approx((0.85 - half, 0.85 + half))
    assert np.isnan(mean_interval(np.array([0.7, 0.8]))).all()
    assert mean_interval(np.array([0.01, 0.01, 3.0]))[0] == 0.0


def test_a_contrast_counts_what_the_forecasts_say() -> None:
    forecasts = forecasts_of(("A", "B", "C", "D"))
    tables = report_of(forecasts, False).tables
    found = contrast(tables, "MSE", "MTL-25 XGB-EXT", "TO HAR-STD")
    assert found is not None
    errors = forecasts.assign(loss=(forecasts["forecast"] - forecasts["realized"]) ** 2)
    means = errors.groupby(["target", "model"])["loss"].mean().unstack()
    ratios = means["MTL-25 XGB-EXT"] / means["TO HAR-STD"]
    assert found.ratio == pytest.approx(ratios.mean())
    assert (found.won, found.targets) == ((ratios < 1).sum(), 4)
    pairs = tables["table_9"].set_index(["model", "benchmark"])
    assert found.better == pairs.loc[("MTL-25 XGB-EXT", "TO HAR-STD"), "rejections"]
    assert found._replace(low=0.5, high=0.9, better=3).certainty == "clear"
    assert found._replace(low=0.5, high=0.9, better=2).certainty == "likely"
    assert found._replace(low=0.5, high=1.1, better=2).certainty == "open"
    assert found._replace(low=1.1, high=1.2, better=0).certainty == "worse"


def test_models_beyond_the_paper_stand_apart_and_win_nothing() -> None:
    forecasts = forecasts_of(noise=NOISE | EXTRA)
    report = report_of(forecasts, False)
    text = render_report(report).decode()
    page = Page(text)
    assert "Models beyond the paper" in page.text
    before, _, after = text.partition('<h2 id="extras">')
    tables = before[before.index('<h2 id="tables">') : before.index('<h2 id="plots">')]
    assert "HARQ" not in tables
    assert "NF-22" not in tables
    assert "MTL-25 XGB-EXT (transfer learning) has the smallest mean squared error (MSE) of the 5 models" in page.text
    rows = re.findall(r'<tr><th scope="row">(TO HARQ|NP LOG-HAR|NF-22)</th>(.*?)</tr>', after, flags=re.DOTALL)
    assert [name for name, _ in rows] == ["TO HARQ", "NP LOG-HAR", "NF-22", "TO HARQ", "NP LOG-HAR"]
    pairs = report.tables["pairwise_extended"].set_index(["loss", "model", "benchmark"])
    same = pairs.loc[("QLIKE", "NP LOG-HAR", "NP HAR-STD")]
    assert f"<td>{same.ratio:.3f} ({same.rejections} of 2)</td>" in rows[4][1]
    assert all("class=" not in cells for _, cells in rows)
    plain = render_report(report_of(forecasts[~forecasts["model"].isin(list(EXTRA))], False))
    assert b"Models beyond the paper" not in plain
    marked = re.compile(r'class="(?:top|best|star)">([^<]*)<')
    assert marked.findall(plain.decode()) == marked.findall(text)


def test_selections_are_tinted_and_the_targets_own_sector_is_outlined() -> None:
    report = report_of(forecasts_of())
    text = render_report(report._replace(tables={**report.tables, **selection_tables()})).decode()
    page = Page(text)
    assert page.open == []
    assert "<i>more</i>" in page.text
    assert b"<i>more" not in text.encode()
    heat = text[text.index('<table class="heat">') :].partition("</table>")[0]
    cells = re.findall(r'<td class="([^"]*)">([\d.]+)</td>', heat)
    assert len(cells) == 7  # four sources, two targets, one without windows
    table = selection_tables()["table_12"]
    shares = table["selection_rate"].dropna().to_list()
    assert [float(number) for _, number in cells] == pytest.approx(shares, abs=5e-4)
    assert ["same" in kind.split() for kind, _ in cells] == table.loc[table["windows"] > 0, "same_sector"].to_list()
    assert all((share > 0.45) == ("high" in kind.split()) for share, (kind, _) in zip(shares, cells, strict=True))
    assert page.count("svg") == 1 + 3 * 4 + 2 * 2 + 3


@pytest.mark.parametrize("prefixes", [(1, 5, 22), (1,), (22,)])
def test_the_page_of_a_first_days_run(prefixes: tuple[int, ...]) -> None:
    report = first_days_report(prefixes)
    page = Page(render_report(report).decode())
    assert page.open == []
    assert "first days after a listing" in page.text
    ids = page.having("id")
    assert len(ids) == len(set(ids))
    for table, prefix in ((15, 1), (16, 5), (17, 22)):
        assert (f"Table {table}: models that need" in page.text) == (prefix in prefixes)
    if len(prefixes) == 3:
        assert HOSTILE in page.text
        assert "Ranked and drawn by transition strategy Str. 1-5-22" in page.text
        assert (
            "MTL-25 XGB-EXT (transfer learning) has the smallest mean squared error (MSE) of the 5 models" in page.text
        )
        for heading in ("Table 5: transition strategies", "Table 6: transition strategies by model"):
            assert heading in page.text


def test_hundreds_of_targets_stay_within_bounds() -> None:
    targets = tuple(f"T{number:03d}" for number in range(MOST_TARGETS + 5))
    forecasts = forecasts_of(targets, (50,), {model: NOISE[model] for model in HAR_ONLY})
    report = report_of(forecasts, False)
    tables = {**report.tables, **selection_tables(targets, 6)}
    text = render_report(report._replace(tables=tables)).decode()
    assert text.count("Forecast and realized variance: T") == MOST_TARGETS
    assert f"Drawn are the first {MOST_TARGETS} targets" in text
    assert ", ".join(targets[MOST_TARGETS:]) in text
    assert "Table 12: selection rates of MTL-25, part 6 of 6" in text
    assert len(text) < 4_000_000


def test_days_that_were_not_forecast_leave_a_gap() -> None:
    realized = pd.Series([1.0, 2.0, 1.5, 3.0], index=[5, 6, 90, 91])
    drawn = str(forecast_path("KO", realized, {"TO HAR-STD": realized * 0.9}))
    path = re.findall(r'class="line c-to-dash c-to" d="([^"]*)"', drawn)[0]
    assert path.count("M") == 2
    assert path.count("L") == 2
    assert "off by a factor of 1.11" in drawn


def test_many_targets_are_drawn_as_a_band() -> None:
    wide = pd.DataFrame(np.random.default_rng(1).normal(size=(10, MOST_MARKS + 1)).cumsum(axis=0))
    drawn = str(advantage(wide, ("MTL-25 HAR-STD", "NF"), "MSE"))
    assert 'class="band c-muted"' in drawn
    assert 'class="thin c-muted" d="M' in drawn  # the legend's
    assert drawn.count('class="thin') == 1


@pytest.mark.parametrize("values", [[0.0], [1.0, 1.0], [-3.0, 5.0], [1e-9, 2e-9], [1e7, -1e7]])
def test_linear_axes_hold_their_values_and_have_a_few_ticks(values: list[float]) -> None:
    axis = linear_axis(np.array(values), "x")
    assert axis.low < min([0.0, *values])
    assert axis.high > max([0.0, *values])
    assert 1 <= len(axis.ticks) <= 7
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks)


def test_references_are_those_of_the_methods_that_were_used(page: Page) -> None:
    assert all(name in page.text for name in ("Sakoe", "Corsi", "Chen, T.", "Kingma", "Hansen", "Politis", "Patton"))
    few = forecasts_of(("KO", "GE"), (50,), {"NF": 0.9, "TO HAR-STD": 0.5})
    text = Page(render_report(report_of(few, False)).decode()).text
    assert not [name for name in ("Sakoe", "Chen, T.", "Kingma", "Hansen, P", "Politis") if name in text]
    assert all(name in text for name in ("Corsi", "Diebold", "Harvey", "Teller, A."))
