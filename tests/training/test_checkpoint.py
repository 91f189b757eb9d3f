import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from snnpd import atomic
from snnpd.atomic import write_atomic
from snnpd.errors import TrainingError, UsageError
from snnpd.training.checkpoint import MANIFEST, Checkpoints
from snnpd.training.files import new_run_folder, newest_run_folder


def saved(folder: Path, accuracies: list[float | None], losses: list[float] | None = None) -> Checkpoints:
    checkpoints = Checkpoints(folder)
    for epoch, accuracy in enumerate(accuracies, start=1):
        loss = None if accuracy is None else (losses or [1.0] * 9)[epoch - 1]
        checkpoints.save({"epoch": epoch, "w": torch.full((3,), float(epoch))}, epoch, accuracy, loss)
    return checkpoints


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("accuracies", "losses", "kept", "best"),
    [
        ([0.1, 0.9, 0.5, 0.6, 0.7], None, [2, 4, 5], 2),
        ([0.1, 0.2, 0.3], None, [2, 3], 3),
        ([0.5, 0.5, 0.5], [0.3, 0.2, 0.4], [2, 3], 2),  # a tie: lower loss
        ([0.5, 0.5, 0.5, 0.5], None, [1, 3, 4], 1),  # a tie of both: the earlier
        ([None, None, None], None, [2, 3], 3),  # no validation: the last
    ],
)
def test_the_last_two_and_the_best_are_kept(
    tmp_path: Path, accuracies: Any, losses: Any, kept: Any, best: int
) -> None:
    saved(tmp_path, accuracies, losses)
    checkpoints = Checkpoints(tmp_path)
    assert [entry.epoch for entry in checkpoints.entries] == kept
    assert checkpoints.best is not None
    assert checkpoints.best.epoch == best
    assert files_in(tmp_path) == [f"epoch-{epoch:04}.pt" for epoch in kept] + [MANIFEST]
    assert checkpoints.load(checkpoints.best)["w"].tolist() == [best] * 3


@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing"])
def test_a_damaged_last_one_falls_back_and_says_so(tmp_path: Path, damage: str) -> None:
    saved(tmp_path, [0.1, 0.2, 0.3])
    path = tmp_path / "epoch-0003.pt"
    content = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes(content if damage == "flipped" else content[:-20])
    told: list[str] = []
    state = Checkpoints(tmp_path).recover(told.append)
    assert state is not None
    assert state["epoch"] == 2
    assert ("missing" if damage == "missing" else "damaged") in told[0]
    assert "the checkpoint of epoch 2 is kept" in told[1]
    assert [entry.epoch for entry in Checkpoints(tmp_path).entries] == [2]


def test_nothing_intact_is_nothing(tmp_path: Path) -> None:
    saved(tmp_path, [0.1])
    (tmp_path / "epoch-0001.pt").write_bytes(b"")
    told: list[str] = []
    assert Checkpoints(tmp_path).recover(told.append) is None
    assert "no epoch is kept yet" in told[-1]


def test_code_is_never_unpickled(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save({"evil": os.system}, 1)
    with pytest.raises(UsageError, match="is no checkpoint"):
        checkpoints.load(checkpoints.entries[0])


@pytest.mark.parametrize("content", ["", "[1", '{"checkpoints": [{"file": "x"}]}', "[]"])
def test_a_damaged_manifest_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(UsageError, match="is damaged"):
        Checkpoints(tmp_path)


@pytest.mark.parametrize("which", ["epoch-0003.pt.tmp", f"{MANIFEST}.tmp"])
def test_a_full_disk_leaves_the_old_ones(tmp_path: Path, which: str, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = saved(tmp_path, [0.1, 0.2])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    real_open = Path.open

    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *args: Any) -> None:
            self.file.close()

        def write(self, content: Any) -> None:
            self.file.write(bytes(content)[:10])
            raise OSError(errno.ENOSPC, "No space left on device")

    def full(path: Path, *args: Any, **options: Any) -> Any:
        file = real_open(path, *args, **options)
        return Full(file) if path.name == which else file

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(
        TrainingError, match=r"No space left on device; the checkpoint of epoch 2 is kept; make room"
    ):
        checkpoints.save({"epoch": 3}, 3, 0.9, 0.1)
    monkeypatch.undo()
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name in before}
    assert after == before
    assert not list(tmp_path.glob("*.tmp"))
    state = Checkpoints(tmp_path).recover(pytest.fail)
    assert state is not None
    assert state["epoch"] == 2


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")

    def interrupted(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(atomic.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert files_in(tmp_path) == ["file"]


def test_a_training_begun_anew_forgets_later_epochs(tmp_path: Path) -> None:
    saved(tmp_path, [0.1, 0.9])
    Checkpoints(tmp_path).save({"epoch": 1}, 1, 0.2, 1.0)
    assert [entry["epoch"] for entry in json.loads((tmp_path / MANIFEST).read_text())["checkpoints"]] == [1]


def test_run_folders_are_numbered(tmp_path: Path) -> None:
    names = [new_run_folder(tmp_path / "runs", "a-b").name for _ in range(11)]
    assert names[:3] == ["a-b", "a-b-2", "a-b-3"]
    (tmp_path / "runs" / "a-b-c").mkdir()
    assert newest_run_folder(tmp_path / "runs", "a-b").name == "a-b-11"
    with pytest.raises(UsageError, match="no run 'a' in"):
        newest_run_folder(tmp_path / "runs", "a")
