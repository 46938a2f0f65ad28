"""The mixture paper's printed figures and its claims: its own tables bear them out, others do not."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from volforecast.errors import InputError
from volforecast.evaluation.hourly_metrics import metrics
from volforecast.evaluation.hourly_order import (
    ALL,
    FLEXIBLE_HAR,
    FLEXIBLE_HARX,
    HAR,
    HARX,
    IG_TM,
    LSTM,
    SQUARED_ERROR,
    SXGB_GCT,
    TABLE_1,
    TABLE_2,
    TM_G,
    TM_SG,
    XGB_GCT,
)
from volforecast.report import paper_bitcoin
from volforecast.report.claims.bitcoin import BITCOIN, bitcoin_claims
from volforecast.report.claims.verdicts import FAILS, HOLDS, NOT_TESTED, PARTLY

PAPER_TEXT = Path(__file__).resolve().parents[3] / "shared" / "papers" / "eth-2025-bitcoin-mixture-models.txt"
NEEDS_TEXT = pytest.mark.skipif(not PAPER_TEXT.exists(), reason="needs the paper's text at ../shared/papers")
Tables = dict[str, pd.DataFrame]
PAIRS = ((HARX, HAR), (FLEXIBLE_HARX, FLEXIBLE_HAR), (TM_SG, TM_G), (SXGB_GCT, XGB_GCT))


def papers() -> Tables:
    """The paper's tables, and what its text says of tests, gates, spikes and IG-TM."""
    tables = paper_bitcoin.tables()
    errors = tables["metrics"].assign(failed=0)
    unstable = errors[errors["model"] == TM_G].assign(model=IG_TM, value=1.0, failed=1)
    tests = [("paper", ALL, one, other, SQUARED_ERROR, 0.3, 0.7) for one, other in PAIRS]
    gates = [("paper", k, TM_G, name, weight) for k in range(1, 7) for name, weight in (("volatility", 0.9),)]
    spikes = [("paper", k, name, off, 1.0) for k in range(1, 7) for name, off in ((LSTM, 0.9), (HAR, 0.4))]
    other = tables["granger"][tables["granger"]["cause"] == "spread"].assign(cause="ask_slope", rejected=False)
    columns = ["mode", "iteration", "model", "benchmark", "loss", "statistic", "p_value"]
    return tables | {
        "metrics": pd.concat([errors, unstable], ignore_index=True),
        "granger": pd.concat([tables["granger"], other.assign(p_value=1.0)], ignore_index=True),
        "tests": pd.DataFrame(tests, columns=columns),
        "gates": pd.DataFrame(gates, columns=["mode", "iteration", "model", "component", "weight"]),
        "spikes": pd.DataFrame(spikes, columns=["mode", "iteration", "model", "forecast", "realized"]),
    }


def inverted() -> Tables:
    """Everything the other way round: errors inverted, verdicts of tests turned, what adds something is better."""
    tables = papers()
    errors = tables["metrics"]
    for name in ("granger", "diagnostics"):
        tables[name] = tables[name].assign(rejected=~tables[name]["rejected"].astype(bool))
    memory = tables["autocorrelation"]
    return tables | {
        "metrics": errors.assign(value=0.004 / errors["value"], failed=0),
        "tests": tables["tests"].assign(statistic=3.0, p_value=0.01),
        "gates": tables["gates"].assign(weight=0.1),
        "spikes": tables["spikes"].assign(forecast=1.3 - tables["spikes"]["forecast"]),
        "autocorrelation": memory.assign(value=1.0 - memory["value"]),
    }


def by_text(tables: Tables) -> dict[str, dict[str, str]]:
    return {row["text"]: row for row in bitcoin_claims(tables).to_dict("records")}


def one(tables: Tables, part: str) -> dict[str, str]:
    (found,) = [row for text, row in by_text(tables).items() if part in text]
    return found


def lines_of(number: int) -> list[list[str]]:
    """The cells of a table in the paper's text, its columns' names first."""
    lines = PAPER_TEXT.read_text(encoding="utf-8").splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith(f"Table {number}:"))
    found = [line for line in lines[first + 1 :] if line.startswith("Interval")][:7]
    clean = [re.sub(r"\$|\\times", lambda m: "×" if m[0] == r"\times" else "", line) for line in found]
    return [[cell.strip() for cell in line.split("\t") if cell.strip()] for line in clean]


@NEEDS_TEXT
@pytest.mark.parametrize("number", [1, 2])
def test_each_row_is_as_printed(number: int) -> None:
    heading, *rows = lines_of(number)
    table = paper_bitcoin.printed(number)
    assert [re.sub(r"\s+", " ", name) for name in heading] == list(table.columns)
    assert table.to_numpy().tolist() == rows
    assert len(rows) == 6


@NEEDS_TEXT
def test_lags_are_as_printed() -> None:
    text = PAPER_TEXT.read_text(encoding="utf-8")
    for row in paper_bitcoin.granger().itertuples():
        name = str(row.cause).replace("_", " ")
        assert f"{name} (lags {row.first}–{row.last})" in text
    for last in paper_bitcoin.SENTIMENT.values():
        assert f"volatility up to lag {last}" in text
    assert f"significant autocorrelation up to lag {paper_bitcoin.AUTOCORRELATED}" in text


