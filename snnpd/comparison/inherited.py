"""A spiking network that begins with its ANN twin's trained weights."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from snnpd.errors import UsageError
from snnpd.projections import LinearNorm

# Where a map of the twin may stand in a spiking network: behind a neuron of its own, as attention's output map.
_PLACES = ("", ".project")


@dataclass(frozen=True)
class Inherited:
    """How much of the spiking network came from its twin: numbers of parameters, and the names of those copied."""

    num_copied: int
    num_parameters: int
    names: tuple[str, ...]


@torch.no_grad()
def inherit(snn: nn.Module, ann: nn.Module) -> Inherited:
    """Initialises the spiking network, in place, from its trained twin, layer by layer of the same name and shape.

    Stem (running statistics included) and head are copied. A linear map W x + b of the blocks meets a map with a
    batch-norm there: W becomes its weight and b the norm's shift, while the norm's scale and statistics stay at 1,
    0 and 1, so that it begins as the same map. The layer-norms have no counterpart, since neurons stand in their
    place; attention of another structure (other shapes, or parts of other names) stays as initialised: `names`
    tells what was copied.

    Raises:
        UsageError: no layer of the two has the same name and shape.
    """
    kept = {**dict(snn.named_parameters()), **dict(snn.named_buffers())}
    trained = {**dict(ann.named_parameters()), **dict(ann.named_buffers())}
    pairs = {name: source for name, source in trained.items() if _fits(kept.get(name), source)}
    for name, module in ann.named_modules():
        if isinstance(module, nn.Linear):
            pairs |= _behind_norm(snn, name, module)
    # Tensors that the spiking network froze are what its row is about: random queries and keys, say.
    pairs = {name: source for name, source in pairs.items() if _is_free(kept[name])}
    names = tuple(name for name, _ in snn.named_parameters() if name in pairs)
    if not names:
        raise UsageError(
            f"no layer of {type(snn).__name__} has the name and shape of one of {type(ann).__name__}; give the twin "
            "of the same stem, width and depth"
        )
    for name, source in pairs.items():
        kept[name].copy_(source)
    num_copied = sum(kept[name].numel() for name in names)
    return Inherited(num_copied, sum(parameter.numel() for parameter in snn.parameters()), names)


def _behind_norm(snn: nn.Module, name: str, linear: nn.Linear) -> dict[str, Tensor]:
    """The tensors of the spiking network's map with batch-norm, by name, with what they become."""
    for place in (name + suffix for suffix in _PLACES):
        try:
            found = snn.get_submodule(place)
        except AttributeError:
            continue
        if isinstance(found, LinearNorm) and found.linear.weight.shape == linear.weight.shape:
            bias = {} if linear.bias is None else {f"{place}.norm.bias": linear.bias}
            return {f"{place}.linear.weight": linear.weight, **bias}
    return {}


def _fits(mine: Tensor | None, source: Tensor) -> bool:
    return mine is not None and mine.shape == source.shape


def _is_free(tensor: Tensor) -> bool:
    return tensor.requires_grad or not isinstance(tensor, nn.Parameter)
