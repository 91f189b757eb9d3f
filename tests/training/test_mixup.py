"""Mixup and CutMix against loops over samples and pixels, and inside of a training."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from snnpd.datasets.loading import make_loader, set_epoch
from snnpd.datasets.splits import Batch
from snnpd.training import Encoder, OptimConfig, fit, make_fabric
from snnpd.training.losses import classification_loss
from snnpd.training.metrics import METRICS, read_metrics
from snnpd.training.mixup import Mixing, draw_mixing
from tests.training.toys import CPU, ToyData, ToyFrames, same_weights, toy, toy_config, toy_fit

IMAGES = torch.rand(5, 3, 6, 8, generator=torch.Generator().manual_seed(0))
FRAMES = torch.stack([IMAGES, IMAGES + 1, IMAGES.flip(0)])
PARTNERS = torch.tensor([2, 0, 1, 3, 4])
Y = torch.tensor([3, 1, 0, 2, 1])
MIXUP = Mixing(PARTNERS, 0.75)
# Rows 1 to 3 and columns 4 and 5 are 6 of 48 pixels.
CUTMIX = Mixing(PARTNERS, 1 - 6 / 48, (1, 4, 4, 6))


def draw(epoch: int = 1, step: int = 0, size: tuple[int, int] = (6, 8), **options: Any) -> Mixing | None:
    return draw_mixing(OptimConfig(**options), 5, size, seed=3, epoch=epoch, step=step)


def blended(x: Tensor, mixing: Mixing) -> Tensor:
    """Sample by sample and pixel by pixel."""
    result = x.clone()
    for sample, partner in enumerate(mixing.partners.tolist()):
        for row in range(6):
            for column in range(8):
                mine, other = x[sample, :, row, column], x[partner, :, row, column]
                if mixing.box is None:
                    result[sample, :, row, column] = mixing.share * mine + (1 - mixing.share) * other
                else:
                    top, bottom, left, right = mixing.box
                    inside = top <= row < bottom and left <= column < right
                    result[sample, :, row, column] = other if inside else mine
    return result


@pytest.mark.parametrize("mixing", [MIXUP, CUTMIX], ids=["mixup", "cutmix"])
def test_blends_of_images_and_of_frames_time_first(mixing: Mixing) -> None:
    before = IMAGES.clone()
    torch.testing.assert_close(mixing.blend(IMAGES), blended(IMAGES, mixing))
    frames = mixing.blend(FRAMES, batch_axis=1)
    torch.testing.assert_close(frames, torch.stack([blended(step, mixing) for step in FRAMES]))
    assert torch.equal(IMAGES, before)


@pytest.mark.parametrize("mixing", [MIXUP, CUTMIX], ids=["mixup", "cutmix"])
def test_targets_are_the_shares(mixing: Mixing) -> None:
    expected = torch.zeros(5, 4)
    for sample in range(5):
        expected[sample, Y[sample]] += mixing.share
        expected[sample, Y[PARTNERS[sample]]] += 1 - mixing.share
    torch.testing.assert_close(mixing.targets(Y, 4), expected)


def test_cutmix_keeps_ternary_frames_ternary() -> None:
    frames = torch.randint(-1, 2, (3, 5, 1, 6, 8), generator=torch.Generator().manual_seed(0)).float()
    assert set(CUTMIX.blend(frames, batch_axis=1).unique().tolist()) == {-1.0, 0.0, 1.0}
    assert len(MIXUP.blend(frames, batch_axis=1).unique()) > 3


@pytest.mark.parametrize("loss", ["mean_rate", "tet"])
@pytest.mark.parametrize("mixing", [MIXUP, CUTMIX], ids=["mixup", "cutmix"])
def test_the_loss_of_a_blend_is_the_blend_of_the_losses(loss: str, mixing: Mixing) -> None:
    config = OptimConfig(loss=loss, tet_lambda=0.1, label_smoothing=0.1)
    logits = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
    own, other = (classification_loss(logits, targets, config) for targets in (Y, Y[PARTNERS]))
    found = classification_loss(logits, mixing.targets(Y, 4), config)
    torch.testing.assert_close(found, mixing.share * own + (1 - mixing.share) * other)
    assert found != own


def test_draws_are_a_function_of_seed_epoch_rank_and_step() -> None:
    config = OptimConfig(mixup=0.4)
    places = [
        {"seed": seed, "epoch": epoch, "rank": rank, "step": step}
        for seed, epoch, rank, step in [(0, 1, 0, 0), (1, 1, 0, 0), (0, 2, 0, 0), (0, 1, 1, 0), (0, 1, 0, 1)]
    ]
    torch.manual_seed(0)
    first = [draw_mixing(config, 64, (6, 8), **place).share for place in places]
    state = torch.random.get_rng_state()
    torch.manual_seed(1)
    again = [draw_mixing(config, 64, (6, 8), **place).share for place in places]
    assert first == again
    assert len(set(first)) == len(places)
    torch.manual_seed(0)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    ("options", "epoch", "mixed", "cut"),
    [
        ({}, 1, 0.0, 0.0),
        ({"mixup": 0.5}, 1, 1.0, 0.0),
        ({"cutmix": 1.0}, 1, 1.0, 1.0),
        ({"mixup": 0.5, "cutmix": 1.0}, 1, 1.0, 0.5),
        ({"mixup": 0.5, "cutmix": 1.0, "mixup_prob": 0.5}, 1, 0.5, 0.25),
        ({"mixup": 0.5, "mixup_prob": 0.0}, 1, 0.0, 0.0),
        ({"mixup": 0.5, "mixup_epochs": 3}, 3, 1.0, 0.0),
        ({"mixup": 0.5, "mixup_epochs": 3}, 4, 0.0, 0.0),
        ({"mixup": 0.5, "mixup_epochs": 0}, 1, 0.0, 0.0),
    ],
)
def test_how_often_which(options: dict[str, Any], epoch: int, mixed: float, cut: float) -> None:
    found = [draw(epoch, step, **options) for step in range(600)]
    drawn = [mixing for mixing in found if mixing is not None]
    assert len(drawn) / 600 == pytest.approx(mixed, abs=0.07 * (0 < mixed < 1))
    shares_cut = sum(mixing.box is not None for mixing in drawn) / 600
    assert shares_cut == pytest.approx(cut, abs=0.07 * (0 < cut < 1))


def test_shares_have_the_moments_of_beta_and_partners_are_all_samples() -> None:
    drawn = [draw(step=step, mixup=0.5) for step in range(1500)]
    shares = np.array([mixing.share for mixing in drawn])
    # Beta(α, α): mean 1/2, variance 1 / (4 (2 α + 1)).
    assert shares.mean() == pytest.approx(0.5, abs=0.03)
    assert shares.var() == pytest.approx(1 / 8, abs=0.01)
    assert all(sorted(mixing.partners.tolist()) == list(range(5)) for mixing in drawn)
    assert len({tuple(mixing.partners.tolist()) for mixing in drawn}) == 120


def test_the_share_is_the_area_outside_of_the_box() -> None:
    ratios = []
    for step in range(300):
        mixing = draw(step=step, size=(60, 80), cutmix=1.0)
        top, bottom, left, right = mixing.box
        assert 0 <= top <= bottom <= 60
        assert 0 <= left <= right <= 80
        assert mixing.share == pytest.approx(1 - (bottom - top) * (right - left) / 4800)
        # A box of some size that reaches no border is not clipped: it has the picture's aspect.
        if min(top, left, 60 - bottom, 80 - right) > 0 and bottom - top > 5:
            ratios.append((right - left) / (bottom - top))
    assert len(ratios) > 30
    assert ratios == pytest.approx(np.full(len(ratios), 4 / 3), abs=0.25)


class Seen(nn.Module):
    """A linear network that keeps what it is shown, in training and else, and what it answers in training."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(32, 2)
        with torch.no_grad():
            # Between the two rates of the frames.
            self.out.weight.copy_(torch.tensor([[-1.0], [1.0]]).expand(2, 32))
            self.out.bias.copy_(torch.tensor([1.0, -1.0]) * 0.45 * 32)
        self.inputs: list[Tensor] = []
        self.evaluated: list[Tensor] = []
        self.answers: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        logits = self.out(x.flatten(2))
        (self.inputs if self.training else self.evaluated).append(x.detach().clone())
        if self.training:
            self.answers.append(logits.detach().mean(0).argmax(-1))
        return logits


