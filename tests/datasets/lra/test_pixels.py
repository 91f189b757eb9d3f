"""Long Range Arena: Image and Pathfinder."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from scipy.stats import ks_2samp

from snnpd.datasets.images.cifar import cifar10
from snnpd.datasets.lra.paths import MARKER, PathDrawing
from snnpd.datasets.lra.pixels import lra_image, lra_pathfinder, pathfinder
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError
from tests.datasets.contract import DatasetContract
from tests.datasets.files import binary_batch, cifar_arrays


class PixelContract(DatasetContract):
    AUGMENTED = PLAIN = None
    SOME = range(0, 12, 3)


def write_cifar(root: Path) -> Path:
    folder = root / "cifar-10-batches-bin"
    folder.mkdir()
    for number, name in enumerate([*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]):
        (folder / name).write_bytes(binary_batch(*cifar_arrays(10, 20, seed=number)))
    return root


class TestImage(PixelContract):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.root = str(write_cifar(tmp_path))

    def make(self, **options: Any) -> Splits:
        return lra_image(root=self.root, **options)

    def test_brightness_row_by_row(self) -> None:
        splits = self.make(val_fraction=0)
        assert (splits.kind, splits.input_shape) == ("series", (1024, 1))
        colour = cifar10(root=self.root, val_fraction=0).test
        x, label = splits.test[3]
        exact = np.tensordot([0.2989, 0.587, 0.114], colour.data[3].double().numpy(), axes=1).reshape(1024)
        assert np.abs(255 * splits.test.standard.undo(x)[:, 0].numpy() - exact).max() < 0.501
        assert label == colour.labels[3]


def component_of_markers(picture: np.ndarray) -> int:
    """1 if the two marked ends are joined once the gaps between dashes are closed, else 0."""
    closed, _ = ndimage.label(ndimage.binary_dilation(picture > 0, np.ones((3, 3))), np.ones((3, 3)))
    discs, num_discs = ndimage.label(picture == MARKER)
    assert num_discs == 2
    one, other = (closed[discs == number][0] for number in (1, 2))
    return int(one == other)


class TestDrawn(PixelContract):
    def make(self, **options: Any) -> Splits:
        small = {"num_train": 30, "num_test": 10, "size": 20, "num_dashes": 3, "num_distractors": 0}
        return pathfinder(**small | options)


@pytest.mark.parametrize("drawing", [PathDrawing(), PathDrawing(48, 10, 4), PathDrawing(32, 5, 0)])
def test_drawn_paths_join_or_do_not(drawing: PathDrawing) -> None:
    for index in range(20):
        picture = drawing.draw(index % 2, 3, index)
        assert picture.shape == (drawing.size, drawing.size)
        assert component_of_markers(picture) == index % 2
        # Two long paths, and whatever else; their dashes are gaps apart before those are closed.
        _, pieces = ndimage.label(picture > 0, np.ones((3, 3)))
        assert pieces > 2 + drawing.num_distractors
        _, paths = ndimage.label(ndimage.binary_dilation(picture > 0, np.ones((3, 3))), np.ones((3, 3)))
        assert paths == 2 + drawing.num_distractors


def distance_of_markers(picture: np.ndarray) -> float:
    discs, _ = ndimage.label(picture == MARKER)
    one, other = ndimage.center_of_mass(discs > 0, discs, [1, 2])
    return float(np.hypot(*np.subtract(one, other)))


def test_drawn_classes_differ_in_nothing_but_the_joint() -> None:
    """Neither the amount of ink nor the distance of the marked ends tells the class."""
    splits = pathfinder(num_train=160, num_test=2, size=24, num_dashes=5, num_distractors=1, val_fraction=0)
    labels = splits.train.labels
    assert np.bincount(labels).tolist() == [80, 80]
    pictures = splits.train.data.numpy().reshape(160, 24, 24)
    assert len({picture.tobytes() for picture in pictures}) == 160
    for trait in ((pictures > 0).sum((1, 2)), np.array([distance_of_markers(one) for one in pictures])):
        apart, joined = (trait[labels == label] for label in (0, 1))
        assert trait.std() > 0.2
        # Discs on any two ends would come out at 1e-7.
        assert ks_2samp(apart, joined, method="asymp").pvalue > 0.01


def write_pathfinder(root: Path, level: str = "curv_contour_length_14", num: int = 40) -> Path:
    """Two folders of pictures, and a line of metadata for each with all the words that the archive has."""
    folder = root / "lra_release/lra_release/pathfinder32" / level
    (folder / "metadata").mkdir(parents=True)
    for group in range(2):
        (folder / f"imgs/{group}").mkdir(parents=True)
        lines = []
        for number in range(num // 2):
            picture = PathDrawing().draw(number % 2, group, number)
            Image.fromarray(picture).save(folder / f"imgs/{group}/sample_{number}.png")
            lines.append(f"imgs/{group} sample_{number}.png {number} {number % 2} 1.0 14 2 0.75 1.5")
        (folder / f"metadata/{group}.npy").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("arena")
    write_pathfinder(root)
    return root


class TestPathfinder(PixelContract):
    @pytest.fixture(autouse=True)
    def folder(self, archive: Path) -> None:
        self.root = str(archive)

    def make(self, **options: Any) -> Splits:
        return lra_pathfinder(root=self.root, **options)

    def test_pictures_and_labels_belong_together(self) -> None:
        splits = lra_pathfinder(root=f"{self.root}/lra_release/lra_release/pathfinder32", val_fraction=0)
        assert (len(splits.train), len(splits.test), splits.input_shape) == (36, 4, (1024, 1))
        for part in (splits.train, splits.test):
            for pixels, label in zip(part.data, part.labels, strict=True):
                assert component_of_markers(pixels.numpy().reshape(32, 32)) == label


def test_the_empty_picture_of_the_archive_is_passed_over(tmp_path: Path) -> None:
    folder = write_pathfinder(tmp_path, "curv_baseline", num=20)
    (folder / "imgs/0/sample_172.png").write_bytes(b"")
    with (folder / "metadata/0.npy").open("a") as file:
        file.write("imgs/0 sample_172.png 172 1 1.0\n")
    splits = lra_pathfinder(root=str(tmp_path), difficulty="curv_baseline", val_fraction=0)
    assert len(splits.train) + len(splits.test) == 20


def claim(width: int) -> bytes:
    """A picture whose header claims to be `width` pixels wide, and that has none of them."""
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, 32, 8, 0, 0, 0, 0)), (b"IDAT", b""), (b"IEND", b""))
    parts = [
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "sample_3.png: damaged or no picture"),
        (claim(32), "sample_3.png: damaged or no picture"),
        (claim(32)[:40], "sample_3.png: damaged or no picture"),
        (claim(60_000), "sample_3.png: 60000 × 32 pixels, expected 32 × 32"),
        (claim(2**31 - 1), "sample_3.png: damaged or no picture"),
        (b"GIF89a" + bytes(40), "sample_3.png: damaged or no picture"),
        (None, "sample_3.png: damaged or no picture .* No such file"),
    ],
    ids=range(7),
)
def test_damaged_pictures(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = write_pathfinder(tmp_path, num=8) / "imgs/0/sample_3.png"
    path.unlink() if content is None else path.write_bytes(content)
    check_refusal(tmp_path, message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"imgs/0 sample_0.png 0\n", "line 1 is 'imgs/0 sample_0.png 0', expected a folder"),
        (b"imgs/0 sample_0.png 0 2\n", "label 0 or 1"),
        (b"../.. secret.png 0 1\n", "line 1 points out of its folder"),
        (b"imgs/0 /etc/secret.png 0 1\n", "line 1 points out of its folder"),
        (b"\x93NUMPY\xff", "1.npy: no text"),
    ],
)
def test_damaged_metadata(tmp_path: Path, content: bytes, message: str) -> None:
    (write_pathfinder(tmp_path, num=8) / "metadata/1.npy").write_bytes(content)
    check_refusal(tmp_path, message)


def check_refusal(root: Path, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        lra_pathfinder(root=str(root))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (lambda folder: lra_pathfinder(), "lra_pathfinder: give root=FOLDER"),
        (lambda folder: lra_pathfinder(root=folder), r"curv_contour_length_14: found no metadata/\*.npy"),
        (lambda folder: lra_image(root=folder), "found no folder cifar-10-batches-bin"),
        (lambda folder: pathfinder(num_train=1), "num_train is 1"),
        (lambda folder: pathfinder(size=8), "size is 8"),
        (lambda folder: pathfinder(num_dashes=30), "do not fit into 32 × 32 pixels"),
    ],
)
def test_requests_that_cannot_be_met(tmp_path: Path, request_: Callable[[str], Splits], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        request_(str(tmp_path))
