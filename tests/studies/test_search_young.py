"""Searches of the studies of young assets: what a point is judged by, on what its loss depends, what is refused."""

import dataclasses
import functools
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.search.space import checked_point
from cluster.search.study import Search
from tests import naive
from volforecast.data.panel import Panel
from volforecast.errors import ConfigError, FitError
from volforecast.models import FNN, XGB
from volforecast.models.protocol import TrainingSet
from volforecast.seeds import seed_of
from volforecast.studies.first_days import FirstDays
from volforecast.studies.first_days_config import FirstDaysConfig
from volforecast.studies.model_names import all_models, parse
from volforecast.studies.new_issues import NewIssues
from volforecast.studies.new_issues_config import NewIssuesConfig
from volforecast.studies.search_settings import SearchSettings
from volforecast.studies.search_spaces import as_changes
from volforecast.studies.search_validation import cut
from volforecast.transfer.dtw import DTW

SIZE = {"sources": 2, "targets": 2, "source_days": 190, "target_days": 75}
FEW = SearchSettings(seeds=1)
POINTS: dict[str, dict[str, Any]] = {
    "XGB": {"trees": 12, "depth": 3, "learning_rate": 0.2, "gamma": 0.5, "subsample": 0.6},
    "FNN": {"learning_rate": 0.02, "max_epochs": 15, "patience": 5},
}
JUDGED = ("TO XGB-STD", "NP XGB-EXT", "MTL-75 XGB-EXT", "MTL-50 FNN-STD", "NP FNN-EXT")
JUDGED_FIRST = ("1-NP XGB-EXT", "5-MTL-75 XGB-STD", "22-MTL-50 XGB-EXT", "22-NP FNN-STD")


def write_panel(folder: Path) -> Panel:
    return naive.simulated(folder, seed=3, **SIZE)


@functools.lru_cache(maxsize=1)
def panel() -> Panel:
    """Two sources and two targets that begin on different days."""
    with tempfile.TemporaryDirectory() as folder:
        return write_panel(Path(folder))


def new_issues(*models: str, **changes: Any) -> NewIssues:
    return NewIssues(NewIssuesConfig(**({"models": models, "periods": (50,), "search": FEW} | changes)).checked())


def first_days(*models: str, **changes: Any) -> FirstDays:
    return FirstDays(FirstDaysConfig(**({"models": models, "search": FEW} | changes)).checked())


def study_of(model: str, **changes: Any) -> NewIssues | FirstDays:
    return (new_issues if parse(model).prefix is None else first_days)(model, **changes)


def short(model: str) -> dict[str, Any]:
    """Settings that forecast fewer days than the panel's targets have."""
    return {"horizon_days": 20} if parse(model).prefix is None else {}


def only(study: Any, data: Any) -> Search:
    (search,) = study.searches(data)
    return search


def loss_of(model: str, panel: Panel, **changes: Any) -> float:
    study = study_of(model, **(short(model) | changes))
    data = study.load(panel)
    search = only(study, data)
    values = search.defaults | POINTS[parse(model).model_class]
    return study.trial(search, data, values, lambda step, loss: None)


@functools.lru_cache(maxsize=16)
def quiet(model: str) -> float:
    return loss_of(model, panel())


# ------------------------------------------------------------------------------------------------------- what is asked


def test_every_model_with_hyperparameters_is_searched_from_the_papers_point_on() -> None:
    study = new_issues(horizon_days=20)
    searches = study.searches(study.load(panel()))
    wanted = [str(name) for name in all_models() if name.model_class != "HAR"]
    assert [search.name for search in searches] == wanted
    assert len({search.key for search in searches}) == len(wanted)
    for search in searches:
        assert checked_point(search.space, search.defaults) == dict(sorted(search.defaults.items()))
        assert search.cost > 0
        assert search.gpus == 0
        model_class = XGB() if "XGB" in search.name else FNN()
        approach = parse(search.name).approach
        for name, value in as_changes(search.defaults, approach).items():
            given = getattr(model_class, name)
            assert (given[approach] if name == "batch" else given) == (value[approach] if name == "batch" else value)


def test_what_the_first_days_can_learn_from_nothing_is_not_searched() -> None:
    study = first_days()
    names = [search.name for search in study.searches(study.load(panel()))]
    assert len(names) == 3 * 2 * 2 * 4  # prefixes, classes, predictor sets, NP and three rates
    assert not any("TO" in name or "HAR" in name for name in names)


@pytest.mark.parametrize(
    ("models", "said"),
    [
        (("HAR",), "HAR models have no hyperparameters; those of FNN and XGB are searched"),
        (("XGB", "NP HAR-STD"), "NP HAR-STD: HAR models have no hyperparameters"),
        (("LOG-HAR",), "have no hyperparameters"),
        (("NF-22", "XGB"), "NF-22 have no hyperparameters"),
        (("1-TO XGB",), "1-TO XGB-STD: at its first origin a TO model of the first days has no row to learn from"),
    ],
)
def test_models_without_a_search_are_refused(models: tuple[str, ...], said: str) -> None:
    study: Any = first_days(*models) if models[0].startswith("1-") else new_issues(*models, horizon_days=20)
    with pytest.raises(ConfigError, match=said.replace("(", r"\(")) as error:
        study.searches(study.load(panel()))
    assert "\n" not in str(error.value)


