"""The report of a new-issues run: well-formed, closed to the outside, safe with any name, the same bytes every time."""

import html
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest

from cluster.study import Plan, Unit
from volforecast.evaluation.inclusion import confidence_sets
from volforecast.report.findings import compared
from volforecast.report.html import Report, render_report
from volforecast.report.plots import log_ticks
from volforecast.studies.summary import make_tables

HOSTILE = "<script>alert(1)</script> & $x^2$ \"q\" 'a'"
NOISE = {
    "NF": 0.9,
    "TO HAR-STD": 0.6,
    "TO HAR-EXT": 0.7,
    "NP HAR-STD": 0.5,
    "MTL-75 HAR-STD": 0.4,
    "MTL-25 XGB-EXT": 0.2,
    "NP FNN-STD": 0.5,
}
HAR_ONLY = ("NF", "TO HAR-STD", "NP HAR-STD", "MTL-75 HAR-STD")
DAYS = 20
VOID = {"meta", "br", "link", "img", "hr", "input", "col"}


def forecasts_of(
    targets: tuple[str, ...] = (HOSTILE, "KO"),
    periods: tuple[int, ...] = (50, 150),
    noise: dict[str, float] | None = None,
) -> pd.DataFrame:
    """A made-up run; NP FNN-STD fails for the last target, TO HAR-EXT falls back on three days of every period."""
    rng = np.random.default_rng(7)
    rows = []
    for target in targets:
        for period in periods:
            for day in range(DAYS):
                date = pd.Timestamp("2015-01-01") + pd.Timedelta(days=period + day)
                realized = float(rng.lognormal())
                for model, sigma in (noise or NOISE).items():
                    drawn, status = realized * float(np.exp(sigma * rng.normal())), "ok"
                    if model == "NP FNN-STD" and target == targets[-1]:
                        drawn, status = np.nan, "failed"
                    elif model == "TO HAR-EXT" and day < 3:
                        status = "fallback"
                    origin = period + day // 5 * 5
                    rows.append((target, period, origin, date.date(), model, drawn, realized, status))
    columns = ["target", "period", "origin", "date", "model", "forecast", "realized", "status"]
    return pd.DataFrame(rows, columns=columns)


def report_of(forecasts: pd.DataFrame, sets: bool = True, planned: int = 0) -> Report:
    """The report's input for a run that has these forecasts."""
    found = [confidence_sets(forecasts, seed=1, replications=100)] if sets else []
    tables = make_tables(forecasts, found)
    estimations = forecasts.groupby(["target", "period", "origin", "model"], as_index=False)["status"].max()
    failed = estimations["status"] == "failed"
    tables["estimations"] = estimations.drop(columns="status").assign(
        train_rows=100,
        dropped_rows=np.where(estimations["model"] == "MTL-25 XGB-EXT", 4, 0),
        epochs=np.nan,
        reason=["it <b>broke</b>" if bad else None for bad in failed],
    )
    config = {
        "seed": 11,
        "confidence": 0.95,
        "block_length": 22,
        "targets": [HOSTILE, "KO"],
        "har": {},
        "fnn": {"a": 1},
    }
    units = tuple(Unit(str(i), "forecast", str(i), {"target": str(i), "period": 1}) for i in range(planned))
    plan = Plan("new-issues", config, "0123abcd", {"volforecast": "0.1.0", "numpy": "2.0"}, units)
    return Report(plan, forecasts, tables, [f"{HOSTILE}/50/NP FNN-STD: it broke"])


class Page(HTMLParser):
    """Reads a page and collects what the tests ask about."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def having(self, attribute: str) -> list[str]:
        return [str(attrs[attribute]) for _, attrs in self.tags if attribute in attrs]

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


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
    assert len(drawings) == page.count("figcaption") == 5  # models, periods, lead, and each target's forecasts
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in drawings)
    assert page.count("title") == 1 + len(drawings)


def test_page_refers_to_nothing_outside(page_bytes: bytes, page: Page) -> None:
    assert not re.search(rb"https?:|//[a-z]|@import|url\((?!#)|data:", page_bytes)
    assert page.count("script") == page.count("link") == page.count("img") == page.count("iframe") == 0
    links = page.having("href") + page.having("xlink:href")
    assert links
    assert all(link.startswith("#") for link in links)
    assert {link[1:] for link in links} <= set(page.having("id"))
    clips = {clip.removeprefix("url(#").removesuffix(")") for clip in page.having("clip-path")}
    assert clips <= set(page.having("id"))
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert not re.search(rb"#0[1-9]0[1-9]0[1-9]", page_bytes)  # every placeholder colour has become a variable


def test_names_and_reasons_are_only_text(page_bytes: bytes, page: Page) -> None:
    assert b"<script" not in page_bytes
    assert b"<b>broke" not in page_bytes
    assert HOSTILE in page.text
    assert "it <b>broke</b>" in page.text


def test_equal_input_gives_equal_bytes(page_bytes: bytes) -> None:
    forecasts = forecasts_of()
    report = report_of(forecasts, planned=9)
    size = matplotlib.rcParams["font.size"]
    with matplotlib.rc_context({"font.size": 31.0, "axes.facecolor": "red", "svg.hashsalt": "mine"}):
        shuffled = report._replace(forecasts=forecasts.sample(frac=1.0, random_state=1))
        assert render_report(shuffled) == page_bytes
        assert matplotlib.rcParams["font.size"] == 31.0
    assert matplotlib.rcParams["font.size"] == size


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


def test_no_page_wider_than_its_window(page_bytes: bytes, tmp_path: Path) -> None:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no Chromium is installed")
    opened = html.escape(page_bytes.decode().replace("<details>", "<details open>"))
    frames = "".join(f'<iframe style="width:{w}px;height:900px" srcdoc="{opened}"></iframe>' for w in (375, 1280))
    measure = "[...document.querySelectorAll('iframe')].map(f => f.contentWindow).map(w => wider(w)).join()"
    wider = "const wider = w => w.document.documentElement.scrollWidth - w.innerWidth;"
    script = f"<script>{wider} onload = () => {{ document.title = 'wider: ' + {measure}; }}</script>"
    (tmp_path / "frames.html").write_text(f"<!DOCTYPE html><title>-</title>{frames}{script}")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile", "--dump-dom"]
    shown = subprocess.run(
        [chromium, *options, (tmp_path / "frames.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    title = re.search(r"<title>wider: ([-\d,]+)</title>", shown.stdout)
    assert title is not None, shown.stderr[-500:]
    extra = [int(pixels) for pixels in title[1].split(",")]
    assert len(extra) == 2
    assert max(extra) <= 0, "pixels beyond the window at 375 and 1280"
