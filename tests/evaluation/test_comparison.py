import numpy as np
import pandas as pd
import pytest

from tests.evaluation import naive_evaluation as naive
from volforecast.errors import InputError
from volforecast.evaluation.comparison import mean_losses, pairwise, relative_to_naive
from volforecast.evaluation.confidence_set import model_confidence_set
from volforecast.evaluation.inclusion import confidence_sets, inclusion_counts
from volforecast.evaluation.layout import PAIRWISE_TABLES, cut_pairwise, pairwise_matrix, printed, printed_pairwise
from volforecast.evaluation.order import paper_order
from volforecast.evaluation.resampling import shared_weights

MODELS = ["NF", "TO HAR-STD", "TO HAR-EXT", "MTL-50 HAR-STD", "MTL-75 XGB-EXT", "NP XGB-STD"]
PERIODS = [50, 150, 250]
DAYS = 12
LOSS_NAMES = ["MSE", "MAE", "QLIKE"]


def forecasts_of(targets: int = 5, seed: int = 1, broken: bool = True) -> pd.DataFrame:
    """A random run in shuffled order: failed and absent rows, a target without the last period, a copied model."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(targets):
        for place, period in enumerate(PERIODS):
            if broken and number == 1 and period == 250:
                continue
            for day in range(DAYS):
                date = pd.Timestamp("2015-01-01") + pd.Timedelta(days=place * DAYS + day)
                realized = float(rng.lognormal())
                drawn = {m: realized * float(np.exp(rng.normal(0, 1.5 if m == "NF" else 0.5))) for m in MODELS}
                if number == 2:
                    drawn["NP XGB-STD"] = drawn["TO HAR-STD"]
                for model in MODELS:
                    value, status = drawn[model], "ok"
                    if broken and (number, period, day, model) == (0, 150, 3, "TO HAR-EXT"):
                        value, status = np.nan, "failed"
                    if broken and (number, period, day, model) == (3, 50, 7, "MTL-50 HAR-STD"):
                        continue
                    if broken and (number, model) == (4, "NP XGB-STD") and period == 250:
                        continue
                    rows.append((f"T{number}", period, period, date, model, value, realized, status))
    columns = ["target", "period", "origin", "date", "model", "forecast", "realized", "status"]
    return pd.DataFrame(rows, columns=columns).sample(frac=1.0, random_state=seed)


def as_period(text: str) -> int | None:
    return None if text == "all" else int(text)


def test_mean_losses_agree_with_plain_loops() -> None:
    forecasts = forecasts_of()
    run = naive.plain(forecasts)
    table = mean_losses(forecasts)
    assert list(table.columns) == ["target", "period", "model", "loss", "days", "missing", "mean_loss"]
    for row in table.itertuples():
        expected = naive.mean_loss(run, row.target, as_period(row.period), row.model, row.loss)
        np.testing.assert_allclose(row.mean_loss, expected, rtol=1e-12)
        assert (row.missing == 0) == (not np.isnan(expected))
    short = table[(table["target"] == "T4") & (table["model"] == "NP XGB-STD") & (table["loss"] == "MSE")]
    assert dict(zip(short["period"], short["missing"], strict=True)) == {"50": 0, "150": 0, "all": DAYS}


def test_table_3_agrees_with_plain_loops() -> None:
    forecasts = forecasts_of()
    run = naive.plain(forecasts)
    table = relative_to_naive(forecasts)
    assert list(table.columns) == ["model", "period", "loss", "ratio", "targets", "left_out"]
    assert len(table) == (len(MODELS) - 1) * (len(PERIODS) + 1) * 3
    for row in table.itertuples():
        ratio, targets, having = naive.mean_ratio(run, as_period(row.period), row.model, "NF", row.loss)
        np.testing.assert_allclose(row.ratio, ratio, rtol=1e-12)
        assert (row.targets, row.left_out) == (targets, having - targets)


def test_a_failed_forecast_leaves_the_target_out_of_that_mean_only() -> None:
    table = relative_to_naive(forecasts_of()).set_index(["model", "period", "loss"])
    assert table.loc[("TO HAR-EXT", "150", "MSE"), ["targets", "left_out"]].tolist() == [4, 1]
    assert table.loc[("TO HAR-EXT", "all", "MSE"), ["targets", "left_out"]].tolist() == [4, 1]
    assert table.loc[("TO HAR-EXT", "50", "MSE"), ["targets", "left_out"]].tolist() == [5, 0]
    assert table.loc[("TO HAR-STD", "250", "MSE"), ["targets", "left_out"]].tolist() == [4, 0]


def test_a_missing_naive_forecast_leaves_its_target_out_for_every_model() -> None:
    forecasts = forecasts_of(broken=False)
    gone = (forecasts["target"] == "T0") & (forecasts["model"] == "NF")
    table = relative_to_naive(forecasts[~gone])
    assert (table["targets"] == 4).all()
    assert (table["left_out"] == 1).all()
    with pytest.raises(InputError, match="NF"):
        relative_to_naive(forecasts[forecasts["model"] != "NF"])


def test_a_ratio_over_no_target_is_nan() -> None:
    forecasts = forecasts_of(broken=False)
    forecasts.loc[forecasts["model"] == "TO HAR-STD", "status"] = "failed"
    table = relative_to_naive(forecasts)
    empty = table[table["model"] == "TO HAR-STD"]
    assert empty["ratio"].isna().all()
    assert (empty["targets"] == 0).all()
    matrix = printed_pairwise(pairwise(forecasts, "MSE"))
    assert set(matrix["TO HAR-STD"]) == {"n/a", "-"}


@pytest.mark.parametrize("loss", LOSS_NAMES)
def test_pairwise_agrees_with_plain_loops(loss: str) -> None:
    forecasts = forecasts_of()
    run = naive.plain(forecasts)
    table = pairwise(forecasts, loss)
    names = ["loss", "benchmark", "model", "ratio", "targets", "left_out", "rejections", "untested", "significant"]
    assert list(table.columns) == names
    assert len(table) == len(MODELS) * (len(MODELS) - 1)
    for row in table.itertuples():
        ratio, targets, having = naive.mean_ratio(run, None, row.model, row.benchmark, loss)
        np.testing.assert_allclose(row.ratio, ratio, rtol=1e-12)
        assert (row.targets, row.left_out) == (targets, having - targets)
        assert row.rejections == naive.rejections(run, row.model, row.benchmark, loss)
        assert row.significant == (row.rejections > targets / 2)
        assert row.untested == int({row.model, row.benchmark} == {"TO HAR-STD", "NP XGB-STD"})


def test_significance_needs_more_than_half_of_the_targets() -> None:
    """Two targets of four where the model is better by far, then three."""
    for better, significant in ((2, False), (3, True)):
        forecasts = forecasts_of(targets=4, broken=False)
        worse = (forecasts["model"] == "TO HAR-STD") & (forecasts["target"] < f"T{better}")
        noise = np.random.default_rng(1).uniform(9, 11, len(forecasts))
        forecasts["forecast"] = np.where(worse, forecasts["realized"] + noise, forecasts["realized"] + noise / 1e3)
        table = pairwise(forecasts, "MAE").set_index(["benchmark", "model"])
        assert table.loc[("TO HAR-STD", "TO HAR-EXT"), "rejections"] == better
        assert table.loc[("TO HAR-STD", "TO HAR-EXT"), "significant"] == significant


def test_confidence_sets_are_those_of_each_target_and_period() -> None:
    forecasts = forecasts_of()
    sets = confidence_sets(forecasts, seed=3, replications=200)
    assert list(sets.columns) == ["target", "period", "loss", "model", "p_value", "included", "status"]
    alone = forecasts[forecasts["target"] == "T2"]
    only = confidence_sets(alone, seed=3, replications=200)
    pd.testing.assert_frame_equal(only, sets[sets["target"] == "T2"].reset_index(drop=True))

    rows = alone[alone["period"] == 150]
    wide = rows.pivot(index="date", columns="model", values="forecast")
    realized = rows.drop_duplicates("date").set_index("date")["realized"].sort_index()
    losses = wide.sub(realized, axis=0).abs().to_numpy()
    found = model_confidence_set(losses, weights=shared_weights(DAYS, 200, 3))
    part = only[(only["period"] == "150") & (only["loss"] == "MAE")]
    assert part["model"].tolist() == list(wide.columns)
    np.testing.assert_array_equal(part["p_value"], found.p_values)
    np.testing.assert_array_equal(part["included"], found.included)
    assert part["status"].tolist() == list(found.status)
    assert "duplicate" in found.status


def test_table_4_counts_the_sets() -> None:
    sets = confidence_sets(forecasts_of(), seed=3, replications=200)
    table = inclusion_counts(sets)
    assert list(table.columns) == ["model", "period", "loss", "included", "targets", "left_out"]
    assert list(dict.fromkeys(table["period"])) == ["50", "150", "250", "agg", "all"]
    having = {"50": 5, "150": 5, "250": 4, "all": 5, "agg": 14}
    for row in table.itertuples():
        periods = {"50", "150", "250"} if row.period == "agg" else {row.period}
        own = [s for s in sets.itertuples() if s.model == row.model and s.loss == row.loss and s.period in periods]
        assert row.included == sum(s.included for s in own)
        assert row.targets == sum(s.status != "missing" for s in own)
        assert row.left_out == having[row.period] - row.targets
    # Every set that could be made holds at least one model.
    assert sets[sets["status"] != "missing"].groupby(["target", "period", "loss"])["included"].any().all()


def test_the_order_of_the_rows_does_not_matter() -> None:
    first, second = forecasts_of(), forecasts_of().sample(frac=1.0, random_state=9)
    for function in (mean_losses, relative_to_naive, lambda t: pairwise(t, "QLIKE")):
        pd.testing.assert_frame_equal(function(first), function(second), check_exact=True)
    sets = confidence_sets(first, seed=3, replications=100)
    pd.testing.assert_frame_equal(sets, confidence_sets(second, seed=3, replications=100), check_exact=True)
    counts = inclusion_counts(sets)
    pd.testing.assert_frame_equal(counts, inclusion_counts(sets.sample(frac=1.0, random_state=1)))


def test_models_stand_in_the_order_of_the_paper() -> None:
    approaches = ["MTL-75", "NP", "MTL-25", "TO", "MTL-50"]
    names = [f"{a} {c}-{p}" for p in ("EXT", "STD") for c in ("XGB", "FNN", "HAR") for a in approaches]
    expected = ["NF"]
    for family in ("HAR", "FNN", "XGB"):
        for group in (["TO"], ["NP"], ["MTL-25", "MTL-50", "MTL-75"]):
            expected += [f"{a} {family}-{p}" for p in ("STD", "EXT") for a in group]
    assert paper_order([*names, "NF", "NF"]) == expected
    first_days = ["22-MTL-25 HAR-STD", "5-TO HAR-STD", "1-NP XGB-EXT", "1-TO HAR-STD", "1-NP HAR-STD", "GARCH", "NF"]
    expected = ["NF", "1-TO HAR-STD", "1-NP HAR-STD", "1-NP XGB-EXT", "5-TO HAR-STD", "22-MTL-25 HAR-STD", "GARCH"]
    assert paper_order(first_days) == expected


def test_the_printed_layouts() -> None:
    forecasts = forecasts_of()
    ratios = relative_to_naive(forecasts)
    wide = printed(ratios, "ratio")
    assert wide.index.tolist() == paper_order(MODELS[1:])
    assert wide.columns.tolist() == [(p, loss) for p in ("50", "150", "250", "all") for loss in ("MSE", "MAE")]
    row = ratios[(ratios["model"] == "NP XGB-STD") & (ratios["period"] == "150") & (ratios["loss"] == "MAE")]
    assert wide.loc["NP XGB-STD", ("150", "MAE")] == row["ratio"].item()
    counts = printed(inclusion_counts(confidence_sets(forecasts, seed=1, replications=100)), "included")
    assert counts.index[0] == "NF"
    assert [period for period, _ in counts.columns[::2]] == ["50", "150", "250", "agg", "all"]


def test_tables_8_to_11_are_cuts_of_the_pairwise_tables() -> None:
    forecasts = forecasts_of()
    both = pd.concat([pairwise(forecasts, "MSE"), pairwise(forecasts, "MAE")], ignore_index=True)
    standard = ["NF", "TO HAR-STD", "MTL-50 HAR-STD", "NP XGB-STD"]
    for number, loss, columns in (
        (8, "MSE", standard),
        (9, "MSE", ["TO HAR-EXT", "MTL-75 XGB-EXT"]),
        (10, "MAE", standard),
        (11, "MAE", ["TO HAR-EXT", "MTL-75 XGB-EXT"]),
    ):
        cut = cut_pairwise(both, number)
        text = printed_pairwise(cut)
        assert text.columns.tolist() == columns
        assert text.index.tolist() == paper_order(MODELS)
        whole = both[both["loss"] == loss]
        ratios = pairwise_matrix(whole)
        stars = pairwise_matrix(whole, "significant")
        assert stars.dtypes.eq(bool).all()
        for benchmark in text.index:
            for model in columns:
                star = "*" if stars.loc[benchmark, model] else ""
                shown = "-" if benchmark == model else f"{ratios.loc[benchmark, model]:.3f}{star}"
                assert text.loc[benchmark, model] == shown
    assert PAIRWISE_TABLES.keys() == {8, 9, 10, 11}
    with pytest.raises(InputError, match="12"):
        cut_pairwise(both, 12)


def test_overlapping_periods_are_refused() -> None:
    forecasts = forecasts_of()
    again = forecasts[forecasts["period"] == 50].assign(period=60)
    with pytest.raises(InputError, match="overlap"):
        relative_to_naive(pd.concat([forecasts, again]))


@pytest.mark.parametrize("value", [np.inf, 1e250])
def test_an_exploding_forecast_is_missing_not_averaged(value: float) -> None:
    forecasts = forecasts_of(broken=False)
    at = forecasts.index[(forecasts["model"] == "TO HAR-STD") & (forecasts["target"] == "T1")][:3]
    forecasts.loc[at, "forecast"] = value
    table = relative_to_naive(forecasts).set_index(["model", "period", "loss"])
    assert table.loc[("TO HAR-STD", "all", "MSE"), "left_out"] == 1
    pairs = pairwise(forecasts, "MSE").set_index(["benchmark", "model"])
    assert pairs.loc[("NF", "TO HAR-STD"), "left_out"] == 1
    sets = confidence_sets(forecasts, seed=1, replications=50)
    assert (sets[sets["status"] == "missing"]["model"] == "TO HAR-STD").all()
