"""Training on any devices: configuration, encodings, losses, the loop, checkpoints and evaluation."""

from snnpd.training.checkpoint import Checkpoints
from snnpd.training.config import Config, DataConfig, ModelConfig, OptimConfig, RuntimeConfig
from snnpd.training.devices import make_fabric
from snnpd.training.encoding import Encoder
from snnpd.training.evaluate import evaluate
from snnpd.training.loop import Fitted, fit, load_chosen
from snnpd.training.metrics import Score

__all__ = [
    "Checkpoints",
    "Config",
    "DataConfig",
    "Encoder",
    "Fitted",
    "ModelConfig",
    "OptimConfig",
    "RuntimeConfig",
    "Score",
    "evaluate",
    "fit",
    "load_chosen",
    "make_fabric",
]
