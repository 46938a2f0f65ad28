"""What the report says first: it holds for the numbers, and does not claim more than they carry."""

import numpy as np
import pandas as pd
import pytest

from tests.report.page.rough.made import Frames, of_targets, run
from volforecast.report.page.rough.evidence import gain, in_sets, rival
from volforecast.report.page.rough.findings import summary


@pytest.fixture(scope="module")
def tables() -> Frames:
    return run()


def improved(improvement: float, p_value: float) -> pd.DataFrame:
    """Table 4 of one target."""
    row = {"target": "BTC", "horizon": 1, "metric": "RMSE", "improvement": improvement, "spread": 1.0}
    return pd.DataFrame([row | {"p_value": p_value, "wins": 4, "seeds": 5}])


def against_har(ratio: float, p_value: float, statistic: float, models: int = 3) -> Frames:
    """``table_across`` and table 6 of one target; the first model is the best."""
    names = [f"M{number}" for number in range(models)]
    ratios = [ratio, *np.linspace(2.0, 3.0, models - 1)]
    tested = pd.DataFrame({"target": "BTC", "horizon": 1, "model": names, "benchmark": "HAR", "days": 90})
    worse = [int(statistic < 0.0 and p_value < 0.05), *[1] * (models - 1)]
    across = pd.DataFrame({"horizon": 1, "model": names, "ratio": ratios, "low": np.nan, "high": np.nan, "targets": 1})
    return {
        "table_across": across.assign(better_than_har=0, worse_than_har=worse, better_than_lstm=0, worse_than_lstm=0),
        "table_6": tested.assign(
            statistic=[statistic, *[-9.0] * (models - 1)], p_value=[p_value, *[0.0] * (models - 1)]
        ),
    }


@pytest.mark.parametrize(
    ("improvement", "p_value", "words"),
    [
        (11.0, 0.0004, "transfer beats training from scratch"),
        (11.0, 0.3, "transfer is ahead of training from scratch, though not beyond chance"),
        (-2.0, 0.3, "transfer does not beat training from scratch"),
        (-2.0, 0.01, "training from scratch beats transfer"),
    ],
)
def test_whether_transfer_helps(improvement: float, p_value: float, words: str) -> None:
    said = summary({"table_4": improved(improvement, p_value)}, [1], {})
    assert said[0] == f"One day ahead, {words}."
    size = f"{abs(improvement):.1f}% {'below' if improvement > 0 else 'above'} that of the same network"
    assert size in said[1]
    assert ("p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}") in said[1]
    assert "better in 4 of 5 seeds" in said[1]


@pytest.mark.parametrize(
    ("ratio", "p_value", "statistic", "words"),
    [
        (0.9, 0.001, 4.0, "M0 beats HAR"),
        (
            0.9,
            0.03,
            2.2,
            "M0 is ahead of HAR, though not beyond chance",
        ),  # 0.09 after Bonferroni's correction for three
        (1.005, 0.7, -0.4, "no model beats HAR"),
        (1.2, 0.001, -4.0, "no model beats HAR"),
    ],
)
def test_whether_har_is_beaten(ratio: float, p_value: float, statistic: float, words: str) -> None:
    said = summary(against_har(ratio, p_value, statistic), [1], {})
    assert said[0] == f"One day ahead, {words}."
    assert ("Bonferroni" in said[1]) == (ratio < 1.0)


def test_over_several_targets_intervals_and_tests_are_told(tables: Frames) -> None:
    said = summary(tables, [1, 5], {"confidence": 0.95})
    own = tables["table_4"]
    gains = own[(own["metric"] == "RMSE") & (own["horizon"] == 1)]["improvement"]
    assert f"on average over 3 targets Transfer LSTM’s RMSE is {gains.mean():.1f}% below" in said[1]
    found = gain(tables, 1)
    assert found is not None
    half = 4.302652729696144 * gains.std(ddof=1) / 3**0.5  # Student's t, two degrees of freedom
    np.testing.assert_allclose([found.low, found.high], [gains.mean() - half, gains.mean() + half])
    assert any("Hurst exponents of SPX" in sentence for sentence in said)
    assert any("90% intervals hold" in sentence for sentence in said)


def test_a_model_that_failed_somewhere_is_not_the_rival(tables: Frames) -> None:
    across = tables["table_across"].copy()
    few = (across["model"] == "Regime Ensemble") & (across["horizon"] == 1)
    across.loc[few, ["ratio", "targets"]] = [0.5, 2]
    found = rival(tables | {"table_across": across}, 1)
    assert found is not None
    assert found.model != "Regime Ensemble"


def test_sets_count_where_a_model_took_part(tables: Frames) -> None:
    assert in_sets(tables, 1)["Regime Ensemble"][1] == 2
    single = summary(of_targets(tables, ["BTC"]), [1], {"confidence": 0.9})
    assert any(sentence.startswith("The 90% model confidence set, one day ahead, holds") for sentence in single)
