"""The one typed tree of settings that a run is made from; recipes and the command line fill it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, Literal, TypeVar

import yaml

from snnpd.errors import UsageError, unknown

Encoding = Literal["direct", "rate", "latency", "delta"]
Loss = Literal["mean_rate", "tet"]
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
Tree = TypeVar("Tree")

# What `--resume` lets differ: none of these can change a weight. (Samples, their order and their augmentation
# are functions of seed, epoch and index, whatever the number of workers.)
CHANGEABLE = frozenset({"name", "out_dir", "report", "data.root", "runtime.num_workers"})


@dataclass(frozen=True)
class ModelConfig:
    """The network."""

    name: str = "spikingformer_tiny"
    """Name of the network; `snnpd models` lists them."""
    attention: str | None = None
    """Name of the attention; `snnpd models` lists them. None: the network's default."""
    neuron: str | None = None
    """Name of the neuron; `snnpd models` lists them. None: the network's default. An ANN twin has none."""
    options: dict[str, Any] = field(default_factory=dict)
    """Further options of the network; one at a time as `--model.options.depth 4`."""


@dataclass(frozen=True)
class DataConfig:
    """The data set."""

    name: str = "digits"
    """Name of the data set; `snnpd datasets` lists them."""
    root: str | None = None
    """Folder of its files. None: where the data set looks by itself."""
    val_fraction: float = 0.1
    """Fraction of the train part, stratified, that chooses the epoch. 0: none, the last epoch is used."""
    max_train: int | None = None
    """Train on so many samples only, of those that validation leaves; that keeps its size. None: on all."""
    max_test: int | None = None
    """Test on so many samples only, the same for every seed. None: on all."""
    options: dict[str, Any] = field(default_factory=dict)
    """Further options of the data set; one at a time as `--data.options.augment false`."""


@dataclass(frozen=True)
class OptimConfig:
    """The optimisation."""

    epochs: int = 40
    """Passes over the train part."""
    batch_size: int = 64
    """Samples in a batch, in each process."""
    accumulate: int = 1
    """Batches whose gradients are averaged before one step of the optimiser."""
    lr: float = 1e-3
    """Highest learning rate, reached at the end of the warm-up."""
    min_lr_ratio: float = 0.01
    """Learning rate at the end of the cosine, as a fraction of `lr`."""
    warmup_epochs: float = 2.0
    """Epochs of linear warm-up."""
    weight_decay: float = 0.05
    """AdamW's weight decay; biases, norms and other parameters of one dimension have none."""
    clip_norm: float = 1.0
    """Largest norm of the gradient; 0: not clipped."""
    label_smoothing: float = 0.0
    """Share of each target that is spread over all classes."""
    mixup: float = 0.0
    """Mixup's alpha, for images and frames; 0: none. With `cutmix`, too, each batch gets one of the two. Training
    accuracy then counts both classes of a blend, each with its share; validation and test are never mixed."""
    cutmix: float = 0.0
    """CutMix's alpha, for images and frames; 0: none. It keeps the alphabet of spikes, mixup does not."""
    mixup_prob: float = 1.0
    """Share of the batches that mixup or CutMix mixes."""
    mixup_epochs: int | None = None
    """Epochs, from the first, whose batches are mixed. None: all."""
    loss: Loss = "mean_rate"
    """`mean_rate`: cross-entropy of the mean logits; `tet`: mean of the cross-entropies of all time steps."""
    tet_lambda: float = 0.0
    """TET's weight of the squared distance of all logits from 1; the loss has weight 1 − it."""
    dual_penalty: float = 0.0
    """Weight of the penalty on attention values that are no feasible dual variables; 0: none."""
    dual_box: float | None = None
    """The box C of that penalty, on |h(k_j) v_j|. None: only the constraint of the bias."""
    ema_decay: float = 0.0
    """Decay of the moving average of the weights, which is then what is validated and kept; 0: none."""


@dataclass(frozen=True)
class RuntimeConfig:
    """Where and how it runs."""

    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Kind of device; `auto` takes a GPU if there is one."""
    devices: int = 1
    """Number of processes, each on its own device."""
    strategy: Literal["auto", "ddp"] = "auto"
    """`ddp`: one process a device, gradients averaged; works on the CPU, too."""
    precision: Precision = "32-true"
    """Number format of the computation; weights stay in float32."""
    num_workers: int = 0
    """Processes that load data; 0: the training process itself."""
    threads: int | None = None
    """CPU threads of each process. None: torch's default."""


