"""The page of the study of hourly volatility: what it shows, what it leaves out, and that it escapes everything."""

import re

import numpy as np
import pandas as pd
import pytest

from tests.report.hourly_frames import FRAMES, TABLES
from tests.report.page.bitcoin.made import HOSTILE, PLAIN, of_mode, page, plain, plan_of, run
from volforecast.evaluation.hourly_order import ALL, HAR, IG_TM, LSTM, TM_G
from volforecast.report.page.bitcoin.html import render_bitcoin_report

SECTIONS = (
    *("ranking", "intervals", "beside", "tests", "figures", "data", "searches"),
    *("paper", "troubles", "settings", "references", "words"),
)


@pytest.fixture(scope="module")
def whole() -> str:
    return page(run()).decode()


def sections(text: str) -> list[str]:
    return re.findall(r'<h2 id="([a-z]+)">', text)


def test_every_section_is_there_and_linked(whole: str) -> None:
    assert tuple(sections(whole)) == SECTIONS
    assert re.findall(r'<li><a href="#([a-z]+)">', whole) == list(SECTIONS)
    assert page(run()).decode() == whole


def test_nothing_comes_from_outside(whole: str) -> None:
    assert "<script" not in whole
    assert re.findall(r"(?:src|href)=\"(?!#)[^\"]*", whole) == []
    assert "://" not in whole
    identifiers = re.findall(r' id="([^"]+)"', whole)
    assert len(identifiers) == len(set(identifiers))


def test_numbers_are_those_of_the_tables(whole: str) -> None:
    tables = run()
    own = tables["metrics"].set_index(["mode", "iteration", "model", "metric"])
    row = own.loc[("clean", ALL, LSTM, "RMSE")]
    assert f"{row['value']:.4f}" in whole
    assert f"\N{PLUS-MINUS SIGN} {row['spread']:.4f}" in whole
    printed = tables["table_1"].set_index(["iteration", "model", "mode"]).loc[(1, HAR, "paper")]
    assert f"({printed['difference']:+.4f})".replace("-", "\N{MINUS SIGN}") in whole
    assert "printed 0.762" in whole
    assert "0.0762\N{DAGGER}" in whole
    test = tables["tests"].query("mode == 'clean' and iteration == 0 and model == 'LSTM' and loss == 'squared error'")
    statistic = float(test.loc[test["benchmark"] == HAR, "statistic"].iloc[0])
    assert f"{statistic:.2f}".replace("-", "\N{MINUS SIGN}") in whole


def test_one_mode_has_no_choice_of_modes_and_no_words_of_it() -> None:
    text = page(of_mode("clean"), plan=plan_of(("clean",))).decode()
    assert "paper" not in sections(text)  # no claims were stored
    assert "beside" not in sections(text)
    assert "clean mode</h" not in text
    assert "five more hours" not in text
    both = page(run()).decode()
    assert "five more hours" in both
    assert ">Paper mode</label>" in both


def test_paper_mode_alone() -> None:
    text = page(of_mode("paper"), plan=plan_of(("paper",))).decode()
    assert "Over all test hours, " in text
    assert "five more hours" in text


def test_a_run_without_features_and_of_other_months() -> None:
    text = page(plain(), plan=plan_of(("clean",), PLAIN, "range, volume")).decode()
    assert set(SECTIONS) - set(sections(text)) == {"beside", "paper"}
    assert "Figure 1" not in text
    assert "Figure 2" in text
    assert "Temporal mixture" not in text
    assert "outlined: the paper" not in text
    assert "Guo" not in text


def test_of_nothing_there_is_still_a_page() -> None:
    text = page({}).decode()
    assert "There is nothing to compare yet" in text
    assert sections(text) == ["troubles", "settings", "references", "words"]
    assert "The run is not complete: 192 of 192" in text


@pytest.mark.parametrize("lacking", sorted({*FRAMES, *TABLES} - {"forecasts", "table_1", "table_2", "claims"}))
def test_any_table_may_be_missing(lacking: str) -> None:
    tables, plan = of_mode("clean"), plan_of(("clean",))
    left = page({name: table for name, table in tables.items() if name != lacking}, plan=plan)
    assert left.decode().endswith("</html>")
    assert page(tables | {lacking: tables[lacking].iloc[:0]}, plan=plan) == left


def test_what_is_not_complete_is_said() -> None:
    tables = run()
    few = tables["metrics"]
    few = few[(few["iteration"] != 6) | (few["mode"] != "paper")]
    text = page(tables | {"metrics": few}).decode()
    assert "The run is not complete: 16 of 192" in text
    assert "not complete" not in page(tables).decode()


def test_names_and_reasons_are_escaped() -> None:
    tables = run()
    hostile = tables | {
        "granger": tables["granger"].replace({"cause": {"spread": HOSTILE}}),
        "diagnostics": tables["diagnostics"].replace({"series": {"spread": HOSTILE}}),
        "gaps": tables["gaps"].assign(treatment=HOSTILE),
        "estimations": tables["estimations"].assign(text=HOSTILE),
    }
    text = page(hostile, (f"a unit failed: {HOSTILE}",)).decode()
    assert "<b>no" not in text
    assert text.count("&lt;b&gt;no&lt;/b&gt; &amp; &#39;quote&#39;") >= 6


def test_failures_are_told(whole: str) -> None:
    assert "Clean mode, interval 3, IG-TM, seeds 1, 2, 3: the loss is not finite at epoch 3" in whole
    assert "3 failed" in whole
    fine = run()
    ok = fine["forecasts"]
    ok = ok[ok["status"] == "ok"]
    text = page(fine | {"forecasts": ok, "estimations": fine["estimations"].query("detail != 'failed'")}).decode()
    assert "Nothing failed." in text


def test_a_model_that_failed_everywhere() -> None:
    tables = run()
    gone = tables["forecasts"]
    gone = gone.assign(
        forecast=gone["forecast"].where(gone["model"] != TM_G), status=np.where(gone["model"] == TM_G, "failed", "ok")
    )
    numbers = tables["metrics"]
    numbers = numbers.assign(value=numbers["value"].where(numbers["model"] != TM_G))
    text = page(tables | {"forecasts": gone, "metrics": numbers}).decode()
    assert ">TM-G, interval 1: gate" not in text
    assert ">GCT TM-G, interval 1: gate" in text


def test_the_largest_spike_comes_first(whole: str) -> None:
    spikes = run()["spikes"].query("mode == 'clean'").drop_duplicates("iteration")
    largest = int(spikes.loc[spikes["realized"].idxmax(), "iteration"])
    assert f'id="spike-1" checked><label for="spike-1">Interval {largest}<' in whole


def test_only_works_that_are_used_are_cited(whole: str) -> None:
    for name in ("Corsi", "Bollerslev", "Guo", "Hansen", "Granger", "Akiba", "Patton", "Darracq Paries"):
        assert name in whole[whole.index('<ul class="references">') :]
    text = page({"metrics": run()["metrics"].query("model == 'HAR'")}).decode()
    assert "Bollerslev" not in text
    assert "Granger, C" not in text


def test_forecasts_are_not_needed_for_the_tables() -> None:
    text = render_bitcoin_report(plan_of(), pd.DataFrame(), run()).decode()
    assert "Figure 2" not in text
    assert "Mean gate weights" in text
    assert IG_TM in text
