"""Image sets as simulated events, on files in MNIST's layout."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from snnpd import create_dataset
from snnpd.datasets.events import Sensor
from snnpd.datasets.frames import events_to_frames
from snnpd.datasets.images.idx import idx_folder
from snnpd.datasets.simulator import filmed
from snnpd.datasets.simulator.event_camera import EventCamera
from snnpd.datasets.simulator.event_images import event_images
from snnpd.datasets.simulator.images import events_of_image
from snnpd.datasets.simulator.motion import Pan, Saccade
from snnpd.datasets.simulator.saccade import DURATION_US
from snnpd.datasets.splits import Splits
from snnpd.datasets.table import DATASETS
from snnpd.errors import UsageError
from tests.datasets.contract import DatasetContract
from tests.datasets.files import write_idx_folder

# Of a small sensor, so that the tests are quick.
SMALL: dict[str, Any] = {"images": "idx", "sensor": 15, "time_steps": 3, "camera": {"threshold": 0.5}}
NOISY = {"threshold": 0.5, "threshold_sigma": 0.02, "shot_noise_hz": 5.0, "refractory_us": 300.0, "seed": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_idx_folder(tmp_path_factory.mktemp("idx")))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, "event_images", "snnpd.datasets.simulator.event_images:event_images")


class TestEventImages(DatasetContract):
    CENTRED = False

    @pytest.fixture(autouse=True)
    def _files(self, folder: str, cache: str) -> None:
        self.small = partial(event_images, root=folder, cache=cache, **SMALL)

    def make(self, **options: Any) -> Splits:
        return self.small(**options)


def test_parts_and_classes_are_those_of_the_images(folder: str, cache: str) -> None:
    ours = create_dataset("event_images", root=folder, seed=3, cache=cache, **SMALL)
    theirs = idx_folder(root=folder, seed=3)
    for name in ("train", "val", "test"):
        assert np.array_equal(getattr(ours, name).labels, getattr(theirs, name).labels)
    assert ours.class_names == theirs.class_names
    assert ours.input_shape == (2, 15, 15)
    assert ours.test[0][0].shape == (3, 2, 15, 15)


@pytest.mark.parametrize(
    ("representation", "path", "way", "cached"),
    [
        ("frames", "saccade", Saccade(1.5), True),
        ("signed_counts", "pan", Pan((10.0, 0.0)), False),
        ("signed", "saccade", Saccade(1.5), True),
    ],
)
def test_a_sample_is_the_count_of_its_own_events(
    folder: str, tmp_path: Path, representation: str, path: str, way: Any, cached: bool
) -> None:
    """Whichever others were filmed along with it: some of each class, from a cache or none."""
    images = idx_folder(root=folder, val_fraction=0).test.data[:, 0].numpy()
    options = SMALL | {"camera": NOISY, "path": path, "representation": representation, "num": 11}
    cache = str(tmp_path) if cached else False
    test = event_images(root=folder, cache=cache, val_fraction=0, **options).test
    chosen = test.recordings.pipeline.decode.test.numbers
    for place in (0, 7, 10):
        number = int(chosen[place])
        events = events_of_image(
            images[number],
            way,
            camera=EventCamera(**NOISY),
            sensor=Sensor(15, 15),
            index=2**31 + number,
        )
        counts = events_to_frames(
            events, 3, 15, 15, start_us=0, stop_us=DURATION_US, signed=representation != "frames"
        )
        logs = np.sign(counts) * np.log1p(np.abs(counts))
        expected = torch.from_numpy(np.sign(counts) if representation == "signed" else logs).float()
        assert (expected != 0).float().mean() > 0.2
        torch.testing.assert_close(test.standard.undo(test[place][0]), expected, rtol=1e-5, atol=1e-6)


def test_what_was_filmed_once_comes_from_the_cache(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    film = filmed.events_of_images
    monkeypatch.setattr(
        filmed, "events_of_images", lambda images, *a, **k: calls.append(len(images)) or film(images, *a, **k)
    )
    make = partial(event_images, root=folder, cache=str(tmp_path), val_fraction=0)
    first = make(**SMALL)
    # All images, most of them many at once.
    assert sum(calls) == 120
    assert len(calls) <= 6
    calls.clear()
    again = make(**SMALL)
    assert torch.equal(first.train[17][0], again.train[17][0])
    assert calls == []
    make(**SMALL | {"camera": {"threshold": 0.4}})
    assert sum(calls) == 120
    # The same files with one pixel changed are other images.
    path = Path(folder) / "train-images-idx3-ubyte"
    content = bytearray(path.read_bytes())
    changed = tmp_path / "changed"
    changed.mkdir()
    for file in Path(folder).iterdir():
        (changed / file.name).write_bytes(file.read_bytes())
    content[-1] ^= 0xFF
    (changed / path.name).write_bytes(content)
    calls.clear()
    make(**SMALL | {"root": str(changed)})
    assert sum(calls) == 120


def test_some_images_of_each_class(folder: str, cache: str) -> None:
    whole, some = (
        event_images(root=folder, num=num, val_fraction=0, cache=cache, **SMALL) for num in (None, 15)
    )
    assert (len(whole.train), len(whole.test)) == (100, 20)
    assert (len(some.train), len(some.test)) == (15, 15)
    assert set(np.bincount(some.train.labels)) == {1, 2}
    known = {sample.numpy().tobytes() for sample in whole.train.data}
    assert all(sample.numpy().tobytes() in known for sample in some.train.data)


def test_digits_and_folders_of_pictures(tmp_path: Path) -> None:
    from PIL import Image

    for part, label, number in np.ndindex(2, 2, 3):
        place = tmp_path / ("train", "test")[part] / "ab"[label]
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng([part, label, number]).integers(0, 256, (9, 11, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{number}.png")
    small = {"sensor": 12, "time_steps": 3, "cache": str(tmp_path / "cache"), "augment": False}
    pictures = create_dataset(
        "event_images",
        images="image_folder",
        root=str(tmp_path),
        image_options={"size": 8},
        val_fraction=0.34,
        **small,
    )
    assert (len(pictures.train), len(pictures.val), len(pictures.test)) == (4, 2, 6)
    digits = create_dataset("event_images", images="digits", num=10, val_fraction=0, **small)
    for splits in (pictures, digits):
        assert all((x.sum(dim=(2, 3)) > 0).all() for x, _ in (splits.train[i] for i in range(4)))
    # No two pictures give the same events.
    assert len({x.numpy().tobytes() for x in pictures.train.data}) == 4


def no_images(*, root: str, val_fraction: float) -> Splits:
    return replace(idx_folder(root=root, val_fraction=val_fraction), kind="series")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time_steps": 0}, "num_slices is 0"),
        ({"sensor": 0}, "sensor is 0"),
        ({"sensor": 40000}, "sensor is 40000; give 32768 at most"),
        ({"num": 0}, "num is 0"),
        ({"num": 4}, "empty class: no sample of class 4"),
        ({"path": "pam"}, "unknown path 'pam'; did you mean 'pan'"),
        ({"border": "white"}, "unknown border 'white'; known: black, edge"),
        ({"camera": {"leak_hz": -1.0}}, "leak_hz is -1.0"),
        ({"camera": {"leak": 1.0}}, "unknown option of the camera 'leak'; did you mean 'leak_hz'"),
        ({"representation": "token"}, "unknown representation .token.; did you mean .tokens"),
        ({"images": "idxx"}, "unknown data set 'idxx'"),
        ({"image_options": {"augmnt": 1}}, "unknown option 'augmnt'"),
        ({"root": "nowhere"}, "nowhere: found no train-labels"),
        ({"images": "no_images"}, "data set 'no_images' holds series; name a set of images"),
        ({"images": "event_images"}, "event_images of event_images; name a set of images"),
    ],
)
def test_requests_that_cannot_be_met(
    folder: str, options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DATASETS, "no_images", f"{__name__}:no_images")
    with pytest.raises(UsageError, match=message) as caught:
        event_images(**{"root": folder, "cache": False, **SMALL, **options})
    assert "\n" not in str(caught.value)
