"""What a network is made of: its groups of parameters, their shapes and counts, and how they start.

Source: Dhansoia (2025), sections 3.3 to 3.5 and table 7. An encoder reads a sequence of past values; a multi-head
self-attention looks from the last step at all steps; its output and the last hidden state go into a head of two layers.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from volforecast.errors import ConfigError
from volforecast.seeds import generator

Float32 = NDArray[np.float32]
Shape = tuple[int, ...]

FEATURES = 3  # HAR's predictors: day, week, month
WIDER = 2  # a Transformer block's feed-forward layer is so many times wider than the block


class Architecture(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings that a network's parameters follow from.

    Attributes:
        encoder: What reads the sequence: an LSTM, or pre-norm Transformer blocks.
        inputs: Values of a day.
        layers: LSTM layers, or Transformer blocks.
        hidden: Width of the encoder.
        attention: Width of the attention on top of the encoder, and of the head's hidden layer.
        heads: Attention heads, here and in Transformer blocks.
        dropout: Share of units that a training step leaves out.
        head: ``point``; ``hybrid``: alpha HAR + (1 - alpha) network, alpha one learned number; ``dynamic``: the same
            with alpha a function of the last hidden state and HAR's predictors; ``regimes``: soft regimes, a predictor
            each; ``quantiles``: one output a level, never crossing.
        regimes: Regimes of that head.
        levels: Levels of the quantile head, ascending.
    """

    encoder: Literal["lstm", "transformer"] = "lstm"
    inputs: int = 1
    layers: int = 3
    hidden: int = 64
    attention: int = 32
    heads: int = 4
    dropout: float = 0.1
    head: Literal["point", "hybrid", "dynamic", "regimes", "quantiles"] = "point"
    regimes: int = 3
    levels: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if min(self.inputs, self.layers, self.hidden, self.attention, self.heads, self.regimes) < 1:
            raise ConfigError("network: inputs, layers, hidden, attention, heads and regimes must be at least 1")
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"network: dropout = {self.dropout} must be a share from 0 to below 1")
        widths = {"attention": self.attention} | ({"hidden": self.hidden} if self.encoder == "transformer" else {})
        for name, width in widths.items():
            if width % self.heads:
                raise ConfigError(
                    f"network: {name} = {width} cannot be shared among {self.heads} heads; use a multiple"
                )
        if self.head == "quantiles" and not self.levels:
            raise ConfigError("network: the quantile head has no levels; name some, such as 0.05, 0.5, 0.95")
        if any(not 0.0 < level < 1.0 for level in self.levels) or any(a >= b for a, b in pairwise(self.levels)):
            raise ConfigError(f"network: levels = {self.levels} must ascend strictly between 0 and 1")


class Component(NamedTuple):
    """A row of the architecture table."""

    component: str
    configuration: str
    parameters: int


def groups(a: Architecture) -> tuple[str, ...]:
    """Names of the groups of parameters that are trained or frozen together, from the bottom to the top."""
    kind = "lstm" if a.encoder == "lstm" else "block"
    return (*(f"{kind}.{layer}" for layer in range(a.layers)), "attention", "head")


def shapes(a: Architecture) -> dict[str, Shape]:
    """Name and shape of each parameter of one network; a name begins with its group, groups lie together.

    Matrices are (outputs, inputs) and gates are ordered input, forget, cell, output, as in PyTorch.
    """
    found: dict[str, Shape] = {}
    for layer in range(a.layers):
        found |= _lstm_layer(a, layer) if a.encoder == "lstm" else _block(a, layer)
    if a.encoder == "transformer":
        found |= _norm("attention.norm", a.hidden)
    found |= _linear("attention.map", a.hidden, a.attention) | _attention("attention", a.attention)
    return found | _linear("attention.last", a.hidden, a.attention) | _head(a)


