"""What all neuron modules share: a declaration, a state carried from call to call, a choice of code."""

from typing import Any

from spikingjelly.activation_based.base import MemoryModule
from torch import Tensor

from snnpd.errors import unknown
from snnpd.neurons.dispatch import check_implementation, choose
from snnpd.neurons.dispatch import run as run_chosen
from snnpd.neurons.spec import NeuronSpec
from snnpd.spikes import Alphabet


class Neuron(MemoryModule):
    """A neuron as a module; abstract, its subclasses declare the equation.

    SpikingJelly's `functional.reset_net`, `set_step_mode` and `detach_net` work on it. The state `v` is
    carried from one call to the next until it is reset; it keeps at least float32 whatever the input's
    dtype. A copy (`copy.deepcopy`) takes the state along, cut from its graph.

    Shapes:
        step_mode "m": `[T, ...] → [T, ...]`, time first; "s": `[...] → [...]`, one step.

    Raises:
        UsageError: see `initial_state`.
    """

    def __init__(self, spec: NeuronSpec, implementation: str, step_mode: str) -> None:
        super().__init__()
        if step_mode not in self.supported_step_mode():
            raise unknown("step_mode", step_mode, self.supported_step_mode())
        self.spec = spec
        self.implementation = check_implementation(implementation)
        self.step_mode = step_mode
        self.register_memory("v", float(spec.reset_potential))

    @property
    def alphabet(self) -> Alphabet:
        """The values that the spikes may take."""
        return self.spec.alphabet

    def multi_step_functional_forward(
        self, inputs: tuple[Tensor, ...], states: tuple[Any, ...], **kwargs: Any
    ) -> tuple[tuple[Tensor], tuple[Tensor]]:
        """SpikingJelly's form with the state in and out, for `functional_forward`."""
        decay = self.learned_decay()
        spikes, state = run_chosen(self.spec, inputs[0], states[0], decay, self.implementation)
        return (self.emit(spikes),), (state,)

    def single_step_functional_forward(
        self, inputs: tuple[Tensor, ...], states: tuple[Any, ...], **kwargs: Any
    ) -> tuple[tuple[Tensor], tuple[Tensor]]:
        """One step of the same."""
        (spikes,), states = self.multi_step_functional_forward((inputs[0].unsqueeze(0),), states)
        return (spikes.squeeze(0),), states

    def learned_decay(self) -> Tensor | None:
        """The decay where it is a parameter, else None."""
        return None

    def emit(self, spikes: Tensor) -> Tensor:
        """What leaves the module for these spikes."""
        return spikes

    def extra_repr(self) -> str:
        """The declaration, less what is not set."""
        fields = {name: value for name, value in vars(self.spec).items() if value is not None}
        fields |= {"alphabet": self.spec.alphabet.name, "step_mode": self.step_mode}
        return ", ".join(f"{name}={value}" for name, value in fields.items())

    def __getstate__(self) -> dict[str, Any]:
        # A tensor inside a graph cannot be copied or pickled: the copy's state starts a new one.
        state = self.__dict__.copy()
        state["_memories"] = {
            name: value.detach() if isinstance(value, Tensor) else value
            for name, value in self._memories.items()
        }
        return state


def explain(neuron: Neuron, x: Tensor) -> str:
    """One line: which implementation runs this neuron on this input, and why.

    Example:
        >>> from snnpd.neurons import LIF
        >>> import torch
        >>> explain(LIF(), torch.zeros(4, 2, 8))
        'LIF: reference (auto; first in the table)'

    Raises:
        UsageError: the implementation asked for cannot run.
    """
    x_seq = x.unsqueeze(0) if neuron.step_mode == "s" else x
    choice = choose(neuron.spec, x_seq, neuron.implementation)
    return f"{type(neuron).__name__}: {choice.name} ({choice.reason})"
