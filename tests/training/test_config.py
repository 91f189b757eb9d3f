import dataclasses
import typing
from typing import Any

import pytest
import yaml

from snnpd.errors import UsageError
from snnpd.training.config import Config, config_from, differences, flatten, to_yaml

# The face of configurations: a change here belongs in the changelog.
FIELDS = """
name out_dir seed time_steps report encoding
model.name model.attention model.neuron model.options
data.name data.root data.val_fraction data.max_train data.max_test data.options
optim.epochs optim.batch_size optim.accumulate optim.lr optim.min_lr_ratio optim.warmup_epochs optim.weight_decay
optim.clip_norm optim.label_smoothing optim.mixup optim.cutmix optim.mixup_prob optim.mixup_epochs
optim.loss optim.tet_lambda
optim.dual_penalty optim.dual_box optim.ema_decay
runtime.accelerator runtime.devices runtime.strategy runtime.precision runtime.num_workers runtime.threads
"""


def test_the_settings_are_frozen() -> None:
    assert list(flatten(Config())) == FIELDS.split()


def test_yaml_round_trip() -> None:
    tree = {
        "seed": 3,
        "model": {"options": {"pools": [True, False]}, "attention": "bsa"},
        "optim": {"lr": 1e-5},
    }
    config = config_from(tree)
    assert config.optim.lr == 1e-5
    assert config_from(yaml.safe_load(to_yaml(config))) == config != Config()


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"time_steps": 0}, "time_steps is 0; give a whole number from 1 upwards"),
        ({"seed": -1}, "seed is -1"),
        ({"optim": {"lr": float("nan")}}, "optim.lr is nan; give a positive number"),
        ({"optim": {"ema_decay": 1.0}}, "optim.ema_decay is 1.0"),
        ({"optim": {"mixup_prob": 1.5}}, "optim.mixup_prob is 1.5; give a number from 0 to 1"),
        ({"optim": {"mixup_epochs": -1}}, "optim.mixup_epochs is -1; give a whole number from 0 upwards"),
        ({"optim": {"cutmix": -0.5}}, "optim.cutmix is -0.5; give a number from 0 upwards"),
        ({"data": {"val_fraction": 1.5}}, "data.val_fraction is 1.5"),
        ({"runtime": {"threads": 0}}, "runtime.threads is 0"),
        ({"name": "a/b"}, "name is 'a/b'; give a plain name"),
        ({"optim": {"epoch": 3}}, "unknown setting 'optim.epoch'; did you mean 'optim.epochs'"),
        ({"sed": 3}, "unknown setting 'sed'; did you mean 'seed'"),
        ({"model": "vit"}, "model is 'vit'; give its settings"),
    ],
)
def test_values_out_of_range_and_unknown_keys(tree: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        config_from(tree)


def test_differences_leave_out_what_cannot_change_a_weight() -> None:
    old = Config()
    assert differences(old, config_from({"name": "x", "out_dir": "y", "runtime": {"num_workers": 3}})) == []
    changed = config_from({"seed": 1, "optim": {"lr": 0.5}, "model": {"options": {"dim": 3}}})
    assert differences(old, changed) == [
        "seed: 0 → 1",
        "model.options: {} → {'dim': 3}",
        "optim.lr: 0.001 → 0.5",
    ]


def test_every_setting_has_its_documentation() -> None:
    import inspect

    for kind in (Config, *(t for t in typing.get_type_hints(Config).values() if dataclasses.is_dataclass(t))):
        leaves = [f.name for f in dataclasses.fields(kind) if not dataclasses.is_dataclass(f.type)]
        assert inspect.getsource(kind).count('    """') >= len(leaves) + 1
