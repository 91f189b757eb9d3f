"""Networks in fixed point, counted from what their parts declare: the dense form imitates integers in floats."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from snnpd.attention.views import HeadView
from snnpd.energy.declared import NeuronCost, fire
from snnpd.energy.declared_attention import attend
from snnpd.energy.fixed_point import FixedInput, FixedNeuron, FixedShiftmaxGroup, Leak, ToPotential
from snnpd.energy.scene import Scene
from snnpd.expansion import Expansion, Exponential, Shiftmax

BIPOLAR = Expansion(Exponential(base=2, scale=1.0), Shiftmax("ceil"))


def _neuron(scene: Scene, module: nn.Module, x: Any, spikes: Tensor) -> None:
    assert isinstance(module, FixedNeuron)
    cost = NeuronCost(module.alphabet, _decays(module.leak), module.reset == "soft")
    signal = scene.signals[x]
    assert signal is not None
    fire(scene, spikes, signal, cost)


def _decays(leak: Leak) -> tuple[float, ...]:
    if leak.kind == "none":
        return ()
    part = 2.0**-leak.places
    return (part,) if leak.kind == "shift" else (1 - part,)


def _attention(scene: Scene, module: nn.Module, points: Any, heads: Tensor) -> None:
    attend(scene, HeadView(heads, BIPOLAR, points))


def _wires(scene: Scene, module: nn.Module, x: Any, moved: Tensor) -> None:
    """Words that are moved by a fixed number of places and saturated: no operation."""
    signal = scene.signals[x]
    assert signal is not None
    scene.signals.set(moved, signal.analog())


DECLARED: dict[type[nn.Module], Callable[[Scene, nn.Module, Any, Tensor], None]] = {
    FixedNeuron: _neuron,
    FixedShiftmaxGroup: _attention,
    FixedInput: _wires,
    ToPotential: _wires,
}
