"""EMNIST under its own names."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snnpd.datasets.images.emnist as emnist_module
from snnpd.datasets.images.emnist import emnist
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError
from tests.datasets.contract import DatasetContract
from tests.datasets.files import idx_bytes


def write_emnist(folder: Path, subset: str, num_classes: int, first_label: int) -> np.ndarray:
    """Gzipped, as in the archive; the test images as they stand in the file."""
    rng = np.random.default_rng(0)
    for part, num in (("train", 20 * num_classes), ("test", 2 * num_classes)):
        images = rng.integers(0, 256, size=(num, 12, 12))
        labels = np.arange(num) % num_classes + first_label
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            content = gzip.compress(idx_bytes(array))
            (folder / f"emnist-{subset}-{part}-{name}-ubyte.gz").write_bytes(content)
    return images


class TestEmnist(DatasetContract):
    @pytest.fixture(autouse=True, params=[("balanced", 47, 0), ("letters", 26, 1)])
    def _files(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        self.root = str(tmp_path)
        self.subset = request.param[0]
        self.images = write_emnist(tmp_path, *request.param)

    def make(self, **options: Any) -> Splits:
        return emnist(root=self.root, subset=self.subset, **options)

    def test_images_stand_upright_and_labels_count_from_zero(self) -> None:
        test = self.make().test
        assert np.array_equal(test.data[5, 0].numpy(), self.images[5].T)
        assert test.labels[:3].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("subset", "num_classes"),
    [("balanced", 47), ("bymerge", 47), ("byclass", 62), ("letters", 26), ("digits", 10), ("mnist", 10)],
)
def test_class_names(tmp_path: Path, subset: str, num_classes: int) -> None:
    torchvision = pytest.importorskip("torchvision.datasets")
    write_emnist(tmp_path, subset, num_classes, int(subset == "letters"))
    names = emnist(root=str(tmp_path), subset=subset).class_names
    assert [*names] == [name for name in torchvision.EMNIST.classes_split_dict[subset] if name != "N/A"]
    assert len(names) == num_classes


def test_requests_that_cannot_be_met(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(emnist_module, "EMNIST_FOLDERS", ("data/emnist",))
    with pytest.raises(UsageError, match=r"emnist: found no files in data/emnist; fetch .*md5 58c8d27c"):
        emnist()
    with pytest.raises(UsageError, match="unknown subset of EMNIST 'letter'; did you mean 'letters'"):
        emnist(subset="letter")
    write_emnist(tmp_path, "letters", 26, 0)
    with pytest.raises(UsageError, match=r"labels-idx1-ubyte.gz .labels less 1.: label out of range"):
        emnist(root=str(tmp_path), subset="letters")
