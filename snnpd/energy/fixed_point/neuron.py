"""The neurons on integers: leak by shifts, thresholds as whole numbers."""

import math
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from snnpd.energy.fixed_point.words import Format, ToPotential, move
from snnpd.errors import UsageError
from snnpd.neurons.base import Neuron
from snnpd.neurons.equations import Number
from snnpd.neurons.learned import values
from snnpd.neurons.spec import PerChannel
from snnpd.neurons.values import chosen
from snnpd.spikes import Alphabet

PerLetter = Float[Tensor, "letters channels"]


class Leak(NamedTuple):
    """What one step leaves of a potential h.

    Equation: `none` h; `shift` h >> places; `shift_and_subtract` h − (h >> places). Shifts round down.
    """

    kind: Literal["none", "shift", "shift_and_subtract"]
    places: int = 0


class FixedNeuron(nn.Module):
    """An integrate-and-fire neuron whose potentials are integers; every call begins at rest.

    Equation: u = saturated(leak(h) + x · 2^places); s = #{j: u ≥ above_j} − #{j: u ≤ below_j}; then h = 0 where
        s ≠ 0 (hard reset), or h = u − worth · s (soft reset; worth_below where s < 0).

    A letter has a comparison of its own. A potential to rest at and a gain of the input stand inside the thresholds:
    potentials are counted from rest, in units of the gain.

    Shapes:
        x and spikes `[T, B, ...]`, float64 that holds integers; `above` and `below` `[letters, C]` (C = 1: one number
        for all channels), `worth` and `worth_below` `[C]`. Channels run along `channel_dim` of a step.
    """

    above: Tensor
    below: Tensor
    worth: Tensor
    worth_below: Tensor

    def __init__(
        self,
        alphabet: Alphabet,
        leak: Leak,
        reset: str,
        potential: Format,
        *,
        above: PerLetter,
        below: PerLetter,
        worths: tuple[Tensor, Tensor],
        places: int = 0,
        channel_dim: int = -1,
    ) -> None:
        super().__init__()
        self.alphabet, self.leak, self.reset = alphabet, leak, reset
        self.places, self.channel_dim = places, channel_dim
        self.saturate = ToPotential(potential)
        for name, value in (("above", above), ("below", below)):
            self.register_buffer(name, value)
        for name, value in zip(("worth", "worth_below"), worths, strict=True):
            self.register_buffer(name, value)

    @property
    def bits(self) -> int:
        """The width of a potential."""
        return self.saturate.potential.bits

    def forward(self, x: Float[Tensor, "T *S"]) -> Float[Tensor, "T *S"]:
        """The spikes of a sequence, as whole numbers."""
        above, below, worth, worth_below = (
            along_channels(part, x.ndim - 1, self.channel_dim)
            for part in (self.above, self.below, self.worth, self.worth_below)
        )
        state, spikes = torch.zeros_like(x[0]), []
        for step in x.unbind(0):
            potential = self.saturate(leaked(state, self.leak) + move(step, self.places))
            spike = (potential >= above).double().sum(0) - (potential <= below).double().sum(0)
            if self.reset == "hard":
                state = potential.masked_fill(spike != 0, 0)
            else:
                state = potential - torch.where(spike < 0, worth_below, worth) * spike
            spikes.append(spike)
        return torch.stack(spikes)

    def extra_repr(self) -> str:
        """Alphabet, leak, reset."""
        return f"{self.alphabet.name}, {self.leak}, reset={self.reset}, places={self.places}"


def leaked(state: Float[Tensor, "*S"], leak: Leak) -> Float[Tensor, "*S"]:
    """What one step leaves of the state."""
    if leak.kind == "none":
        return state
    shifted = move(state, -leak.places)
    return shifted if leak.kind == "shift" else state - shifted


def along_channels(numbers: Tensor, step_dims: int, channel_dim: int) -> Tensor:
    """Numbers `[..., C]` ready to broadcast against a step of `step_dims` dimensions."""
    axis = channel_dim % step_dims
    shape = [1] * axis + [numbers.shape[-1]] + [1] * (step_dims - 1 - axis)
    return numbers.reshape(*numbers.shape[:-1], *shape)


def fixed_neuron(neuron: nn.Module, where: str, potential: Format, places: int = 0) -> FixedNeuron:
    """The integer form of one of our neurons; its input is worth 2^-(fraction − places).

    Raises:
        UsageError: another's neuron, a leak that no shift does, a learned amplitude.
    """
    if not isinstance(neuron, Neuron):
        raise UsageError(
            f"{where}: {type(neuron).__name__} has no integer form; build the network with neurons of snnpd"
        )
    learned, spec = values(neuron), neuron.spec
    if learned.amplitude is not None:
        raise UsageError(
            f"{where}: spikes have a learned amplitude, which is no whole number; leave 'amplitude' out of learned"
        )
    decay, threshold, negative = chosen(spec, learned)
    decays: list[float] = [] if decay is None else _numbers(decay).tolist()
    leak = leak_of(decays, where)
    gain = 1 - decays[0] if spec.decay_input else 1.0
    if gain == 0:
        raise UsageError(f"{where}: decay 1 with decay_input lets no input in; turn decay_input off")
    unit = 2.0**potential.fraction / gain
    upper = (_numbers(threshold) - spec.reset_potential) * unit
    lower = (_numbers(negative) + spec.reset_potential) * unit
    signed = spec.alphabet.low < 0
    return FixedNeuron(
        spec.alphabet,
        leak,
        spec.reset,
        potential,
        above=letter_thresholds(upper, spec.alphabet),
        below=-lower.ceil().unsqueeze(0) if signed else torch.zeros(0, 1, dtype=torch.float64),
        worths=(upper.round(), lower.round()),
        places=places,
        channel_dim=spec.channel_dim,
    )


def _numbers(value: Number | PerChannel) -> Tensor:
    return torch.as_tensor(value).detach().double().flatten()


def letter_thresholds(threshold: Float[Tensor, "channels"], alphabet: Alphabet) -> PerLetter:
    """The least integer potential for each letter above zero.

    Equation: ⌈θ⌉ for a spike; for the integer j, whose bound θ (j − ½) belongs to the even one of both neighbours,
        ⌈θ (j − ½)⌉ where j is even, ⌊θ (j − ½)⌋ + 1 where it is odd.
    """
    if alphabet.name != "integer":
        return threshold.ceil().unsqueeze(0)
    bounds = [threshold * (letter - 0.5) for letter in range(1, alphabet.high + 1)]
    return torch.stack(
        [bound.floor() + 1 if letter % 2 else bound.ceil() for letter, bound in enumerate(bounds, 1)]
    )


def leak_of(decays: list[float], where: str) -> Leak:
    """The leak that decays by shifts.

    Raises:
        UsageError: the decay is neither 2^-k nor 1 − 2^-k, or channels differ in it.
    """
    if len(set(decays)) > 1:
        raise UsageError(f"{where}: channels with decays of their own have no common shift; give one decay")
    decay = decays[0] if decays else 1.0
    if decay == 1:
        return Leak("none")
    kinds: tuple[tuple[Literal["shift", "shift_and_subtract"], float], ...]
    kinds = ("shift", decay), ("shift_and_subtract", 1 - decay)
    for kind, part in kinds:
        mantissa, exponent = math.frexp(part)
        if mantissa == 0.5 and exponent < 1:
            return Leak(kind, 1 - exponent)
    raise UsageError(
        f"{where}: no shift does a decay of {decay:.6g}; train with 2^-k or 1 - 2^-k (0.5, 0.25, 0.75, ...)"
    )
