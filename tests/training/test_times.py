"""Time stamps on their way from the batch to the network."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from snnpd import create_model
from snnpd.datasets.loading import make_loader
from snnpd.datasets.series.irregular import irregular_folder
from snnpd.datasets.splits import Batch, TimedSample
from snnpd.errors import UsageError
from snnpd.training import Encoder, RuntimeConfig, evaluate, fit, make_fabric
from snnpd.training.evaluate import check_digits, forward
from tests.datasets.series.timed_tables import write_timed
from tests.training.toys import CPU, ToySeries, toy_config

FABRIC = make_fabric(CPU)
SINCE_1970 = 1.7e9


class Stamped(Dataset):
    """Samples whose class is the parity of their one second; values are zero."""

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> TimedSample:
        return TimedSample(
            torch.zeros(2, 1), index % 2, torch.tensor([index, index + 1]).double() + SINCE_1970
        )


class Watch(nn.Module):
    """Tells the parity of the first second, and notes in which form it was handed in."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor, mask: Tensor, times: Tensor) -> Tensor:
        self.seen.append(times)
        is_odd = times[:, 0] % 2 == 1
        logits = torch.stack([~is_odd, is_odd], dim=1).float() * self.scale
        return logits.expand(len(x), *logits.shape)


def test_training_and_evaluation_hand_them_on_to_the_digit(tmp_path: Any) -> None:
    model = Watch()
    train = make_loader(Stamped(), 5, shuffle=True, seed=1)
    fit(
        model,
        train,
        train,
        toy_config(epochs=1),
        folder=tmp_path,
        encode=Encoder(time_steps=3),
        fabric=FABRIC,
    )
    assert len(model.seen) == 8
    assert {times.dtype for times in model.seen} == {torch.float64}
    for half in (model.seen[:4], model.seen[4:]):
        assert sorted(torch.cat(half)[:, 0].tolist()) == [SINCE_1970 + i for i in range(20)]
    score = evaluate(model, make_loader(Stamped(), 5, shuffle=False), Encoder(time_steps=3), fabric=FABRIC)
    assert (score.correct, score.total) == (20, 20)


def test_a_network_is_handed_only_what_there_is() -> None:
    given: list[set[str]] = []

    class Noting(nn.Module):
        def forward(self, x: Tensor, **parts: Tensor) -> Tensor:
            given.append(set(parts))
            return x

    x = torch.zeros(1, 2, 3, 1)
    mask, times = torch.ones(2, 3, dtype=torch.bool), torch.zeros(2, 3)
    for parts in ((None,), (mask,), (mask, times), (None, times)):
        forward(Noting(), x, *parts)
    assert given == [set(), {"mask"}, {"mask", "times"}, {"times"}]


def test_batches_of_untimed_series_have_none() -> None:
    batch = next(iter(make_loader(ToySeries(), 4, shuffle=False)))
    assert isinstance(batch, Batch)
    assert batch.times is None


@pytest.mark.parametrize(
    ("precision", "times", "refused"),
    [
        ("bf16-mixed", [SINCE_1970, SINCE_1970 + 1], True),
        ("bf16-mixed", [0.0, 1.0, 1.5, 0.0], False),
        ("bf16-mixed", [SINCE_1970, SINCE_1970, 0.0], False),
        ("32-true", [SINCE_1970, SINCE_1970 + 1], False),
    ],
)
def test_stamps_that_mixed_precision_would_melt(precision: Any, times: list[float], refused: bool) -> None:
    fabric = make_fabric(RuntimeConfig(accelerator="cpu", precision=precision))
    stamps = torch.tensor([times], dtype=torch.float64)
    if not refused:
        return check_digits(stamps, fabric)
    with pytest.raises(UsageError, match=r"time stamps up to 1700000001 fall together .* 'bf16-mixed'"):
        check_digits(stamps, fabric)


PERIODS = {"num_periods": 7, "shortest_period": 2.0, "longest_period": 128.0}


@pytest.mark.parametrize(
    ("position", "periods", "shuffled", "least", "most"),
    [
        ("bochner", PERIODS, False, 0.9, 1.0),
        ("mercer", PERIODS | {"degree": 1}, False, 0.9, 1.0),
        ("bochner", PERIODS, True, 0.3, 0.7),
    ],
)
def test_a_class_that_lies_in_the_stamps_is_learned_from_them(
    tmp_path: Path, position: str, periods: dict, shuffled: bool, least: float, most: float
) -> None:
    root = write_timed(tmp_path, num_train=160, num_test=100, shuffled=shuffled)
    splits = irregular_folder(root=str(root), val_fraction=0)
    torch.manual_seed(0)
    model = create_model(
        "spikingformer_tiny",
        num_classes=2,
        input_shape=splits.input_shape,
        dim=16,
        depth=1,
        num_heads=2,
        position=position,
        position_options=periods,
    )
    encode, config = Encoder(time_steps=2, kind="series"), toy_config(epochs=4, batch_size=16, lr=0.02)
    train = make_loader(splits.train, 16, shuffle=True)
    fit(model, train, None, config, folder=tmp_path, encode=encode, fabric=FABRIC)
    score = evaluate(model, make_loader(splits.test, 100, shuffle=False), encode, fabric=FABRIC)
    assert score.total == 100
    assert least <= score.accuracy <= most
