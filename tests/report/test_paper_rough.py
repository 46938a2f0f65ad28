"""The cross-asset paper's printed figures as stored: against its text, against each other, and as they are read."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.report.rough_frames import rough_tables
from volforecast.errors import InputError
from volforecast.evaluation.rough_order import GROUPS, HAR, LSTM, METRICS, PAPER, TRANSFER_LSTM
from volforecast.report import paper_rough

PAPER_TEXT = (
    Path(__file__).resolve().parents[3] / "shared" / "papers" / "dhansoia-2025-cross-asset-rough-volatility.txt"
)
NEEDS_TEXT = pytest.mark.skipif(not PAPER_TEXT.exists(), reason="needs the paper's text at ../shared/papers")
ROWS = {1: 2, 2: 2, 3: 4, 4: 4, 5: 9, 6: 4, 7: 4}


@pytest.fixture(scope="module")
def ours() -> dict[str, pd.DataFrame]:
    return rough_tables(3)


def lines_of(number: int) -> list[list[str]]:
    """The cells that are not empty, by line of a table in the paper's text, its columns' names first."""
    lines = PAPER_TEXT.read_text(encoding="utf-8").splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith(f"Table {number}:")) + 2
    last = next(i for i in range(first, len(lines)) if not lines[i].strip())
    plain = [re.sub(r"</?[bi]>|\$", "", line).replace("R^2", "R2") for line in lines[first:last]]
    return [[cell.strip() for cell in line.split("\t") if cell.strip()] for line in plain]


@NEEDS_TEXT
@pytest.mark.parametrize("number", paper_rough.NUMBERS)
def test_each_row_is_as_printed(number: int) -> None:
    heading, *lines = lines_of(number)
    table = paper_rough.printed(number)
    assert len(table) == ROWS[number]
    if number == 5:  # lines of one cell name a group
        groups = [line[0] for line in lines if len(line) == 1]
        assert groups == ["Encoder Unfreezing Strategies", "Hybrid Architectures", "Error Correction"]
        stored = list(dict.fromkeys(table["group"]))
        assert stored == ["Baseline", *(name.capitalize() for name in groups)]
        place = [0 if group == "Baseline" else groups.index(group.title()) + 1 for group in table["group"]]
        counts = np.cumsum([len(line) == 1 for line in lines])
        assert place == [int(count) for count, line in zip(counts, lines, strict=True) if len(line) > 1]
        lines = [line for line in lines if len(line) > 1]
        table = table.drop(columns="group")
    cells = [[cell for cell in row if cell] for row in table.to_numpy().tolist()]
    assert cells == lines
    if number == 3:
        assert heading == ["Model", *METRICS]
    if number == 1:
        assert heading == ["Asset", "R/S Analysis", "DFA", "Variogram", "Wavelet Slope"]


@NEEDS_TEXT
def test_the_weight_on_har_is_as_printed() -> None:
    assert rf"\alpha = {paper_rough.ALPHA}" in PAPER_TEXT.read_text(encoding="utf-8")


def test_figures_have_the_names_of_a_runs_tables(ours: dict[str, pd.DataFrame]) -> None:
    for name, table in paper_rough.tables().items():
        assert set(table.columns) - {"finding"} <= set(ours[name].columns), name
    grouped = paper_rough.figures(5)
    for group, models in GROUPS.items():
        assert group == "Beyond the paper" or tuple(grouped.loc[grouped["group"] == group, "model"]) == models
    for number in (3, 6):
        assert set(paper_rough.figures(number)["model"]) <= set(PAPER)
    assert {LSTM, HAR, TRANSFER_LSTM} <= set(paper_rough.figures(3)["model"])


def test_numbers_by_hand() -> None:
    hurst = paper_rough.figures(1).set_index(["asset", "method"])
    assert hurst.loc[("SPX", "R/S"), "hurst"] == 0.136
    assert hurst.loc[("BTC", "Wavelet"), "slope"] == -2.089
    assert hurst["hurst"].isna().sum() == hurst["slope"].notna().sum() == 2
    transfer = paper_rough.figures(4).set_index("metric")
    assert transfer["improvement"].to_dict() == {"RMSE": 10.99, "MAE": 1.57, "R2": 6.95, "Correlation": 3.15}
    assert transfer.loc[["RMSE", "MAE"], "p_value"].tolist() == [paper_rough.SMALL, 0.042]
    assert np.isnan(transfer.loc["R2", "p_value"])
    attempts = paper_rough.figures(5).set_index("model")
    assert attempts["versus_har"].dropna().tolist() == [-52.7, -40.9, -31.8, -0.51, -6.85, 0.01, 0.18, 0.0]
    assert attempts["rmse"].isna().tolist() == [False] * 6 + [True] * 3
    assert paper_rough.figures(6)["statistic"].tolist() == [-7.63, -7.31, -18.26, -0.42]
    assert paper_rough.figures(7)["parameters"].tolist() == [53760, 4224, 2113, 60097]


def test_the_figures_agree_with_each_other() -> None:
    errors = paper_rough.figures(3).pivot(index="model", columns="metric", values="value")
    improvement = paper_rough.figures(4).set_index("metric")["improvement"]
    for metric in METRICS:
        one, other = errors.loc[LSTM, metric], errors.loc[TRANSFER_LSTM, metric]
        # half a unit of the third decimal on either side
        slack = 100.0 * 0.0011 / one
        found = 100.0 * (one - other if metric in ("RMSE", "MAE") else other - one) / one
        assert abs(found - improvement[metric]) < slack
    parts = paper_rough.figures(7).set_index("component")["parameters"]
    assert parts.drop("Total").sum() == parts["Total"]
    attempts = paper_rough.figures(5).set_index("model").dropna(subset=["rmse", "versus_har"])
    found = 100.0 * (1.0 - attempts["rmse"] / errors.loc[HAR, "RMSE"])
    assert (found - attempts["versus_har"]).abs().max() < 100.0 * 0.0012 / 0.110 * 1.6


def test_reading_does_not_change_what_is_stored() -> None:
    for number in paper_rough.NUMBERS:
        before = paper_rough.printed(number).copy()
        first = paper_rough.figures(number)
        first[first.columns[-1]] = "changed"
        pd.testing.assert_frame_equal(paper_rough.printed(number), before)
        assert (paper_rough.figures(number).iloc[:, -1] != "changed").all()


@pytest.mark.parametrize("number", paper_rough.NUMBERS)
def test_the_paper_beside_itself_does_not_differ(number: int) -> None:
    table = paper_rough.beside(paper_rough.tables(), number)
    assert (table["difference"] == 0.0).all()
    assert table["paper"].notna().all()
    # table 1: one figure a cell; 5: without HAR's own figure and the three of another scale
    assert len(table) == {1: 8, 2: 12, 3: 16, 4: 7, 5: 14, 6: 8, 7: 4}[number]


def test_a_run_beside_the_paper(ours: dict[str, pd.DataFrame]) -> None:
    table = paper_rough.beside(ours, 3).set_index(["model", "metric"])
    three = ours["table_3"].set_index(["target", "horizon", "model", "metric"])["value"]
    assert table.loc[(LSTM, "RMSE"), "ours"] == three["BTC", 1, LSTM, "RMSE"]
    assert table.loc[(LSTM, "RMSE"), "paper"] == 0.264
    assert table.loc[(LSTM, "RMSE"), "difference"] == three["BTC", 1, LSTM, "RMSE"] - 0.264
    other = paper_rough.beside(ours, 3, target="ETH").set_index(["model", "metric"])
    assert other.loc[(LSTM, "RMSE"), "ours"] == three["ETH", 1, LSTM, "RMSE"]
    hurst = paper_rough.beside(ours, 1, target="LTC")
    assert hurst["asset"].drop_duplicates().tolist() == ["SPX", "LTC"]
    assert hurst["ours"].notna().all()
    six = paper_rough.beside(ours, 6)
    assert set(six["benchmark"]) == {HAR}
    assert six["figure"].tolist() == ["statistic", "p_value"] * 4


def test_parameters_beside_the_papers(ours: dict[str, pd.DataFrame]) -> None:
    table = paper_rough.beside(ours, 7).set_index("component")
    assert table["ours"].to_dict() == {"LSTM encoder": 83712, "Attention": 4224, "Predictor": 2113, "Total": 94209}
    assert table["difference"].to_dict() == {"LSTM encoder": 29952, "Attention": 0, "Predictor": 0, "Total": 34112}
    only = {"table_7": ours["table_7"].query("encoder == 'Transformer'")}
    assert paper_rough.beside(only, 7)["ours"].isna().all()


def test_what_a_run_lacks_is_missing(ours: dict[str, pd.DataFrame]) -> None:
    longer = {"table_3": ours["table_3"].query("horizon == 5")}
    assert paper_rough.beside(longer, 3)[["ours", "difference"]].isna().all(axis=None)
    table = paper_rough.beside({"table_3": ours["table_3"].query("model != 'LSTM'")}, 3).set_index("model")
    assert table.loc[LSTM, "ours"].isna().all()
    assert table.drop(LSTM)["ours"].notna().all()
    assert len(paper_rough.beside({"table_3": ours["table_3"].iloc[:0]}, 3)) == 16
    with pytest.raises(InputError, match="no table_4"):
        paper_rough.beside(longer, 4)


@pytest.mark.parametrize("read", [paper_rough.printed, paper_rough.figures, lambda n: paper_rough.beside({}, n)])
@pytest.mark.parametrize("number", [0, 8])
def test_tables_that_are_not_at_hand(read, number: int) -> None:
    with pytest.raises(InputError, match="choose from 1 to 7"):
        read(number)
