"""The quantised ANN: as many values an activation as T time steps of spikes tell apart, trained as such."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from snnpd.attention.base import Attention
from snnpd.attention.layer import HeadGroup
from snnpd.errors import UsageError

MAPS = (nn.Linear, nn.Conv1d, nn.Conv2d)
# Shares of the observed range that are tried for the first step.
_SHARES = torch.linspace(0.1, 1.0, 19).tolist()


class LearnedStep(nn.Module):
    """Rounds to `levels` equidistant values, whose distance (and offset, unless symmetric) are learned.

    Equation: x̂ = s (n + z), n = round(clip(x/s − z, 0, L − 1)); the gradient takes the rounding for the identity,
        so that ∂x̂/∂x is 1 within the range and 0 outside, and ∂x̂/∂s = n + z − x/s within.
    Source: learned step size quantisation, Esser et al. 2020 (arXiv 1902.08153), eq. 1-3: Q_N + Q_P + 1 → L,
        −Q_N → z, v̄ → n + z. Symmetric, z is −(L − 1)/2; else it is learned too, as in LSQ+ (Bhalgat et al. 2020,
        arXiv 2004.09576), β → s z.
    Ours: log s is what is learned: a step of Adam is then a share of s, which stays positive. The first s and z are
        those of the least squared error on the first batch in training (of weights: at once), not 2⟨|x|⟩/√Q_P.

    The values of the first batch are those of this process alone: one process trains the network.

    Raises:
        UsageError: evaluated before it has seen a batch in training.
    """

    log_step: nn.Parameter
    zero: Tensor
    is_ready: Tensor

    def __init__(self, levels: int, *, is_symmetric: bool) -> None:
        super().__init__()
        self.levels, self.is_symmetric, self.is_on = levels, is_symmetric, True
        self.log_step = nn.Parameter(torch.zeros(()))
        zero = torch.tensor(-(levels - 1) / 2)
        if is_symmetric:
            self.register_buffer("zero", zero)
        else:
            self.zero = nn.Parameter(zero)
        self.register_buffer("is_ready", torch.tensor(False))

    def forward(self, x: Tensor) -> Tensor:
        """The nearest of the values, for each element."""
        if not self.is_on:
            return x
        if not self.is_ready:
            if not self.training:
                raise UsageError(
                    "a quantised network has no steps before its first batch in training; train it, load its "
                    "weights, or run it within quantisation_off(model)"
                )
            self.begin(x)
        # Gradients of many elements add up in one number: scaled as in Esser et al., section 2.2.
        share = 1 / math.sqrt(x.numel() * (self.levels - 1))
        step, zero = _scaled_gradient(self.log_step, share).exp(), _scaled_gradient(self.zero, share)
        inside = (x / step - zero).clamp(0, self.levels - 1)
        return step * (inside + (inside.round() - inside).detach() + zero)

    @torch.no_grad()
    def begin(self, x: Tensor) -> None:
        """Takes the step, and the offset, of the least squared error on x, among shares of its range."""
        x = x.detach().float()
        low, high, mean = x.min(), x.max(), x.mean()
        if self.is_symmetric:
            high, mean = x.abs().max(), torch.zeros_like(mean)
            low = -high
        errors = []
        for share in _SHARES:
            self._span(mean + share * (low - mean), mean + share * (high - mean))
            errors.append((self(x) - x).square().mean())
        best = _SHARES[int(torch.stack(errors).argmin())]
        self._span(mean + best * (low - mean), mean + best * (high - mean))

    def _span(self, low: Tensor, high: Tensor) -> None:
        step = ((high - low) / (self.levels - 1)).clamp_min(1e-6)
        self.log_step.copy_(step.log())
        if not self.is_symmetric:
            self.zero.copy_(low / step)
        self.is_ready.fill_(True)

    def extra_repr(self) -> str:
        """Levels and kind."""
        return f"levels={self.levels}, is_symmetric={self.is_symmetric}"


def quantise(model: nn.Module, levels: int, *, is_signed: bool) -> nn.Module:
    """The same ANN, prepared in place for training with `levels` values an activation: log2(levels) bits each.

    Quantised are the inputs of all linear maps and convolutions but the network's first, which meets the sample as
    the first layer of a directly encoded spiking network does; queries, keys and values of attention layers, which
    have to be kernel expansions; and all weights, to 2^b − 1 values around zero, b = ⌈log2 levels⌉ but at least 2
    (a zero and two signs). Signed, the values of an activation lie around zero, as counts −T..T of ternary spikes do.
    Unsigned, they begin at a learned offset, since features behind a layer-norm or a GELU are negative too: there
    are still `levels` of them, and the offset is a bias of the map behind.

    Softmax and its weights, normalisations, residual sums and biases stay in floats.

    Args:
        levels: T + 1 values for binary spikes, 2 T + 1 for ternary ones.
        is_signed: around zero; `levels` is odd then.

    Example:
        >>> net = quantise(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), 5, is_signed=False)
        >>> _ = net(torch.rand(8, 3))  # the first batch in training sets the steps
        >>> bits_of(net), len(net[2].weight.unique()) <= 7
        (3, True)

    Raises:
        UsageError: too few or an even number of signed levels; nothing to quantise, or quantised already; attention
            that is no kernel expansion.
    """
    _check(model, levels, is_signed)
    groups = [module for module in model.modules() if isinstance(module, HeadGroup)]
    for index, layer in enumerate([module for module in model.modules() if isinstance(module, MAPS)]):
        weights = LearnedStep(2 ** _bits(levels) - 1, is_symmetric=True).to(layer.weight.device)
        weights.begin(layer.weight)
        parametrize.register_parametrization(layer, "weight", weights)
        if index:
            layer.add_module("input_code", _code(layer.weight, levels, is_signed))
            layer.register_forward_pre_hook(_code_input)
    for group in groups:
        where = next(model.parameters())
        group.query, group.key, group.value = (_code(where, levels, is_signed) for _ in range(3))
    return model


@contextmanager
def quantisation_off(model: nn.Module) -> Iterator[None]:
    """The same maps in floats for a while: for counting operations, which roundings would hide."""
    steps = [module for module in model.modules() if isinstance(module, LearnedStep)]
    was_on = [step.is_on for step in steps]
    try:
        for step in steps:
            step.is_on = False
        yield
    finally:
        for step, is_on in zip(steps, was_on, strict=True):
            step.is_on = is_on


def bits_of(model: nn.Module) -> int:
    """The width of the words that a quantised network multiplies: ⌈log2 levels⌉, at least the weights' 2.

    Raises:
        UsageError: the network is not quantised.
    """
    levels = [step.levels for step in model.modules() if isinstance(step, LearnedStep)]
    if not levels:
        raise UsageError(f"{type(model).__name__} is not quantised; call quantise(model, levels, ...) first")
    return _bits(max(levels))


def _check(model: nn.Module, levels: int, is_signed: bool) -> None:
    if levels < 2 or (is_signed and levels % 2 == 0):
        rule = "2 T + 1 (3, 5, ...)" if is_signed else "T + 1 (2, 3, ...)"
        raise UsageError(f"levels = {levels} with is_signed={is_signed}; give {rule}")
    if any(isinstance(module, LearnedStep) for module in model.modules()):
        raise UsageError(f"{type(model).__name__} is quantised already; build it anew for other levels")
    if sum(isinstance(module, MAPS) for module in model.modules()) < 2:
        raise UsageError(
            f"{type(model).__name__} has no linear map behind its first; there is nothing to quantise"
        )
    for name, module in model.named_modules():
        is_expansion = any(isinstance(part, HeadGroup) for part in module.modules())
        if isinstance(module, Attention) and not is_expansion:
            raise UsageError(
                f"{name} is {type(module).__name__}, whose products are not those of a kernel expansion; quantise a "
                "twin with softmax or another expansion"
            )


def _bits(levels: int) -> int:
    return max(2, math.ceil(math.log2(levels)))


def _code(like: Tensor, levels: int, is_signed: bool) -> LearnedStep:
    return LearnedStep(levels, is_symmetric=is_signed).to(like.device)


def _code_input(layer: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """A hook that finds the code in its layer: a deep copy of the network has its own."""
    assert isinstance(layer.input_code, LearnedStep)
    return layer.input_code(args[0]), *args[1:]


def _scaled_gradient(x: Tensor, factor: float) -> Tensor:
    """x, with `factor` times its gradient."""
    return x * factor + (x - x * factor).detach()
