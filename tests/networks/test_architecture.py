"""Counts, names and starts of parameters."""

import numpy as np
import pytest

from volforecast.errors import ConfigError
from volforecast.networks.architecture import Architecture, components, groups, shapes, start

ARCHITECTURES = (
    Architecture(),
    Architecture(head="hybrid"),
    Architecture(head="dynamic"),
    Architecture(head="regimes"),
    Architecture(head="quantiles", levels=(0.05, 0.5, 0.95)),
    Architecture(encoder="transformer", inputs=2, layers=2),
)


def test_counts_are_those_of_the_papers_description() -> None:
    rows = {row.component: row.parameters for row in components(Architecture())}
    assert rows["LSTM encoder"] == 83_712
    assert rows["Attention"] == 4_224
    assert rows["Predictor"] == 2_113


@pytest.mark.parametrize("a", ARCHITECTURES)
def test_the_table_counts_every_parameter(a: Architecture) -> None:
    assert sum(row.parameters for row in components(a)) == sum(value.size for value in start(a, 1).values())
    assert {name: value.shape for name, value in start(a, 1).items()} == shapes(a)


@pytest.mark.parametrize("a", ARCHITECTURES)
def test_names_begin_with_their_group_and_groups_lie_together(a: Architecture) -> None:
    found = [next(group for group in groups(a) if name.startswith(f"{group}.")) for name in shapes(a)]
    assert list(dict.fromkeys(found)) == list(groups(a))
    assert found == sorted(found, key=groups(a).index)


def test_the_start_follows_from_the_seed_and_is_drawn_as_pytorch_draws() -> None:
    a = Architecture()
    one, again, other = start(a, 1), start(a, 1), start(a, 2)
    assert all(np.array_equal(one[name], again[name]) for name in one)
    assert not np.array_equal(one["lstm.0.weight_hh"], other["lstm.0.weight_hh"])
    for name, bound in {
        "lstm.1.weight_ih": 64**-0.5,
        "attention.map.weight": 64**-0.5,
        "attention.in_proj.weight": (6 / 128) ** 0.5,
        "attention.out_proj.weight": 32**-0.5,
        "head.hidden.bias": 64**-0.5,
    }.items():
        most = np.abs(one[name]).max()
        assert 0.9 * bound < most <= bound
    assert not one["attention.in_proj.bias"].any()
    assert not one["attention.out_proj.bias"].any()


def test_networks_that_differ_in_their_head_start_with_equal_encoders() -> None:
    point, dynamic = start(Architecture(), 3), start(Architecture(head="dynamic"), 3)
    assert all(np.array_equal(point[name], dynamic[name]) for name in point)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"layers": 0}, "layers"),
        ({"dropout": 1.0}, "dropout"),
        ({"attention": 30}, "attention"),
        ({"encoder": "transformer", "hidden": 30}, "hidden"),
        ({"head": "quantiles"}, "levels"),
        ({"head": "quantiles", "levels": (0.5, 0.1)}, "levels"),
    ],
)
def test_settings_that_make_no_network_are_refused(settings: dict[str, object], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        Architecture(**settings)  # type: ignore[arg-type]
