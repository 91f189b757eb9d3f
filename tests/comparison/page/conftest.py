"""A browser for all tests of the page, and the page of the sample in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from snnpd.comparison.page import render
from tests.comparison.page.sample import sample_summary
from tests.energy.page.browser import PROGRAM, Browser, Tab


def asked(tab: Tab) -> list[str]:
    """What the page asked for from elsewhere; pictures that stand in the page itself are no requests."""
    return [url for url in tab.requests() if not url.startswith("data:image/png;base64,")]


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if PROGRAM is None:
        pytest.skip("no Chromium on PATH: the tests of the page in a browser need one")
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "comparison.html"
    path.write_text(render(sample_summary()), encoding="utf-8")
    return path


@pytest.fixture
def tab(browser: Browser, page: Path) -> Iterator[Tab]:
    tab = Tab(browser, page)
    yield tab
    assert tab.complaints() == []
    assert asked(tab) == [page.as_uri()]
    tab.close()