def train_on_frames(folder: Path, **optim: Any) -> tuple[Seen, list[tuple[Batch, Mixing | None]]]:
    """A network after an epoch, and the batches of that epoch with what they were mixed by."""
    torch.manual_seed(0)
    model, data = Seen(), ToyFrames(3)
    config = toy_config(epochs=1, **optim)
    encode = Encoder("direct", 3, "frames")
    train = make_loader(data, 8, shuffle=True, seed=config.seed)
    val = make_loader(data, 8, shuffle=False)
    fit(model, train, val, config, folder=folder, encode=encode, fabric=make_fabric(CPU))
    set_epoch(train, 1)
    draws = [
        (batch, draw_mixing(config.optim, len(batch.y), (4, 4), seed=config.seed, epoch=1, step=step))
        for step, batch in enumerate(train)
    ]
    return model, draws


@pytest.mark.parametrize("options", [{"mixup": 0.4}, {"cutmix": 0.9, "mixup_prob": 0.6}])
def test_a_network_is_trained_on_blends_of_frames(tmp_path: Path, options: dict[str, Any]) -> None:
    model, draws = train_on_frames(tmp_path, **options)
    for shown, (batch, mixing) in zip(model.inputs, draws, strict=True):
        assert torch.equal(shown, batch.x if mixing is None else mixing.blend(batch.x, batch_axis=1))
    assert len(draws) == 3
    assert not all(torch.equal(shown, batch.x) for shown, (batch, _) in zip(model.inputs, draws, strict=True))


