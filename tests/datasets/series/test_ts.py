"""The UEA series, and `.ts` files whole and damaged."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from snnpd import create_model
from snnpd.datasets.loading import collate, make_loader
from snnpd.datasets.series.ts import basic_motions, japanese_vowels, ts_folder
from snnpd.datasets.series.ts_files import read_ts, shipped_series
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError
from tests.datasets.contract import DatasetContract
from tests.datasets.files import write_ts, write_ts_text

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
    (lambda content: content[: content.index(b"@data")], "no @data line"),
    (
        lambda content: content[content.index(b"@data") + 6 :],
        "before @data, expected a line that begins with @",
    ),
    (lambda content: b"PK\x03\x04" + bytes(range(256)), "before @data, expected a line that begins with @"),
    (lambda content: content.replace(b" true low high", b""), "found no '@classLabel true' with names"),
    (lambda content: content.replace(b" true low high", b" false"), "found no '@classLabel true' with names"),
    (lambda content: content.replace(b"@uni", b"@targetLabel true\n@uni"), "a regression problem"),
    (lambda content: content[: content.index(b"@data") + 6], "no case after @data"),
    # Cut before the class of the last case, and within its numbers where the case has lost a channel.
    (lambda content: content[: content.rindex(b":") + 1], "case 20 ends in '', expected one of the header's"),
    (lambda content: content[: content.rindex(b":")], "case 20 ends in '"),
    (
        lambda content: content[: content.rindex(b":")] + b":low:low",
        "case 20 has 'low' where a number belongs",
    ),
    (
        lambda content: content[: content.rindex(b":", 0, -6)] + b":low",
        "case 20 has 2 channels, the first case 3",
    ),
    (lambda content: content + b":high\n", "case 21 has no values before its class"),
    (lambda content: content.replace(b"0", b"_", 1), "where a number belongs"),
    (lambda content: content.replace(b":high", b":hi", 1), "case 2 ends in 'hi'"),
    (lambda content: content.replace(b":", b",1.0:", 1), "case 1 has 4 values in channel 2, 5 in channel 1"),
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


def check_against_aeon(path: Path) -> list[torch.Tensor]:
    """Every element, every length and every class name of a file; gives the series."""
    ours = read_ts(path)
    theirs, names = aeon_datasets.load_from_ts_file(str(path))
    assert ours.names == names.tolist()
    assert len(ours.series) == len(theirs) > 0
    for one, other in zip(ours.series, theirs, strict=True):
        assert np.array_equal(one.numpy(), other.T.astype(np.float32), equal_nan=True)
    return ours.series


PROBLEMS = [
    "JapaneseVowels",
    "BasicMotions",
    "ArrowHead",
    "ItalyPowerDemand",
    "PickupGestureWiimoteZ",
    "UnitTest",
]


@pytest.mark.parametrize("problem", PROBLEMS)
def test_we_read_what_aeon_reads(problem: str) -> None:
    """Problems as the archive has them, with one channel and more, of equal and of unequal lengths."""
    parts = [check_against_aeon(SHIPPED / problem / f"{problem}_{part}.ts") for part in ("TRAIN", "TEST")]
    splits = ts_folder(root=str(SHIPPED), problem=problem, val_fraction=0)
    assert [len(part) for part in (splits.train, splits.test)] == [len(part) for part in parts]
    assert splits.input_shape == (max(len(one) for part in parts for one in part), parts[0][0].shape[1])


@pytest.mark.parametrize(
    "cases", [["1,?,3:4,5,NaN:low", "7,8,?:2,3,4:high"], ["1,?:4,?:low", "?,8,9:2,3,4:high"]]
)
def test_we_miss_what_aeon_misses(tmp_path: Path, cases: list[str]) -> None:
    found = check_against_aeon(write_ts_text(tmp_path / "Toy_TRAIN.ts", cases))
    assert 0 < sum(int(one.isnan().sum()) for one in found) < 4


@pytest.mark.parametrize(
    ("factory", "part"), [(f, p) for f in ("japanese_vowels", "basic_motions") for p in ("train", "test")]
)
def test_samples_are_the_series_of_aeon(factory: str, part: str) -> None:
    """Through the whole data set: what a sample undone is, aeon's loader gives."""
    made = {"japanese_vowels": japanese_vowels, "basic_motions": basic_motions}[factory](val_fraction=0)
    series, names = getattr(aeon_datasets, f"load_{factory}")(split=part)
    dataset = getattr(made, part)
    assert [made.class_names[label] for label in dataset.labels] == names.tolist()
    for (x, _), one in zip((dataset[i] for i in range(len(dataset))), series, strict=True):
        torch.testing.assert_close(
            dataset.standard.undo(x), torch.from_numpy(one.T).float(), atol=1e-5, rtol=1e-5
        )


@pytest.mark.parametrize("name", ["spikingformer_tiny", "vit_tiny_twin"])
def test_padding_changes_no_logit(name: str) -> None:
    """A series alone and at its own length, and among others and padded to the longest of the data set."""
    splits = japanese_vowels()
    torch.manual_seed(0)
    model = create_model(
        name, num_classes=9, input_shape=splits.input_shape, dim=16, depth=1, num_heads=2
    ).double()
    batch = next(iter(make_loader(splits.test, 8, shuffle=False)))
    assert (batch.mask.sum(1) < splits.input_shape[0]).sum() > 5
    x = batch.x.double().expand(3, -1, -1, -1)
    # Statistics under which neurons fire.
    model(x, mask=batch.mask)
    together = model.eval()(x, mask=batch.mask)
    assert together.std(1).min() > 1e-4
    for number in range(8):
        alone = collate([splits.test[number]])
        logits = model(alone.x.double().expand(3, -1, -1, -1), mask=alone.mask)
        torch.testing.assert_close(logits[:, 0], together[:, number])


def test_class_names_of_any_kind(tmp_path: Path) -> None:
    """Aeon would spell these "baNaNa" and "1.0NaN"."""
    names = ["Banana", "1.0nan", "-1", "2e0"]
    path = write_ts(tmp_path / "Toy_TRAIN.ts", [(np.ones((1, 2)), name) for name in names], " ".join(names))
    assert read_ts(path).names == ["banana", "1.0nan", "-1", "2e0"]


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
    shipped_series.cache_clear()
    with pytest.raises(UsageError, match=r"series need aeon .* pip install 'snnpd\[series\]'"):
        japanese_vowels()
    assert len(japanese_vowels(root=str(SHIPPED / "JapaneseVowels")).test) == 370
