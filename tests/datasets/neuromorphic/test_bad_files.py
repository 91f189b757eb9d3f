"""Folders that are incomplete, mislabelled or damaged: one line that names the file and says how to mend it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import snnpd
import snnpd.datasets.neuromorphic.nmnist as nmnist_module
from snnpd.datasets.neuromorphic.asl_dvs import asl_dvs
from snnpd.datasets.neuromorphic.cifar10_dvs import cifar10_dvs
from snnpd.datasets.neuromorphic.cochlea import shd, ssc
from snnpd.datasets.neuromorphic.dvs_gesture import dvs_gesture
from snnpd.datasets.neuromorphic.dvs_lip import dvs_lip
from snnpd.datasets.neuromorphic.ncaltech101 import ncaltech101
from snnpd.datasets.neuromorphic.nmnist import nmnist
from snnpd.datasets.neuromorphic.origin import Origin
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError
from tests.datasets.neuromorphic import generate
from tests.datasets.readers.files import bin40_bytes

Spoil = Callable[[Path], object]


def write_shd(root: Path) -> None:
    generate.write_spike_h5(root / "shd_train.h5", [*range(20)] * 2)
    generate.write_spike_h5(root / "shd_test.h5", [*range(20)])


def write_lip(root: Path) -> None:
    generate.write_dvs_lip(root, num_train=1, num_test=1)


MAKE: dict[str, tuple[Callable[..., Any], Spoil, dict[str, Any]]] = {
    "nmnist": (nmnist, lambda root: generate.write_nmnist(root, 2, 1), {"partial": True, "size": 8}),
    "cifar10_dvs": (
        cifar10_dvs,
        lambda root: generate.write_cifar10_dvs(root, [1, 999]),
        {"partial": True, "size": 8},
    ),
    "dvs_gesture": (dvs_gesture, lambda root: generate.write_gesture(root, 2, 1), {"size": 8}),
    "tonic_gesture": (dvs_gesture, lambda root: generate.write_tonic_gesture(root, 1, 1), {"size": 8}),
    "ncaltech101": (
        ncaltech101,
        lambda root: generate.write_ncaltech101(root, ["ant", "bee"], 2),
        {"partial": True, "size": 8},
    ),
    "asl_dvs": (
        asl_dvs,
        lambda root: generate.write_asl_dvs(root, "abcdefghiklmnopqrstuvwxy", 2),
        {"partial": True, "size": 8},
    ),
    "dvs_lip": (dvs_lip, write_lip, {"size": 8}),
    "shd": (shd, write_shd, {}),
    "ssc": (ssc, write_shd, {}),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The unspoilt folder of a set, written once."""
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            MAKE[name][1](made[name])
        return made[name]

    return folder


def remove(path: str) -> Spoil:
    def spoil(root: Path) -> None:
        target = root / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    return spoil


def emptied(path: str) -> Spoil:
    def spoil(root: Path) -> None:
        shutil.rmtree(root / path)
        (root / path).mkdir()

    return spoil


def write(path: str, content: bytes | str) -> Spoil:
    return lambda root: (root / path).write_bytes(content if isinstance(content, bytes) else content.encode())


def cut(path: str, by: int) -> Spoil:
    return lambda root: (root / path).write_bytes((root / path).read_bytes()[:-by])


def copy(source: str, target: str) -> Spoil:
    return lambda root: shutil.copy(root / source, root / target)


def in_h5(name: str, values: Any = None, file: str = "shd_train.h5") -> Spoil:
    """Another array in the place of one, or none."""

    def spoil(root: Path) -> None:
        with h5py.File(root / file, "a") as h5:
            del h5[name]
            if values is not None:
                h5[name] = values

    return spoil


def off_the_sensor(root: Path) -> None:
    events = generate.ray(0, 10, np.random.default_rng(0))
    events["x"][:4] = 34
    (root / "Train/0/00001.bin").write_bytes(bin40_bytes(events))


