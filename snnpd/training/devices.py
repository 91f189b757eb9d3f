"""Fabric for the devices that are asked for."""

import torch
from lightning_fabric import Fabric
from torch import Tensor

from snnpd.errors import UsageError
from snnpd.training.config import RuntimeConfig


def make_fabric(runtime: RuntimeConfig) -> Fabric:
    """Fabric as configured, launched: with several processes the others begin the same command anew.

    Raises:
        UsageError: no such device here.
    """
    if runtime.threads:
        torch.set_num_threads(runtime.threads)
    try:
        fabric = Fabric(
            accelerator=runtime.accelerator,
            devices=runtime.devices,
            strategy=runtime.strategy,
            precision=runtime.precision,
        )
    # Lightning's own exception class for a machine without the device derives from nothing more telling.
    except Exception as error:
        wish = f"{runtime.devices} × {runtime.accelerator}, {runtime.strategy}, {runtime.precision}"
        reason = " ".join(str(error).split()).partition(". ")[0]
        raise UsageError(f"cannot run on {wish}: {reason}; try --runtime.accelerator auto") from error
    fabric.launch()
    return fabric


def sum_over_processes(fabric: Fabric, values: Tensor) -> Tensor:
    """The sum of a tensor over all processes."""
    total = fabric.all_reduce(values, reduce_op="sum")
    assert isinstance(total, Tensor)  # Fabric also takes collections of tensors
    return total
