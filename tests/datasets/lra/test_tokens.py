"""Long Range Arena: ListOps and Text."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from snnpd.datasets.lra.expressions import TOKENS, Grammar
from snnpd.datasets.lra.sets import listops, lra_listops, lra_text
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError
from tests.datasets.contract import DatasetContract, raw


class TokenContract(DatasetContract):
    AUGMENTED = PLAIN = CENTRED = None
    SOME = range(0, 12, 3)

    def test_samples_are_one_hot(self) -> None:
        splits = self.make()
        for part in (splits.train, splits.val, splits.test):
            x, _ = part[1]
            assert torch.equal(x.sum(1), torch.ones(len(x)))
            assert torch.equal(x.argmax(1), part.series[1].long())
            assert part.series[1].dtype == torch.uint8


class TestGenerated(TokenContract):
    def make(self, **options: Any) -> Splits:
        return listops(**{"num_train": 160, "num_test": 20, "min_length": 9, "max_length": 60} | options)


def value_of(words: list[str]) -> int:
    """What an expression is worth: the last closed bracket is replaced by its value until a digit is left."""
    while len(words) > 1:
        end = words.index("]")
        begin = max(i for i in range(end) if words[i].startswith("["))
        args = np.array([int(word) for word in words[begin + 1 : end]])
        value = {"[MIN": args.min, "[MAX": args.max, "[MED": lambda a=args: np.median(a), "[SM": args.sum}
        words = [*words[:begin], str(int(value[words[begin]]()) % 10), *words[end + 1 :]]
    return int(words[0])


def depth_and_args(words: list[str]) -> tuple[int, list[int]]:
    open_args, deepest, counts = [0], 1, []
    for word in words:
        if word == "]":
            counts.append(open_args.pop())
            continue
        open_args[-1] += 1
        deepest = max(deepest, len(open_args))
        if word.startswith("["):
            open_args.append(0)
    return deepest, counts


def test_generated_values_are_right() -> None:
    splits = listops(num_train=200, num_test=20, min_length=30, max_length=300, val_fraction=0)
    found = [[TOKENS[token] for token in one.tolist()] for one in splits.train.series]
    assert [value_of(words) for words in found] == splits.train.labels.tolist()
    assert all(30 < len(words) < 300 for words in found)
    shapes = [depth_and_args(words) for words in found]
    # Digits stand at depth 10 at most: nine brackets around them.
    assert max(depth for depth, _ in shapes) == 10
    assert {count for _, counts in shapes for count in counts} == set(range(2, 11))
    operators = np.unique([word for words in found for word in words if "[" in word], return_counts=True)[1]
    assert len(operators) == 4
    assert operators.min() > 0.22 * operators.sum()
    counts = np.bincount(splits.train.labels, minlength=10)
    # MIN makes zeros frequent, MAX nines; no class is missing.
    assert counts.min() >= 5
    assert {int(i) for i in np.argsort(counts)[-2:]} == {0, 9}


def test_lengths_of_the_arena() -> None:
    lengths = [len(tokens) for tokens, _ in islice(Grammar().expressions(0), 40)]
    assert 500 < min(lengths) < 900
    assert 1000 < max(lengths) < 2000


def test_generated_data_are_a_function_of_their_seed() -> None:
    sizes = {"num_train": 80, "min_length": 5, "max_length": 40, "val_fraction": 0}
    one, more, other = (
        listops(**sizes | change)
        for change in ({"num_test": 40}, {"num_test": 40, "num_train": 90}, {"data_seed": 1})
    )
    assert all(torch.equal(a, b) for a, b in zip(one.test.series, more.test.series, strict=True))
    assert one.test.series[0].tolist() != other.test.series[0].tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_depth": 1}, "max_depth is 1"),
        ({"max_args": 1}, "max_args is 1"),
        ({"min_length": 50, "max_length": 51}, "leave at least one between"),
        ({"num_test": 0}, "num_test is 0"),
        ({"data_seed": -1}, "seed is -1"),
        ({"max_depth": 2, "max_args": 2}, "no expression of 500 to 2000 tokens came up"),
        (
            {"min_length": 0, "max_length": 2, "num_test": 11},
            "found 10 different expressions, 11 are asked for",
        ),
        ({"min_length": 9, "max_length": 99, "num_train": 4, "num_test": 4}, "empty class"),
    ],
)
def test_options_that_allow_no_list(options: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        listops(**options)


def as_published(words: list[str]) -> str:
    """With the round brackets of the public generator: `( ( ( [MAX 1 ) 2 ) ] )`."""
    if len(words) == 1:
        return words[0]
    stack: list[str] = []
    begins: list[bool] = []
    for word in words:
        if word.startswith("["):
            stack.append(word)
            begins.append(True)
            continue
        item = word
        while True:
            stack[-1] = f"( {stack[-1]} {item} )"
            if item != "]":
                break
            begins.pop()
            item = stack.pop()
            if not stack:
                return item
    raise AssertionError("no closing bracket")


def write_listops(folder: Path, sizes: tuple[int, int, int] = (60, 20, 20)) -> Path:
    stream = Grammar(10, 60).expressions(7)
    (folder / "lra_release/listops-1000").mkdir(parents=True)
    for part, num in zip(("train", "val", "test"), sizes, strict=True):
        lines = [f"{as_published(tokens)}\t{value}" for tokens, value in islice(stream, num)]
        path = folder / f"lra_release/listops-1000/basic_{part}.tsv"
        path.write_bytes("\r\n".join(["Source\tTarget", *lines, ""]).encode())
    return path.parent


class TestFiles(TokenContract):
    OFFICIAL_VAL = True

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.files = write_listops(tmp_path)
        self.root = str(tmp_path)

    def make(self, **options: Any) -> Splits:
        return lra_listops(root=self.root, **options)

    def test_they_are_read_as_written(self) -> None:
        splits = self.make()
        assert [len(part) for part in (splits.train, splits.val, splits.test)] == [60, 20, 20]
        assert "( ( (" in (self.files / "basic_train.tsv").read_text()
        assert raw(splits.train) == raw(lra_listops(root=str(self.files)).train)
        for part in (splits.train, splits.val, splits.test):
            values = [value_of([TOKENS[token] for token in one]) for one in part.series]
            assert values == part.labels.tolist()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: b"", "the first line is '', expected 'Source<tab>Target'"),
        (lambda content: content[:15], "no expression"),
        (lambda content: content.replace(b"Source", b"source"), "the first line is 'source Target'"),
        (lambda content: content[: len(content) // 2], "expected a tab and a digit; truncated or damaged"),
        (lambda content: content.replace(b"]", b"}", 1), "line 2: '}' is no token of ListOps"),
        (lambda content: content + b"\t3\n", "line 62 has no expression"),
        (lambda content: content + b"1\t10\n", "line 62 ends in '10', expected a tab and a digit"),
        (lambda content: content + b"\xff\x00\t3\n", "is no token of ListOps"),
    ],
)
def test_damaged_tables(tmp_path: Path, damage: Callable[[bytes], bytes], message: str) -> None:
    path = write_listops(tmp_path) / "basic_train.tsv"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UsageError, match=message) as caught:
        lra_listops(root=str(tmp_path))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def write_reviews(folder: Path, num: int = 12) -> Path:
    """As the archive unpacks: `<number>_<stars>.txt`, and files that are no reviews beside the folders."""
    for part in ("train", "test"):
        for name, word in (("neg", "dull"), ("pos", "fine")):
            (folder / "aclImdb" / part / name).mkdir(parents=True)
            for number in range(num):
                text = f"{part} {word} «{number}» " + "so " * number
                (folder / "aclImdb" / part / name / f"{number}_{number % 10}.txt").write_bytes(text.encode())
        (folder / "aclImdb" / part / "labeledBow.feat").write_text("0 1:2")
    return folder


class TestText(TokenContract):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.root = str(write_reviews(tmp_path))

    def make(self, **options: Any) -> Splits:
        return lra_text(root=self.root, **{"max_length": 30} | options)

    def test_bytes_are_the_tokens(self) -> None:
        splits = lra_text(root=f"{self.root}/aclImdb", val_fraction=0)
        assert splits.input_shape == (len("test dull «11» ".encode()) + 3 * 11 + 1, 256)
        read = {bytes(one.tolist()).decode() for one in splits.test.series}
        assert read == {f"test {word} «{n}» " + "so " * n for word in ("dull", "fine") for n in range(12)}
        for one, label in zip(splits.test.series, splits.test.labels, strict=True):
            assert (b"fine" in bytes(one.tolist())) == label
        assert max(len(one) for one in self.make().train.series) == 30


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "train/pos/0_0.txt").write_bytes(b""), "0_0.txt: empty file"),
        (
            lambda folder: (folder / "test/neg").rename(folder / "gone"),
            "neg: no .txt file, expected the reviews",
        ),
        (lambda folder: (folder / "test/neg/7.txt").symlink_to("nowhere"), "7.txt: cannot be read"),
    ],
)
def test_reviews_that_are_not_there(tmp_path: Path, spoil: Callable[[Path], Any], message: str) -> None:
    spoil(write_reviews(tmp_path) / "aclImdb")
    with pytest.raises(UsageError, match=message):
        lra_text(root=str(tmp_path))


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (lambda folder: lra_listops(), "lra_listops: give root=FOLDER"),
        (lambda folder: lra_listops(root=folder), "basic_train.tsv: cannot be read .No such file"),
        (lambda folder: lra_text(), "lra_text: give root=FOLDER"),
        (lambda folder: lra_text(root=folder, max_length=0), "max_length is 0"),
    ],
)
def test_files_that_are_not_there(tmp_path: Path, request_: Callable[[str], Splits], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        request_(str(tmp_path))
