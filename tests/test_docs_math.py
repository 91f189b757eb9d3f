"""docs/math: links hold both ways, its tables are the layers' own, and its Python prints what is printed there."""

import ast
import contextlib
import importlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

import snnpd
from snnpd.attention import create_attention, list_attentions
from snnpd.attention.table import SPIKING
from snnpd.expansion import (
    Constant,
    EluPlusOne,
    Everywhere,
    Exponential,
    FeatureKernel,
    Linear,
    PooledHeads,
    RowSum,
    Shiftmax,
    Strided,
    TokenBatchNorm,
    Uniform,
    Window,
)

ROOT = Path(__file__).parents[1]
MATH = ROOT / "docs/math"
PAGES = {page.name: page.read_text() for page in sorted(MATH.glob("*.md"))}
SOURCE = Path(snnpd.__file__).parent
DERIVED = [*SOURCE.glob("expansion/*.py"), *SOURCE.glob("attention/*.py"), SOURCE / "blocks/time_encoding.py"]
REFERENCE = re.compile(r"docs/math(?:/(\w+\.md)(?:#([a-z0-9-]+))?)?")

pytestmark = pytest.mark.skipif(
    not PAGES, reason="no docs beside these tests (run against an installed wheel)"
)


class Equation(NamedTuple):
    """A numbered section: where it stands, the code that implements it, the tests that check it."""

    page: str
    anchor: str
    code: list[str]
    tests: list[str]


def titles(text: str) -> list[str]:
    return re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE
    )


def anchor_of(title: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def equations() -> Iterator[Equation]:
    for page, text in PAGES.items():
        for section in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
            title, _, body = section.partition("\n")
            claim = body.partition("\nCode: ")[2].partition("\n\n")[0]
            named = re.findall(r"`([^`]+)`", claim)
            code = [name for name in named if ":" in name]
            yield Equation(page, anchor_of(title), code, [name for name in named if ":" not in name])


EQUATIONS = list(equations())


def find(name: str) -> object:
    module, _, attributes = name.partition(":")
    found: object = importlib.import_module(module)
    for attribute in attributes.split("."):
        found = getattr(found, attribute)
    return found


@pytest.mark.parametrize("page", PAGES)
def test_headings_have_one_anchor_each_that_every_renderer_agrees_on(page: str) -> None:
    found = [anchor_of(title) for title in titles(PAGES[page])]
    assert len(set(found)) == len(found) > 1
    assert all(title.isascii() for title in titles(PAGES[page]) if title[1].isdigit())


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.name)
def test_relative_links_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            aim = (page.parent / path).resolve() if path else page
            assert aim.exists(), target
            assert not anchor or anchor in map(anchor_of, titles(aim.read_text())), target


def test_docstrings_refer_to_what_is_there() -> None:
    found = [
        match.groups() for path in SOURCE.rglob("*.py") for match in REFERENCE.finditer(path.read_text())
    ]
    assert len(found) > 50
    for page, anchor in found:
        assert page in PAGES, f"docs/math/{page}"
        assert not anchor or anchor in map(anchor_of, titles(PAGES[page])), f"{page}#{anchor}"


