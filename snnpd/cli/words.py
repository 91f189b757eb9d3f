"""The words of `snnpd train` before the parser sees them: options by their whole names."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from snnpd.errors import UsageError, unknown
from snnpd.training.config import Config, flatten

# What people say, besides the last part of any dotted name.
SHORT = {"model": "model.name", "data": "data.name", "dataset": "data.name"}
FREE = ("model.options", "data.options")  # whatever the network or the data set takes
SWITCHES = ("report",)  # true where they stand alone
OPTIONAL_VALUE = ("resume", "print_config")
OPTIONS = (*flatten(Config()), "help", "recipe", *OPTIONAL_VALUE)


def expand(argv: Sequence[str]) -> list[str]:
    """The words with every option by its whole name: `--epochs` for `--optim.epochs`, `--batch-size` likewise.

    Raises:
        UsageError: an option that is unknown or stands for several, with the nearest names, or a stray word.
    """
    words: list[str] = []
    wants_value = False
    for word, after in pairwise([*argv, "--"]):
        if word == "-h":
            word = "--help"
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            name = whole_name(name if name.startswith(FREE) else name.replace("-", "_"))
            word = f"--{name}{equals}{value}"
            if name in SWITCHES and not equals and after.startswith("--"):
                word = f"{word}=true"
            wants_value = "=" not in word and name != "help"
        elif not wants_value:
            raise UsageError(f"stray word {word!r}; options begin with --, and each takes one value")
        else:
            wants_value = False
        words.append(word)
    return words


def whole_name(name: str) -> str:
    """The dotted name of an option that may be given by its last part.

    Raises:
        UsageError: none or several options end so.
    """
    if name in OPTIONS or name.startswith(tuple(f"{free}." for free in FREE)):
        return name
    if name in SHORT:
        return SHORT[name]
    whole = [option for option in OPTIONS if option.endswith(f".{name}")]
    if len(whole) != 1:
        ends = {option.rpartition(".")[2] for option in OPTIONS}
        raise unknown("option", f"--{name}", (f"--{option}" for option in {*OPTIONS, *ends}))
    return whole[0]


def value_of(words: Sequence[str], option: str) -> str | None:
    """The value of the last `--option`: "" if it stands alone, None if it is not there."""
    value = None
    for word, after in pairwise([*words, "--"]):
        if word.partition("=")[0] == f"--{option}":
            value = word.partition("=")[2] or ("" if after.startswith("--") else after)
    if value == "" and option not in OPTIONAL_VALUE:
        raise UsageError(f"--{option} stands without a value")
    return value


def without(words: Sequence[str], options: Iterable[str]) -> list[str]:
    """The words less these options and their values."""
    kept: list[str] = []
    dropping = False
    for word in words:
        if word.startswith("--"):
            dropping = word[2:].partition("=")[0] in options
        if not dropping:
            kept.append(word)
    return kept
