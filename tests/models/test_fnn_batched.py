"""Many networks at once against PyTorch, the compiled kernel and themselves; on a GPU too where there is one."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from tests.models import naive_fnn as naive
from tests.models.fnn_jobs import RATE, WITHOUT_GPU, jobs_of, sample
from volforecast.data.panel import read_panel
from volforecast.errors import ConfigError, FitError
from volforecast.models import fnn_batched as batched
from volforecast.models import fnn_kernel as kernel
from volforecast.models.fnn import FNN, moments_of
from volforecast.models.fnn_batched import Group, IntArray, Orders, Settings, Table
from volforecast.models.fnn_start import Job, flat, initial_layers
from volforecast.models.fnn_step import KEY_BITS, Stepper, parameters_of, random_orders
from volforecast.models.protocol import TrainingSet
from volforecast.predictors import build_rows

PANEL = Path(__file__).parents[3] / "shared" / "data" / "dj30"
NOBODY = np.arange(0)

# rows, batch, epochs: 40 to 60 steps, the last batch of an epoch smaller wherever it can be
RUNS = [(29, 1, 2), (103, 4, 2), (61, 8, 7), (300, 129, 20), (1300, 512, 20), (5000, 1024, 12), (17, 1024, 60)]


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=WITHOUT_GPU)])
def device(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    with naive.one_torch_thread():
        yield torch.device(request.param)


def kernels_order(jobs: Sequence[Job]) -> Orders:
    def order(job: int, epoch: int) -> IntArray:
        result = np.empty(len(jobs[job].rows), dtype=np.int32)
        kernel.shuffle(result, jobs[job].seed, epoch)
        return result.astype(np.int64)

    return order


def trained(group: Group, epochs: int) -> list[naive.Arrays]:
    for epoch in range(epochs):
        group.epoch(epoch, np.ones(len(group.jobs), dtype=np.bool_))
    group.forecasts()
    return [naive.unflat(weights, group.data.shape[2] - 2) for weights in group.weights.cpu().numpy()]


@pytest.mark.parametrize("inputs", [3, 11])
@pytest.mark.parametrize(("rows", "batch", "epochs"), RUNS)
def test_training_is_that_of_torch_and_of_the_kernel(
    rows: int, batch: int, epochs: int, inputs: int, device: torch.device
) -> None:
    X, y = sample(2 * rows + 3, inputs)
    jobs = jobs_of([rows, rows, rows], len(y))
    order = kernels_order(jobs)
    settings = Settings(batch, RATE, orders=order)
    (group,) = batched.grouped(batched.upload(X, y, device), jobs, settings, labelled=False)
    for k, ours in enumerate(trained(group, epochs)):
        data, seed = group.data[k, :rows].double().cpu().numpy(), jobs[k].seed
        start = [(w.astype(np.float64), b.astype(np.float64)) for w, b in initial_layers(inputs, seed)]
        orders = [order(k, epoch) for epoch in range(epochs)]
        theirs = naive.torch_training(start, data[:, 1:-1], data[:, -1], orders, batch, RATE, torch.float64)
        # float32 carries 6e-8 of weights below 1, and 60 steps add up to a few of these
        assert naive.difference(ours, theirs) < 1e-6
        network = kernel.network(flat(initial_layers(inputs, seed)))
        packed = kernel.data_rows(data[:, 1:-1], data[:, -1])
        kernel.train(network, packed, inputs, batch, seed, (0, epochs), RATE, kernel.workspace(rows, inputs))
        assert naive.difference(ours, naive.unflat(network.weights, inputs)) < 1e-6
        assert naive.difference(ours, start) > 1e-3


def test_inputs_are_those_of_the_kernel_but_for_the_last_bit(device: torch.device) -> None:
    X, y = sample(4000, 11)
    X[:, 4] = 0.1  # constant: only centred
    jobs = jobs_of([3000, 2900], 4000)
    (group,) = batched.grouped(batched.upload(X, y, device), jobs, Settings(1024, RATE), labelled=False)
    for k, job in enumerate(jobs):
        moments = moments_of(X[job.rows])
        for numbers, data in ((job.rows, group.data[k]), (job.others, group.others[k])):
            expected = ((X[numbers] - moments.centre) / moments.scale).astype(np.float32)
            ours = data[: len(numbers), 1:-1].cpu().numpy()
            np.testing.assert_allclose(ours, expected, rtol=2.0**-22, atol=1e-12)
            assert (np.delete(ours, 4, axis=1) == np.delete(expected, 4, axis=1)).mean() > 0.999
        assert not group.data[k, len(job.rows) :].any()


def test_each_network_trains_its_own_epochs(device: torch.device) -> None:
    X, y = sample(500, 3)
    table, jobs = batched.upload(X, y, device), jobs_of([40, 9, 200, 41], 500)
    order, epochs = kernels_order(jobs), [2, 15, 0, 4]
    forecasts = batched.train_many(table, jobs, epochs, Settings(4, RATE, orders=order))
    for k, (job, count) in enumerate(zip(jobs, epochs, strict=True)):
        expected = FNN().forecast(TrainingSet(X[job.rows], y[job.rows], "TO"), X[job.others], count, job.seed)
        np.testing.assert_allclose(forecasts[k], expected, rtol=1e-5, atol=1e-5)


def test_networks_that_pause_do_not_move(device: torch.device) -> None:
    draw, shape = torch.Generator().manual_seed(1), (4, parameters_of(3))
    state = [torch.rand(shape, generator=draw).to(device) for _ in range(3)]
    data = torch.rand((40, 5), generator=draw).to(device)
    data[:, 0] = 1.0
    stepper = Stepper(*(values.clone() for values in state), data, 8, 5)
    stepper.orders.copy_(torch.randint(0, 40, stepper.orders.shape, generator=draw))
    # 0 pauses, 1 trains all five steps, 2 only the first two, 3 has three rows
    sizes = torch.tensor([0, 40, 16, 3], device=device)
    stepper.factors(sizes, 0, RATE)
    stepper.run(2)
    after_two = [values.clone() for values in (stepper.weights, stepper.first, stepper.second)]
    stepper.factors(sizes, 0, RATE)
    stepper.plan[:2] = stepper.plan[-1]
    stepper.run(5)
    for start, two, end in zip(state, after_two, (stepper.weights, stepper.first, stepper.second), strict=True):
        assert torch.equal(start[0], end[0])
        assert torch.equal(two[2], end[2])
        assert torch.equal(two[3], end[3])
        assert not torch.equal(start[3], two[3])
        assert not torch.equal(two[1], end[1])


def test_a_network_of_nan_leaves_its_siblings_alone(device: torch.device) -> None:
    X, y = sample(400, 3)
    X[7], y[399] = np.nan, np.nan  # the last row has no label yet, and is forecast
    jobs = jobs_of([60, 60, 60, 60], 400)
    clean = [Job(job.rows[job.rows != 7], job.others, job.seed) for job in jobs]
    bad = [clean[0], Job(np.append(clean[1].rows, 7), clean[1].others, 6), *clean[2:]]
    bad.append(Job(clean[0].rows, np.array([7]), 9))
    bad.append(Job(NOBODY, clean[0].others, 9))
    table, settings = batched.upload(X, y, device), Settings(4, RATE)
    expected = batched.train_many(table, clean, [5] * 4, settings)
    found = batched.train_many(table, bad, [5] * 6, settings)
    for k, words in ((1, "training rows"), (4, "forecast row"), (5, "empty")):
        assert isinstance(found[k], FitError)
        assert words in str(found[k])
    for k in (0, 2, 3):
        np.testing.assert_allclose(np.asarray(found[k]), np.asarray(expected[k]), rtol=1e-5)
    (group,) = batched.grouped(table, clean, settings, labelled=False)
    group.stepper.weights[group.jobs.index(1), 3] = torch.nan
    trained(group, 5)
    finite, forecasts = group.forecasts()
    for place, k in enumerate(group.jobs):
        assert finite[place] == (k != 1)
        if k != 1:
            np.testing.assert_allclose(forecasts[place], np.asarray(expected[k]), rtol=1e-5)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [("X", np.nan, "training rows"), ("y", np.inf, "training rows"), ("y", 1e39, "float32"), ("X", 1e300, "float64")],
)
def test_absurd_rows_are_the_errors_of_the_kernel(place: str, value: float, words: str, device: torch.device) -> None:
    X, y = sample(40, 3)
    {"X": X[:, 1], "y": y}[place][11] = value
    job, model = Job(np.arange(38), np.arange(38, 40), 1), FNN(max_epochs=3)
    for on in (None, device):
        for result in (
            model.tune_many(X, y, "TO", [job], on=on)[0],
            model.forecast_many(X, y, "TO", [job], [3], on=on)[0],
        ):
            assert isinstance(result, FitError)
            assert words in str(result)


def test_divergence_is_an_error(device: torch.device) -> None:
    X, y = sample(40, 3)
    job, model = Job(np.arange(38), np.arange(38, 40), 1), FNN(learning_rate=1e30)
    assert "not finite after 3 epochs" in str(model.forecast_many(X, y, "TO", [job], [3], on=device)[0])
    assert "held-out error" in str(model.tune_many(X, y, "TO", [job], on=device)[0])


def courses(table: Table, jobs: Sequence[Job], settings: Settings, limit: int) -> list[list[float]]:
    """Each job's held-out error after each epoch, if no job stops."""
    (group,) = batched.grouped(table, jobs, settings, labelled=True)
    errors: list[list[float]] = [[] for _ in jobs]
    for epoch in range(limit):
        group.epoch(epoch, np.ones(len(jobs), dtype=np.bool_))
        for place, job in enumerate(group.jobs):
            held = group.others[place, : len(jobs[job].others)].double().cpu().numpy()
            layers = naive.unflat(group.stepper.weights[place].cpu().numpy(), held.shape[1] - 2)
            errors[job].append(naive.mean_squared_error(layers, held[:, 1:-1], held[:, -1]))
    return errors


