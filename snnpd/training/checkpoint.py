"""Checkpoints that survive a kill, a full disk and a damaged file."""

import hashlib
import io
import pickle
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from snnpd.atomic import write_atomic
from snnpd.errors import TrainingError, UsageError
from snnpd.training.files import read_json, write_json

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Entry:
    """A line of the manifest: one checkpoint file and what its weights reached on the validation part."""

    file: str
    epoch: int
    sha256: str
    val_accuracy: float | None
    val_loss: float | None

    @property
    def rank(self) -> tuple[float, float, int]:
        """Larger is better: accuracy, then lower loss, then the earlier epoch; without figures the later epoch."""
        if self.val_accuracy is None or self.val_loss is None:
            return (0.0, 0.0, self.epoch)
        return (self.val_accuracy, -self.val_loss, -self.epoch)


class Checkpoints:
    """The checkpoints of a run: the last two and the best, with their checksums in `manifest.json`.

    A file is complete before the manifest names it, and is deleted only after the manifest has ceased to, so
    the manifest on disk always describes files that were whole. They hold tensors and plain types, and are
    read with `weights_only=True`: no code is ever unpickled.
    """

    def __init__(self, folder: Path, num_last: int = 2) -> None:
        self.folder = folder
        self.num_last = num_last
        self.entries = self._read_manifest()

    @property
    def best(self) -> Entry | None:
        """The checkpoint that validation chooses."""
        return max(self.entries, key=lambda entry: entry.rank, default=None)

    @property
    def last(self) -> Entry | None:
        """The newest checkpoint."""
        return self.entries[-1] if self.entries else None

    def save(
        self,
        state: Mapping[str, Any],
        epoch: int,
        val_accuracy: float | None = None,
        val_loss: float | None = None,
    ) -> None:
        """Keeps `state` as the checkpoint of `epoch`.

        Raises:
            TrainingError: the file cannot be written; the older ones are as they were.
        """
        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        content = buffer.getbuffer()
        file = f"epoch-{epoch:04d}.pt"
        entry = Entry(file, epoch, hashlib.sha256(content).hexdigest(), val_accuracy, val_loss)
        entries = self._worth_keeping([*(e for e in self.entries if e.epoch < epoch), entry])
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomic(self.folder / file, content)
            self._write_manifest(entries)
        except OSError as error:
            what = f"cannot write {self.folder / file}: {error.strerror or error}"
            raise TrainingError(f"{what}; {self.kept()}; make room, then resume") from error
        self._delete_unlisted()

    def load(self, entry: Entry) -> dict[str, Any]:
        """The state that was saved, on the CPU.

        Raises:
            UsageError: the file is missing, or its checksum is another.
        """
        path = self.folder / entry.file
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise UsageError(f"checkpoint {path} is missing") from None
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            raise UsageError(f"checkpoint {path} is damaged (its sha256 is not the one in {MANIFEST})")
        try:
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except (RuntimeError, pickle.UnpicklingError) as error:
            raise UsageError(f"checkpoint {path} is no checkpoint ({str(error).splitlines()[0]})") from None

    def recover(self, say: Callable[[str], None]) -> dict[str, Any] | None:
        """The state of the newest intact checkpoint; damaged ones leave the list, which `say` is told."""
        intact: list[Entry] = []
        state = None
        for entry in self.entries:
            try:
                state = self.load(entry)
            except UsageError as error:
                say(f"{error}; it is left out")
            else:
                intact.append(entry)
        if len(intact) < len(self.entries):
            self._write_manifest(intact)
            say(f"falling back: {self.kept()}")
        return state

    def kept(self) -> str:
        """Which epoch a resumed training would begin behind, in words."""
        return f"the checkpoint of epoch {self.last.epoch} is kept" if self.last else "no epoch is kept yet"

    def _worth_keeping(self, entries: list[Entry]) -> list[Entry]:
        best = max(entries, key=lambda entry: entry.rank)
        return [entry for entry in entries if entry is best or entry in entries[-self.num_last :]]

    def _write_manifest(self, entries: list[Entry]) -> None:
        write_json(self.folder / MANIFEST, {"checkpoints": [asdict(entry) for entry in entries]})
        self.entries = entries

    def _read_manifest(self) -> list[Entry]:
        path = self.folder / MANIFEST
        if not path.exists():
            return []
        try:
            return [Entry(**entry) for entry in read_json(path)["checkpoints"]]
        except (TypeError, KeyError) as error:
            raise UsageError(f"{path} is damaged ({error}); restore it, or train again") from None

    def _delete_unlisted(self) -> None:
        listed = {entry.file for entry in self.entries}
        for path in self.folder.glob("epoch-*.pt*"):
            if path.name not in listed:
                path.unlink(missing_ok=True)