TRIAL = "DvsGesture/user01_fluorescent"
LABELS = f"{TRIAL}_labels.csv"
HEAD = "class,startTime_usec,endTime_usec\n"
BAD: list[tuple[str, Spoil, dict[str, Any], str]] = [
    ("nmnist", remove("Train/3"), {}, r"Train/3: missing class folder \(.*Train.zip \(md5 2095"),
    ("nmnist", emptied("Test/7"), {}, r"Test/7: empty class folder: found no \*.bin"),
    ("nmnist", remove("Test"), {}, r"nmnist: found nothing of the set in .*Test.zip \(md5 69ca"),
    ("nmnist", lambda root: None, {"partial": False}, "found 20 recordings, the set has 60000"),
    ("nmnist", cut("Train/0/00001.bin", 2), {}, "Train/0/00001.bin"),
    ("nmnist", write("Train/9/00010.bin", b""), {}, "Train/9/00010.bin"),
    ("nmnist", off_the_sensor, {}, "00001.bin: 4 of 300 events lie outside of the sensor of 34 × 34"),
    ("nmnist", lambda root: None, {"size": 35}, "size is 35; give"),
    ("nmnist", lambda root: None, {"size": [8, 8, 8]}, r"size is \[8, 8, 8\]; give"),
    ("nmnist", lambda root: None, {"representation": "frame"}, "unknown representation 'frame'"),
    ("nmnist", lambda root: None, {"slicing": "tme"}, "unknown slicing 'tme'"),
    ("nmnist", lambda root: None, {"augment": "rol"}, "unknown augmentation 'rol'"),
    ("cifar10_dvs", remove("dog"), {}, "dog: missing class folder"),
    ("cifar10_dvs", cut("cat/cifar10_cat_1.aedat", 3), {}, "cifar10_cat_1.aedat"),
    ("cifar10_dvs", write("cat/cat.aedat", b""), {}, "cat.aedat: found no number from 0 to 999"),
    (
        "cifar10_dvs",
        write("cat/cifar10_cat_1000.aedat", b""),
        {},
        "1000.aedat: found no number from 0 to 999",
    ),
    ("cifar10_dvs", lambda root: None, {"split": "firts"}, "unknown split 'firts'; did you mean 'first'"),
    ("cifar10_dvs", lambda root: None, {"partial": False}, "found 20 recordings, the set has 10000"),
    ("dvs_gesture", remove(f"{TRIAL}.aedat"), {}, "trials_to_train.txt: names 'user01_fluorescent.aedat'"),
    (
        "dvs_gesture",
        write("DvsGesture/trials_to_test.txt", "../x.aedat"),
        {},
        "names '../x.aedat', which is not",
    ),
    ("dvs_gesture", write("DvsGesture/trials_to_test.txt", " \n"), {}, "trials_to_test.txt: names no trial"),
    ("dvs_gesture", remove("DvsGesture/trials_to_test.txt"), {}, "trials_to_test.txt: cannot be read"),
    ("dvs_gesture", remove(LABELS), {}, r"user01_fluorescent_labels.csv: cannot be read .*8a5c71fb"),
    ("dvs_gesture", write(LABELS, b"\xff\xfe"), {}, r"labels.csv: cannot be read \(no text\)"),
    ("dvs_gesture", write(LABELS, HEAD), {}, "labels.csv: found the columns .* and 0 rows"),
    ("dvs_gesture", write(LABELS, "class,start\n1,2\n"), {}, "labels.csv: found the columns 'class,start'"),
    ("dvs_gesture", write(LABELS, f"{HEAD}1,2\n"), {}, "labels.csv, line 2: found '1,2', expected three"),
    ("dvs_gesture", write(LABELS, f"{HEAD}1,x,5\n"), {}, "labels.csv, line 2: found '1,x,5', expected three"),
    ("dvs_gesture", write(LABELS, f"{HEAD}1,2,5\n12,6,9\n"), {}, "line 3: class 12 from 6 to 9 µs"),
    ("dvs_gesture", write(LABELS, f"{HEAD}1,9,5\n"), {}, "line 2: class 1 from 9 to 5 µs"),
    ("dvs_gesture", write(LABELS, f"{HEAD}1,90000000,99000000\n"), {}, "no event from 90000000 to 99000000"),
    ("dvs_gesture", cut(f"{TRIAL}.aedat", 5), {}, "user01_fluorescent.aedat: truncated"),
    ("tonic_gesture", remove("ibmGestureTest/user24_led"), {}, "ibmGestureTest: found no <user>_<light>"),
    (
        "tonic_gesture",
        copy("ibmGestureTrain/user01_led/1.npy", "ibmGestureTrain/user01_led/11.npy"),
        {},
        "11.npy: the name is no class from 0 to 10",
    ),
    ("ncaltech101", lambda root: None, {"partial": False}, "found 2 class folders, the set has 101"),
    ("ncaltech101", remove("Caltech101/bee/image_0001.bin"), {}, "bee: one recording only"),
    ("ncaltech101", cut("Caltech101/bee/image_0001.bin", 1), {}, "image_0001.bin"),
    ("ncaltech101", cut("Caltech101/bee/image_0002.bin", 1), {}, "image_0002.bin"),
    ("asl_dvs", remove("k"), {}, "k: missing class folder"),
    ("asl_dvs", cut("k/k_0002.mat", 9), {}, "k_0002.mat"),
    ("dvs_lip", remove("DVS-Lip/test/young"), {}, "test/young: missing class folder"),
    ("dvs_lip", cut("DVS-Lip/train/young/0.npy", 1), {}, "train/young/0.npy"),
    (
        "dvs_lip",
        remove("DVS-Lip"),
        {"download": True},
        "cannot be downloaded by a program; fetch DVS-Lip.zip",
    ),
    ("shd", in_h5("labels", np.zeros(39, np.uint16)), {}, "shd_train.h5: found 39 labels for 40 recordings"),
    (
        "shd",
        in_h5("labels", np.full(40, 20, np.uint16)),
        {},
        "shd, train: label out of range: sample 0 has 20",
    ),
    ("shd", in_h5("labels"), {}, "shd_train.h5: no list of whole numbers called labels"),
    ("shd", in_h5("spikes/units"), {}, "shd_train.h5: no lists of numbers at spikes/units"),
    ("shd", in_h5("extra/keys"), {}, "shd_train.h5: found no list of class names"),
    ("shd", in_h5("extra/keys", np.array([b"zero"]), "shd_test.h5"), {}, "shd_test.h5: names other classes"),
    ("shd", in_h5("extra/speaker"), {}, "shd_train.h5: found no speaker for each label"),
    (
        "shd",
        in_h5("extra/speaker", np.zeros(40, int)),
        {"val_fraction": 0.1},
        "0.1 does not fit: it holds 1 of 1",
    ),
    ("shd", cut("shd_train.h5", 5000), {}, "shd_train.h5: damaged HDF5 file"),
    ("shd", write("shd_test.h5", "no"), {}, "shd_test.h5: no HDF5 file"),
    ("shd", remove("shd_test.h5"), {}, r"shd: found nothing of the set in .*shd_test.h5.zip \(md5 1503"),
    ("shd", lambda root: None, {"channels": 71}, "channels is 71; give a number that divides"),
    ("shd", lambda root: None, {"window_ms": 0.0}, "tokens of 0.0 ms"),
    ("ssc", lambda root: None, {}, "ssc: found nothing of the set in .*ssc_valid.h5.zip"),
]


