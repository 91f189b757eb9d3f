import io

import pytest
from rich.console import Console

from snnpd.training.metrics import EpochRecord
from snnpd.training.progress import Bar, Lines, Silent, duration, make_display

RECORD = EpochRecord(
    epoch=3,
    train_loss=0.5,
    train_accuracy=0.8125,
    val_loss=0.4,
    val_accuracy=0.9,
    lr=1e-3,
    firing_rate=0.125,
    seconds=61.0,
)


def test_one_plain_line_an_epoch() -> None:
    out = io.StringIO()
    display = Lines(10, Console(file=out, width=20))
    with display:
        assert not display.wants_step()
        display.epoch(RECORD)
        display.say("[x] stays")
    expected = (
        "epoch  3/10  loss 0.5000  accuracy  81.2%  firing 0.125  val  90.0%  61.0 s  7:07 left\n[x] stays\n"
    )
    assert out.getvalue() == expected


def test_the_bar_shows_loss_accuracy_firing_rate_and_time() -> None:
    out = io.StringIO()
    display = Bar(10, Console(file=out, force_terminal=True, width=120))
    with display:
        assert display.wants_step()
        display.step(3, 0.5, 0.75, 0.25, 0.125)
        assert not display.wants_step()  # at a few Hz only
        display.epoch(RECORD)
        display.bar.refresh()
    shown = out.getvalue()
    for part in ("epoch 3/10", "loss 0.7500", "accuracy  25.0%", "firing 0.125", "--:--"):
        assert part in shown
    assert display.bar.tasks[0].completed == 2.5


def test_other_processes_are_silent(capsys: pytest.CaptureFixture[str]) -> None:
    display = make_display(3, is_first_process=False)
    assert isinstance(display, Silent)
    display.epoch(RECORD)
    display.say("x")
    assert capsys.readouterr().out == ""
    assert type(make_display(3)) is Lines


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (61, "1:01"), (3599.6, "1:00:00"), (36061, "10:01:01")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
