"""A browser for all tests of the page, and the page of the sample in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from snnpd.energy.page import render
from tests.energy.page.browser import PROGRAM, Browser, Tab
from tests.energy.page.sample import sample_report


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if PROGRAM is None:
        pytest.skip("no Chromium on PATH: the tests of the page in a browser need one")
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(sample_report()), encoding="utf-8")
    return path


@pytest.fixture
def tab(browser: Browser, page: Path) -> Iterator[Tab]:
    tab = Tab(browser, page)
    yield tab
    assert tab.complaints() == []
    assert tab.requests() == [page.as_uri()]
    tab.close()
