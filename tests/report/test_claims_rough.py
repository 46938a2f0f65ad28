"""The cross-asset paper's claims: its own tables bear them out, others do not, absent ones leave them untested."""

import numpy as np
import pandas as pd
import pytest

from tests.report.rough_frames import rough_tables
from volforecast.evaluation.rough_order import HAR, HYBRID, LSTM, TRANSFER_LSTM
from volforecast.report import paper_rough
from volforecast.report.claims.rough_counts import alphas, below, improvement_of, improves, rmse
from volforecast.report.claims.verdicts import FAILS, HOLDS, NOT_TESTED, PARTLY, STATEMENTS, Claim, claims, claims_table

STUDY = "rough-transfer"
Tables = dict[str, pd.DataFrame]


def papers() -> Tables:
    """The paper's tables, and the weight on HAR that its text has."""
    weight = {"target": "BTC", "horizon": 1, "model": HYBRID, "seed": 1, "alpha": paper_rough.ALPHA}
    return paper_rough.tables() | {"estimations": pd.DataFrame([weight])}


def inverted() -> Tables:
    """Everything the other way round: errors inverted, smooth volatility, tests turned, gains turned to losses."""
    tables = papers()
    for name, column, change in (
        ("table_1", "hurst", lambda x: 1.0 - x),
        ("table_2", "mean", lambda x: -x),
        ("table_2", "standard_deviation", lambda x: 1.0 / x),
        ("table_3", "value", lambda x: 1.0 / x),
        ("table_4", "improvement", lambda x: -x),
        ("table_5", "rmse", lambda x: 1.0 / x),
        ("table_5", "versus_har", lambda x: -10.0 - x),
        ("table_6", "statistic", lambda x: -x),
        ("table_6", "p_value", lambda x: np.where(x < 0.05, 0.5, 0.001)),
        ("estimations", "alpha", lambda x: 0.1 * x),
    ):
        tables[name] = tables[name].assign(**{column: change(tables[name][column])})
    return tables


def all_significant() -> Tables:
    """And significantly so, which the turned p-values hide."""
    tables = inverted()
    return tables | {"table_6": tables["table_6"].assign(p_value=0.001)}


def by_text(tables: Tables) -> dict[str, Claim]:
    return {claim.text: claim for claim in claims(tables, STUDY)}


def one(tables: Tables, start: str) -> Claim:
    (found,) = [claim for claim in claims(tables, STUDY) if claim.text.startswith(start)]
    return found


def test_the_papers_tables_bear_out_what_it_says() -> None:
    found = by_text(papers())
    assert len(found) == len(STATEMENTS[STUDY]) == 22
    assert {claim.verdict for claim in found.values()} == {HOLDS}
    for text, claim in found.items():
        assert claim.paper, text
        if "weight on HAR" not in text:
            assert claim.paper == claim.ours, text


def test_every_claim_can_fail() -> None:
    others = [by_text(tables) for tables in (inverted(), all_significant())]
    for text in by_text(papers()):
        assert FAILS in [found[text].verdict for found in others], text


def test_without_tables_nothing_is_tested() -> None:
    for claim in claims({}, STUDY):
        assert claim.verdict == NOT_TESTED
        assert claim.ours == ""
        assert claim.paper != ""


@pytest.mark.parametrize(
    ("lacking", "start"),
    [
        ("table_1", "the Hurst exponent"),
        ("table_2", "the target's log volatility"),
        ("table_4", "transfer improves MAE"),
        ("table_5", "correcting HAR's errors"),
        ("table_6", "no model is significantly better"),
        ("estimations", "the hybrid's weight on HAR is above"),
    ],
)
def test_a_lacking_table_takes_its_claims_along(lacking: str, start: str) -> None:
    left = {name: table for name, table in papers().items() if name != lacking}
    assert one(left, start).verdict == NOT_TESTED
    assert {claim.verdict for claim in claims(left, STUDY)} == {HOLDS, NOT_TESTED}


def test_only_the_papers_horizon_makes_the_verdict() -> None:
    tables = papers()
    worse = tables["table_4"].assign(horizon=5, improvement=-3.0)
    both = tables | {"table_4": pd.concat([tables["table_4"], worse])}
    claim = one(both, "transfer improves the LSTM's RMSE")
    assert (claim.ours, claim.verdict) == ("RMSE 1 of 1 (h = 5: 0 of 1)", HOLDS)
    assert one(both, "it does so by 10.99%").ours == "10.99% below; h = 5: -3.00%"
    assert one(tables | {"table_4": worse}, "transfer improves the LSTM's RMSE").verdict == NOT_TESTED
    assert one(tables | {"table_4": worse}, "it does so by 10.99%").verdict == NOT_TESTED


