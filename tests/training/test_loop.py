import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from snnpd.datasets.loading import make_loader
from snnpd.errors import TrainingError, UsageError
from snnpd.training import Encoder, evaluate, fit, load_chosen, make_fabric
from snnpd.training.metrics import METRICS, MetricsLog, read_metrics
from tests.training.toys import CPU, Toy, ToyData, same_weights, toy, toy_config, toy_fit

FABRIC = make_fabric(CPU)
ALL_OF_IT = {
    "ema_decay": 0.9, "mixup": 0.4, "cutmix": 0.4, "accumulate": 2, "label_smoothing": 0.1, "loss": "tet",
}  # fmt: skip


def test_it_learns_and_keeps_the_best_epoch(tmp_path: Path) -> None:
    data = ToyData()
    model, fitted = toy_fit(tmp_path, toy_config(epochs=12, lr=0.05), data=data)
    rows = read_metrics(tmp_path / METRICS)
    assert [row["epoch"] for row in rows] == data.epochs == list(range(1, 13))
    best = max(rows, key=lambda row: (row["val_accuracy"], -row["val_loss"], -row["epoch"]))
    assert (fitted.epoch, fitted.val_accuracy) == (best["epoch"], best["val_accuracy"])
    assert fitted.val_accuracy > 0.9
    assert fitted.seconds == pytest.approx(sum(row["seconds"] for row in rows))
    assert 0 < rows[-1]["firing_rate"] < 1
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    assert list((tmp_path / "tensorboard").iterdir())
    val = evaluate(
        model, make_loader(ToyData(15, seed=1), 8, shuffle=False), Encoder(time_steps=3), fabric=FABRIC
    )
    assert val.accuracy == fitted.val_accuracy
    assert val.loss == pytest.approx(fitted.val_loss)


def test_without_validation_the_last_epoch_is_used(tmp_path: Path) -> None:
    _, fitted = toy_fit(tmp_path, validate=False)
    assert (fitted.epoch, fitted.val_accuracy) == (4, None)


def test_the_average_is_what_is_validated_and_kept(tmp_path: Path) -> None:
    model, fitted = toy_fit(tmp_path, toy_config(ema_decay=0.9))
    state = torch.load(tmp_path / f"checkpoints/epoch-{fitted.epoch:04}.pt", weights_only=True)
    assert torch.equal(model.inp.weight, state["average"]["inp.weight"])
    assert not torch.equal(model.inp.weight, state["model"]["inp.weight"])
    loader = make_loader(ToyData(15, seed=1), 8, shuffle=False)
    score = evaluate(model, loader, Encoder(time_steps=3), fabric=FABRIC)
    assert score.loss == pytest.approx(fitted.val_loss)


@pytest.mark.parametrize(("decay", "warned"), [(0.8, False), (0.99, True)])
def test_an_average_over_too_few_steps_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], decay: float, warned: bool
) -> None:
    toy_fit(tmp_path, toy_config(epochs=8, ema_decay=decay))
    captured = capsys.readouterr()
    told = " ".join((captured.out + captured.err).split())
    assert (f"optim.ema_decay {decay} over 24 steps leaves the average 79%" in told) == warned
    assert ("warning" in told) == warned


