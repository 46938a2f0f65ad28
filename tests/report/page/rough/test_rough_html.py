"""The report of the cross-asset study: closed to the outside, safe with any name, the same bytes, whatever it lacks."""

import re

import numpy as np
import pandas as pd
import pytest

from tests.report.page.rough.made import NAMED, Frames, many, of_targets, one_seed, page, plan_of, renamed, run
from tests.report.pages import HOSTILE, Page
from volforecast.report.page.rough.printed import MOST_TARGETS

FRAMES = ("curves", "roughness_points", "series", "quantile_forecasts", "estimations", "claims", "forecasts")

SECTIONS = {"table_across": "relative", "confidence_sets": "sets", "coverage": "quantile-1-1-1"}
"""An element that a table alone brings."""


@pytest.fixture(scope="module")
def tables() -> Frames:
    return run()


@pytest.fixture(scope="module")
def hostile(tables: Frames) -> bytes:
    return page(renamed(tables, NAMED), (f"{HOSTILE}/1/LSTM: it <b>broke</b>",))


@pytest.fixture(scope="module")
def read(hostile: bytes) -> Page:
    return Page(hostile.decode())


def test_page_is_well_formed(hostile: bytes, read: Page) -> None:
    assert hostile.startswith(b"<!DOCTYPE html>")
    assert read.open == []
    ids = read.having("id")
    assert len(ids) == len(set(ids))
    assert set(read.having("aria-labelledby")) <= set(ids)
    levels = [int(tag[1]) for tag, _ in read.tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert max(np.diff(levels)) <= 1
    assert read.count("caption") == read.count("table") >= 30
    drawings = [attrs for tag, attrs in read.tags if tag == "svg"]
    assert len(drawings) == read.count("figcaption") == read.count("figure")
    assert all(len(re.findall(r"\d", str(attrs["aria-label"]))) >= 4 for attrs in drawings)  # they say numbers
    assert "nan" not in read.text.lower().replace("finance", "").split()


def test_page_refers_to_nothing_outside_and_has_no_script(hostile: bytes, read: Page) -> None:
    assert not re.search(rb"https?:|//[a-z]|@import|url\(|[\"'(]data:", hostile)
    assert read.count("script") == read.count("link") == read.count("img") == read.count("iframe") == 0
    links = read.having("href")
    assert all(link.startswith("#") for link in links)
    assert {link[1:] for link in links} <= set(read.having("id"))
    assert not [name for _, attrs in read.tags for name in attrs if name.startswith("on")]
    assert set(read.having("for")) <= set(read.having("id"))
    assert b"default-src 'none'; style-src 'unsafe-inline'\"" in hostile


def test_names_and_reasons_are_only_text(hostile: bytes, read: Page, tables: Frames) -> None:
    assert b"<script" not in hostile
    assert b"<b>broke" not in hostile
    assert b"<i>500" not in hostile
    assert HOSTILE in read.text
    assert "it <b>broke</b>" in read.text
    reasons = tables["estimations"].assign(reason="<script>alert(2)</script>")
    claims = tables["claims"].assign(text="<script>alert(3)</script>", ours="<b>&</b>")
    assert b"<script" not in page(tables | {"estimations": reasons, "claims": claims})


def test_equal_input_gives_equal_bytes(tables: Frames) -> None:
    shuffled = {
        key: table.sample(frac=1.0, random_state=1) if key in ("forecasts", "quantile_forecasts", "series") else table
        for key, table in tables.items()
    }
    assert page(shuffled) == page(tables)


@pytest.mark.parametrize("left_out", [(name,) for name in run()] + [FRAMES])
def test_a_section_is_there_when_its_tables_are(tables: Frames, left_out: tuple[str, ...]) -> None:
    few = of_targets(tables, ["BTC"])
    text = Page(page({key: table for key, table in few.items() if key not in left_out}).decode())
    assert text.open == []
    gone = {SECTIONS[name] for name in left_out if name in SECTIONS}
    gone |= {"quantile-1-1-1"} if "table_3" in left_out else set()  # it says which targets there are
    assert not gone & set(text.having("id"))
    assert set(SECTIONS.values()) - gone <= set(text.having("id"))
    assert {link[1:] for link in text.having("href")} <= set(text.having("id"))


def test_of_a_run_that_has_nothing_yet(tables: Frames) -> None:
    text = Page(page({}).decode())
    assert "There is nothing to compare yet" in text.text
    assert "covers 0 of 6 pairs of target and horizon" in text.text
    empty = {key: table.iloc[:0] for key, table in tables.items()}
    assert Page(page(empty).decode()).open == []
    assert page(empty | {"forecasts": pd.DataFrame()}) == page({})


def test_a_single_target_and_a_single_seed_have_no_spread(tables: Frames) -> None:
    text = Page(page(one_seed(of_targets(tables, ["BTC"])), plan=plan_of(("BTC",))).decode())
    assert text.open == []
    assert "±" not in text.text
    assert "nan" not in text.text.lower().replace("finance", "").split()
    assert "All 1" not in text.text


def test_many_targets_stay_small() -> None:
    tables = many(40)
    found = page(tables)
    assert len(found) < 2_000_000
    text = Page(found.decode())
    assert "tables/ has the other 28" in text.text
    assert f"target-panel-{MOST_TARGETS + 1}" in text.having("id")  # all targets together come first
    assert f"target-panel-{MOST_TARGETS + 2}" not in text.having("id")
    assert "T00011" in text.text
    assert "T00012" not in text.text


def test_numbers_are_those_of_the_tables(tables: Frames) -> None:
    text = page(tables).decode()
    part = text[text.index('id="target-panel-2"') : text.index('id="target-panel-3"')]  # BTC, after all targets
    table = part[part.index('id="target-2-1-1"') : part.index('id="target-2-1-2"')]
    rows = dict(re.findall(r'<th scope="row">(.*?)</th>(.*?)</tr>', table, flags=re.DOTALL))
    own = tables["table_3"]
    own = own[(own["target"] == "BTC") & (own["horizon"] == 1)]
    for model in ("HAR", "Transfer LSTM", "Transformer"):
        wanted = own[own["model"] == model].set_index("metric")["value"].to_dict()
        shown = re.findall(r"<td[^>]*>([^<]*)", rows[model])
        assert shown == [f"{wanted[metric]:.3f}" for metric in ("RMSE", "MAE", "R2", "Correlation")]
    rmse = own[own["metric"] == "RMSE"].set_index("model")["value"]
    assert 'class="top"' in rows[str(rmse.idxmin())]
    spread = own[(own["model"] == "LSTM") & (own["metric"] == "RMSE")]["spread"].iloc[0]
    assert f"± {spread:.3f}" in rows["LSTM"]


def test_models_without_all_targets_carry_a_dagger_and_do_not_compete(tables: Frames) -> None:
    text = page(tables).decode()
    table = text[text.index('id="target-1-1-1"') : text.index('id="target-1-1-2"')]
    rows = dict(re.findall(r'<th scope="row">(.*?)</th>(.*?)</tr>', table, flags=re.DOTALL))
    assert rows["Regime Ensemble"].count("†") == 4  # it failed on LTC
    assert 'class="top"' not in rows["Regime Ensemble"]
    assert "†" not in "".join(cells for name, cells in rows.items() if name != "Regime Ensemble")


def test_failures_are_named(read: Page) -> None:
    assert re.search(r"KO ?1 day ?Regime Ensemble ?1, 2, 3, 4, 5", read.text)
    assert "KO, 1 day, Regime Ensemble, seeds 1, 2, 3, 4, 5: the loss is not finite at epoch 3" in read.text
    assert "Nothing failed" not in read.text


def test_the_papers_figures_stand_beside_bitcoins(tables: Frames) -> None:
    text = Page(page(tables).decode()).text
    assert "Ours (SPX to BTC) and in the paper (S&P 500 to Bitcoin)" in text
    value = tables["table_3"]
    ours = value[(value["target"] == "BTC") & (value["horizon"] == 1) & (value["model"] == "HAR")]
    rmse = float(ours[ours["metric"] == "RMSE"]["value"].iloc[0])
    assert re.search(rf"RMSE ?{rmse:.3f} ?0\.110 ?{rmse - 0.110:.3f}", text)