def test_a_run_is_counted_over_its_targets() -> None:
    rows = [("A", 12.0, 0.0001), ("B", 8.0, 0.2), ("C", -2.0, 0.0001), ("D", np.nan, np.nan)]
    columns = ["target", "improvement", "p_value"]
    tables = {"table_4": pd.DataFrame(rows, columns=columns).assign(horizon=1, metric="RMSE")}
    assert one(tables, "transfer improves the LSTM's RMSE").ours == "RMSE 2 of 3"
    assert one(tables, "transfer improves the LSTM's RMSE").verdict == PARTLY
    assert one(tables, "it does so significantly").ours == "RMSE 1 of 3"
    assert one(tables, "it does so significantly").verdict == FAILS
    size = one(tables, "it does so by 10.99%")
    assert size.ours == "6.00% below, mean of 3 (-2.00 to 12.00)"
    assert size.verdict == PARTLY
    assert improves(["R2"])(tables) is None
    assert improvement_of(10.0)({}) is None


def test_each_source_counts() -> None:
    rows = [("SPX", "source", 0.14), ("NDX", "source", 0.10), ("BTC", "target", 0.12), ("ETH", "target", 0.09)]
    table = pd.DataFrame(rows, columns=["asset", "role", "hurst"]).assign(method="DFA")
    assert one({"table_1": table}, "the target is rougher").ours == "DFA 1 of 2"
    assert one({"table_1": table[table["role"] == "target"]}, "the target is rougher").verdict == NOT_TESTED
    moments = table.rename(columns={"hurst": "mean"}).assign(standard_deviation=[1.0, 2.0, 3.0, 4.0])
    assert one({"table_2": moments}, "the target's log").ours == "mean 0 of 2, standard deviation 2 of 2"


def test_the_hybrid_may_also_beat_har() -> None:
    tables = papers()
    five = tables["table_5"]
    better = {"table_5": five.assign(versus_har=five["versus_har"].where(five["model"] != HYBRID, 3.0))}
    assert one(better, "of the unfreezing strategies and").verdict == HOLDS
    assert one(better, "the HAR-LSTM Hybrid's RMSE").verdict == HOLDS
    alone = {"table_5": five[five["model"] == HYBRID]}
    assert one(alone, "of the unfreezing strategies and").verdict == NOT_TESTED


def test_weights_are_means_over_seeds() -> None:
    rows = [("A", 1, HYBRID, 0.8), ("A", 1, HYBRID, 0.9), ("A", 5, HYBRID, 0.1), ("A", 1, "Dynamic Attention", 0.2)]
    rows += [("B", 1, HYBRID, 0.4), ("B", 1, HYBRID, np.nan)]
    tables = {"estimations": pd.DataFrame(rows, columns=["target", "horizon", "model", "alpha"])}
    assert alphas(tables).to_dict() == pytest.approx({"A": 0.85, "B": 0.4})
    assert one(tables, "the hybrid's weight on HAR is 0.886").ours == "1 of 2; 0.400 to 0.850"


def test_errors_are_those_of_table_3_then_5() -> None:
    table = rmse(papers(), 1)
    assert table.loc["BTC", HAR] == 0.110
    assert table.loc["BTC", "Dynamic Attention"] == 0.117
    assert "Residual Boosting" not in table.columns
    assert rmse({}, 1).empty
    assert below([(LSTM, HAR)])({}) is None
    count = below([(HAR, LSTM), (HAR, TRANSFER_LSTM), (HAR, "unknown")])(papers())
    assert count is not None
    assert count.text == "HAR below LSTM 1 of 1, HAR below Transfer LSTM 1 of 1"


def test_a_whole_run() -> None:
    tables = rough_tables(9)
    found = tables["claims"]
    assert found.columns.to_list() == ["text", "paper", "ours", "verdict"]
    assert NOT_TESTED not in set(found["verdict"])
    assert found["ours"].str.contains("h = 5").sum() > 10
    mixed = {name: table.sample(frac=1.0, random_state=1) for name, table in tables.items() if len(table)}
    # the order of methods is that of the rows, nothing else depends on it
    again = claims_table(mixed | {"table_1": tables["table_1"]}, STUDY)
    pd.testing.assert_frame_equal(again, found)


def test_pairs_that_were_not_tested_are_not_counted() -> None:
    tables = papers()
    six = tables["table_6"]
    untested = six.assign(p_value=six["p_value"].where(six["model"] != LSTM))
    claim = one({"table_6": untested}, "they are worse than HAR")
    assert claim.ours == "Moving Average 1 of 1, Transfer LSTM 1 of 1"
