"""The study's tables in LaTeX and on the terminal, and its figures."""

import re
import shutil
import subprocess
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pyarrow as pa
import pytest

from cluster.store import ResultStore
from tests.report.page.rough.made import NAMED, Frames, of_targets, plan_of, renamed, run
from volforecast.data.parquet import to_parquet
from volforecast.errors import InputError
from volforecast.report.figures_rough import history_figure, prediction_figure, roughness_figure
from volforecast.report.page.latex import latex_tables, publish_latex
from volforecast.report.terminal import print_tables


@pytest.fixture(scope="module")
def tables() -> Frames:
    return run()


def documents(tables: Frames) -> dict[str, str]:
    found = latex_tables(tables, plan_of().config, "rough-transfer")
    return {Path(path).name: text.decode() for path, text in found}


def stored(folder: Path, tables: Frames) -> ResultStore:
    store = ResultStore(str(folder))
    store.adopt_plan(plan_of())
    for name, table in tables.items():
        store.objects.replace(f"tables/{name}.parquet", to_parquet(pa.Table.from_pandas(table, preserve_index=False)))
    return store


def test_each_of_the_papers_tables_is_a_document(tables: Frames) -> None:
    single = documents(of_targets(tables, ["BTC"]))
    assert {f"table_{number}.tex" for number in range(1, 8)} <= set(single)
    assert not [name for name in single if name.endswith("_all.tex")]
    several = documents(tables)
    assert {"table_3_1.tex", "table_3_3.tex", "table_3_all.tex", "table_across_5.tex"} <= set(several)
    rows = tables["table_3"]
    own = rows[(rows["target"] == "ETH") & (rows["model"] == "LSTM") & (rows["metric"] == "RMSE")]
    assert all(f"{value:.3f}" in several["table_3_2.tex"] for value in own["value"])
    assert all(f"\\textpm{{}} {spread:.3f}" in several["table_3_2.tex"] for spread in own["spread"])


def test_documents_have_as_many_cells_a_row_as_columns(tables: Frames) -> None:
    for text in documents(renamed(tables, NAMED)).values():
        columns = re.search(r"\\begin\{tabular\}\{(lr*)\}", text)
        assert columns is not None
        body = text[text.index("\\midrule") :].partition("\\bottomrule")[0]
        for line in body.split("\n"):
            if line.endswith(r"\\") and not line.startswith("\\multicolumn"):
                assert len(re.findall(r"(?<!\\)&", line)) == len(columns[1]) - 1


def test_documents_compile_alone(tables: Frames, tmp_path: Path) -> None:
    pdflatex = shutil.which("pdflatex")
    if pdflatex is None:
        pytest.skip("no pdflatex is installed")
    found = documents(renamed(tables, NAMED))
    for name in ("table_1", "table_3_3", "table_4_all", "table_6_2", "table_across_1", "confidence_sets_1", "table_7"):
        file = tmp_path / f"{name}.tex"
        file.write_text(found[file.name])
        command = [pdflatex, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", file.name]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=60)
        assert ended.returncode == 0, ended.stdout[-1500:]
        assert "Overfull \\hbox" not in ended.stdout


def test_documents_are_written_beside_the_tables(tables: Frames, tmp_path: Path) -> None:
    store = stored(tmp_path, tables)
    assert publish_latex(store, store.plan()) == len(documents(tables))
    assert {path.name for path in (tmp_path / "tables").glob("*.tex")} == set(documents(tables))


def test_a_run_prints_a_line_a_model(tables: Frames, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored(tmp_path, tables)
    print_tables(str(tmp_path))
    out = capsys.readouterr().out
    assert max(map(len, out.partition("results:")[0].splitlines())) <= 100
    across = {(row["model"], row["horizon"]): row for row in tables["table_across"].to_dict("records")}
    for model in ("Moving Average", "HAR", "Transfer LSTM", "Transformer"):
        lines = [line for line in out.splitlines() if re.match(rf"\W*{model} +│", line)]
        assert len(lines) == 1
        assert all(f"{across[model, horizon]['ratio']:.3f}" in lines[0] for horizon in (1, 5))
    row = across["LSTM", 1]
    line = next(line for line in out.splitlines() if re.match(r"\W*LSTM +│", line))
    assert f"{int(row['better_than_har'])}/{int(row['worse_than_har'])}" in line


def test_a_run_without_tables_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored(tmp_path, {})
    print_tables(str(tmp_path))
    assert "no target is complete yet" in capsys.readouterr().out


def test_figures_show_the_runs_numbers(tables: Frames) -> None:
    mpl.use("Agg")
    top, _, bottom, _ = roughness_figure(tables, "SPX", "BTC").axes
    series = tables["series"]
    shown = np.asarray(top.lines[0].get_ydata(), dtype=float)
    np.testing.assert_array_equal(shown, series[series["asset"] == "SPX"]["log_rv"])
    hurst = tables["table_1"]
    row = hurst[(hurst["asset"] == "SPX") & (hurst["method"] == "Wavelet")].iloc[0]
    assert f"H = {row['hurst']:.3f}" in bottom.get_title()
    left, right = history_figure(tables, "BTC", 5).axes
    assert len(left.lines) == len(right.lines) == 4  # two encoders, two models: training and validation
    ax = prediction_figure(tables["forecasts"], "ETH", 1, models=("HAR", "LSTM"))
    own = tables["forecasts"]
    own = own[(own["target"] == "ETH") & (own["horizon"] == 1) & (own["model"] == "LSTM")]
    means = own.groupby("date")["forecast"].mean()
    np.testing.assert_allclose(np.asarray(ax.lines[2].get_ydata(), dtype=float), means)
    plt.close("all")


def test_figures_say_what_is_missing(tables: Frames) -> None:
    with pytest.raises(InputError, match="no forecasts of DOGE; the run has BTC, ETH, LTC"):
        prediction_figure(tables["forecasts"], "DOGE")
    with pytest.raises(InputError, match="no learning curves of BTC at horizon 3"):
        history_figure(tables, "BTC", 3)
    with pytest.raises(InputError, match="has no series"):
        roughness_figure({}, "SPX", "BTC")
    with pytest.raises(InputError, match="no points of Fourier"):
        roughness_figure(tables, "SPX", "BTC", "Fourier")