def test_a_point_outside_of_the_space_is_no_default() -> None:
    study = new_issues("NP XGB-STD", horizon_days=20, xgb=XGB(depth=20))
    assert only(study, study.load(panel())).defaults == {}


# --------------------------------------------------------------------------------------------------- what judges it


@pytest.mark.parametrize("model", ["TO XGB-STD", "NP XGB-EXT", "MTL-75 XGB-EXT"])
@pytest.mark.parametrize("most", [50_000, 120])
def test_a_loss_is_that_of_plain_loops(model: str, most: int) -> None:
    """Pair by pair from the specification: the same rows learn, the same rows judge, at the same ratio."""
    world, name = naive.World(panel()), parse(model)
    columns = naive.EXT if name.predictors == "EXT" else naive.STD
    booster = XGB(**POINTS["XGB"])
    ratios = []
    for target in panel().with_role("target"):
        approach = name.approach if name.rate is None else f"{name.approach}-{name.rate}"
        kept, X, y, _ = world.training_table(world.training_pairs(target, 50, approach), columns)
        kept, X, y = kept[-most:], X[-most:], y[-most:]
        days = [world.dates[asset][t - 1] for asset, t in kept]
        labels = [world.dates[asset][t] for asset, t in kept]
        first = days[-int(len(kept) * 0.2)]
        judging = [k for k in range(len(kept)) if days[k] >= first]
        learnt = [k for k in range(len(kept)) if labels[k] < first]
        assert learnt
        assert max(labels) <= world.cut(target, 50)
        train = TrainingSet(X[learnt], y[learnt], name.approach)
        seed = seed_of(1, "search", target, 50, model, 1, "fit")
        forecast = booster.forecast(train, X[judging], None, seed)
        forecast = np.where(forecast < 0, y[learnt].min(), forecast)
        ratios.append(sum((forecast - y[judging]) ** 2) / sum((X[judging, 0] - y[judging]) ** 2))
    found = loss_of(model, panel(), search=SearchSettings(seeds=1, rows=most))
    assert math.isclose(found, math.prod(ratios) ** (1 / len(ratios)), rel_tol=1e-9)


@pytest.mark.parametrize("model", JUDGED)
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_what_is_learnt_from_was_known_before_the_first_day_that_judges(model: str, share: float) -> None:
    study = new_issues(model, horizon_days=20)
    data = study.load(panel())
    for target in data.targets:
        selection = study._young(data).selections(model, [target])[0] if "MTL" in model else None
        estimation = study.estimation(data, target, 50, model, selection)
        parts = cut(estimation, 50, SearchSettings(share=share))
        rows = estimation.market.rows
        whole = np.column_stack([rows.X[:, : estimation.width], rows.y])
        everything = {row.tobytes(): k for k, row in enumerate(whole)}
        learnt = [everything[row.tobytes()] for row in np.column_stack([parts.train.X, parts.train.y])]
        judging = [everything[row.tobytes()] for row in np.column_stack([parts.X, parts.y])]
        assert rows.label_date[learnt].max() < rows.date[judging].min()
        origin = rows.date[rows.first_row(target) + 49]
        assert rows.label_date[judging].max() <= origin
        # what lies between the two is at most a row of each asset
        assert len(learnt) + len(judging) >= sum(map(len, estimation.pairs(50))) - len(rows.assets) - 2


def test_the_loss_of_several_seeds_is_their_mean() -> None:
    study = new_issues("TO XGB-STD", horizon_days=20, targets=("NEW00001",), search=SearchSettings(seeds=3))
    data = study.load(panel())
    found = study.trial(only(study, data), data, POINTS["XGB"], lambda step, loss: None)
    estimation = study.estimation(data, "NEW00001", 50, "TO XGB-STD", None)
    parts = cut(estimation, 50, study.config.search)
    naive_error = np.square(parts.X[:, 0] - parts.y).sum()
    each = []
    for number in (1, 2, 3):
        seed = seed_of(1, "search", "NEW00001", 50, "TO XGB-STD", number, "fit")
        forecast = XGB(**POINTS["XGB"]).forecast(parts.train, parts.X, None, seed)
        each.append(np.square(np.maximum(forecast, 0) - parts.y).sum() / naive_error)
    assert len(set(each)) > 1
    assert math.isclose(found, float(np.mean(each)), rel_tol=1e-12)


def test_too_few_rows_fail_the_trial_and_say_of_which_target() -> None:
    study = new_issues("TO XGB-STD", horizon_days=20, search=SearchSettings(rows=1))
    data = study.load(panel())
    with pytest.raises(FitError, match="TO XGB-STD of NEW00001 at origin 50 has 1 rows, which leave 0 to learn from"):
        study.trial(only(study, data), data, POINTS["XGB"], lambda step, loss: None)


