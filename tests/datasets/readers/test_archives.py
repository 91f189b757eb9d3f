"""Archives: unpacked whole or not at all, and nothing ever lands outside of the folder."""

import gzip
import io
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import snnpd.datasets.readers.archives as archives
from snnpd.datasets.readers.archives import extract_gzip, extract_tar, extract_zip
from snnpd.errors import UsageError

CONTENT = {"a/1.bin": b"\x01\x02", "a/b/2.bin": b"", "labels.csv": b"1,2\n" * 5000}
OUTSIDE = ["../evil", "a/../../evil", "/tmp/evil", "a\\..\\..\\evil", "C:\\evil", "..", "C:evil"]


def zip_of(members: dict[str, bytes], change: Callable[[zipfile.ZipInfo], None] | None = None) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if change:
                change(info)
            archive.writestr(info, content)
    return stream.getvalue()


def tar_of(
    members: dict[str, bytes], change: Callable[[tarfile.TarInfo], None] | None = None, mode: str = "w"
) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if change:
                change(info)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def room(tmp_path: Path) -> Path:
    (tmp_path / "room").mkdir()
    return tmp_path / "room"


def unpacked(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def check_refused(
    room: Path, content: bytes, extract: Callable[..., Path], message: str, **options: int
) -> None:
    """Refused in one line, with no trace in the room or beside it."""
    path = room / "archive"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message) as caught:
        extract(path, room / "target", **options)
    assert str(caught.value).isprintable()
    assert list(room.iterdir()) == [path]
    assert list(room.parent.iterdir()) == [room]


@pytest.mark.parametrize(
    ("content", "extract"),
    [
        (zip_of(CONTENT), extract_zip),
        (tar_of(CONTENT), extract_tar),
        (tar_of(CONTENT, mode="w:gz"), extract_tar),
    ],
)
def test_all_members_are_unpacked(room: Path, content: bytes, extract: Callable[..., Path]) -> None:
    (room / "archive").write_bytes(content)
    folder = extract(room / "archive", room / "new" / "target")
    assert unpacked(folder) == CONTENT
    assert folder.stat().st_mode == (room.stat().st_mode)
    assert os.listdir(folder.parent) == ["target"]
    with pytest.raises(UsageError, match="is there already"):
        extract(room / "archive", folder)


def test_a_gzipped_file_is_unpacked(room: Path) -> None:
    (room / "a.h5.gz").write_bytes(gzip.compress(b"0123456789"))
    assert extract_gzip(room / "a.h5.gz", room / "a.h5").read_bytes() == b"0123456789"
    assert sorted(os.listdir(room)) == ["a.h5", "a.h5.gz"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_member_outside_of_the_folder_is_refused(room: Path, name: str) -> None:
    members = {"a/1.bin": b"1", name: b"2"}
    check_refused(room, zip_of(members), extract_zip, "lies outside of the folder")
    check_refused(room, tar_of(members), extract_tar, "lies outside of the folder")


def _as_link(info: zipfile.ZipInfo) -> None:
    info.external_attr = 0o120777 << 16


def _of_type(kind: bytes) -> Callable[[tarfile.TarInfo], None]:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.linkname, info.size = kind, "/etc/passwd", 0

    return change


def test_links_and_devices_are_refused(room: Path) -> None:
    check_refused(room, zip_of({"a": b"/etc/passwd"}, _as_link), extract_zip, "is a link or device")
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        check_refused(room, tar_of({"a": b""}, _of_type(kind)), extract_tar, "is a link or device")


@pytest.mark.parametrize("extract", [extract_zip, extract_tar, extract_gzip])
@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04" + bytes(90), b"\x1f\x8b\x08" + bytes(9), b"text" * 300]
)
def test_what_is_no_archive_is_refused(room: Path, extract: Callable[..., Path], content: bytes) -> None:
    if extract is extract_tar and content.startswith(b"PK"):
        content += bytes(512)
    check_refused(room, content, extract, "empty file|damaged archive")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_archive_is_refused(room: Path, share: float) -> None:
    for content, extract in (
        (zip_of(CONTENT), extract_zip),
        (tar_of({"labels.csv": os.urandom(9999)})[: 512 + 9999], extract_tar),
        (tar_of(CONTENT, mode="w:gz"), extract_tar),
        (gzip.compress(os.urandom(999)), extract_gzip),
    ):
        check_refused(room, content[: int(share * len(content))], extract, "archive|announced|fetch it again")


def test_a_wrong_check_sum_is_found(room: Path) -> None:
    content = bytearray(tar_of(CONTENT, mode="w:gz"))
    content[-8] ^= 1
    check_refused(room, bytes(content), extract_tar, "damaged archive .CRC check failed")


def _zip_claiming(size: int) -> bytes:
    content = bytearray(zip_of({"a": b"1" * 99}))
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 24, size)
    return bytes(content)


def _tar_claiming(size: int) -> bytes:
    info = tarfile.TarInfo("a")
    info.size = size
    return info.tobuf() + bytes(1024)


def test_a_claim_of_four_gigabytes_is_refused(room: Path) -> None:
    check_refused(room, _zip_claiming(0xFFFFFFF0), extract_zip, "announced|the disk of .* make room")
    check_refused(room, _tar_claiming(4 << 30), extract_tar, "announced|archive|make room")


def test_more_bytes_than_allowed_are_refused(room: Path) -> None:
    many = {"a": bytes(1 << 20)}
    for content, extract in (
        (zip_of(many), extract_zip),
        (tar_of(many, mode="w:gz"), extract_tar),
        (gzip.compress(bytes(1 << 20)), extract_gzip),
    ):
        check_refused(room, content, extract, "give a larger max_bytes", max_bytes=1 << 19)


def test_members_that_share_their_bytes_are_refused(room: Path) -> None:
    """One packed member named by a hundred entries of the list: a bomb without any layer."""
    content = zip_of({"a": os.urandom(9999)})
    start = content.index(b"PK\x01\x02")
    entry, end = (
        content[start : content.index(b"PK\x05\x06")],
        bytearray(content[content.index(b"PK\x05\x06") :]),
    )
    struct.pack_into("<HHI", end, 8, 100, 100, 100 * len(entry))
    check_refused(room, content[:start] + entry * 100 + bytes(end), extract_zip, "more bytes than it has")


def test_a_full_disk_leaves_nothing(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archives, "_copy", full)
    check_refused(room, zip_of(CONTENT), extract_zip, "No space left on device.*give room")
    check_refused(room, tar_of(CONTENT), extract_tar, "No space left on device.*give room")


def test_encrypted_members_and_members_twice_are_refused(room: Path) -> None:
    content = bytearray(zip_of({"a": b"1"}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    check_refused(room, bytes(content), extract_zip, "is encrypted")
    check_refused(room, zip_of({"a": b"1", "./a": b"2"}), extract_zip, "is in it twice")