@pytest.mark.parametrize("path", DERIVED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_docstring_with_an_equation_says_where_it_is_derived(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            doc = ast.get_docstring(node) or ""
            assert "Equation:" not in doc or REFERENCE.search(doc), node.name


@pytest.mark.parametrize("equation", EQUATIONS, ids=lambda equation: f"{equation.page}-{equation.anchor}")
def test_equations_name_code_that_names_them_and_tests_that_exist(equation: Equation) -> None:
    documents = [find(name).__doc__ or "" for name in equation.code]
    assert documents
    # the neurons' docstrings state their equations themselves
    if equation.page != "neurons.md":
        link = re.compile(rf"docs/math/{equation.page}#{equation.anchor}\b(?!-)")
        assert any(map(link.search, documents))
        assert all(equation.page in document for document in documents if "Equation:" in document)
    assert equation.tests
    assert all((ROOT / path).exists() for path in equation.tests)


KERNELS = {
    "exp(q·k/√D)": Exponential(),
    "2^(q·k)": Exponential(base=2, scale=1.0),
    "q·k": Linear(),
    "φ(q)·φ(k)": FeatureKernel(EluPlusOne()),
    "1": Uniform(),
}
NORMALISERS = {"row sum": RowSum(), "8": Constant(8.0), "1": Constant(1.0), "Shiftmax": Shiftmax()}
TRANSFORMS = {"–": None, "token batch-norm": TokenBatchNorm, "pooled heads": PooledHeads}
REACHES = {"all": Everywhere(), "window": Window(2), "strided": Strided(4, causal=False), "itself": Window(0)}


def table(heading: str) -> dict[str, list[str]]:
    section = PAGES.get("README.md", "").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return {row[0].split("`")[1]: row[1:] for row in rows}


EXPANSIONS, OTHERS = table("Expansions"), table("No expansions, and why")


def test_the_tables_hold_every_attention_once() -> None:
    assert sorted([*EXPANSIONS, *OTHERS]) == list_attentions()
    names = re.findall(r"^\| `(\w+)`", PAGES["README.md"], re.MULTILINE)
    assert len(names) == len(set(names))


def alphabet(values: Tensor) -> str:
    letters = set(values.unique().tolist())
    return "binary" if letters == {0, 1} else "ternary" if letters == {-1, 0, 1} else "analog"


@pytest.mark.parametrize("name", EXPANSIONS)
def test_what_the_table_says_of_a_layer_is_what_it_evaluates(name: str) -> None:
    torch.manual_seed(0)
    kernel, normaliser, transforms, codes, reach, _ = EXPANSIONS[name]
    x = torch.randn(3, 2, 16, 32)
    expansion, points = create_attention(name, 32, 4).expansions((x > 0).float() if name in SPIKING else x)[
        -1
    ]
    assert expansion.kernel == KERNELS[kernel]
    assert expansion.normaliser == NORMALISERS[normaliser]
    declared = [TRANSFORMS[word] for word in transforms.split(", ")]
    assert [type(step) for step in expansion.transforms] == [step for step in declared if step]
    assert expansion.reach == REACHES[reach]
    seen = zip(codes.split(", "), map(alphabet, points[:3]), strict=True)
    assert all(word in ("–", letters) for word, letters in seen)


@pytest.mark.parametrize("name", OTHERS)
def test_a_layer_that_is_no_expansion_is_quoted(name: str) -> None:
    assert OTHERS[name][0] == create_attention(name, 32, 4).no_expansion


BLOCK = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]\d+)?")


def agree(found: str, printed: str) -> bool:
    """The same words and numbers, up to one unit of the last decimal; errors (1.2e-15) may be 30 times as large."""
    if NUMBER.sub("#", found).split() != NUMBER.sub("#", printed).split():
        return False
    return all(map(near, NUMBER.findall(found), NUMBER.findall(printed)))


def near(found: str, printed: str) -> bool:
    value, truth = float(found), float(printed)
    if "e-" in printed or truth == 0:
        return abs(value) <= max(30 * abs(truth), 1e-12)
    decimals = len(printed.partition(".")[2])
    return abs(value - truth) <= (1.01 * 10**-decimals if decimals else 0)


@pytest.mark.parametrize("page", [page for page, text in PAGES.items() if "```python" in text])
def test_python_on_a_page_prints_what_is_printed_there(page: str) -> None:
    names: dict = {}
    blocks = BLOCK.findall(PAGES[page])
    assert any(printed for _, printed in blocks)
    assert len(blocks) == PAGES[page].count("```python")
    for code, printed in blocks:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(code, page, "exec"), names)
        assert agree(out.getvalue(), printed), f"{out.getvalue()}\nand the page says\n{printed}"


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ("error 1.1e-15 of 0.532, True", True),
        ("error 0 of 0.531, True", True),
        ("error 8e-08 of 0.532, True", False),
        ("error 0.1 of 0.532, True", False),
        ("error 1.1e-15 of 0.534, True", False),
        ("error 1.1e-15 of 0.532, False", False),
        ("error 1.1e-15 of 0.532", False),
    ],
)
def test_the_comparison_tells_planted_differences(found: str, verdict: bool) -> None:
    assert agree(found, "error 2.0e-15 of  0.532, True\n") == verdict


def test_a_count_must_be_the_same() -> None:
    assert agree("[0, 4, 1]", "[0, 4, 1]")
    assert not agree("[0, 4, 2]", "[0, 4, 1]")
