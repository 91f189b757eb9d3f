"""What every implementation asks of its input and of the state it starts from."""

import torch
from torch import Tensor

from snnpd.errors import UsageError
from snnpd.neurons.spec import NeuronSpec


def initial_state(spec: NeuronSpec, x_seq: Tensor, state: Tensor | float | None = None) -> Tensor:
    """The state to start from, in at least float32; a number, or None for the reset potential, fills it.

    Shapes:
        x_seq: `[T, ...]`, T ≥ 1; state and result: `[...]`.

    Raises:
        UsageError: no time step, an input that is not floating point, or a state of another shape.
    """
    if x_seq.ndim == 0 or x_seq.shape[0] == 0:
        raise UsageError(f"a neuron needs at least one time step: got an input of shape {tuple(x_seq.shape)}")
    if not x_seq.is_floating_point():
        raise UsageError(f"a neuron needs a floating-point input, got {x_seq.dtype}: use .float()")
    dtype = torch.promote_types(x_seq.dtype, torch.float32)
    if not isinstance(state, Tensor):
        value = spec.reset_potential if state is None else state
        return torch.full(x_seq.shape[1:], value, dtype=dtype, device=x_seq.device)
    if state.shape != x_seq.shape[1:]:
        raise UsageError(
            f"the state has shape {tuple(state.shape)} but a step of the input has {tuple(x_seq.shape[1:])}: "
            "call spikingjelly.activation_based.functional.reset_net(model) before a new batch"
        )
    state = state.to(x_seq.device, dtype)
    # One left by an evaluation in inference mode cannot be saved for a backward pass.
    return state.clone() if state.is_inference() and not torch.is_inference_mode_enabled() else state