@pytest.mark.parametrize(
    ("name", "spoil", "options", "message"),
    BAD,
    ids=[f"{number}-{row[0]}" for number, row in enumerate(BAD)],
)
def test_is_one_line(
    name: str,
    spoil: Spoil,
    options: dict[str, Any],
    message: str,
    whole: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    shutil.copytree(whole(name), tmp_path / "root")
    spoil(tmp_path / "root")
    make, _, usual = MAKE[name]
    with pytest.raises(UsageError, match=message) as caught:
        decode_all(make(root=str(tmp_path / "root"), **{"cache": False, "val_fraction": 0} | usual | options))
    assert "\n" not in str(caught.value)


def decode_all(splits: Splits) -> None:
    """Without a cache a recording is decoded when it is asked for."""
    for part in (splits.train, splits.test):
        assert all(sample.isfinite().all() for sample in part.data)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(MAKE.keys() - {"ssc"}))
def test_the_unspoilt_folders_are_read(name: str, whole: Callable[[str], Path]) -> None:
    make, _, usual = MAKE[name]
    decode_all(make(root=str(whole(name)), cache=False, val_fraction=0, **usual))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            OSError("HTTP Error 403:\nForbidden"),
            r"the download failed \(HTTP Error 403: Forbidden\); fetch Train.zip",
        ),
        (RuntimeError(), r"the download failed \(RuntimeError\)"),
        (None, "found nothing of the set"),
    ],
)
def test_a_download_that_fails(
    error: Exception | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fetch(base: str) -> None:
        asked.append(base)
        if error is not None:
            raise error

    origin = nmnist_module.ORIGIN
    broken = Origin(origin.name, origin.url, origin.archives, origin.layout, origin.tonic_name, fetch)
    monkeypatch.setattr(nmnist_module, "ORIGIN", broken)
    with pytest.raises(UsageError, match=message) as caught:
        nmnist(root=str(tmp_path), download=True)
    assert "\n" not in str(caught.value)
    assert asked == [str(tmp_path)]


def test_a_download_without_tonic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tonic", None)
    monkeypatch.setitem(sys.modules, "tonic.datasets", None)
    with pytest.raises(UsageError, match=r"pip install 'snnpd\[events\]', or fetch Train.zip"):
        nmnist(root=str(tmp_path), download=True)


def test_a_download_makes_what_is_then_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = nmnist_module.ORIGIN

    def fetch(base: str) -> None:
        generate.write_nmnist(Path(base) / "NMNIST", 2, 1)

    made = Origin(origin.name, origin.url, origin.archives, origin.layout, origin.tonic_name, fetch)
    monkeypatch.setattr(nmnist_module, "ORIGIN", made)
    splits = nmnist(root=str(tmp_path), download=True, partial=True, size=8, cache=False, val_fraction=0)
    assert len(splits.train) == 20


UNTYPED = """
import snnpd
from snnpd.errors import UsageError

common = {"root": "files", "partial": True, "cache": False, "val_fraction": 0}
for options in (
    {"size": 8.5}, {"size": True}, {"size": ["a", "b"]},
    {"representation_options": 3}, {"representation_options": {1: 2}},
):
    try:
        snnpd.create_dataset("nmnist", **common, **options)
    except UsageError as error:
        print(error)
"""


def test_types_that_no_checker_has_seen(tmp_path: Path) -> None:
    # In a process of its own: in this one, beartype stands in front.
    generate.write_nmnist(tmp_path / "files", 1, 1)
    env = os.environ | {"PYTHONPATH": str(Path(snnpd.__file__).parents[1])}
    run = subprocess.run(
        [sys.executable, "-c", UNTYPED], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    told = run.stdout.splitlines()
    assert [line.partition(";")[0] for line in told] == [
        "size is 8.5",
        "size is True",
        "size is ['a', 'b']",
        "representation_options is 3",
        "representation_options is {1: 2}",
    ]
