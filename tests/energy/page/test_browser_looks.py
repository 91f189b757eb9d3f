"""The page as a browser shows it: on phones, in the dark, on paper, and with names that mean harm."""

import base64
import json
from pathlib import Path

import pytest

from snnpd.energy.page import render
from tests.energy.page.browser import Browser, Tab
from tests.energy.page.sample import sample_report
from tests.energy.page.test_page import HOSTILE, hostile

NUM_MODELS = len(sample_report()["cost_models"])

# Ratios of the contrast of every visible text with what lies behind it, and the worst text.
CONTRAST = """(() => {
  const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = (rgb) => 0.2126 * channel(rgb[0]) + 0.7152 * channel(rgb[1]) + 0.0722 * channel(rgb[2]);
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const color = parse(getComputedStyle(element).backgroundColor);
      if (color.length === 3) return color;
    }
  };
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const of = (element, property, back = element) =>
    ratio(light(parse(getComputedStyle(element)[property])), light(behind(back)));
  const texts = [...document.querySelectorAll("body *")].filter((element) =>
    element.checkVisibility() && !element.closest("svg, script") &&
    [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  const marks = [...document.querySelectorAll("rect")].filter((rect) => rect.checkVisibility());
  return {
    texts: texts.map((element) => of(element, "color")),
    marks: marks.map((rect) => of(rect, "fill", rect.parentElement)),
    paper: behind(document.body),
  };
})()"""


@pytest.mark.parametrize("width", [360, 320])
def test_a_phone_shows_the_page_without_scrolling_sideways(browser: Browser, page: Path, width: int) -> None:
    tab = Tab(browser, page, width)
    for cost in range(NUM_MODELS):
        tab.evaluate(f"document.querySelector(\"[data-choose='{cost}']\").click()")
        assert tab.evaluate("document.documentElement.scrollWidth") == width
    out = """[...document.querySelectorAll("main *, header *")].filter(e => e.checkVisibility() &&
        !e.closest(".scroll") && e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.outerHTML)"""
    assert tab.evaluate(out) == []
    boxes = tab.evaluate("[...document.querySelectorAll('.scroll')].map(e => [e.clientWidth, e.scrollWidth])")
    assert boxes[0][1] > boxes[0][0] <= width
    sizes = "[...document.querySelectorAll('p, td, th, dt, dd, .name, .amount')]"
    assert tab.evaluate(f"Math.min(...{sizes}.map(e => parseFloat(getComputedStyle(e).fontSize)))") >= 12
    tab.click("table a.why[data-name^='energy of']")
    assert tab.evaluate("document.querySelector('dialog').getBoundingClientRect().right") <= width
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert tab.complaints() == []
    tab.close()


def test_light_and_dark_are_both_easy_to_read(browser: Browser, page: Path) -> None:
    papers = []
    for is_dark in (False, True):
        tab = Tab(browser, page, is_dark=is_dark)
        tab.click(f"[data-choose='{NUM_MODELS - 1}']")
        seen = tab.evaluate(CONTRAST)
        assert len(seen["texts"]) > 500
        assert len(seen["marks"]) > 30
        assert min(seen["texts"]) >= 4.5
        assert min(seen["marks"]) >= 3
        papers.append(seen["paper"])
        tab.click("table a.why")
        assert min(tab.evaluate(CONTRAST)["texts"]) >= 4.5
        tab.close()
    assert min(papers[0]) > 240
    assert max(papers[1]) < 40


def test_paper_is_white_and_without_buttons(browser: Browser, page: Path) -> None:
    tab = Tab(browser, page, 760, is_dark=True, media="print")
    seen = tab.evaluate(CONTRAST)
    assert min(seen["paper"]) > 240
    assert min(seen["texts"]) >= 4.5
    assert not tab.evaluate("document.querySelector('.chooser').checkVisibility()")
    assert tab.evaluate("document.querySelector('#why-spread').checkVisibility()")
    pdf = base64.b64decode(tab.send("Page.printToPDF")["data"])
    assert pdf.startswith(b"%PDF")
    tab.close()


def test_a_hostile_name_stays_a_name(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "hostile.html"
    path.write_text(render(hostile(sample_report())), encoding="utf-8")
    tab = Tab(browser, path)
    tab.click("table a.why")
    assert tab.evaluate("document.querySelector('h1').textContent") == HOSTILE
    assert tab.evaluate("document.title") == f"Energy of {HOSTILE}"
    assert tab.evaluate("document.images.length") == 0
    assert tab.complaints() == []
    assert tab.requests() == [path.as_uri()]
    tab.close()


def test_the_browser_hears_a_page_that_complains_and_asks(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text("<img src='other.png'><script>missing()</script>", encoding="utf-8")
    tab = Tab(browser, path)
    assert "missing is not defined" in json.dumps(tab.complaints())
    assert [url.rpartition("/")[2] for url in tab.requests()] == ["bad.html", "other.png"]
    tab.close()
