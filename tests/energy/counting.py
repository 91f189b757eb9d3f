"""A ledger as plain numbers, and small networks, for tests that work operations out by hand."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from snnpd.energy.ledger import Account, Ledger
from snnpd.energy.tally import count_batch

Totals = dict[str, tuple[int, int]]
Placed = dict[str, tuple[list[list[int]], list[list[int]]]]


class Formula(nn.Module):
    """A function of the input as a module, for operations without a layer of their own."""

    def __init__(self, function: Callable[..., Any], **parts: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.parts = nn.ModuleDict(parts)

    def forward(self, x: Tensor) -> Any:
        """The function of x and of the parts."""
        return self.function(x, **self.parts)


class Code(nn.Module):
    """A copy of its input, for `alphabets` to declare."""

    def forward(self, x: Tensor) -> Tensor:
        """x in memory of its own, so that the declaration is not the input's."""
        return x.clone()


def totals(model: nn.Module, x: Tensor, **options: Any) -> Totals:
    """By role, kind and word ("linear ac f32", "product ac 3"): operations done and skipped, over the batch."""
    found: Totals = {}
    for account, count in count_batch(model, x, **options):
        name = _class_of(account)
        done, skipped = found.get(name, (0, 0))
        found[name] = (done + int(count.done.sum()), skipped + int(count.skipped.sum()))
    return found


def placed(ledger: Ledger) -> Placed:
    """The same with the layer in front, a number for each time step and sample."""
    return {
        f"{account.layer} {_class_of(account)}": (count.done.tolist(), count.skipped.tolist())
        for account, count in ledger
    }


def _class_of(account: Account) -> str:
    kind, bits, is_float = account.operation
    return f"{account.role} {kind} {'f' if is_float else ''}{bits}"


def one(*values: Any) -> Tensor:
    """One time step of one sample."""
    return torch.tensor(values, dtype=torch.float32)[None, None]


def letters(shape: tuple[int, ...], low: int, high: int, zeros: float = 0.4) -> Tensor:
    """Random letters `low..high`, a share of them zero besides."""
    return torch.randint(low, high + 1, shape) * (torch.rand(shape) >= zeros).float()


def firing(model: nn.Module) -> nn.Module:
    """The model at inference, its batch-norms such that neurons fire."""
    for part in model.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.constant_(part.weight, 3.0)
            nn.init.constant_(part.bias, 0.4)
    return model.eval()


def dyadic(model: nn.Module) -> nn.Module:
    """The model at inference, weights in sixteenths: sums are exact in any order, and no spike depends on it."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d):
            module.weight.data = (8 * torch.randn_like(module.weight)).round() / 16
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.eps, module.bias.data = 0.0, torch.full_like(module.bias, 0.25)
    return model.eval()


def pixels(*shape: int) -> Tensor:
    """Random words in sixteenths."""
    return (16 * torch.randn(shape)).round() / 16
