"""Names of models and the words that ask for them."""

import pytest

from volforecast.errors import ConfigError
from volforecast.models import MODELS
from volforecast.studies.model_names import ModelName, all_models, parse, pick

APPROACHES = ["TO", "NP", "MTL-25", "MTL-50", "MTL-75"]


def test_thirty_models_in_the_order_of_the_tables() -> None:
    expected = [f"{a} {c}-{p}" for c in ("HAR", "FNN", "XGB") for p in ("STD", "EXT") for a in APPROACHES]
    assert list(map(str, all_models())) == expected
    assert pick(()) == tuple(expected)
    assert list(MODELS) == ["HAR", "FNN", "XGB"]


def test_names_are_read_back() -> None:
    for model in all_models():
        assert parse(str(model)) == model
    assert parse("MTL-75 XGB-EXT") == ModelName("MTL", 75, "XGB", "EXT")
    assert parse("TO HAR-STD") == ModelName("TO", None, "HAR", "STD")


def test_the_std_model_of_the_same_approach_and_class() -> None:
    assert str(parse("MTL-25 FNN-EXT").with_std()) == "MTL-25 FNN-STD"
    assert str(parse("NP HAR-STD").with_std()) == "NP HAR-STD"


@pytest.mark.parametrize(
    ("words", "number"),
    [
        (["HAR"], 10),
        (["MTL"], 18),
        (["MTL-75"], 6),
        (["STD"], 15),
        (["XGB-EXT"], 5),
        (["NP XGB"], 2),
        (["XGB NP"], 2),
        (["MTL HAR-STD"], 3),
        (["MTL-75 XGB-EXT"], 1),
        (["HAR", "XGB"], 20),
        (["HAR", "TO"], 14),
        (["HAR", "HAR"], 10),
    ],
)
def test_words_narrow_down_and_entries_add_up(words: list[str], number: int) -> None:
    found = pick(words)
    assert len(found) == len(set(found)) == number
    assert [name for name in pick(()) if name in found] == list(found)
    for name in found:
        parts = set(name.replace("-", " ").split())
        assert any(set(entry.replace("-", " ").split()) <= parts for entry in words)


def test_the_order_asked_for_does_not_matter() -> None:
    assert pick(["XGB-EXT", "TO HAR-STD"]) == pick(["TO HAR-STD", "XGB-EXT"])
    assert pick(["XGB-EXT", "TO HAR-STD"])[0] == "TO HAR-STD"


@pytest.mark.parametrize("text", ["GARCH", "har", "MTL-60", "HAR XGB", "", " ", "NF", "TO-HAR", "MTL-75  HAR-STD EXT"])
def test_words_that_fit_no_model(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        pick(["HAR", text])
    message = str(error.value)
    assert "\n" not in message
    for word in ("--models", repr(text), "MTL-75 XGB-EXT", "HAR, FNN, XGB", "MTL-25"):
        assert word in message


@pytest.mark.parametrize("text", ["HAR", "TO HAR", "TO HAR-STD ", "MTL HAR-STD", "NF"])
def test_a_whole_name_is_needed_to_parse(text: str) -> None:
    with pytest.raises(ConfigError, match="no model is called") as error:
        parse(text)
    assert "\n" not in str(error.value)
