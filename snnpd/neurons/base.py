"""What neuron modules share: a declaration, learned numbers, a state carried from call to call, a choice of code."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from spikingjelly.activation_based.base import MemoryModule
from torch import Tensor

from snnpd.errors import unknown
from snnpd.neurons.dispatch import check_implementation, choose, takes_before
from snnpd.neurons.dispatch import run as run_chosen
from snnpd.neurons.fused import NOTHING_BEFORE
from snnpd.neurons.layout import find_layout
from snnpd.neurons.learned import parameters, values
from snnpd.neurons.spec import NeuronSpec
from snnpd.neurons.values import channels_of
from snnpd.spikes import Alphabet

MEMORIES = ("fast", "lean")


class Fired(NamedTuple):
    """What a call of a neuron took and gave: input, spikes, and the residual sum where one was in its pass."""

    x: Tensor
    spikes: Tensor
    total: Tensor | None


class Neuron(MemoryModule):
    """A neuron as a module; abstract, its subclasses declare the equation.

    SpikingJelly's `functional.reset_net`, `set_step_mode` and `detach_net` work on it. The state `v` is
    carried from one call to the next until it is reset; it keeps at least float32 whatever the input's
    dtype. A copy (`copy.deepcopy`) takes the state along, cut from its graph.

    Args:
        learned: names out of "decay", "threshold", "negative_threshold" and "amplitude" (what a spike is worth to the
            next layer; starts at 1 and folds into its weight), each a parameter: one number, or one a channel.
        channels: how many channels have learned numbers of their own; None is one number for the layer.
        channel_dim: the dimension of a time step that runs over channels: -1 of tokens `[B, N, C]`, 1 of maps
            `[B, C, h, w]`.
        memory: what a fused kernel keeps for back-propagation: "fast" the potentials, in at least float32; "lean"
            nothing but the input, from which it computes them again.
        implementation: "auto", or one of `snnpd doctor`'s.

    Shapes:
        step_mode "m": `[T, ...] → [T, ...]`, time first; "s": `[...] → [...]`, one step.

    Raises:
        UsageError: see `initial_state`.
    """

    v: Tensor | float

    def __init__(
        self,
        spec: NeuronSpec,
        *,
        learned: str | Sequence[str] = (),
        channels: int | None = None,
        channel_dim: int = -1,
        memory: str = "lean",
        implementation: str = "auto",
        step_mode: str = "m",
    ) -> None:
        super().__init__()
        if step_mode not in self.supported_step_mode():
            raise unknown("step_mode", step_mode, self.supported_step_mode())
        if memory not in MEMORIES:
            raise unknown("memory", memory, MEMORIES)
        self.spec = replace(spec, channel_dim=channel_dim)
        self.memory = memory
        self.implementation = check_implementation(implementation)
        self.step_mode = step_mode
        self.watchers: list[Callable[[Fired], None]] = []
        names = (learned,) if isinstance(learned, str) else learned
        for name, parameter in parameters(self.spec, names, channels).items():
            self.register_parameter(name, parameter)
        self.register_memory("v", float(spec.reset_potential))

    @property
    def alphabet(self) -> Alphabet:
        """The values that the spikes may take."""
        return self.spec.alphabet

    def multi_step_functional_forward(
        self, inputs: tuple[Tensor, ...], states: tuple[Any, ...], **kwargs: Any
    ) -> tuple[tuple[Tensor], tuple[Tensor]]:
        """SpikingJelly's form with the state in and out, for `functional_forward`."""
        before = kwargs.get("before", NOTHING_BEFORE)
        outcome = run_chosen(
            self.spec, inputs[0], states[0], values(self), self.implementation, self.memory, before
        )
        if before.totals is not None:
            assert outcome.total is not None or before.skip is None
            before.totals.extend([] if outcome.total is None else [outcome.total])
        for watcher in self.watchers:
            watcher(Fired(inputs[0], outcome.spikes, outcome.total))
        return (outcome.spikes,), (outcome.state,)

    def single_step_functional_forward(
        self, inputs: tuple[Tensor, ...], states: tuple[Any, ...], **kwargs: Any
    ) -> tuple[tuple[Tensor], tuple[Tensor]]:
        """One step of the same."""
        (spikes,), states = self.multi_step_functional_forward((inputs[0].unsqueeze(0),), states)
        return (spikes.squeeze(0),), states

    def can_fuse(self, x_seq: Tensor, channel_dim: int | None = None) -> bool:
        """Whether a call may pass what comes `before` the neuron, to be done in its pass (see `neighbours`).

        A normalisation runs along `channel_dim`; so must the neuron's own channels, if it has any.
        """
        if self.step_mode == "s" or x_seq.ndim < 2:
            return False
        if channel_dim is not None and channels_of(self.spec, values(self)) is not None:
            size = x_seq.ndim - 1
            if channel_dim % size != self.spec.channel_dim % size:
                return False
        return takes_before(choose(self.spec, x_seq, self.implementation).name)

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
        >>> explain(LIF(implementation="reference"), torch.zeros(4, 2, 8))
        'LIF: reference (asked for by the module)'

    Raises:
        UsageError: the implementation asked for cannot run.
    """
    x_seq = x.unsqueeze(0) if neuron.step_mode == "s" else x
    choice = choose(neuron.spec, x_seq, neuron.implementation)
    reason = choice.reason
    if takes_before(choice.name) and find_layout(x_seq) is None:
        reason += "; copies its input, whose steps are no rows at one distance"
    return f"{type(neuron).__name__}: {choice.name} ({reason})"