def test_accumulated_batches_are_one_large_batch(tmp_path: Path) -> None:
    options = {"norm": False, "dropout": 0.0}
    runs = [
        toy_fit(tmp_path / str(i), toy_config(batch_size=size, accumulate=8 // size), toy(**options))[0]
        for i, size in enumerate((8, 4))
    ]
    for one, other in zip(runs[0].parameters(), runs[1].parameters(), strict=True):
        torch.testing.assert_close(one, other)
    assert not same_weights(runs[0], toy(**options))


def test_the_last_accumulated_group_may_be_short(tmp_path: Path) -> None:
    config = toy_config(batch_size=8, accumulate=2, epochs=1, warmup_epochs=0)
    toy_fit(tmp_path, config, validate=False)
    state = torch.load(tmp_path / "checkpoints/epoch-0001.pt", weights_only=True)
    assert state["optimizer"]["state"][0]["step"] == 2  # three batches: two and one


def test_gradients_are_clipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    norms: list[float] = []
    step = torch.optim.AdamW.step

    def watched(self: Any, *args: Any, **options: Any) -> Any:
        gradients = [p.grad for group in self.param_groups for p in group["params"]]
        norms.append(float(torch.nn.utils.get_total_norm(gradients)))
        return step(self, *args, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    for i, clip in enumerate((0.0, 0.05)):
        toy_fit(tmp_path / str(i), toy_config(clip_norm=clip, epochs=1))
    assert min(norms[:3]) > 0.05
    assert max(norms[3:]) == pytest.approx(0.05, rel=1e-4)


def test_bfloat16(tmp_path: Path) -> None:
    _, fitted = toy_fit(tmp_path, toy_config(replace(CPU, precision="bf16-mixed"), epochs=12, lr=0.05))
    assert fitted.val_accuracy > 0.9


@pytest.mark.parametrize("optim", [{}, ALL_OF_IT])
@pytest.mark.parametrize("fail_at", [10, 24 * 2 + 1, 24 * 3 + 20])
def test_a_resumed_training_ends_in_the_same_weights(
    tmp_path: Path, optim: dict[str, Any], fail_at: int
) -> None:
    config = toy_config(**optim)
    whole, fitted = toy_fit(tmp_path / "whole", config)
    with pytest.raises(KeyboardInterrupt):
        toy_fit(tmp_path / "cut", config, data=ToyData(fail_at=fail_at))
    torch.manual_seed(1234)  # nothing may hang on what was drawn before
    other_weights = toy(
        seed=7 if fail_at > 24 else 0
    )  # before the first checkpoint only the seed can give them again
    resumed, fitted_too = toy_fit(tmp_path / "cut", config, other_weights, resume=True)
    assert same_weights(whole, resumed)
    assert not same_weights(whole, toy())
    assert (fitted.epoch, fitted.val_loss) == (fitted_too.epoch, fitted_too.val_loss)
    rows = [read_metrics(tmp_path / run / METRICS) for run in ("whole", "cut")]
    assert [{**row, "seconds": 0} for row in rows[0]] == [{**row, "seconds": 0} for row in rows[1]]


def test_a_damaged_last_checkpoint_costs_an_epoch_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, _ = toy_fit(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        toy_fit(tmp_path / "cut", data=ToyData(fail_at=24 * 3 + 1))
    last = tmp_path / "cut/checkpoints/epoch-0003.pt"
    last.write_bytes(last.read_bytes()[:100])
    resumed, _ = toy_fit(tmp_path / "cut", resume=True)
    assert same_weights(whole, resumed)
    told = capsys.readouterr().out
    assert "epoch-0003.pt is damaged" in told
    assert "going on behind epoch 2" in told


class Explosive(Toy):
    """Divides by zero somewhere, from its `fuse`-th training pass on."""

    def __init__(self, where: str, fuse: int) -> None:
        super().__init__(dropout=0.0)
        self.where, self.fuse = where, fuse
        self.inner = nn.Sequential(nn.Identity(), nn.Identity())
        if where == "layer":
            self.inner[1].register_forward_hook(lambda module, args, out: out * self.poison())

    def poison(self) -> float:
        return float("nan") if self.training and self.fuse <= 0 else 1.0

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        self.fuse -= self.training
        hidden = self.inner(super().forward(x))
        if self.where == "loss":
            hidden = hidden * self.poison()
        if self.where == "gradient" and self.training and self.fuse <= 0:
            hidden = hidden + (hidden[..., :1] * 0).sqrt()  # 0, with an infinite slope
        return hidden


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("layer", r"the loss is not finite at epoch 2, step 2, first in the output of inner\.1;"),
        ("loss", r"the loss is not finite at epoch 2, step 2, first in the output of Explosive;"),
        (
            "gradient",
            r"the gradient is not finite at epoch 2, step 2, with all outputs finite; .* first at out\.bias",
        ),
    ],
)
def test_a_loss_that_is_no_number_stops_it(tmp_path: Path, where: str, message: str) -> None:
    torch.manual_seed(0)
    model = Explosive(where, fuse=5)
    with pytest.raises(TrainingError, match=f"{message}.*the checkpoint of epoch 1 is kept"):
        toy_fit(tmp_path, model=model)
    chosen = load_chosen(model, tmp_path)
    assert chosen.epoch == 1
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())
    assert [row["epoch"] for row in read_metrics(tmp_path / METRICS)] == [1]


def test_settings_that_do_not_go_together(tmp_path: Path) -> None:
    for name in ("mixup", "cutmix"):
        with pytest.raises(
            UsageError, match=f"optim.{name} is 0.2, but {name} is for images and frames only"
        ):
            toy_fit(tmp_path, toy_config(**{name: 0.2}), encode=Encoder("direct", 3, "series"))
    with pytest.raises(UsageError, match="no batch"):
        fit(toy(), [], None, toy_config(), folder=tmp_path, fabric=FABRIC)
    with pytest.raises(UsageError, match="has no checkpoint"):
        load_chosen(toy(), tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there() -> None:
    with pytest.raises(UsageError, match=r"cannot run on 1 × cuda.*try --runtime.accelerator auto"):
        make_fabric(replace(CPU, accelerator="cuda"))


def test_another_network_than_the_checkpoints(tmp_path: Path) -> None:
    toy_fit(tmp_path, toy_config(epochs=1))
    with pytest.raises(UsageError, match=r"epoch-0001\.pt: Error\(s\) in loading"):
        load_chosen(nn.Linear(2, 2), tmp_path)


def test_the_log_drops_what_is_done_again(tmp_path: Path) -> None:
    rows = [{"epoch": epoch, "seconds": 1.0} for epoch in (1, 2, 3)]
    (tmp_path / METRICS).write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"epoch": 4, "sec')
    log = MetricsLog(tmp_path, last_epoch=2)
    log.close()
    assert read_metrics(tmp_path / METRICS) == rows[:2]
    assert log.seconds == 2.0
