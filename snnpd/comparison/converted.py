"""The converted ANN: a trained network with ReLUs turned into a spiking one, without training it again."""

import copy
import io
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr
from itertools import islice
from typing import Any

import torch
from spikingjelly.activation_based import functional
from spikingjelly.activation_based.ann2snn import FXConverter, RateCodingRecipe
from spikingjelly.activation_based.neuron import IFNode
from torch import Tensor, nn

from snnpd.attention.base import Attention
from snnpd.errors import UsageError
from snnpd.training import Encoder
from snnpd.training.evaluate import Batch, forward, times_of

# What is no linear map, besides the ReLU.
_NONLINEAR = (Attention, nn.LayerNorm, nn.MaxPool2d)
# What neither spikes nor averages over time as it should.
_REFUSED = (nn.GELU, nn.SiLU, nn.ELU, nn.Tanh, nn.Sigmoid)
# torch.quantile takes no more elements at once than 2^24.
_CHUNK = 2**22


class OfMeans(nn.Module):
    """A function of the mean over time so far, given out in parts whose mean is that function.

    Equation: y_t = t f(m_t) − (t − 1) f(m_{t−1}), m_t = (x_1 + ... + x_t)/t; hence (y_1 + ... + y_t)/t = f(m_t).
    Source: the temporal differences of SpikingJelly's TDModule (ann2snn), there of sums over time, for an input
        that is presented once; here of means, for one that is shown at every step, as rate coding wants it.

    Shapes: x `[T, ...]`, or `[T B, ...]` where a layer takes time and batch together.
    """

    def __init__(self, function: nn.Module) -> None:
        super().__init__()
        self.function, self.num_steps = function, 1

    def forward(self, x: Tensor, *args: Any) -> Tensor:
        """The parts, one a time step."""
        if self.num_steps == 1:
            return self.function(x, *args)
        steps = self._apart(x)
        count = torch.arange(1, self.num_steps + 1, dtype=x.dtype, device=x.device)
        count = count.view(-1, *[1] * (steps.ndim - 1))
        means = (steps.cumsum(0) / count).reshape(x.shape)
        y = self.function(means, *args)
        totals = self._apart(y) * count
        before = nn.functional.pad(totals, [0, 0] * (totals.ndim - 1) + [1, -1])
        return (totals - before).reshape(y.shape)

    def _apart(self, x: Tensor) -> Tensor:
        """Time as an axis of its own."""
        return x if len(x) == self.num_steps else x.unflatten(0, (self.num_steps, -1))


def convert(
    model: nn.Module,
    loader: Iterable[Batch],
    encode: Callable[..., Tensor] | None = None,
    *,
    num_batches: int = 4,
    mode: str | float = "99.9%",
) -> nn.Module:
    """A spiking copy of a trained ANN, called as the ANN is, with as many time steps as its input has.

    Each ReLU of stem and feed-forward halves is converted by SpikingJelly's `RateCodingRecipe`: an
    integrate-and-fire neuron with soft reset, whose threshold is the activation's quantile `mode` over a few
    batches. (The recipes trace graphs; a network that looks at masks and numbers of time steps cannot be traced
    whole, so each ReLU is converted by itself.) Convolutions and maps behind a ReLU then meet spikes. Layer-norms,
    attention (with its projections) and max-pools stay analog, as do the maps behind them: at every time step they
    act on the mean so far (`OfMeans`), so that the mean output over time approaches the ANN's as T grows, but for
    what the thresholds cut off. The input is to be the same at every step (encoding "direct").

    Args:
        model: a trained network with ReLUs, such as `vit_tiny_twin(activation="relu")`; left as it is.
        loader: batches of the training set; the first `num_batches` set the thresholds.
        encode: from a batch's x and mask to the ANN's input `[1, B, ...]`; None shows it as it is, once.
        mode: the threshold: "99.9%", "Max", or a share of the largest activation, as SpikingJelly has it.

    Raises:
        UsageError: the network has no ReLU, or another activation besides; the loader is empty.
    """
    _check(model)
    snn = copy.deepcopy(model).eval()
    for name, inputs in _relu_inputs(snn, loader, encode or Encoder(time_steps=1), num_batches).items():
        snn.set_submodule(name, _spiking_relu(inputs, mode))
    for name in [name for name, _ in _outermost(snn, _NONLINEAR)]:
        snn.set_submodule(name, OfMeans(snn.get_submodule(name)))
    snn.register_forward_pre_hook(_tell_steps)
    # SpikingJelly remembers which modules a network had to reset: none, when the ANN ran.
    functional.invalidate_reset_cache(snn)
    return snn.eval()


def _check(model: nn.Module) -> None:
    names = dict(_outermost(model, (Attention, nn.ReLU, *_REFUSED)))
    if refused := next((name for name, m in names.items() if isinstance(m, _REFUSED)), None):
        raise UsageError(
            f"{refused} is a {type(names[refused]).__name__}, which no spiking neuron stands for; train the network "
            "with ReLUs (activation='relu')"
        )
    if not any(isinstance(module, nn.ReLU) for module in names.values()):
        raise UsageError(f"{type(model).__name__} has no ReLU to convert; build it with activation='relu'")


def _outermost(module: nn.Module, kinds: tuple[type[nn.Module], ...], at: str = "") -> Iterable[Any]:
    """Names and modules of these kinds that stand in no other of them."""
    for name, child in module.named_children():
        if isinstance(child, kinds):
            yield at + name, child
        else:
            yield from _outermost(child, kinds, f"{at}{name}.")


@torch.no_grad()
def _relu_inputs(
    ann: nn.Module, loader: Iterable[Batch], encode: Callable[..., Tensor], num_batches: int
) -> dict[str, list[Tensor]]:
    """What goes into each ReLU outside attention, in a few batches."""
    seen: dict[str, list[Tensor]] = defaultdict(list)
    relus = {m: name for name, m in _outermost(ann, (Attention, nn.ReLU)) if isinstance(m, nn.ReLU)}

    def keep(relu: nn.Module, args: tuple[Any, ...]) -> None:
        seen[relus[relu]].extend(args[0].detach().flatten().clone().split(_CHUNK))  # type: ignore[index]

    handles = [relu.register_forward_pre_hook(keep) for relu in relus]
    device = next(ann.parameters()).device
    for batch in islice(loader, num_batches):
        mask = None if batch.mask is None else batch.mask.to(device)
        forward(ann, encode(batch.x.to(device), mask), mask, times_of(batch))
    for handle in handles:
        handle.remove()
    if not seen:
        raise UsageError("the loader gave no batch to set thresholds by; give the training set's")
    return seen


def _spiking_relu(inputs: list[Tensor], mode: str | float) -> nn.Module:
    # The scale as threshold: the recipe's own, 1, would want a multiplication in front of every neuron.
    recipe = RateCodingRecipe(inputs, mode=mode, neuron_factory=_integrate_and_fire)
    with redirect_stderr(io.StringIO()):  # its progress bar
        spiking = FXConverter(recipe, device=inputs[0].device).convert(nn.Sequential(nn.ReLU()))
    functional.set_step_mode(spiking, "m")
    return spiking


def _integrate_and_fire(threshold: float) -> nn.Module:
    return IFNode(v_threshold=threshold, v_reset=None)


def _tell_steps(network: nn.Module, args: tuple[Any, ...]) -> None:
    """A hook: layers that take time and batch together are told T."""
    for module in network.modules():
        if isinstance(module, OfMeans):
            module.num_steps = len(args[0])
