"""Names of the models of a study: how the training set is chosen, which class, which predictors."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from volforecast.errors import ConfigError
from volforecast.measured_rows import EXTRA_SETS
from volforecast.models import EXTRA, MODELS
from volforecast.predictors import PREDICTOR_SETS, REDUCED_SETS
from volforecast.transfer.selection import INCLUSION_RATES
from volforecast.transfer.training import Approach

NAIVE = "NF"  # the naive forecast: the realized variance of the day before
NAIVE_MEAN = "NF-22"  # the mean realized variance of the last 22 days; beside the paper's models
ALL_EXTRA = "extra"  # the word that asks for all models beside the paper's


class ModelName(NamedTuple):
    """The parts of a name such as ``MTL-75 XGB-EXT``, or ``5-MTL-75 XGB-EXT`` in an asset's first days.

    Attributes:
        approach: TO, NP or MTL.
        rate: The inclusion rate of an MTL model, else None.
        model_class: Key of :data:`volforecast.models.MODELS` or :data:`volforecast.models.EXTRA`, or ``NF-22``.
        predictors: STD, EXT, or a key of :data:`volforecast.measured_rows.EXTRA_SETS`. The names of models beside the
            paper's do not say it, as each has one only: ``MTL-75 HARQ``.
        prefix: Key of :data:`volforecast.predictors.REDUCED_SETS` for a model of the first days, else None.
    """

    approach: Approach
    rate: int | None
    model_class: str
    predictors: str
    prefix: int | None = None

    def __str__(self) -> str:
        prefix = "" if self.prefix is None else f"{self.prefix}-"
        rate = "" if self.rate is None else f"-{self.rate}"
        if self.model_class == NAIVE_MEAN:
            return NAIVE_MEAN
        predictors = "" if self.is_extra else f"-{self.predictors}"
        return f"{prefix}{self.approach}{rate} {self.model_class}{predictors}"

    @property
    def is_extra(self) -> bool:
        """Whether it is beside the paper's models: asked for by name only, and in tables of its own."""
        return self.model_class not in MODELS

    @property
    def words(self) -> set[str]:
        """Every word by which ``--models`` can ask for this model."""
        approaches = {self.approach} if self.rate is None else {self.approach, f"{self.approach}-{self.rate}"}
        if self.prefix is not None:
            approaches |= {str(self.prefix), *(f"{self.prefix}-{approach}" for approach in approaches)}
        if self.is_extra:
            return {self.model_class, ALL_EXTRA} | (approaches if self.model_class != NAIVE_MEAN else set())
        return approaches | {self.model_class, self.predictors, f"{self.model_class}-{self.predictors}"}

    def fits(self, words: set[str]) -> bool:
        """Whether these words ask for this model; one beside the paper's is never meant by TO or MTL-75 alone."""
        named = not self.is_extra or bool(words & {self.model_class, ALL_EXTRA})
        return bool(words) and named and words <= self.words

    def with_std(self) -> "ModelName":
        """The STD model of the same approach and class; of a model beside the paper's, that of HAR."""
        return self._replace(predictors="STD", model_class="HAR" if self.is_extra else self.model_class)

    def without_prefix(self) -> "ModelName":
        """The model that a transition strategy passes through this one."""
        return self._replace(prefix=None)


def all_models(prefixes: Sequence[int | None] = (None,)) -> list[ModelName]:
    """Every combination, in the order of the paper's tables 8-11: class within predictor set, approach within class.

    Args:
        prefixes: Those of the first days, or none of them.
    """
    approaches: list[tuple[Approach, int | None]] = [("TO", None), ("NP", None), *(("MTL", e) for e in INCLUSION_RATES)]
    return [
        ModelName(approach, rate, model_class, predictors, prefix)
        for prefix in prefixes
        for model_class in MODELS
        for predictors in PREDICTOR_SETS
        for approach, rate in approaches
    ]


def extra_models() -> list[ModelName]:
    """The models beside the paper's, class by class, then the mean of 22 days."""
    approaches: list[tuple[Approach, int | None]] = [("TO", None), ("NP", None), *(("MTL", e) for e in INCLUSION_RATES)]
    models = [
        ModelName(approach, rate, model_class, model_class if model_class in EXTRA_SETS else "STD")
        for model_class in EXTRA
        for approach, rate in approaches
    ]
    return [*models, ModelName("TO", None, NAIVE_MEAN, "STD")]


@cache
def _by_name() -> dict[str, ModelName]:
    return {str(model): model for model in (*all_models((None, *REDUCED_SETS)), *extra_models())}


def parse(text: str) -> ModelName:
    """The model called ``text``.

    Raises:
        ConfigError: There is none.
    """
    if text not in _by_name():
        raise ConfigError(f"no model is called {text!r}; names read 'MTL-75 XGB-EXT', 'TO HAR-STD', 'NP FNN-EXT'")
    return _by_name()[text]


def is_extra(text: str) -> bool:
    """Whether the model called ``text`` is beside the paper's."""
    found = _by_name().get(text)
    return found is not None and found.is_extra


def pick(wanted: Sequence[str], prefixes: Sequence[int | None] = (None,)) -> tuple[str, ...]:
    """Names of the models asked for, in the order of the tables; all of the paper's if nothing is asked for.

    Models beside the paper's come after them, and only if their class is among the words, or the word ``extra``. If
    nothing else is asked for, the HAR-STD models of the same approaches come along: with these they are compared, and
    these forecast the days that lack a measure.

    Args:
        wanted: Whole names, or words that narrow them down: ``HAR``, ``MTL``, ``MTL-75``, ``STD``, ``NP XGB``.
        prefixes: As for :func:`all_models`; words may then be ``5`` and ``5-MTL-75`` too.

    Raises:
        ConfigError: A word fits no model.
    """
    models = all_models(prefixes)
    if not wanted:
        return tuple(map(str, models))
    if not any(prefixes):
        models += extra_models()
    chosen: set[str] = set()
    for text in wanted:
        words = set(text.split())
        fitting = [str(model) for model in models if model.fits(words)]
        if not fitting:
            days = [str(prefix) for prefix in prefixes if prefix is not None]
            known = ", ".join(
                (*days, *MODELS, "TO", "NP", "MTL", *(f"MTL-{e}" for e in INCLUSION_RATES), *PREDICTOR_SETS)
            )
            if not days:
                known += f"; beside the paper's models: {', '.join((*EXTRA, NAIVE_MEAN, ALL_EXTRA))}"
            example = f"{days[0]}-MTL-75 XGB-EXT" if days else "MTL-75 XGB-EXT"
            raise ConfigError(f"--models: {text!r} fits no model; give names like '{example}' or words of {known}")
        chosen.update(fitting)
    if all(map(is_extra, chosen)):
        chosen |= {str(parse(name).with_std()) for name in chosen}
    return tuple(str(model) for model in models if str(model) in chosen)
