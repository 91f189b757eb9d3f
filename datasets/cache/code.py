"""What a cache knows code by: the text of modules and of what they import of their own packages."""

import ast
import hashlib
import importlib.util
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import ModuleType

from snnpd.datasets.cache.sources import digest_of
from snnpd.errors import UsageError


def code_digest(modules: Iterable[ModuleType]) -> str:
    """A digest of the source text of modules and of all that they import of their own packages.

    A folder of modules stands for each of them.

    Raises:
        UsageError: a module without a file, one typed into a session.
    """
    files = {file for module in modules for file in _files(module)}
    known: dict[str, str] = {}
    own = {name.partition(".")[0] for name, _ in files}
    while files:
        name, path = files.pop()
        known[name], imported = _read(name, path)
        found = {(other, _find(other)) for other in imported if other.partition(".")[0] in own}
        files |= {(other, file) for other, file in found if file and other not in known}
    return digest_of(*(f"{name} {known[name]}" for name in sorted(known)))


def _files(module: ModuleType) -> list[tuple[str, str]]:
    """Names and files of a module; of all modules in it, if it is a folder."""
    own = getattr(module, "__file__", None)
    files = [(module.__name__, own)] if own else []
    for folder in getattr(module, "__path__", ()):
        inside = (file for file in Path(folder).glob("*.py") if file.stem != "__init__")
        files += [(f"{module.__name__}.{file.stem}", str(file)) for file in inside]
    if not files or not all(os.path.isfile(file) for _, file in files):
        raise UsageError(
            f"module {module.__name__!r} has no source file to tell its version by; put its code into a .py file"
        )
    return files


@cache
def _read(name: str, path: str) -> tuple[str, frozenset[str]]:
    """A digest of a module's text, and the names of the modules that it may import."""
    content = Path(path).read_bytes()
    imported: set[str] = set()
    for node in ast.walk(ast.parse(content)) if path.endswith(".py") else ():
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = name.split(".")[: -node.level] if node.level else []
            source = ".".join([*parents, *([node.module] if node.module else [])])
            # What is imported may be a name in the module, or a module of its own.
            imported.update([source, *(f"{source}.{alias.name}" for alias in node.names)])
    return hashlib.blake2b(content, digest_size=20).hexdigest(), frozenset(imported)


@cache
def _find(name: str) -> str | None:
    """The file of a module; None if `name` is no module, or a folder of modules."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    return spec.origin if spec is not None and spec.has_location else None
