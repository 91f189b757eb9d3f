"""What a cache knows its sources by, and that it reads them once."""

import hashlib
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import snnpd.datasets.cache.code as cache_code
from snnpd.datasets.cache.code import code_digest
from snnpd.datasets.cache.sources import SourceItem, read_sources
from snnpd.datasets.cache.store import ShardStore
from snnpd.errors import UsageError
from tests.datasets.cache.builds import half_written, write_sources


def source_digests(sources: list[Path | SourceItem], store: ShardStore, name: str) -> list[str]:
    return read_sources(sources, store, name)[0]


@pytest.fixture
def store(tmp_path: Path) -> ShardStore:
    return ShardStore(tmp_path / "cache", 10**9)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read for their digests."""
    names: list[str] = []

    def count(file: object, *arguments: object) -> object:
        names.append(Path(file.name).name)
        return digest(file, *arguments)

    digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", count)
    return names


def test_files_are_read_once(tmp_path: Path, store: ShardStore, reads: list[str]) -> None:
    paths = write_sources(tmp_path / "a", 30) + write_sources(tmp_path / "b", 20)
    first = source_digests(paths, store, "set")
    assert len(reads) == 50
    assert source_digests(paths, store, "set") == first
    assert source_digests(paths[10:40][::-1], store, "other") == first[10:40][::-1]
    assert len(reads) == 50
    # Both folders begin with the same files: 20 contents are there twice, 10 once.
    assert len(set(first)) == 30
    assert not half_written(store.folder)


def rewrite(path: Path) -> None:
    path.write_bytes(b"other")


def later(path: Path) -> None:
    os.utime(path, (1e9, 1e9 + 1))


def another_inode(path: Path) -> None:
    beside = path.with_suffix(".new")
    beside.write_bytes(path.read_bytes().replace(b"recording", b"gnidrocer"))
    os.utime(beside, (1e9, 1e9))
    beside.replace(path)


@pytest.mark.parametrize(("change", "differs"), [(rewrite, True), (later, False), (another_inode, True)])
def test_a_changed_file_is_read_again(
    tmp_path: Path, store: ShardStore, reads: list[str], change: Callable[[Path], None], differs: bool
) -> None:
    paths = write_sources(tmp_path / "a", 5)
    before = source_digests(paths, store, "set")
    reads.clear()
    change(paths[3])
    after = source_digests(paths, store, "set")
    assert reads == ["3.bin"]
    assert [one != other for one, other in zip(before, after, strict=True)] == [False] * 3 + [differs, False]


def test_a_file_written_just_now_is_not_trusted_to_keep_its_time_stamp(
    tmp_path: Path, store: ShardStore, reads: list[str]
) -> None:
    (path,) = write_sources(tmp_path / "a", 1)
    os.utime(path)
    for _ in range(2):
        source_digests([path], store, "set")
    assert len(reads) == 2


@pytest.mark.parametrize("change", [rewrite, later, another_inode, Path.unlink])
@pytest.mark.parametrize("remembered", [False, True])
def test_a_file_that_changes_after_its_digest_was_taken_is_noticed(
    tmp_path: Path, store: ShardStore, remembered: bool, change: Callable[[Path], None]
) -> None:
    paths = write_sources(tmp_path / "a", 5)
    for _ in range(1 + remembered):
        _, files = read_sources([*paths, SourceItem(paths[3], "part")], store, "set")
    change(paths[3])
    for good in (range(3), range(4, 5)):
        files.check_unchanged(good)
    for bad in (range(2, 5), range(5, 6)):
        with pytest.raises(UsageError, match=r"^[^\n]*3\.bin[^\n]*(changed|No such file)[^\n]*; [^\n]*$"):
            files.check_unchanged(bad)


@pytest.mark.parametrize("memo", [b"", b"{", b"[]", b"[" * 5000, b"\xff", b'{"0.bin": 7}', b'{"0.bin": []}'])
def test_a_damaged_memory_is_as_none(
    tmp_path: Path, store: ShardStore, reads: list[str], memo: bytes
) -> None:
    paths = write_sources(tmp_path / "a", 2)
    first = source_digests(paths, store, "set")
    (remembered,) = (store.folder / "sources").iterdir()
    remembered.write_bytes(memo)
    assert source_digests(paths, store, "set") == first
    assert sorted(reads) == ["0.bin", "0.bin", "1.bin", "1.bin"]


def test_what_cannot_be_remembered_is_read_again(tmp_path: Path, reads: list[str]) -> None:
    paths = write_sources(tmp_path / "a", 2)
    (tmp_path / "file").touch()
    nowhere = ShardStore(tmp_path / "file" / "cache", 10**9)
    assert source_digests(paths, nowhere, "set") == source_digests(paths, nowhere, "set")
    assert len(reads) == 4


def test_items_and_suffixes_tell_apart_and_folders_do_not(tmp_path: Path, store: ShardStore) -> None:
    (path,) = write_sources(tmp_path / "a", 1)
    moved, renamed = tmp_path / "moved.bin", tmp_path / "0.dat"
    for copy in (moved, renamed):
        copy.write_bytes(path.read_bytes())
    sources = [path, moved, SourceItem(path), renamed, SourceItem(path, "1"), SourceItem(path, "2")]
    digests = source_digests(sources, store, "set")
    assert digests[0] == digests[1] == digests[2]
    assert len(set(digests)) == 4


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_source_that_cannot_be_read_is_named(tmp_path: Path, store: ShardStore, name: str) -> None:
    paths = write_sources(tmp_path / "a", 2)
    with pytest.raises(UsageError, match=r"^[^\n]*a[^\n]*cannot be read[^\n]*$"):
        source_digests([*paths, tmp_path / "a" / name], store, "set")


PACKAGE = {
    "__init__.py": "",
    "decode.py": "import numpy\nfrom toy.units import tick\nfrom . import bits\nfrom toy import missing\n",
    "units.py": "tick = 1\n",
    "bits.py": "def lazily():\n    import toy.deep.low\n",
    "deep/low.py": "order = 'little'\n",
    "unused.py": "",
}


@pytest.fixture
def digest_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """The digest of `toy.decode` in a new process, as it were, after a change of one file."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def digest(changed: str = "", name: str = "toy.decode") -> str:
        for file, text in PACKAGE.items():
            path = tmp_path / "toy" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + ("\n# changed" if file == changed else ""))
        for one in (cache_code._read, cache_code._find):
            one.cache_clear()
        importlib.invalidate_caches()
        package = ModuleType(name)
        package.__file__ = str(tmp_path / name.replace(".", "/")) + ".py"
        return code_digest([package])

    yield digest
    for module in [one for one in sys.modules if one.partition(".")[0] == "toy"]:
        del sys.modules[module]


@pytest.mark.parametrize(
    ("changed", "differs"),
    [
        ("", False),
        ("decode.py", True),
        ("units.py", True),
        ("bits.py", True),
        ("deep/low.py", True),
        ("unused.py", False),
    ],
)
def test_code_is_known_by_its_text_and_that_of_its_imports(
    digest_with: Callable[..., str], changed: str, differs: bool
) -> None:
    assert (digest_with(changed) != digest_with()) == differs


def test_a_folder_of_modules_stands_for_each_of_them(tmp_path: Path) -> None:
    folder = ModuleType("pile")
    folder.__path__ = [str(tmp_path)]
    found = set()
    for text in ("a = 1", "a = 2"):
        (tmp_path / "one.py").write_text(text)
        cache_code._read.cache_clear()
        found.add(code_digest([folder]))
    assert len(found) == 2


def test_code_without_a_file_tells_no_version() -> None:
    with pytest.raises(UsageError, match="module 'typed' has no source file"):
        code_digest([ModuleType("typed")])
