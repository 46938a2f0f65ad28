"""The models of log volatility (Dhansoia 2025, tables 3 and 5, and beyond); a new one is a file and a line here."""

from volforecast.models.rough import (
    aggressive,
    differential,
    dynamic_attention,
    frozen_transfer,
    gradual,
    hybrid,
    lstm,
    quantile_lstm,
    regime_ensemble,
    residual_boosting,
    transfer,
    transfer_hybrid,
    transfer_quantile_lstm,
    transfer_residual,
    transfer_transformer,
    transformer,
)
from volforecast.models.rough.benchmark import Benchmark
from volforecast.models.rough.har import har
from volforecast.models.rough.moving_average import moving_average
from volforecast.models.rough.quantile_har import quantile_har
from volforecast.models.rough.recipe import Recipe

BENCHMARKS: dict[str, Benchmark] = {
    "Moving Average": moving_average,
    "HAR": har,
    "Quantile HAR": quantile_har,
}
"""Without random numbers: one forecast a day."""

NETWORKS: dict[str, Recipe] = {
    "LSTM": lstm.RECIPE,
    "Frozen Transfer LSTM": frozen_transfer.RECIPE,
    "Transfer LSTM": transfer.RECIPE,
    "Differential LR": differential.RECIPE,
    "Gradual Unfreezing": gradual.RECIPE,
    "Aggressive Fine-tune": aggressive.RECIPE,
    "HAR-LSTM Hybrid": hybrid.RECIPE,
    "Dynamic Attention": dynamic_attention.RECIPE,
    "Residual Boosting": residual_boosting.RECIPE,
    "Regime Ensemble": regime_ensemble.RECIPE,
    "Transfer Residual": transfer_residual.RECIPE,
    "Transfer Hybrid": transfer_hybrid.RECIPE,
    "Transformer": transformer.RECIPE,
    "Transfer Transformer": transfer_transformer.RECIPE,
    "Quantile LSTM": quantile_lstm.RECIPE,
    "Transfer Quantile LSTM": transfer_quantile_lstm.RECIPE,
}
"""Trained from several seeds."""

BEYOND: tuple[str, ...] = (
    "Transfer Hybrid",
    "Transformer",
    "Transfer Transformer",
    "Quantile HAR",
    "Quantile LSTM",
    "Transfer Quantile LSTM",
)
"""Not the paper's: run when they are asked for."""

PAPERS: tuple[str, ...] = ("Moving Average", "HAR", *(name for name in NETWORKS if name not in BEYOND))
"""Those of the paper's tables 3, 5 and 6, in their order."""

NAMES: tuple[str, ...] = (*PAPERS, *BEYOND)
