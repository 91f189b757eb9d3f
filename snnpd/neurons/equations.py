"""One step of every neuron equation; each stands here and nowhere else.

Letters: x input, h state left by the step before, u potential before the reset, s spike, θ threshold. Decays and
thresholds are numbers, or tensors that broadcast against a step (one for each channel, or learned).
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from spikingjelly.activation_based.surrogate import MultiLevelSpikeCount
from torch import Tensor

Potential = Float[Tensor, "*S"]
Heaviside = Callable[[Tensor], Tensor]
Number = float | Tensor


def charge(
    x: Potential,
    state: Potential,
    decay: Number | None,
    rest: float = 0.0,
    decay_input: bool = False,
) -> Potential:
    """The potential u after leak and input; `decay` None integrates without a leak.

    Equation: u = rest + decay · (h − rest) + gain · x, with gain = 1 − decay if `decay_input`, else 1.
    Source: SpikingJelly's LIF with decay = 1 − 1/tau; BSA (eq. 9, 11) with rest = 0, where τ is `decay`.
    """
    if decay is None:
        return state + x
    drive = (1 - decay) * x if decay_input else x
    above_rest = state - rest if rest else state
    if isinstance(decay, Tensor):
        potential = drive + decay * above_rest
    else:
        potential = torch.add(drive, above_rest, alpha=decay)
    return potential + rest if rest else potential


def fire_binary(potential: Potential, threshold: Number, heaviside: Heaviside) -> Potential:
    """A spike where the potential reaches the threshold.

    Equation: s = Θ(u − θ), Θ(0) = 1, differentiated as `heaviside` says.
    """
    return heaviside(potential - threshold)


def fire_ternary(
    potential: Potential, threshold: Number, negative_threshold: Number, heaviside: Heaviside
) -> tuple[Potential, Potential]:
    """The positive and the negative events p and n; the spike is p − n.

    Equation: p = Θ(u − θ₊), n = Θ(−u − θ₋), each with its own surrogate, so ds/du = g(u − θ₊) + g(−u − θ₋).
    Source: BSA eq. 10 for θ₊ = θ₋; θ₋ is a magnitude.
    """
    return heaviside(potential - threshold), heaviside(-negative_threshold - potential)


def fire_integer(potential: Potential, threshold: Number, levels: int) -> Potential:
    """The number of spikes that the potential is worth, at most `levels`.

    Equation: s = round(clip(u/θ, 0, D)); straight-through, ds/du = 1/θ where 0 ≤ u/θ ≤ D, else 0.
    Source: I-LIF (Luo et al., ECCV 2024). Halves round to the even neighbour.
    """
    return MultiLevelSpikeCount.spiking_function(potential / threshold, levels, 0.0, float(levels))


def reset_hard(potential: Potential, event: Potential, reset_potential: float, detach: bool) -> Potential:
    """The state after a hard reset: `reset_potential` where there was an event (1), else the potential.

    Equation: h = (1 − e) · u + e · v_reset; for ternary spikes e = p + n = |s|.
    Source: SpikingJelly. BSA's eq. 11 has V_reset · s in place of v_reset · |s| and spares it the next decay;
        both agree at v_reset = 0, the paper's setting.
    """
    if detach:
        event = event.detach()
    # In floating point throughout: masks of bool are several times slower on CPUs.
    kept = (1 - event) * potential
    return kept + event * reset_potential if reset_potential else kept


def reset_soft(potential: Potential, spike: Potential, threshold: Number, detach: bool) -> Potential:
    """The state after a soft reset: the potential less what the spike was worth.

    Equation: h = u − θ · s; for ternary spikes once with (p, θ₊) and once with (n, −θ₋).
    """
    worth = spike.detach() if detach else spike
    if isinstance(threshold, Tensor):
        return potential - threshold * worth
    return torch.sub(potential, worth, alpha=threshold)