def test_misprints_are_corrected_and_nothing_else() -> None:
    both = pd.concat([paper_bitcoin.figures(number) for number in (1, 2)])
    wrong = both[both["reason"] != ""]
    assert len(wrong) == 8
    assert (both.loc[both["reason"] == "", "paper"] == both.loc[both["reason"] == "", "corrected"]).all()
    assert both["corrected"].between(0.03, 0.12).all()
    cells = wrong.set_index(["iteration", "model"])
    assert cells.loc[(1, TM_G), ["paper", "corrected"]].tolist() == [0.762, 0.0762]
    assert cells.loc[(6, TM_SG), ["paper", "corrected"]].tolist() == [0.0464, 0.0436]
    tenfold = wrong[~((wrong["iteration"] == 6) & wrong["model"].isin([TM_G, TM_SG]))]
    np.testing.assert_allclose(tenfold["paper"], 10.0 * tenfold["corrected"])
    assert tuple(paper_bitcoin.figures(1)["model"].iloc[:8]) == TABLE_1
    assert tuple(paper_bitcoin.figures(2)["model"].iloc[:7]) == TABLE_2
    with pytest.raises(InputError, match="choose from 1 and 2"):
        paper_bitcoin.figures(3)


def test_a_run_beside_the_paper() -> None:
    times = pd.date_range("2018-07-20", periods=3, freq="h", tz="UTC")
    columns = {"mode": "paper", "iteration": 1, "model": HAR, "seed": 0, "timestamp": times, "realized": 0.1}
    forecasts = pd.DataFrame(columns | {"forecast": [0.1658, 0.1658, 0.0342], "status": "ok"})
    assert paper_bitcoin.of_its_hours(forecasts)
    tables = paper_bitcoin.beside(metrics(forecasts))
    assert list(tables) == ["table_1"]  # the run has none of table 2's models
    table = tables["table_1"]
    assert len(table) == 6 * 8
    row = table[(table["iteration"] == 1) & (table["model"] == HAR)].iloc[0]
    assert (row["rmse"], row["paper"], row["mode"]) == (pytest.approx(0.0658), 0.0658, "paper")
    assert row["difference"] == pytest.approx(0.0, abs=1e-12)
    assert table["rmse"].notna().sum() == 1
    later = forecasts.assign(timestamp=times + pd.Timedelta(days=365))
    assert not paper_bitcoin.of_its_hours(later)
    assert not paper_bitcoin.of_its_hours(forecasts.iloc[:0])


def test_the_papers_tables_bear_out_what_it_says() -> None:
    found = by_text(papers())
    assert len(found) == len(BITCOIN) == 24
    # 5 of 6: TM-G is far from GCT TM-G in interval 6
    assert {text for text, row in found.items() if row["verdict"] != HOLDS} == {
        text for text in found if text.startswith("features that do not Granger-cause")
    }
    for text, row in found.items():
        assert row["paper"], text
        assert row["ours"], text


def features_help() -> Tables:
    """Models with features or sentiment have far smaller errors than those without."""
    tables = papers()
    factors = {HARX: 0.5, FLEXIBLE_HARX: 0.5, TM_G: 0.5, TM_SG: 0.25, SXGB_GCT: 0.5}
    errors = tables["metrics"]
    return tables | {"metrics": errors.assign(value=errors["value"] * errors["model"].map(factors).fillna(1.0))}


def test_every_claim_can_fail() -> None:
    others = [by_text(tables) for tables in (inverted(), features_help())]
    for text in by_text(papers()):
        assert FAILS in [found[text]["verdict"] for found in others], text


def test_without_tables_nothing_is_tested() -> None:
    table = bitcoin_claims({})
    assert set(table["verdict"]) == {NOT_TESTED}
    assert set(table["ours"]) == {""}
    assert (table["paper"] != "").all()


@pytest.mark.parametrize(
    ("lacking", "part"),
    [
        ("metrics", "GARCH is worse than HAR"),
        ("tests", "order-book features make neither"),
        ("gates", "overwhelmingly"),
        ("spikes", "captures spikes"),
        ("granger", "at lag 1"),
        ("diagnostics", "KPSS"),
        ("autocorrelation", "beyond lag 5"),
    ],
)
def test_a_lacking_table_takes_its_claims_along(lacking: str, part: str) -> None:
    left = {name: table for name, table in papers().items() if name != lacking}
    assert one(left, part)["verdict"] == NOT_TESTED
    assert NOT_TESTED not in {row["verdict"] for text, row in by_text(papers()).items() if part in text}


def test_clean_mode_makes_the_verdict_and_paper_mode_stands_in_brackets() -> None:
    tables = papers()
    clean = tables["gates"].assign(mode="clean", weight=0.3)
    both = tables | {"gates": pd.concat([tables["gates"], clean])}
    claim = one(both, "more than half of the weight")
    assert claim["ours"] == "TM-G 0 of 6 (paper mode: 6 of 6)"
    assert claim["verdict"] == FAILS
    assert one(tables, "more than half of the weight")["ours"] == "TM-G 6 of 6"


def test_verdicts_between() -> None:
    tables = papers()
    gates = tables["gates"].assign(weight=[0.9, 0.9, 0.9, 0.9, 0.2, 0.2])
    claim = one(tables | {"gates": gates}, "more than half of the weight")
    assert (claim["ours"], claim["verdict"]) == ("TM-G 4 of 6", PARTLY)


def test_spans_are_told_apart() -> None:
    tables = papers()
    span = tables["diagnostics"].assign(iteration=3, rejected=False)
    claim = one(tables | {"diagnostics": pd.concat([tables["diagnostics"], span])}, "ADF")
    assert claim["ours"] == "whole table 1 of 1, training spans 0 of 1"