@dataclass(frozen=True)
class Config:
    """The run.

    Raises:
        UsageError: a value out of its range.
    """

    name: str | None = None
    """Name of the run and its folder, with a number behind it if it is taken. None: recipe and seed."""
    out_dir: str = "runs"
    """Folder of all run folders."""
    seed: int = 0
    """Seed of the weights, of the validation part, and of everything random in training."""
    time_steps: int = 4
    """Time steps T. Event frames must have as many."""
    report: bool = False
    """Count operations and energy on the test part at the end, and write them into the run's folder."""
    encoding: Encoding = "direct"
    """How static data become time steps; `direct` repeats them, the others draw spikes (snnTorch's)."""
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)

    def __post_init__(self) -> None:
        values = flatten(self)
        for names, (holds, rule) in _RULES.items():
            for name in names.split():
                # `not holds` instead of a negated rule, so that NaN is refused.
                if values[name] is not None and not holds(values[name]):
                    raise UsageError(f"{name} is {values[name]!r}; give {rule}")


_RULES = {
    "seed optim.mixup_epochs runtime.num_workers": (lambda v: v >= 0, "a whole number from 0 upwards"),
    "time_steps data.max_train data.max_test optim.epochs optim.batch_size optim.accumulate runtime.devices "
    "runtime.threads": (
        lambda v: v >= 1,
        "a whole number from 1 upwards",
    ),
    "data.val_fraction optim.ema_decay optim.label_smoothing": (
        lambda v: 0 <= v < 1,
        "a number from 0 to below 1",
    ),
    "optim.min_lr_ratio optim.tet_lambda optim.mixup_prob": (lambda v: 0 <= v <= 1, "a number from 0 to 1"),
    "optim.lr optim.dual_box": (lambda v: 0 < v < float("inf"), "a positive number"),
    "optim.warmup_epochs optim.weight_decay optim.clip_norm optim.mixup optim.cutmix optim.dual_penalty": (
        lambda v: 0 <= v < float("inf"),
        "a number from 0 upwards",
    ),
    "name": (lambda v: v.strip(". ") and "/" not in v and "\\" not in v, "a plain name without slashes"),
}


def config_from(mapping: Mapping[str, Any], tree: type[Tree] = Config, prefix: str = "") -> Tree:  # type: ignore[assignment]
    """The configuration that a nested mapping gives; what it does not name keeps its default.

    Raises:
        UsageError: an unknown key, with the nearest names, or a value out of its range.
    """
    parts: dict[str, Any] = {}
    types = {part.name: part.type for part in fields(tree)}  # type: ignore[arg-type]
    for key, value in mapping.items():
        if key not in types:
            raise unknown("setting", f"{prefix}{key}", [prefix + name for name in types])
        if is_dataclass(types[key]):
            if not isinstance(value, Mapping):
                raise UsageError(f"{prefix}{key} is {value!r}; give its settings, one a line, below it")
            value = config_from(value, types[key], f"{prefix}{key}.")  # type: ignore[arg-type]
        parts[key] = value
    return tree(**parts)


def flatten(config: Config) -> dict[str, Any]:
    """All settings by dotted name."""
    flat: dict[str, Any] = {}
    for name, value in asdict(config).items():
        if is_dataclass(getattr(config, name)):
            flat |= {f"{name}.{inner}": inner_value for inner, inner_value in value.items()}
        else:
            flat[name] = value
    return flat


def to_yaml(config: Config) -> str:
    """The whole configuration as YAML, in the order of the fields."""
    return yaml.safe_dump(asdict(config), sort_keys=False, allow_unicode=True)


def differences(old: Config, new: Config) -> list[str]:
    """What differs and could change a result, one `name: old → new` each."""
    before, after = flatten(old), flatten(new)
    return [
        f"{name}: {before[name]} → {after[name]}"
        for name in before
        if before[name] != after[name] and name not in CHANGEABLE
    ]
