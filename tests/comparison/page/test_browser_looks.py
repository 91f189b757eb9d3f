"""The page as a browser shows it: on phones, in the dark, on paper, incomplete, and with names that mean harm."""

from pathlib import Path

import pytest

from snnpd.comparison.page import render
from tests.comparison.page.conftest import asked
from tests.comparison.page.sample import MODELS, sample_summary
from tests.comparison.page.test_page import VARIANTS, hostile
from tests.energy.page.browser import Browser, Tab
from tests.energy.page.test_browser_looks import CONTRAST
from tests.energy.page.test_page import HOSTILE

# Ratios of the contrast of visible text in plots, and of the marks, with the page.
INK = """(() => {
  const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number).map(channel)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const paper = light(getComputedStyle(document.body).backgroundColor);
  const of = (property) => (element) => {
    const ink = light(getComputedStyle(element)[property]);
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  };
  const seen = (selector) => [...document.querySelectorAll(selector)].filter((e) => e.checkVisibility());
  return { texts: seen("svg text").map(of("fill")), marks: seen(".mark, .whisker").map(of("stroke")) };
})()"""


@pytest.mark.parametrize("width", [360, 320])
def test_a_phone_shows_the_page_without_scrolling_sideways(browser: Browser, page: Path, width: int) -> None:
    tab = Tab(browser, page, width)
    out = """[...document.querySelectorAll("main *, header *")].filter(e => e.checkVisibility() &&
        !e.closest(".scroll, defs") && e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.outerHTML)"""
    for cost in range(len(MODELS)):
        tab.evaluate(f"document.querySelector(\"[data-choose='{cost}']\").click()")
        assert tab.evaluate("document.documentElement.scrollWidth") == width
        assert tab.evaluate(out) == []
    box = tab.evaluate("(e => [e.clientWidth, e.scrollWidth])(document.querySelector('.scroll'))")
    assert box[1] > box[0] <= width
    sizes = "[...document.querySelectorAll('p, td, th, dt, dd, li, h4, .name, .amount, svg text')]"
    assert tab.evaluate(f"Math.min(...{sizes}.map(e => parseFloat(getComputedStyle(e).fontSize)))") >= 12
    assert tab.complaints() == []
    tab.close()


def test_light_and_dark_are_both_easy_to_read(browser: Browser, page: Path) -> None:
    papers = []
    for is_dark in (False, True):
        tab = Tab(browser, page, is_dark=is_dark)
        seen, ink = tab.evaluate(CONTRAST), tab.evaluate(INK)
        assert len(seen["texts"]) > 300
        assert len(seen["marks"]) > 20
        assert len(ink["texts"]) > 50
        assert len(ink["marks"]) > 80
        assert min(seen["texts"] + ink["texts"]) >= 4.5
        assert min(seen["marks"] + ink["marks"]) >= 3
        papers.append(seen["paper"])
        tab.close()
    assert min(papers[0]) > 240
    assert max(papers[1]) < 40


def test_families_are_told_apart_by_their_shapes_too(browser: Browser, page: Path) -> None:
    tab = Tab(browser, page)
    looks = tab.evaluate(
        """[...document.querySelectorAll(".legend .mark")].filter(e => e.checkVisibility()).map(e =>
        [e.getAttribute("d"), getComputedStyle(e).stroke, e.closest("li").innerText.trim()])"""
    )
    assert len(looks) == 5
    assert all(len({look[i] for look in looks}) == 5 for i in range(3))
    tab.close()


def test_paper_is_white_and_without_choosers(browser: Browser, page: Path) -> None:
    tab = Tab(browser, page, 760, is_dark=True, media="print")
    seen = tab.evaluate(CONTRAST)
    assert min(seen["paper"]) > 240
    assert min(seen["texts"]) >= 4.5
    for selector in (".chooser", "select"):
        assert not tab.evaluate(f"document.querySelector('{selector}').checkVisibility()")
    assert tab.evaluate("document.querySelector('.twin h3').checkVisibility()")
    tab.close()


def test_a_hostile_name_stays_a_name(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "hostile.html"
    path.write_text(render(hostile(sample_summary())), encoding="utf-8")
    tab = Tab(browser, path, 360)
    tab.click("th button")
    assert tab.evaluate("document.querySelector('h1').textContent") == HOSTILE
    assert tab.evaluate("document.title") == f"Comparison {HOSTILE}"
    assert tab.evaluate("document.documentElement.scrollWidth") == 360
    assert tab.evaluate("document.images.length") == 0
    assert tab.complaints() == []
    assert asked(tab) == [path.as_uri()]
    tab.close()


def test_incomplete_comparisons_have_pages_that_work(browser: Browser, tmp_path: Path) -> None:
    for number, (change, text) in enumerate(VARIANTS):
        summary = sample_summary()
        change(summary)
        path = tmp_path / f"{number}.html"
        path.write_text(render(summary), encoding="utf-8")
        tab = Tab(browser, path, 360)
        assert tab.evaluate("document.documentElement.scrollWidth") == 360, text
        assert tab.complaints() == [], text
        tab.close()
