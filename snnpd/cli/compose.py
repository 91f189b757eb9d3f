"""From settings to the parts of a run: data, loaders, encoder, network."""

from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.utils.data import DataLoader

from snnpd import create_dataset, create_model
from snnpd.datasets.limit import limit
from snnpd.datasets.loading import collate, make_loader
from snnpd.datasets.splits import Batch, Splits
from snnpd.datasets.table import DATASETS
from snnpd.registry import accepted_options, resolve
from snnpd.training import Config, Encoder
from snnpd.training.evaluate import forward
from snnpd.training.seeding import seed_everything


@dataclass(frozen=True)
class Parts:
    """What a run is made of."""

    splits: Splits
    model: nn.Module
    encode: Encoder
    train: DataLoader
    val: DataLoader | None
    test: DataLoader

    @property
    def num_parameters(self) -> int:
        """Trainable parameters of the network."""
        return sum(parameter.numel() for parameter in self.model.parameters() if parameter.requires_grad)


def compose(config: Config, fabric: Fabric) -> Parts:
    """The parts of the run that `config` describes, one sample already shown to the network.

    Raises:
        UsageError: unknown names or options, damaged data, sizes that do not go together.
    """
    seed_everything(config.seed)
    splits = load_splits(config)
    encode = Encoder(config.encoding, config.time_steps, splits.kind)
    model = create_model(config.model.name, **model_options(config, splits))
    loading: dict[str, Any] = {
        "batch_size": config.optim.batch_size,
        "seed": config.seed,
        "num_workers": config.runtime.num_workers,
        "rank": fabric.global_rank,
        "world_size": fabric.world_size,
    }
    parts = Parts(
        splits,
        model,
        encode,
        train=make_loader(splits.train, shuffle=True, **loading),
        val=None if splits.val is None else make_loader(splits.val, shuffle=False, **loading),
        test=make_loader(splits.test, shuffle=False, **loading),
    )
    # What does not fit is told before a folder is made and an epoch begun.
    show(parts, first_sample(splits.train))
    return parts


def load_splits(config: Config) -> Splits:
    """The data of the run; a data set that takes `time_steps` gets those of the run."""
    options = {"seed": config.seed, "val_fraction": config.data.val_fraction} | config.data.options
    if config.data.root is not None:
        options["root"] = config.data.root
    if config.data.name in DATASETS:
        takes = accepted_options(resolve("data set", config.data.name, DATASETS))
        if "time_steps" in takes:
            options.setdefault("time_steps", config.time_steps)
    whole = create_dataset(config.data.name, **options)
    return limit(whole, config.data.max_train, config.data.max_test)


def model_options(config: Config, splits: Splits) -> dict[str, Any]:
    """The options of the network: sizes from the data, names from the settings where they are set."""
    named = {"attention": config.model.attention, "neuron": config.model.neuron}
    sizes = {"input_shape": splits.input_shape, "num_classes": splits.num_classes}
    return sizes | {key: value for key, value in named.items() if value is not None} | config.model.options


def first_sample(dataset: Any) -> Batch:
    """The first sample of a data set, as a batch of one."""
    return collate([dataset[0]], getattr(dataset, "max_length", None))


@torch.no_grad()
def show(parts: Parts, batch: Batch) -> torch.Tensor:
    """The logits `[T, B, K]` for a batch, in evaluation mode, on the device where the network is."""
    device = next(parts.model.parameters()).device
    mask, times = (None if part is None else part.to(device) for part in (batch.mask, batch.times))
    return forward(parts.model.eval(), parts.encode(batch.x.to(device), mask), mask, times)
