"""Names of the models of a study: how the training set is chosen, which class, which predictors."""

from collections.abc import Sequence
from typing import NamedTuple

from volforecast.errors import ConfigError
from volforecast.models import MODELS
from volforecast.predictors import PREDICTOR_SETS
from volforecast.transfer.selection import INCLUSION_RATES
from volforecast.transfer.training import Approach

NAIVE = "NF"  # the naive forecast: the realized variance of the day before


class ModelName(NamedTuple):
    """The parts of a name such as ``MTL-75 XGB-EXT``.

    Attributes:
        approach: TO, NP or MTL.
        rate: The inclusion rate of an MTL model, else None.
        model_class: Key of :data:`volforecast.models.MODELS`.
        predictors: STD or EXT.
    """

    approach: Approach
    rate: int | None
    model_class: str
    predictors: str

    def __str__(self) -> str:
        rate = "" if self.rate is None else f"-{self.rate}"
        return f"{self.approach}{rate} {self.model_class}-{self.predictors}"

    @property
    def words(self) -> set[str]:
        """Every word by which ``--models`` can ask for this model."""
        rate = set() if self.rate is None else {f"{self.approach}-{self.rate}"}
        return rate | {self.approach, self.model_class, self.predictors, f"{self.model_class}-{self.predictors}"}

    def with_std(self) -> "ModelName":
        """The STD model of the same approach and class."""
        return self._replace(predictors="STD")


def all_models() -> list[ModelName]:
    """Every combination, in the order of the paper's tables 8-11: class within predictor set, approach within class."""
    approaches: list[tuple[Approach, int | None]] = [("TO", None), ("NP", None), *(("MTL", e) for e in INCLUSION_RATES)]
    return [
        ModelName(approach, rate, model_class, predictors)
        for model_class in MODELS
        for predictors in PREDICTOR_SETS
        for approach, rate in approaches
    ]


def parse(text: str) -> ModelName:
    """The model called ``text``.

    Raises:
        ConfigError: There is none.
    """
    for model in all_models():
        if str(model) == text:
            return model
    raise ConfigError(f"no model is called {text!r}; names read 'MTL-75 XGB-EXT', 'TO HAR-STD', 'NP FNN-EXT'")


def pick(wanted: Sequence[str]) -> tuple[str, ...]:
    """Names of the models asked for, in the order of the tables; all of them if nothing is asked for.

    Args:
        wanted: Whole names, or words that narrow them down: ``HAR``, ``MTL``, ``MTL-75``, ``STD``, ``NP XGB``.

    Raises:
        ConfigError: A word fits no model.
    """
    models = all_models()
    if not wanted:
        return tuple(map(str, models))
    chosen: set[str] = set()
    for text in wanted:
        words = set(text.split())
        fitting = [str(model) for model in models if words and words <= model.words]
        if not fitting:
            known = ", ".join((*MODELS, "TO", "NP", "MTL", *(f"MTL-{e}" for e in INCLUSION_RATES), *PREDICTOR_SETS))
            raise ConfigError(f"--models: {text!r} fits no model; give names like 'MTL-75 XGB-EXT' or words of {known}")
        chosen.update(fitting)
    return tuple(str(model) for model in models if str(model) in chosen)
