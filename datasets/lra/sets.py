"""Long Range Arena, the tasks on tokens: ListOps, generated or from its files, and Text."""

from snnpd.datasets.lra.expressions import TOKENS, Grammar, distinct
from snnpd.datasets.lra.files import REVIEW_CLASSES, find_folder, read_expressions, read_reviews
from snnpd.datasets.lra.tokens import split_tokens
from snnpd.datasets.seeding import check_seed
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError

_DIGITS = tuple("0123456789")


def listops(
    *,
    num_train: int = 2000,
    num_test: int = 500,
    min_length: int = 500,
    max_length: int = 2000,
    max_depth: int = 10,
    max_args: int = 10,
    data_seed: int = 0,
    seed: int = 0,
    val_fraction: float = 0.1,
) -> Splits:
    """ListOps, generated here from the published grammar: nested lists of digits whose value is a digit.

    One-hot tokens, 15 of them: ten digits, four operators, the closing bracket. No expression comes twice. The
    data are a function of `data_seed`, `seed` only carves validation. The Arena has 96,000 to train, which take
    minutes to generate; its own files are `lra_listops`.

    Source: see `snnpd.datasets.lra.expressions.Grammar`.

    Raises:
        UsageError: options that allow no or too few expressions.
    """
    check_seed(data_seed)
    if num_train < 1 or num_test < 1:
        raise UsageError(f"num_train is {num_train}, num_test is {num_test}; give at least 1 for each")
    stream = Grammar(min_length, max_length, max_depth, max_args).expressions(data_seed)
    seen: set[bytes] = set()
    # The test part first: it is the same for any number of training samples.
    test = distinct(stream, num_test, seen)
    return split_tokens(
        "listops",
        [distinct(stream, num_train, seen), test],
        num_tokens=len(TOKENS),
        class_names=_DIGITS,
        seed=seed,
        val_fraction=val_fraction,
    )


def lra_listops(*, root: str | None = None, seed: int = 0, val_fraction: float = 0.1) -> Splits:
    """ListOps of the Long Range Arena: 96,000 train, 2,000 validation and 2,000 test expressions.

    `root` is the folder `listops-1000` of `basic_train.tsv`, `basic_val.tsv` and `basic_test.tsv`, or holds it
    or the unpacked `lra_release`; the official validation part is used, or none at `val_fraction=0`. Tokens as in
    `listops`.

    Source: Tay et al., "Long Range Arena", ICLR 2021; Apache-2.0.

    Raises:
        UsageError: no root, or files that are missing or damaged.
    """
    if root is None:
        raise UsageError(
            "lra_listops: give root=FOLDER of the Long Range Arena's basic_train.tsv, _val and _test"
        )
    folder = find_folder(root, "listops-1000")
    return split_tokens(
        "lra_listops",
        [read_expressions(folder / f"basic_{part}.tsv") for part in ("train", "val", "test")],
        num_tokens=len(TOKENS),
        class_names=_DIGITS,
        seed=seed,
        val_fraction=val_fraction,
    )


def lra_text(
    *, root: str | None = None, max_length: int = 4000, seed: int = 0, val_fraction: float = 0.1
) -> Splits:
    """Text of the Long Range Arena: 25,000 train and 25,000 test film reviews of IMDB, byte by byte, 2 classes.

    `root` is the folder `aclImdb`, or holds it. A review ends after `max_length` bytes (the Arena takes 4,000).
    A byte is one of 256 one-hot tokens: 4 MB a full review, made when it is asked for; in memory lie the bytes.

    Source: Maas et al., 2011 (reviews); Tay et al., "Long Range Arena", ICLR 2021. No licence is stated.

    Raises:
        UsageError: no root, or folders or files that are missing or empty.
    """
    if root is None:
        raise UsageError("lra_text: give root=FOLDER, with aclImdb/train/pos/*.txt and its siblings in it")
    if max_length < 1:
        raise UsageError(f"max_length is {max_length}; give a number of bytes from 1 upwards")
    folder = find_folder(root, "aclImdb")
    return split_tokens(
        "lra_text",
        [read_reviews(folder / part, max_length) for part in ("train", "test")],
        num_tokens=256,
        class_names=REVIEW_CLASSES,
        seed=seed,
        val_fraction=val_fraction,
    )