# ------------------------------------------------------------------------------------------------------ no look-ahead


def with_later_days_changed(first_days: dict[str, int], last: int) -> Panel:
    """Everything of a target after its day, of a source after a date, and of the market after it, is another."""
    rv = np.random.default_rng(8)
    daily = panel().daily.copy()
    number = daily.groupby("asset").cumcount().to_numpy() + 1
    dates = np.array([naive.day_number(date) for date in daily["date"]])
    limit = daily["asset"].map(first_days)
    later = np.where(limit.notna(), number > limit.fillna(0), dates > last)
    for column in ("rv", "close", "volume"):
        daily.loc[later, column] *= rv.uniform(0.2, 5.0, int(later.sum()))
    daily.loc[later, "earnings_next_day"] = ~daily.loc[later, "earnings_next_day"]
    market = panel().market.copy()
    after = np.array([naive.day_number(date) for date in market["date"]]) > last
    market.loc[after, "vix"] *= 3.0
    return dataclasses.replace(panel(), daily=daily, market=market)


def days_of(asset: str) -> list[int]:
    own = panel().daily[panel().daily["asset"] == asset]
    return [naive.day_number(date) for date in own["date"]]


@pytest.mark.parametrize("model", [*JUDGED, *JUDGED_FIRST])
def test_no_day_that_the_study_tests_on_changes_a_loss(model: str) -> None:
    origin = parse(model).prefix or 50
    targets = panel().with_role("target")
    last = max(days_of(target)[origin - 1] for target in targets)
    changed = with_later_days_changed(dict.fromkeys(targets, origin), last)
    assert loss_of(model, changed) == quiet(model)


@pytest.mark.parametrize("model", ["TO XGB-STD", "NP XGB-EXT", "22-NP FNN-STD"])
def test_the_test_above_can_fail(model: str) -> None:
    origin = parse(model).prefix or 50
    targets = panel().with_role("target")
    last = max(days_of(target)[origin - 1] for target in targets)
    changed = with_later_days_changed(dict.fromkeys(targets, origin - 1), last - 7)
    assert loss_of(model, changed) != quiet(model)


# ------------------------------------------------------------------------------------------------ on what it depends


def test_a_loss_depends_on_its_point_alone() -> None:
    """Not on what the process has computed before, nor on the number of models searched beside it."""
    study = new_issues("XGB", "FNN", horizon_days=20)
    data = study.load(panel())
    searches = {search.name: search for search in study.searches(data)}
    for model in (*JUDGED, *reversed(JUDGED)):
        values = searches[model].defaults | POINTS[parse(model).model_class]
        assert study.trial(searches[model], data, values, lambda step, loss: None) == quiet(model)


def test_another_process_comes_to_the_same_loss(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.studies.test_search_young import *; "
        "from threadpoolctl import threadpool_limits; threadpool_limits(limits=1); "  # as this process, and workers
        "panel = write_panel(Path(sys.argv[1])); "
        "print([loss_of(model, panel).hex() for model in reversed(JUDGED)])"
    )
    words = [sys.executable, "-c", code, str(tmp_path)]
    ran = subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == str([quiet(model).hex() for model in reversed(JUDGED)])


def key_of(model: str, read: Panel | None = None, **changes: Any) -> str:
    study = study_of(model, **(short(model) | changes))
    return only(study, study.load(read or panel())).key


@pytest.mark.parametrize("model", ["MTL-75 XGB-EXT", "22-MTL-75 FNN-STD"])
def test_the_key_holds_what_a_trial_reads_and_not_where_it_starts(model: str) -> None:
    changes: list[dict[str, Any]] = [
        {"seed": 2},
        {"block_length": 21},
        {"dtw": DTW(windows="overlapping")},
        {"targets": ("NEW00001",)},
        {"search": SearchSettings(seeds=2)},
        {"search": SearchSettings(seeds=1, share=0.3)},
        {"search": SearchSettings(seeds=1, rows=1000)},
        {"search": SearchSettings(seeds=1, targets=1)},
    ]
    if "XGB" in model:
        changes += [{"xgb": XGB(tree_method="exact")}, {"insanity_filter": True}, {"periods": (51,)}]
        changes += [{"xgb": XGB(reg_alpha=0.5)}]
    keys = [key_of(model), *(key_of(model, **change) for change in changes)]
    assert len(set(keys)) == len(keys)
    point = {"xgb": XGB(depth=4)} if "XGB" in model else {}
    unread: list[dict[str, Any]] = [point, {"replications": 200}, {"dtw": DTW(device="cuda")}]
    assert {key_of(model, **change) for change in unread} == {keys[0]}
    assert key_of(model, dataclasses.replace(panel(), fingerprint="another")) != keys[0]


def test_at_most_so_many_targets_are_looked_at() -> None:
    study = new_issues("NP XGB-STD", horizon_days=20, search=SearchSettings(targets=1))
    assert only(study, study.load(panel())).coordinates["targets"] == "NEW00001"
