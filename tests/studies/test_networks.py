"""Networks trained together on a GPU, tried on a CPU: the estimations of single units, and how they are planned."""

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cluster.driver import run_study
from tests import naive
from volforecast.data.panel import Panel
from volforecast.models.fnn import FNN
from volforecast.studies.model_names import parse
from volforecast.studies.networks import together
from volforecast.studies.new_issues import NewIssues
from volforecast.studies.new_issues_config import NewIssuesConfig
from volforecast.studies.rolling import Estimation, Market
from volforecast.studies.units import GPUS

FEW = FNN(max_epochs=3, patience=2)
ON_GPU = FNN(max_epochs=3, patience=2, device="cuda")
PERIODS = (50, 60)


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Panel:
    return naive.simulated(tmp_path_factory.mktemp("networks"), source_days=200, target_days=90)


def study(fnn: FNN, *models: str) -> NewIssues:
    return NewIssues(NewIssuesConfig(periods=PERIODS, horizon_days=10, models=models, fnn=fnn).checked())


@pytest.fixture(scope="module")
def market(panel: Panel) -> Market:
    """One target lacks predictors on some forecast days: there the STD model answers."""
    target, daily = panel.with_role("target")[0], panel.daily.copy()
    days = daily.index[daily["asset"] == target][[54, 55, 66]]
    daily.loc[days, "volume"] = np.nan
    return study(FEW, "FNN").load(dataclasses.replace(panel, daily=daily))


def estimations(market: Market, model: str, fnn: FNN) -> list[Estimation]:
    def some(origin: int) -> np.ndarray:
        return market.pool.row[: 40 * origin]

    schedule = study(FEW, "FNN").config.schedule
    places = [(target, period) for target in market.targets for period in PERIODS]
    return [Estimation(market, *place, parse(model), fnn, schedule, 1, some) for place in places]


@pytest.mark.parametrize("model", ["TO FNN-STD", "NP FNN-EXT", "MTL-50 FNN-STD", "MTL-25 FNN-EXT"])
def test_together_is_what_each_unit_does(market: Market, model: str) -> None:
    """On a CPU the networks are trained by the same kernel, so every byte is the same."""
    alone = pa.concat_tables(one.forecasts() for one in estimations(market, model, FEW))
    assert together(estimations(market, model, FEW), FEW).equals(alone)
    assert set(alone["status"].to_pylist()) == ({"ok", "fallback"} if model.endswith("EXT") else {"ok"})


def test_in_torch_the_estimations_are_the_same_and_the_forecasts_similar(market: Market) -> None:
    import torch

    alone = pa.concat_tables(one.forecasts() for one in estimations(market, "TO FNN-EXT", FEW)).to_pandas()
    table = together(estimations(market, "TO FNN-EXT", FEW), FEW, torch.device("cpu")).to_pandas()
    same = ["target", "period", "origin", "date", "model", "status", "realized", "train_rows", "dropped_rows"]
    assert table[same].equals(alone[same])
    assert np.isfinite(table["forecast"]).all()
    assert table["forecast"].nunique() > 5


def test_a_network_that_cannot_be_trained_is_named(market: Market) -> None:
    broken = [one for one in estimations(market, "TO FNN-STD", FEW) if one.period == PERIODS[0]]
    rows = market.rows
    first = rows.first_row(market.targets[0])
    label = rows.y[first + 40]
    rows.y[first + 40] = np.inf
    try:
        table = together(broken, FEW).to_pandas()
    finally:
        rows.y[first + 40] = label
    failed = table["target"] == market.targets[0]
    assert (table["status"] == "failed").eq(failed).all()
    assert table.loc[failed, "reason"].str.contains("NaN or infinite").all()


class TestThePlan:
    def test_on_a_gpu_one_unit_trains_all_networks_of_a_model(self, panel: Panel) -> None:
        models = ("HAR", "TO FNN", "MTL-50 FNN-EXT")
        on_cpu, on_gpu = study(FEW, *models), study(ON_GPU, *models)
        data = on_cpu.load(panel)
        plain, batched = on_cpu.plan(data).units, on_gpu.plan(data).units
        networks = [unit for unit in batched if unit.kind == "networks"]
        assert [unit.coordinates["model"] for unit in networks] == ["TO FNN-STD", "TO FNN-EXT", "MTL-50 FNN-EXT"]
        assert {unit.gpus for unit in networks} == {GPUS}
        assert all(unit.gpus == 0.0 for unit in batched if unit.kind != "networks")
        selections = [unit.key for unit in batched if unit.kind == "selection"]
        assert [list(unit.needs) for unit in networks] == [[], [], selections]
        assert [unit.name for unit in plain] == [unit.name for unit in batched if unit.kind != "networks"]
        # HAR's units are those of a run without a GPU, networks' are not
        same = {unit.name for unit in plain} & {unit.name for unit in batched if unit.key in {u.key for u in plain}}
        assert any("HAR" in name for name in same)
        assert not any("FNN" in name for name in same)
        by_model = {unit.coordinates["model"]: unit.key for unit in networks}
        for unit in batched:
            if unit.kind == "forecast" and "FNN" in str(unit.coordinates["model"]):
                assert unit.needs == (by_model[unit.coordinates["model"]],)

    def test_versions_name_torch_only_where_it_computes(self, panel: Panel) -> None:
        data = study(FEW, "TO FNN").load(panel)
        assert "torch" not in study(FEW, "TO FNN").plan(data).versions
        assert "torch" in study(ON_GPU, "TO FNN").plan(data).versions

    def test_each_unit_cuts_its_forecasts_out(self, panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
        """The whole way, with a stand-in for the GPU's answers: they are those of a run on CPUs."""
        from volforecast.data.parquet import from_parquet

        models = ("TO FNN-STD", "MTL-50 FNN-EXT")
        data = study(FEW, *models).load(panel)
        monkeypatch.setattr("volforecast.studies.new_issues.together", lambda some, fnn: together(some, FEW))

        def run(one: NewIssues) -> dict[str, bytes]:
            payloads: dict[str, bytes] = {}
            found: dict[str, bytes] = {}
            for unit in one.plan(data).units:
                if unit.kind != "confidence":
                    query = one.query(data, unit) if unit.sharded else None
                    answers = [one.scan(shard, query) for shard in one.shards(data, 2)] if query else []
                    inputs = {need: payloads[need] for need in unit.needs}
                    payloads[unit.key] = found[unit.name] = one.run(unit, data, inputs, answers).payload
            return found

        on_cpu, on_gpu = run(study(FEW, *models)), run(study(ON_GPU, *models))
        for name, payload in on_cpu.items():
            assert from_parquet(on_gpu[name]).equals(from_parquet(payload)), name
            assert on_gpu[name] == payload, name


@pytest.mark.cluster
@pytest.mark.usefixtures("private_ray")
def test_without_a_gpu_the_reason_is_in_the_ledger(panel: Panel, tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    one = study(ON_GPU, "TO FNN-STD")
    summary = run_study(one, one.load(panel), str(tmp_path), quiet=True)
    assert not summary.complete
    ((_, failure),) = summary.failures
    assert failure.kind == "networks"
    assert 'device = "cuda", but PyTorch finds no CUDA device here' in failure.reason
    assert len(summary.blocked) > 0
