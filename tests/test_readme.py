"""The README's Python runs as printed, and is as short as it says; the examples in docstrings run too."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import snnpd

README = Path(__file__).parents[1] / "README.md"
MODULES = ["snnpd", *(m.name for m in pkgutil.walk_packages(snnpd.__path__, "snnpd.") if not m.ispkg)]


def blocks() -> list[str]:
    if not README.exists():
        pytest.skip("no README beside these tests (they run against an installed wheel)")
    return re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)


@pytest.mark.parametrize(("number", "lines"), [(0, 5), (1, 25), (2, 15), (3, 15)])
def test_python_blocks_run_and_are_short(number: int, lines: int) -> None:
    code = blocks()[number]
    written = [line for line in code.splitlines() if line.strip() and not line.startswith(("import", "from"))]
    assert len(written) <= lines
    names: dict = {}
    exec(compile(code, f"README block {number}", "exec"), names)
    if "data.val" in code:
        assert names["correct"] / len(names["data"].val) > 0.5


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


def test_every_recipe_named_in_the_readme_is_shipped() -> None:
    text = README.read_text() if README.exists() else pytest.skip("no README beside these tests")
    shipped = {p.stem for p in (Path(snnpd.__file__).parent / "recipes").glob("*.yaml")}
    named = set(re.findall(r"--recipe ([a-z0-9-]+)", text))
    assert named
    assert named <= shipped
