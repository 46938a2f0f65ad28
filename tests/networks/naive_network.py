"""The same networks in PyTorch's own modules, one at a time, and the series that tests learn from."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from volforecast.networks.architecture import FEATURES, WIDER, Architecture, Float32, groups
from volforecast.networks.jobs import Schedule, Series

SMALL = Architecture(layers=2, hidden=8, attention=4, heads=2, dropout=0.0)


class Naive(nn.Module):
    """One network; its parameters have our names after ``load``."""

    def __init__(self, a: Architecture, weights: Mapping[str, Float32]) -> None:
        super().__init__()
        self.a = a
        self.lstm = nn.LSTM(a.inputs, a.hidden, a.layers, batch_first=True)
        self.input = nn.Linear(a.inputs, a.hidden)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(a.hidden, a.heads, WIDER * a.hidden, 0.0, batch_first=True, norm_first=True)
            for _ in range(a.layers)
        )
        self.norm = nn.LayerNorm(a.hidden)
        self.map, self.last = nn.Linear(a.hidden, a.attention), nn.Linear(a.hidden, a.attention)
        self.attention = nn.MultiheadAttention(a.attention, a.heads, batch_first=True)
        heads = a.regimes if a.head == "regimes" else 1
        outputs = len(a.levels) if a.head == "quantiles" else 1
        self.hidden = nn.ModuleList(nn.Linear(2 * a.attention, a.attention) for _ in range(heads))
        self.output = nn.ModuleList(nn.Linear(a.attention, outputs) for _ in range(heads))
        self.alpha = nn.Parameter(torch.zeros(1))
        self.gate = nn.Linear(a.hidden, a.regimes) if heads > 1 else nn.Linear(a.hidden + FEATURES, 1)
        self.named: dict[str, Tensor] = self._load({name: torch.from_numpy(v.copy()) for name, v in weights.items()})

    def _load(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Copy our parameters into the modules; returns the modules' own by our names, where they are one to one."""
        found: dict[str, Tensor] = {}
        for name, value in weights.items():
            for part, module in self._places(name):
                own = module.get_parameter(part)
                own.data.copy_(value if own.shape == value.shape else self._slice(value, module, name))
                found[name] = own
        return found

    def _slice(self, value: Tensor, module: nn.Module, name: str) -> Tensor:
        which = list(self.hidden if name.startswith("head.hidden") else self.output).index(module)
        return value.view(self.a.regimes, -1, *value.shape[1:])[which]

    def _places(self, name: str) -> list[tuple[str, nn.Module]]:
        group, _, rest = name.partition(".")
        module, _, part = name.rpartition(".")
        if group == "lstm":
            return [(f"{part}_l{rest.partition('.')[0]}", self.lstm)]
        if group == "block":
            number, _, inner = rest.partition(".")
            if inner.startswith("input"):
                return [(part, self.input)]
            block = self.blocks[int(number)]
            names = {"norm_1": "norm1", "norm_2": "norm2", "wide": "linear1", "narrow": "linear2"}
            attention = {"in_proj": f"self_attn.in_proj_{part}", "out_proj": f"self_attn.out_proj.{part}"}
            first = inner.partition(".")[0]
            return [(attention.get(first, f"{names.get(first)}.{part}"), block)]
        if name == "head.alpha":
            return [("alpha", self)]
        if group == "head":
            modules = {"head.hidden": self.hidden, "head.output": self.output, "head.gate": [self.gate]}[module]
            return [(part, one) for one in modules]
        own = {"attention.map": self.map, "attention.last": self.last, "attention.norm": self.norm}
        if module in own:
            return [(part, own[module])]
        return [(f"in_proj_{part}" if module.endswith("in_proj") else f"out_proj.{part}", self.attention)]

    def forward(self, x: Tensor, har: Tensor, features: Tensor) -> Tensor:
        a = self.a
        if a.encoder == "lstm":
            states, _ = self.lstm(x)
        else:
            states = self.input(x) + waves(x.shape[1], a.hidden)
            for block in self.blocks:
                states = block(states)
            states = self.norm(states)
        mapped = self.map(states)
        attended, _ = self.attention(mapped[:, -1:], mapped, mapped)
        summary = torch.cat([attended[:, 0], self.last(states[:, -1])], dim=1)
        found = [out(torch.relu(hidden(summary))) for hidden, out in zip(self.hidden, self.output, strict=True)]
        if a.head == "quantiles":
            return quantiles(found[0])
        if a.head == "regimes":
            weights = torch.softmax(self.gate(states[:, -1]), dim=1)
            return (weights * torch.cat(found, dim=1)).sum(dim=1)
        single = found[0][:, 0]
        if a.head == "hybrid":
            alpha = torch.sigmoid(self.alpha)
        elif a.head == "dynamic":
            alpha = torch.sigmoid(self.gate(torch.cat([states[:, -1], features], dim=1)))[:, 0]
        else:
            return single
        return alpha * har + (1.0 - alpha) * single

    def loss(self, forecast: Tensor, labels: Tensor) -> Tensor:
        if self.a.head != "quantiles":
            return nn.functional.mse_loss(forecast, labels)
        total = torch.zeros(())
        for k, level in enumerate(self.a.levels):
            error = labels - forecast[:, k]
            total = total + torch.where(error > 0, level * error, (level - 1.0) * error).mean()
        return total / len(self.a.levels)


def quantiles(raw: Tensor) -> Tensor:
    """Column by column from the middle."""
    columns, middle = list(raw.unbind(1)), raw.shape[1] // 2
    for k in range(middle + 1, len(columns)):
        columns[k] = columns[k - 1] + nn.functional.softplus(columns[k])
    for k in range(middle - 1, -1, -1):
        columns[k] = columns[k + 1] - nn.functional.softplus(columns[k])
    return torch.stack(columns, dim=1)


def waves(steps: int, width: int) -> Tensor:
    found = torch.zeros(steps, width)
    for step in range(steps):
        for k in range(width):
            angle = (steps - 1 - step) / 10_000 ** (2 * (k // 2) / width)
            found[step, k] = np.cos(angle) if k % 2 else np.sin(angle)
    return found


def series(seed: int, train: int = 20, valid: int = 9, inputs: int = 1, length: int = 4) -> Series:
    """A persistent series whose label is its next value."""
    draw, days = np.random.default_rng(seed), length + train + valid
    x = np.zeros(days + 1)
    for t, shock in enumerate(draw.standard_normal(days)):
        x[t + 1] = 0.8 * x[t] + 0.5 * shock
    x = x.astype(np.float32)
    others = draw.standard_normal((days, inputs - 1)).astype(np.float32)
    rows = np.arange(length - 1, length - 1 + train + valid)
    features = draw.standard_normal((days, FEATURES)).astype(np.float32)
    return Series(np.column_stack([x[:-1], others]), x[1:], 0.8 * x[:-1], features, rows[:train], rows[train:])


def schedule(a: Architecture, epochs: int = 3, rate: float = 1e-2, **more: object) -> Schedule:
    """All groups at one rate, unless said otherwise."""
    settings: dict[str, object] = {"batch": 8, "patience": epochs, "length": 4}
    settings["rates"] = ((1, dict.fromkeys(groups(a), rate)),)
    return Schedule(epochs=epochs, **(settings | more))  # type: ignore[arg-type]


def same(one: Mapping[str, NDArray[np.float32]], other: Mapping[str, NDArray[np.float32]]) -> bool:
    """Equal to the last bit."""
    return one.keys() == other.keys() and all(one[name].tobytes() == other[name].tobytes() for name in one)
