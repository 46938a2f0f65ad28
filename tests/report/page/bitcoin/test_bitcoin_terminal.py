"""What a run prints, what matplotlib draws of it, and its opening sentences."""

import matplotlib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from cluster.objects import Objects
from tests.report.page.bitcoin.made import of_mode, run
from volforecast.data.parquet import to_parquet
from volforecast.errors import InputError
from volforecast.evaluation.hourly_order import ALL, GARCH, HAR, LSTM, SQUARED_ERROR, TM_G
from volforecast.report.figures_bitcoin import gating_figure, spike_figure
from volforecast.report.page.bitcoin.findings import summary
from volforecast.report.page.bitcoin.printed import printed_bitcoin
from volforecast.report.page.latex import document
from volforecast.report.terminal_bitcoin import print_bitcoin_tables

matplotlib.use("Agg")


class Stored:
    """Objects of a results folder in memory."""

    url = "memory://run"

    def __init__(self, tables: dict[str, pd.DataFrame]) -> None:
        self.files = {
            f"tables/{name}.parquet": to_parquet(pa.Table.from_pandas(table, preserve_index=False))
            for name, table in tables.items()
            if name in ("metrics", "tests", "confidence_sets")
        }

    def read(self, name: str) -> bytes | None:
        return self.files.get(name)


def printed(tables: dict[str, pd.DataFrame], capsys: pytest.CaptureFixture[str]) -> str:
    stored: Objects = Stored(tables)  # type: ignore[assignment]
    print_bitcoin_tables(stored)
    return capsys.readouterr().out


def test_a_line_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    tables = run()
    text = printed(tables, capsys)
    own = tables["metrics"].set_index(["mode", "iteration", "model", "metric"])["value"]
    line = next(line for line in text.splitlines() if f" {LSTM} " in line and " x " not in line)
    assert f"{own['clean', ALL, LSTM, 'RMSE']:.4f}" in line
    assert f"{own['paper', ALL, LSTM, 'RMSE']:.4f}" in line
    garch = next(line for line in text.splitlines() if f" {GARCH} " in line and " x " not in line)
    assert " - " in garch
    assert "n/a" in text  # IG-TM in clean mode
    sets = tables["confidence_sets"]
    sets = sets[(sets["iteration"] == ALL) & (sets["loss"] == SQUARED_ERROR) & sets["included"]]
    assert text.split("model ")[-1].count("*") == len(sets)


def test_one_mode_and_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(of_mode("paper"), capsys)
    assert "paper mode" in text
    assert "clean mode" not in text
    assert printed({}, capsys) == "memory://run: no interval is complete yet, so there is no table\n"
    assert "*" not in printed({"metrics": run()["metrics"]}, capsys).split("model ")[-1]


def test_figures() -> None:
    tables = run()
    figure = gating_figure(tables["forecasts"], tables)
    top, bottom = figure.axes[0], figure.axes[2]
    assert top.get_title() == "TM-G, interval 1"
    assert [line.get_label() for line in bottom.get_lines()] == ["volatility", "features"]
    own = tables["gates"].query("mode == 'clean' and iteration == 1 and model == 'TM-G' and component == 'features'")
    np.testing.assert_allclose(bottom.get_lines()[1].get_ydata(), own.sort_values("timestamp")["weight"])
    ax = spike_figure(tables["forecasts"])
    clean = tables["forecasts"].query("mode == 'clean'")
    peak = clean.loc[clean["realized"].idxmax()]
    assert f"interval {peak['iteration']}" in ax.get_title()
    assert [line.get_label() for line in ax.get_lines()] == ["actual", LSTM, HAR]
    assert "interval 2" in spike_figure(tables["forecasts"], (HAR,), iteration=2).get_title()


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda t: gating_figure(t["forecasts"], {}), "no gates"),
        (lambda t: gating_figure(t["forecasts"], t, model=HAR), "no model HAR"),
        (lambda t: gating_figure(t["forecasts"], t, iterations=(9,)), "no iteration 9"),
        (lambda t: spike_figure(t["forecasts"], ("nobody",)), "no forecasts by nobody"),
        (lambda t: spike_figure(t["forecasts"].iloc[:0]), "no forecasts"),
        (lambda t: spike_figure(t["forecasts"], mode="other"), "no mode other"),
    ],
)
def test_figures_of_what_is_not_there(draw, message: str) -> None:
    with pytest.raises(InputError, match=message):
        draw(run())


def test_every_printed_table_is_a_latex_document() -> None:
    entries = printed_bitcoin(run(), {})
    names = [entry.name for entry in entries]
    assert len(names) == len(set(names))
    assert {"table_1", "table_2", "metrics_clean", "rmse_paper", "sets_qlike_clean", "gates_paper"} <= set(names)
    for entry in entries:
        assert document(entry).rstrip().endswith(r"\end{document}")


def opening(**changed: pd.DataFrame) -> list[str]:
    return summary(of_mode("clean") | changed, {"confidence": 0.9})


def test_the_opening_says_what_tests_say() -> None:
    tables = of_mode("clean")
    tests = tables["tests"]
    none = tests.assign(p_value=0.5)
    means = tables["mean_over_seeds"]
    har_best = means.assign(value=means["value"].where(means["model"] != HAR, 0.001))
    assert opening(tests=none)[0].startswith("Over all test hours, no model beats HAR beyond chance")
    assert opening(tests=none, mean_over_seeds=har_best)[0].endswith("has the smallest RMSE of all models.")
    one = tests.assign(p_value=np.where(tests["model"] == TM_G, 0.01, 0.5), statistic=3.0)
    assert "TM-G beats HAR beyond chance" in opening(tests=one)[0]
    sentences = opening(tests=tests.assign(p_value=0.01, statistic=3.0))
    assert any(line.startswith("Order-book features bring something beyond chance") for line in sentences)
    assert any(line.startswith("Sentiment brings something beyond chance") for line in sentences)
    sentences = opening(tests=tests.assign(p_value=0.01, statistic=-3.0))
    assert any(line.startswith("Order-book features do harm beyond chance") for line in sentences)
    assert any("14 of 14 are worse than HAR" in line for line in sentences)
    assert any(line.startswith("The 90% model confidence set") for line in sentences)


def test_the_opening_of_features_made_of_bars() -> None:
    sentences = summary(of_mode("clean"), {}, bars=True)
    assert any(line.startswith("Features of past bars bring") for line in sentences)
    assert not any("Order-book" in line for line in sentences)
    assert not any("paper mode" in line for line in sentences)
