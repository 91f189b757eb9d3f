"""Where a number first stopped being finite."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from snnpd.errors import TrainingError


class NotFinite(TrainingError):
    """A loss or gradient that is infinite or not a number."""


def first_nonfinite_layer(model: nn.Module, run: Callable[[], Any]) -> str | None:
    """The qualified name of the first module whose output is not finite when `run` calls the model; None if all are.

    A module that was already handed a number that is not finite is not to blame: then the name is that of the
    module around it, and the place is given as "before" its child.
    """
    found: list[str] = []

    def watch(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            if found or _all_finite(output):
                return
            if _all_finite((args, kwargs)):
                found.append(name or type(module).__name__)
            else:
                outer = name.rpartition(".")[0] or type(model).__name__
                found.append(f"{outer}, before {name}" if name else "the input of the model")

        return hook

    hooks = [m.register_forward_hook(watch(name), with_kwargs=True) for name, m in model.named_modules()]
    try:
        run()
    finally:
        for handle in hooks:
            handle.remove()
    return found[0] if found else None


def first_nonfinite_gradient(model: nn.Module) -> str | None:
    """The name of the parameter, counted back from the loss, whose gradient is the first not to be finite."""
    for name, parameter in reversed(list(model.named_parameters())):
        if parameter.grad is not None and not torch.isfinite(parameter.grad).all():
            return name
    return None


def _all_finite(values: Any) -> bool:
    return all(
        bool(torch.isfinite(tensor).all()) for tensor in _tensors(values) if tensor.is_floating_point()
    )


def _tensors(values: Any) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, dict):
        for value in values.values():
            yield from _tensors(value)
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _tensors(value)
