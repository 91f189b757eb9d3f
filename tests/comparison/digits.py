"""Short trainings of small networks on the handwritten digits."""

from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from snnpd import create_dataset
from snnpd.datasets.loading import make_loader
from snnpd.datasets.splits import Splits
from snnpd.models.twin import vit_tiny_twin
from snnpd.training import Config, Encoder, OptimConfig, RuntimeConfig, evaluate, fit, make_fabric

CPU = RuntimeConfig(accelerator="cpu")
# Options of the tiny networks: images of digits, and series of 7 tokens.
IMAGE = {"dim": 32, "input_shape": (1, 8, 8)}
SERIES = {"dim": 32, "input_shape": (7, 3), "num_classes": 3}


@cache
def digits() -> Splits:
    return create_dataset("digits")


def train(model: nn.Module, folder: Path, epochs: int, time_steps: int = 1, **optim: float) -> float:
    """The accuracy on the test part afterwards."""
    folder.mkdir(exist_ok=True)
    settings = {"lr": 4e-3, "warmup_epochs": 0.5} | optim
    config = Config(optim=OptimConfig(epochs=epochs, **settings), time_steps=time_steps, runtime=CPU)
    loaders = [
        make_loader(part, 64, shuffle=part is digits().train) for part in (digits().train, digits().val)
    ]
    fit(model, *loaders, config, folder=folder, fabric=make_fabric(CPU))
    return accuracy(model, time_steps)


def accuracy(model: nn.Module, time_steps: int = 1) -> float:
    loader = make_loader(digits().test, 64, shuffle=False)
    return evaluate(model, loader, Encoder(time_steps=time_steps), fabric=make_fabric(CPU)).accuracy


def images(num_samples: int, time_steps: int = 1) -> Tensor:
    """Test images `[T, B, 1, 8, 8]`."""
    x = torch.stack([digits().test[i][0] for i in range(num_samples)])
    return x.expand(time_steps, *x.shape)


def series(num_samples: int = 6) -> tuple[Tensor, Tensor]:
    """Random series `[1, B, 7, 3]` of 3 to 7 tokens, and their mask."""
    mask = torch.arange(7) < torch.arange(num_samples)[:, None] % 5 + 3
    return torch.randn(1, num_samples, 7, 3) * mask.unsqueeze(-1), mask


def twin(seed: int = 0, **options: object) -> nn.Module:
    torch.manual_seed(seed)
    return vit_tiny_twin(**options)
