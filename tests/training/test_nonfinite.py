import pytest
import torch
from torch import Tensor, nn

from snnpd.training.nonfinite import first_nonfinite_gradient, first_nonfinite_layer

NAN = float("nan")


class Times(nn.Module):
    """Multiplies by a number that may be none; gives a tuple, as some layers do."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return x * self.factor, {"count": torch.ones(2, dtype=torch.int64)}


class Net(nn.Module):
    """a, then something of its own between, then b and c."""

    def __init__(self, a: float = 1.0, between: float = 1.0, b: float = 1.0) -> None:
        super().__init__()
        self.a, self.rest, self.between = Times(a), nn.ModuleDict({"b": Times(b), "c": Times()}), between

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)[0] * self.between
        for layer in self.rest.values():
            x = layer(x)[0]
        return x


@pytest.mark.parametrize(
    ("net", "x", "layer"),
    [
        (Net(), 1.0, None),
        (Net(a=NAN), 1.0, "a"),
        (Net(b=float("inf")), 1.0, "rest.b"),
        (Net(between=NAN), 1.0, "rest, before rest.b"),
        (nn.Sequential(Net(), Net(a=NAN)), 1.0, "1.a"),
        (Net(), NAN, "Net, before a"),
    ],
)
def test_the_first_layer_is_found(net: nn.Module, x: float, layer: str | None) -> None:
    assert first_nonfinite_layer(net, lambda: net(torch.tensor([x]))) == layer
    assert not any(module._forward_hooks for module in net.modules())


def test_the_first_gradient_is_that_nearest_to_the_loss() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    net(torch.ones(1, 2)).sum().backward()
    assert first_nonfinite_gradient(net) is None
    for layer in net[:2]:
        layer.weight.grad[0, 0] = NAN
    assert first_nonfinite_gradient(net) == "1.weight"
