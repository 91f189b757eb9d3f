"""The laws of data sets, for each set on files in its layout."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from snnpd.datasets.neuromorphic.asl_dvs import CLASS_NAMES as LETTERS
from snnpd.datasets.neuromorphic.asl_dvs import asl_dvs
from snnpd.datasets.neuromorphic.cifar10_dvs import cifar10_dvs
from snnpd.datasets.neuromorphic.cochlea import shd, ssc
from snnpd.datasets.neuromorphic.dvs_gesture import dvs_gesture
from snnpd.datasets.neuromorphic.dvs_lip import dvs_lip
from snnpd.datasets.neuromorphic.ncaltech101 import ncaltech101
from snnpd.datasets.neuromorphic.nmnist import nmnist
from snnpd.datasets.splits import Splits
from tests.datasets.contract import DatasetContract
from tests.datasets.neuromorphic import generate


class RecordingsContract(DatasetContract):
    CENTRED: ClassVar[bool | None] = False
    # A set, what writes its files, and options that make it small.
    SET: ClassVar[Callable[..., Splits]]
    OPTIONS: ClassVar[dict[str, Any]]

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp("root")
        cls.write(folder)
        return folder

    @pytest.fixture(autouse=True)
    def _files(self, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        self.root = folder
        self.cache = tmp_path_factory.getbasetemp() / "cache"

    @classmethod
    def write(cls, root: Path) -> None:
        raise NotImplementedError

    def make(self, **options: Any) -> Splits:
        return type(self).SET(root=str(self.root), cache=str(self.cache), **(self.OPTIONS | options))


class TestNmnist(RecordingsContract):
    SET = staticmethod(nmnist)
    OPTIONS: ClassVar[dict[str, Any]] = {"time_steps": 3, "size": 12, "partial": True, "val_fraction": 0.2}

    @classmethod
    def write(cls, root: Path) -> None:
        generate.write_nmnist(root, num_train=5)


class TestTokens(TestNmnist):
    OPTIONS: ClassVar[dict[str, Any]] = TestNmnist.OPTIONS | {
        "representation": "token_groups",
        "time_steps": 8,
    }
    AUGMENTED: ClassVar[dict[str, Any]] = {"augment": ["time_jitter", "drop_at_random"]}
    PLAIN: ClassVar[dict[str, Any]] = {"augment": False}

    def test_statistics_come_from_the_train_part_alone(self) -> None:
        # Places and signs lie in [-1, 1] as they are: nothing is taken from any part.
        standard = self.make().train.standard
        assert (standard.mean, standard.std) == (0, 1)


class TestEventAugmentation(TestNmnist):
    AUGMENTED: ClassVar[dict[str, Any]] = {"augment": ["event_drop", {"name": "roll", "pixels": 2}]}
    PLAIN: ClassVar[dict[str, Any]] = {"augment": False}


class TestCifar10Dvs(RecordingsContract):
    SET = staticmethod(cifar10_dvs)
    OPTIONS: ClassVar[dict[str, Any]] = {"time_steps": 2, "size": 12, "partial": True, "val_fraction": 0.2}

    @classmethod
    def write(cls, root: Path) -> None:
        generate.write_cifar10_dvs(root, [*range(100, 105), 999])


class TestDvsGesture(RecordingsContract):
    SET = staticmethod(dvs_gesture)
    OPTIONS: ClassVar[dict[str, Any]] = {"time_steps": 2, "size": 12, "val_fraction": 0.2}

    @classmethod
    def write(cls, root: Path) -> None:
        generate.write_gesture(root, num_train=5, num_test=1)


class TestNCaltech101(RecordingsContract):
    SET = staticmethod(ncaltech101)
    OPTIONS: ClassVar[dict[str, Any]] = {"time_steps": 2, "size": [9, 12], "partial": True}

    @classmethod
    def write(cls, root: Path) -> None:
        generate.write_ncaltech101(root, ["BACKGROUND_Google", "accordion", "yin_yang", "wrench"], num=26)


class TestAslDvs(RecordingsContract):
    SET = staticmethod(asl_dvs)
    OPTIONS: ClassVar[dict[str, Any]] = {
        "time_steps": 2,
        "size": [9, 12],
        "partial": True,
        "val_fraction": 0.25,
    }

    @classmethod
    def write(cls, root: Path) -> None:
        generate.write_asl_dvs(root, LETTERS, num=5)


class TestDvsLip(RecordingsContract):
    SET = staticmethod(dvs_lip)
    OPTIONS: ClassVar[dict[str, Any]] = {"time_steps": 2, "size": 12, "val_fraction": 0.5}

    @classmethod
    def write(cls, root: Path) -> None:
        generate.write_dvs_lip(root, num_train=2)


class TestShd(RecordingsContract):
    SET = staticmethod(shd)
    OPTIONS: ClassVar[dict[str, Any]] = {"times": True, "val_fraction": 0.2}

    @classmethod
    def write(cls, root: Path) -> None:
        generate.write_spike_h5(root / "shd_train.h5", [*range(20)] * 5, seed=0)
        generate.write_spike_h5(root / "shd_test.h5", [*range(20)], seed=1)


class TestSsc(RecordingsContract):
    SET = staticmethod(ssc)
    OFFICIAL_VAL = True
    OPTIONS: ClassVar[dict[str, Any]] = {"val_fraction": 0.2}

    @classmethod
    def write(cls, root: Path) -> None:
        keys = [f"word{number}".encode() for number in range(35)]
        for seed, (part, num) in enumerate((("train", 2), ("valid", 1), ("test", 1))):
            generate.write_spike_h5(root / f"ssc_{part}.h5", [*range(35)] * num, seed, keys)
