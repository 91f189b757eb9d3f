"""Where the cache lies and how large it grows, as the environment says."""

from pathlib import Path

import pytest

from snnpd.datasets.cache.arrays import ArrayCache, default_folder, default_limit_bytes
from snnpd.errors import UsageError


@pytest.mark.parametrize("text", ["", "many", "-1", "nan", "inf", "1e12"])
def test_a_bad_limit_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SNNPD_CACHE_GB", text)
    with pytest.raises(UsageError, match=f"SNNPD_CACHE_GB is '{text}'; give a number"):
        ArrayCache()


@pytest.mark.parametrize(("text", "limit_bytes"), [(None, 20 * 10**9), ("0", 0), ("1.5", 1_500_000_000)])
def test_the_limit_is_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, text: str | None, limit_bytes: int
) -> None:
    monkeypatch.delenv("SNNPD_CACHE_GB", raising=False)
    if text is not None:
        monkeypatch.setenv("SNNPD_CACHE_GB", text)
    assert default_limit_bytes() == limit_bytes


def test_the_folder_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("SNNPD_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    assert default_folder() == tmp_path / ".cache" / "snnpd"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert default_folder() == tmp_path / "caches" / "snnpd"
    monkeypatch.setenv("SNNPD_CACHE", "~/mine")
    assert default_folder() == tmp_path / "mine"
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.delenv("SNNPD_CACHE")
    assert default_folder() == tmp_path / "Library" / "Caches" / "snnpd"