def components(a: Architecture) -> list[Component]:
    """The architecture table, in the manner of Dhansoia's table 7; its counts add up to all parameters."""
    sizes = {name: int(np.prod(shape)) for name, shape in shapes(a).items()}

    def count(belongs: Callable[[str], bool]) -> int:
        return sum(size for name, size in sizes.items() if belongs(name))

    maps, gates = ("attention.map.", "attention.last.", "attention.norm."), ("head.gate.", "head.alpha")
    rows = [
        Component(
            "LSTM encoder" if a.encoder == "lstm" else "Transformer encoder",
            f"{a.layers} layers, {a.hidden} hidden, {_inputs(a)}"
            if a.encoder == "lstm"
            else f"{a.layers} blocks, {a.hidden} wide, {a.heads} heads, {_inputs(a)}",
            count(lambda name: name.startswith(("lstm.", "block."))),
        ),
        Component(
            "Linear maps",
            f"{a.hidden} to {a.attention}: every step for the attention, the last hidden state",
            count(lambda name: name.startswith(maps)),
        ),
        Component(
            "Attention",
            f"{a.heads} heads, {a.attention} wide, from the last step to all",
            count(lambda name: name.startswith("attention.") and not name.startswith(maps)),
        ),
        Component(
            "Predictor",
            _predictor(a),
            count(lambda name: name.startswith("head.") and not name.startswith(gates)),
        ),
    ]
    if a.head in ("hybrid", "dynamic", "regimes"):
        texts = {
            "hybrid": "alpha = sigmoid(a), one number",
            "dynamic": f"alpha = sigmoid(W[h; f] + b), {a.hidden} + {FEATURES} inputs",
            "regimes": f"softmax over {a.regimes} regimes",
        }
        rows.append(Component("Gate", texts[a.head], count(lambda name: name.startswith(gates))))
    return rows


def _inputs(a: Architecture) -> str:
    return "1 input" if a.inputs == 1 else f"{a.inputs} inputs"


def start(a: Architecture, seed: int) -> dict[str, Float32]:
    """Initial parameters, drawn from the distributions of PyTorch's own modules, from the seed alone.

    LSTM: uniform on +-1/sqrt(hidden). Linear maps: uniform on +-1/sqrt(inputs). Attention's input projection: Xavier's
    uniform, zero biases. Norms: one and zero. The hybrid's alpha starts at a half. Each parameter has a draw of its
    own, so that networks that differ in their heads alone start with equal encoders.
    """
    return {name: _start(a, name, shape, seed) for name, shape in shapes(a).items()}


def outputs(a: Architecture) -> int:
    """Predictors side by side in the head: quantile levels share one hidden layer, regimes have one each."""
    return {"quantiles": len(a.levels), "regimes": a.regimes}.get(a.head, 1)


def hidden_layers(a: Architecture) -> int:
    """Hidden layers side by side in the head."""
    return a.regimes if a.head == "regimes" else 1


def _predictor(a: Architecture) -> str:
    text = f"2 layers, {2 * a.attention}-{a.attention}-{len(a.levels) if a.head == 'quantiles' else 1}"
    return f"{a.regimes} x {text}" if a.head == "regimes" else text


def _linear(name: str, inputs: int, outputs: int) -> dict[str, Shape]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _norm(name: str, width: int) -> dict[str, Shape]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _attention(name: str, width: int) -> dict[str, Shape]:
    return _linear(f"{name}.in_proj", width, 3 * width) | _linear(f"{name}.out_proj", width, width)


def _lstm_layer(a: Architecture, layer: int) -> dict[str, Shape]:
    name, gates = f"lstm.{layer}", 4 * a.hidden
    below = {f"{name}.weight_ih": (gates, a.inputs if layer == 0 else a.hidden), f"{name}.weight_hh": (gates, a.hidden)}
    return below | {f"{name}.bias_ih": (gates,), f"{name}.bias_hh": (gates,)}


def _block(a: Architecture, layer: int) -> dict[str, Shape]:
    name, width = f"block.{layer}", a.hidden
    found = _linear(f"{name}.input", a.inputs, width) if layer == 0 else {}
    found |= _norm(f"{name}.norm_1", width) | _attention(name, width) | _norm(f"{name}.norm_2", width)
    return found | _linear(f"{name}.wide", width, WIDER * width) | _linear(f"{name}.narrow", WIDER * width, width)


def _head(a: Architecture) -> dict[str, Shape]:
    below, width = 2 * a.attention, a.attention
    found = _linear("head.hidden", below, hidden_layers(a) * width) | _linear("head.output", width, outputs(a))
    if a.head == "hybrid":
        found["head.alpha"] = (1,)
    if a.head == "dynamic":
        found |= _linear("head.gate", a.hidden + FEATURES, 1)
    if a.head == "regimes":
        found |= _linear("head.gate", a.hidden, a.regimes)
    return found


def _start(a: Architecture, name: str, shape: Shape, seed: int) -> Float32:
    module, _, kind = name.rpartition(".")
    if ".norm" in name:
        return np.full(shape, 1.0 if kind == "weight" else 0.0, dtype=np.float32)
    if name == "head.alpha" or (kind == "bias" and module.endswith(("in_proj", "out_proj"))):
        return np.zeros(shape, dtype=np.float32)
    if module.startswith("lstm."):
        bound = a.hidden**-0.5
    elif module.endswith("in_proj"):
        bound = (6.0 / sum(shape)) ** 0.5
    else:
        bound = shapes(a)[f"{module}.weight"][1] ** -0.5
    return generator("network start", seed, name).uniform(-bound, bound, shape).astype(np.float32)
