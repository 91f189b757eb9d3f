"""A tiny spiking network, learnable data and short runs of them."""

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from snnpd.datasets.loading import make_loader
from snnpd.datasets.splits import Kind, Splits
from snnpd.neurons import LIF
from snnpd.training import Config, OptimConfig, RuntimeConfig, fit, make_fabric

CPU = RuntimeConfig(accelerator="cpu")


class ToyData(Dataset):
    """Noisy images `[1, 2, 2]` of three classes; after `fail_at` samples it raises, as a kill would."""

    def __init__(self, num_samples: int = 24, seed: int = 0, fail_at: int | None = None) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.y = torch.arange(num_samples) % 3
        centres = torch.tensor([[2.0, 0, 0, 1], [0, 2.0, 1, 0], [0, 1, 2.0, 2.0]])
        self.x = (centres[self.y] + 0.3 * torch.randn(num_samples, 4, generator=generator)).view(-1, 1, 2, 2)
        self.fail_at, self.num_read, self.epochs = fail_at, 0, []

    def set_epoch(self, epoch: int) -> None:
        self.epochs.append(epoch)

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        self.num_read += 1
        if self.num_read == self.fail_at:
            raise KeyboardInterrupt
        return self.x[index], int(self.y[index])


class Toy(nn.Module):
    """Linear, batch-norm, LIF, dropout, linear: `[T, B, 1, 2, 2]` to `[T, B, 3]`."""

    def __init__(self, norm: bool = True, dropout: float = 0.2) -> None:
        super().__init__()
        self.inp = nn.Linear(4, 12)
        self.norm = nn.BatchNorm1d(12) if norm else nn.Identity()
        self.spike = LIF()
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(12, 3)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        hidden = self.norm(self.inp(x.flatten(2)).flatten(0, 1)).unflatten(0, x.shape[:2])
        return self.out(self.dropout(self.spike(hidden)))


def toy(seed: int = 0, **options: Any) -> Toy:
    torch.manual_seed(seed)
    return Toy(**options)


def toy_config(runtime: RuntimeConfig = CPU, **optim: Any) -> Config:
    given = {"epochs": 4, "batch_size": 8, "lr": 0.02, "warmup_epochs": 1.0} | optim
    return Config(optim=OptimConfig(**given), time_steps=3, runtime=runtime)


def toy_fit(
    folder: Path, config: Config | None = None, model: nn.Module | None = None, **changes: Any
) -> Any:
    """A short run in `folder`: the network afterwards, and what `fit` gives."""
    config = config or toy_config()
    model = model or toy()
    folder.mkdir(exist_ok=True)
    data = changes.pop("data", None) or ToyData()
    val = make_loader(ToyData(15, seed=1), 8, shuffle=False) if changes.pop("validate", True) else None
    train = make_loader(data, config.optim.batch_size, shuffle=True, seed=config.seed)
    return model, fit(model, train, val, config, folder=folder, fabric=make_fabric(config.runtime), **changes)


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(name == name2 and torch.equal(value, value2) for (name, value), (name2, value2) in pairs)


class ToySeries(Dataset):
    """Noisy sines of two frequencies, `[N, 2]` with N from 3 to 6; pauses before each epoch."""

    max_length = 6

    def __init__(self, pause_seconds: float = 0.0) -> None:
        self.pause_seconds = pause_seconds

    def set_epoch(self, epoch: int) -> None:
        time.sleep(self.pause_seconds)

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        n = torch.arange(3.0 + index % 4) * (1 + index % 2)
        noise = 0.1 * torch.randn(len(n), 2, generator=torch.Generator().manual_seed(index))
        return torch.stack([n.sin(), n.cos()], dim=1) + noise, index % 2


class ToyFrames(Dataset):
    """Random frames `[T, 2, 4, 4]` of two rates."""

    def __init__(self, time_steps: int) -> None:
        self.time_steps = time_steps

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        draws = torch.rand(self.time_steps, 2, 4, 4, generator=torch.Generator().manual_seed(index))
        return (draws < 0.2 + 0.5 * (index % 2)).float(), index % 2


def toy_series(*, pause_seconds: float = 0.0, seed: int = 0, val_fraction: float = 0.1) -> Splits:
    """Toy series, as a data set by name."""
    return _splits("series", ToySeries(pause_seconds), (6, 2))


def toy_frames(*, time_steps: int = 5, seed: int = 0, val_fraction: float = 0.1) -> Splits:
    """Toy event frames, as a data set by name."""
    return _splits("frames", ToyFrames(time_steps), (2, 4, 4))


def _splits(kind: Kind, data: Dataset, input_shape: tuple[int, ...]) -> Splits:
    return Splits(f"toy_{kind}", kind, data, data, data, 2, input_shape, ("slow", "fast"))
