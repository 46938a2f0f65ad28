"""Made-up inputs of mixtures."""

import numpy as np

from volforecast.mixtures.inputs import Inputs, Prepared, Scale
from volforecast.mixtures.settings import SENTIMENT_LAGS, VOL_LAGS, Mixture

FEATURES, LOOKBACK = 3, 4


def inputs(m: Mixture, rows: int, seed: int) -> Inputs:
    """Random rows with positive labels."""
    draw = np.random.default_rng(seed)
    lags = draw.standard_normal((rows, VOL_LAGS))
    book = draw.standard_normal((rows, LOOKBACK * FEATURES))
    mood = draw.standard_normal((rows, SENTIMENT_LAGS if m.sentiment else 0))
    return Inputs(lags, book, mood, np.exp(0.5 * draw.standard_normal(rows)))


def prepared(m: Mixture, rows: int, seed: int) -> Prepared:
    """Training rows and a third as many to forecast."""
    return Prepared(inputs(m, rows, seed), inputs(m, rows // 3, seed + 1), Scale(0.5, 2.0), FEATURES, LOOKBACK)
