"""`snnpd datasets`: the list of data sets; `inspect` looks at one, `unpack` unpacks an archive."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from snnpd.cli.inspecting import inspect
from snnpd.datasets.facts import FACTS, KINDS
from snnpd.datasets.readers.archives import extract_gzip, extract_tar, extract_zip
from snnpd.errors import UsageError

USAGE = """usage: snnpd datasets                               lists all
       snnpd datasets inspect NAME [--root FOLDER] [--set OPTION=VALUE ...]
       snnpd datasets inspect NAME --help          the options of one
       snnpd datasets unpack ARCHIVE TARGET        a .zip, .tar, .tar.gz or .tgz to a new folder, a .gz to a file"""


def main(argv: Sequence[str]) -> int:
    """Lists data sets, inspects one, or unpacks an archive."""
    word, *rest = argv or [""]
    if word == "inspect":
        return inspect(rest)
    if word == "unpack":
        return unpack(rest)
    if word in ("-h", "--help"):
        print(USAGE)
        return 0
    if word:
        raise UsageError(
            f"snnpd datasets: unknown word {word!r}; it lists, `inspect NAME` looks at one, `unpack` unpacks"
        )
    table = Table(title="data sets: --data.name", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for heading in ("name", "sample", "classes", "train / test", "licence", "files"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("name", "classes"))
    for kind in KINDS:
        table.add_row(f"[dim]{kind}[/dim]")
        for name, facts in FACTS.items():
            if facts.kind == kind:
                table.add_row(f"[bold]{name}[/bold]", *(value.replace("[", "\\[") for value in facts[1:]))
    Console().print(table, "")
    print(
        "Files go into the folder given as --data.root. `snnpd datasets inspect NAME --root FOLDER` looks at a set."
    )
    return 0


def unpack(argv: Sequence[str]) -> int:
    """Unpacks an archive whole or not at all; nothing lands outside of the target."""
    if len(argv) != 2 or "-h" in argv or "--help" in argv:
        raise UsageError(
            "snnpd datasets unpack: give an archive and the folder, not there yet, that it becomes"
        )
    archive, target = Path(argv[0]), Path(argv[1])
    name = archive.name.lower()
    if name.endswith(".zip"):
        extract_zip(archive, target)
    elif name.endswith((".tar", ".tar.gz", ".tgz")):
        extract_tar(archive, target)
    elif name.endswith(".gz"):
        extract_gzip(archive, target)
    else:
        raise UsageError(f"{archive}: not a .zip, .tar, .tar.gz, .tgz or .gz; unpack it by hand")
    print(f"{archive} unpacked to {target}")
    return 0
