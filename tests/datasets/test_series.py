"""The UEA series, and `.ts` files whole and damaged."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from snnpd.datasets.series import basic_motions, japanese_vowels, ts_folder
from snnpd.datasets.splits import Splits
from snnpd.datasets.ts_files import read_ts
from snnpd.errors import UsageError
from tests.datasets.contract import DatasetContract
from tests.datasets.files import write_ts

aeon_datasets = pytest.importorskip("aeon.datasets")
SHIPPED = Path(aeon_datasets.__file__).parent / "data"


class SeriesContract(DatasetContract):
    AUGMENTED: ClassVar = {"jitter": 0.3}
    PLAIN: ClassVar = {"jitter": 0.0}


class TestJapaneseVowels(SeriesContract):
    def make(self, **options: Any) -> Splits:
        return japanese_vowels(**options)


class TestBasicMotions(SeriesContract):
    SOME = range(0, 36, 3)

    def make(self, **options: Any) -> Splits:
        return basic_motions(**options)


@pytest.mark.parametrize(
    ("factory", "num_train", "num_test", "input_shape", "lengths"),
    [
        (japanese_vowels, 270, 370, (29, 12), {7, 29}),
        (basic_motions, 40, 40, (100, 6), {100}),
    ],
)
def test_official_sizes_and_true_lengths(
    factory: Callable[..., Splits], num_train: int, num_test: int, input_shape: tuple, lengths: set[int]
) -> None:
    splits = factory(val_fraction=0)
    assert (len(splits.train), len(splits.test)) == (num_train, num_test)
    assert splits.input_shape == input_shape
    found = [len(one) for part in (splits.train, splits.test) for one in part.series]
    assert {min(found), max(found)} == lengths
    # Nothing was padded: no series ends in zeros or in a repeated token.
    assert all(one[-1].any() for part in (splits.train, splits.test) for one in part.series)
    again = factory(root=str(SHIPPED / splits_folder(factory)), val_fraction=0)
    assert all(torch.equal(a, b) for a, b in zip(splits.test.series, again.test.series, strict=True))
    assert np.array_equal(splits.test.labels, again.test.labels)


def splits_folder(factory: Callable[..., Splits]) -> str:
    return {japanese_vowels: "JapaneseVowels", basic_motions: "BasicMotions"}[factory]


def test_jitter_has_its_size() -> None:
    noisy, plain = (japanese_vowels(jitter=jitter).train for jitter in (0.3, 0.0))
    noise = torch.cat([noisy[i][0] - plain[i][0] for i in range(len(plain))])
    assert noise.std() == pytest.approx(0.3, rel=0.03)
    assert noise.mean().abs() < 0.01
    with pytest.raises(UsageError, match=r"jitter is -0.1"):
        japanese_vowels(jitter=-0.1)


def toy(num: int, seed: int = 0) -> list[tuple[np.ndarray, str]]:
    rng = np.random.default_rng(seed)
    return [(rng.normal(i % 2, 1, size=(3, 4 + i % 5)), ["low", "high"][i % 2]) for i in range(num)]


def test_a_folder_of_ts_files(tmp_path: Path) -> None:
    train, test = toy(20), toy(6, seed=1)
    write_ts(tmp_path / "Toy_TRAIN.ts", train)
    write_ts(tmp_path / "Toy_TEST.ts", test)
    splits = ts_folder(root=str(tmp_path), problem="Toy", val_fraction=0)
    assert splits.class_names == ("high", "low")
    assert splits.input_shape == (8, 3)
    assert splits.test.labels.tolist() == [1, 0] * 3
    for ours, (series, _) in zip(splits.test.series, test, strict=True):
        np.testing.assert_allclose(ours, series.T, atol=1e-6)


def cut(fraction: float) -> Callable[[bytes], bytes]:
    return lambda content: content[: int(fraction * len(content))]


DAMAGE: list[tuple[Callable[[bytes], bytes], str]] = [
    (cut(0.0), "empty file"),
    (cut(0.5), "truncated or damaged"),
    (lambda content: content[: content.index(b"@data")], "no case after @data"),
    (lambda content: content.replace(b" true low high", b""), "truncated or damaged"),
    (lambda content: content[: content.index(b"@data") + 6], "no case after @data"),
    # Cut before the class of the last case, and within its numbers where the case has lost a channel.
    (lambda content: content[: content.rindex(b":") + 1], "case 20 ends in '', expected one of the header's"),
    (lambda content: content[: content.rindex(b":")], "Inconsistent number of dimensions in case 20"),
    (lambda content: content.replace(b":high", b":hi", 1), "case 2 ends in 'hi'"),
    (lambda content: content.replace(b":", b",1.0:", 1), "has a different number of observations"),
    (lambda content: content[:300] + b"\xff\xfe" + content[300:], "truncated or damaged"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGE)
def test_damaged_ts_files(tmp_path: Path, damage: Callable[[bytes], bytes], message: str) -> None:
    path = write_ts(tmp_path / "Toy_TRAIN.ts", toy(20))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UsageError, match=message) as caught:
        read_ts(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_missing_values_are_refused(tmp_path: Path) -> None:
    series, name = toy(1)[0]
    series[1, 2] = np.nan
    with pytest.raises(UsageError, match="case 2 has missing or infinite values"):
        read_ts(write_ts(tmp_path / "Toy_TRAIN.ts", [*toy(1), (series, name)]))


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (toy(20), [(np.ones((3, 4)), "middle")], "label out of range: sample 0 has 'middle'"),
        (toy(20), [(np.ones((2, 4)), "low")], r"train and test have \[2, 3\] channels"),
    ],
)
def test_parts_that_do_not_fit(tmp_path: Path, train: list, test: list, message: str) -> None:
    write_ts(tmp_path / "Toy_TRAIN.ts", train, "low middle high")
    write_ts(tmp_path / "Toy_TEST.ts", test, "low middle high")
    with pytest.raises(UsageError, match=message):
        ts_folder(root=str(tmp_path), problem="Toy")


def test_a_copy_cut_between_two_cases(tmp_path: Path) -> None:
    for part in ("TRAIN", "TEST"):
        shutil.copy(SHIPPED / "JapaneseVowels" / f"JapaneseVowels_{part}.ts", tmp_path)
    path = tmp_path / "JapaneseVowels_TEST.ts"
    path.write_bytes(b"\n".join(path.read_bytes().splitlines()[:200]))
    with pytest.raises(UsageError, match=r"JapaneseVowels_TEST.ts: found 185 cases, expected 370"):
        japanese_vowels(root=str(tmp_path))


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (lambda folder: japanese_vowels(root=folder), "JapaneseVowels_TRAIN.ts: no such file"),
        (lambda folder: ts_folder(root=folder), "give root=FOLDER and problem=NAME"),
        (lambda folder: ts_folder(problem="Toy"), "give root=FOLDER and problem=NAME"),
    ],
)
def test_files_that_are_not_there(tmp_path: Path, request_: Callable[[str], Splits], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        request_(str(tmp_path))


def test_without_aeon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aeon.datasets", None)
    with pytest.raises(UsageError, match=r"series need aeon .* pip install 'snnpd\[series\]'"):
        japanese_vowels(root=str(SHIPPED / "JapaneseVowels"))