def test_what_is_validated_is_never_mixed(tmp_path: Path) -> None:
    model, _ = train_on_frames(tmp_path, mixup=0.4, cutmix=0.9)
    val = make_loader(ToyFrames(3), 8, shuffle=False)
    for shown, batch in zip(model.evaluated, val, strict=True):
        assert torch.equal(shown, batch.x)


@pytest.mark.parametrize("options", [{}, {"mixup": 0.4}, {"cutmix": 0.9, "mixup_prob": 0.6}])
def test_training_accuracy_counts_both_classes_by_their_shares(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    model, draws = train_on_frames(tmp_path, **options)
    right = 0.0
    for answers, (batch, mixing) in zip(model.answers, draws, strict=True):
        for sample, answer in enumerate(answers):
            share = 1.0 if mixing is None else mixing.share
            right += share * float(answer == batch.y[sample])
            if mixing is not None:
                right += (1 - share) * float(answer == batch.y[mixing.partners[sample]])
    (row,) = read_metrics(tmp_path / METRICS)
    assert row["train_accuracy"] == pytest.approx(right / 20)
    # The network knows both classes from the start: but for blends it is always right.
    assert (right == 20) == (not options)


@pytest.mark.parametrize("fail_at", [24 + 9, 24 * 3 + 20])
def test_a_run_that_was_stopped_mixes_on_as_if_it_had_not_been(tmp_path: Path, fail_at: int) -> None:
    config = toy_config(mixup=0.4, cutmix=0.9, mixup_prob=0.7, mixup_epochs=3)
    whole, _ = toy_fit(tmp_path / "whole", config)
    with pytest.raises(KeyboardInterrupt):
        toy_fit(tmp_path / "cut", config, data=ToyData(fail_at=fail_at))
    torch.manual_seed(1234)
    np.random.seed(1234)
    resumed, _ = toy_fit(tmp_path / "cut", config, toy(seed=7), resume=True)
    assert same_weights(whole, resumed)
    rows = [
        [{name: value for name, value in row.items() if name != "seconds"} for row in read_metrics(path)]
        for path in (tmp_path / "whole" / METRICS, tmp_path / "cut" / METRICS)
    ]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 4
    plain, _ = toy_fit(tmp_path / "plain", toy_config())
    assert not same_weights(whole, plain)


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_soft_targets_reach_the_loss(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []

    def watched(logits: Tensor, targets: Tensor, config: OptimConfig) -> Tensor:
        seen.append(targets)
        return classification_loss(logits, targets, config)

    monkeypatch.setattr("snnpd.training.trainer.classification_loss", watched)
    toy_fit(tmp_path, toy_config(epochs=1, **{name: 1.0}), toy(), validate=False)
    assert [tuple(targets.shape) for targets in seen] == [(8, 3)] * 3
    for targets in seen:
        torch.testing.assert_close(targets.sum(1), torch.ones(8))
    assert any(((targets > 0) & (targets < 1)).any() for targets in seen)