def test_stopping_is_that_of_a_loop_in_words(device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = sample(900, 3, seed=4)
    table = batched.upload(X, y, device)
    jobs = [Job(job.rows[:-k], job.rows[-k:], job.seed) for k, job in enumerate(jobs_of([60, 90, 22, 300], 900), 2)]
    for settings, patience in ((Settings(4, 0.01), 6), (Settings(64, 0.03), 12)):
        found = batched.best_epochs(table, jobs, 60, patience, settings)
        expected = [naive.best_epoch(course.__getitem__, 60, patience) for course in courses(table, jobs, settings, 60)]
        assert found == [best for best, _ in expected]
        assert len({epochs for _, epochs in expected}) > 2  # they stop at different times, and not all at the limit
        if device.type == "cpu":  # where other company leaves every bit as it is
            with monkeypatch.context() as patch:
                patch.setattr(batched, "FLOOR", 0)
                assert batched.best_epochs(table, jobs, 60, patience, settings) == found
            assert batched.best_epochs(table, jobs, 60, patience, settings._replace(budget=1)) == found


def test_stopping_is_that_of_the_kernel_on_its_row_orders(device: torch.device) -> None:
    X, y = sample(900, 3, seed=4)
    jobs = [Job(job.rows[:-10], job.rows[-10:], job.seed) for job in jobs_of([60, 90, 30, 100], 900)]
    settings = Settings(64, 0.02, orders=kernels_order(jobs))
    found = batched.best_epochs(batched.upload(X, y, device), jobs, 30, 5, settings)
    model = FNN(learning_rate=0.02, max_epochs=30, patience=5, batch={"TO": 64, "MTL": 64, "NP": 64})
    for job, best in zip(jobs, found, strict=True):
        rows = np.concatenate([job.rows, job.others])
        share = msgspec.structs.replace(model, holdout=10.5 / len(rows))
        assert share.tune(TrainingSet(X[rows], y[rows], "TO"), job.seed) == best


def mixed(z: int) -> int:
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z = (z ^ (z >> shift)) * factor % 2**64
    return z ^ (z >> 31)


def test_orders_are_those_of_keys_in_whole_numbers(device: torch.device) -> None:
    seeds, sizes, golden = [0, 2**63 - 1, 12345, 7], [50, 13, 0, 64], 0x9E3779B97F4A7C15
    for epoch in (0, 499):
        found = random_orders(torch.tensor(seeds, device=device), epoch, torch.tensor(sizes, device=device), 64)
        for seed, size, order in zip(seeds, sizes, found.tolist(), strict=True):
            start = mixed((seed + mixed(epoch * golden % 2**64)) % 2**64)
            keys = [mixed((start + (row + 1) * golden) % 2**64) >> (64 - KEY_BITS) for row in range(size)]
            assert order[:size] == sorted(range(size), key=lambda row: keys[row])
            assert sorted(order[size:]) == list(range(size, 64))


def test_every_order_is_drawn_equally_often(device: torch.device) -> None:
    count = 24_000
    sizes = torch.full((count,), 4, device=device)
    for epoch in (0, 3):
        found = random_orders(torch.arange(count, device=device), epoch, sizes, 4).cpu().numpy()
        _, counts = np.unique(found, axis=0, return_counts=True)
        assert len(counts) == 24
        assert ((counts - 1000.0) ** 2 / 1000.0).sum() < 49.7  # chi-square with 23 degrees of freedom, 99.9 per cent
    sizes = torch.tensor([4], device=device)
    epochs = [random_orders(sizes, epoch, sizes, 4).cpu().numpy()[0] for epoch in range(2400)]
    _, counts = np.unique(epochs, axis=0, return_counts=True)
    assert len(counts) == 24
    assert ((counts - 100.0) ** 2 / 100.0).sum() < 49.7


def test_one_row_and_constant_predictors(device: torch.device) -> None:
    X, y = sample(60, 3)
    found: list[bytes] = []
    for value in (0.0, 5.0):
        X[:, 2] = value
        jobs = [Job(np.array([3]), np.array([58, 59]), 1), Job(np.arange(50), np.array([58, 59]), 2)]
        assert FNN(batch={"TO": 1, "MTL": 1, "NP": 1}).tune_many(X, y, "TO", jobs[:1], on=device) == [500]
        single, constant = FNN().forecast_many(X, y, "TO", jobs, [40, 30], on=device)
        assert np.isfinite(single).all()
        assert isinstance(constant, np.ndarray)
        found.append(constant.tobytes())
    assert found[0] == found[1]


def test_rows_that_no_job_names_change_nothing(device: torch.device) -> None:
    X, y = sample(200, 3)
    job, model = Job(np.arange(100), np.arange(110, 115), 3), FNN(max_epochs=9, patience=3)
    before = model.forecast_many(X, y, "MTL", [job], [5], on=device), model.tune_many(X, y, "MTL", [job], on=device)
    X[115:], X[100:110], y[100:] = 1e9, np.nan, np.nan
    after = model.forecast_many(X, y, "MTL", [job], [5], on=device), model.tune_many(X, y, "MTL", [job], on=device)
    assert np.asarray(before[0][0]).tobytes() == np.asarray(after[0][0]).tobytes()
    assert before[1] == after[1]


def test_learns_as_the_kernel_does(device: torch.device) -> None:
    """Row orders differ, so trainings end elsewhere; what they learn of a function does not."""
    draw = np.random.default_rng(0)
    X = draw.standard_normal((2000, 3))
    y = 3.0 + X[:, 0] - 0.5 * X[:, 1]
    jobs = [Job(np.arange(1500), np.arange(1500, 2000), seed) for seed in range(4)]
    for result in FNN().forecast_many(X, y, "MTL", jobs, [400] * 4, on=device):
        assert (result - y[1500:]).var() < 0.25 * y[1500:].var()


def test_many_on_a_cpu_are_single_ones_on_the_kernel() -> None:
    X, y = sample(300, 3)
    X[5, 1] = np.nan
    jobs, model = jobs_of([40, 60, 50], 300), FNN(max_epochs=20, patience=5)
    jobs = [jobs[0], Job(np.append(np.setdiff1d(jobs[1].rows, [5]), 5), jobs[1].others, 1), jobs[2]]
    jobs[0], jobs[2] = (Job(np.setdiff1d(job.rows, [5]), job.others, job.seed) for job in (jobs[0], jobs[2]))
    sets = [TrainingSet(X[job.rows], y[job.rows], "TO") for job in jobs]
    tuned = model.tune_many(X, y, "TO", jobs)
    forecasts = model.forecast_many(X, y, "TO", jobs, [3, 4, 5])
    assert isinstance(tuned[1], FitError)
    assert isinstance(forecasts[1], FitError)
    for k in (0, 2):
        assert tuned[k] == model.tune(sets[k], jobs[k].seed)
        expected = model.forecast(sets[k], X[jobs[k].others], 3 + k, jobs[k].seed)
        assert np.asarray(forecasts[k]).tobytes() == expected.tobytes()


def calls(model: FNN) -> list[Callable[[], object]]:
    X, y = sample(40, 3)
    train, job = TrainingSet(X, y, "TO"), Job(np.arange(30), np.arange(30, 40), 1)
    return [
        lambda: model.tune(train, 1),
        lambda: model.forecast(train, X[:3], 2, 1).tobytes(),
        lambda: model.tune_many(X, y, "TO", [job]),
        lambda: model.forecast_many(X, y, "TO", [job], [2]),
    ]


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a CUDA device")
def test_cuda_without_a_gpu_is_a_stated_error() -> None:
    for call in calls(FNN(device="cuda")):
        with pytest.raises(ConfigError, match="CUDA") as caught:
            call()
        assert "\n" not in str(caught.value)


@WITHOUT_GPU
def test_single_networks_train_on_the_gpu_when_asked_to() -> None:
    for call in calls(FNN(device="cuda", max_epochs=5)):
        call()
    assert calls(FNN(device="cuda"))[1]() != calls(FNN())[1]()


ON_CPU = """
import sys
import numpy as np
from volforecast.models.fnn import FNN
from volforecast.models.fnn_start import Job
X = np.random.default_rng(3).standard_normal((70, 3))
job = Job(np.arange(60), np.arange(60, 70), 1)
model = FNN(max_epochs=3)
model.forecast_many(X, np.abs(X[:, 0]), "TO", [job], model.tune_many(X, np.abs(X[:, 0]), "TO", [job]))
assert "torch" not in sys.modules
"""


def test_the_kernels_workers_do_not_import_torch() -> None:
    subprocess.run([sys.executable, "-c", ON_CPU], cwd=Path(__file__).parents[2], check=True)


@pytest.mark.skipif(not PANEL.exists(), reason="needs the dj30 panel at ../shared/data/dj30")
@pytest.mark.parametrize("inputs", [3, 11])
def test_training_on_real_rows(inputs: int, device: torch.device) -> None:
    rows = build_rows(read_panel(str(PANEL)))
    complete = np.flatnonzero(np.isfinite(rows.X).all(axis=1) & np.isfinite(rows.y))
    X, y = np.ascontiguousarray(rows.X[:, :inputs]), rows.y
    last = complete[-3:]
    jobs = [Job(complete[:count], last, 11 + k) for k, count in enumerate((50_000, 20_000, 300))]
    order = kernels_order(jobs)
    forecasts = batched.train_many(batched.upload(X, y, device), jobs, [1, 2, 3], Settings(1024, RATE, orders=order))
    for k, job in enumerate(jobs):
        expected = FNN().forecast(TrainingSet(X[job.rows], y[job.rows], "NP"), X[last], k + 1, job.seed)
        np.testing.assert_allclose(forecasts[k], expected, rtol=1e-5, atol=1e-5)
