"""Marks of the families: each has a shape of its own, so that none is told by its colour alone."""

from snnpd.comparison.page.rows import FAMILIES
from snnpd.energy.page.markup import Html, element

SHAPES = {
    "ann": "M-5-5h10v10h-10z",
    "quantised": "M0-6.5L6.5 0 0 6.5-6.5 0z",
    "ann control": "M-4.5-4.5h9v9h-9z",
    "snn": "M-5.5 0a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0-11 0z",
    "snn control": "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
    "converted": "M0-6.5L6 5H-6z",
    "inherited": "M0 6.5L6-5H-6z",
}
_OPEN = ("ann control", "snn control")
_MEANINGS = {
    "ann": "ANN",
    "quantised": "ANN, quantised",
    "ann control": "ANN control",
    "snn": "SNN",
    "snn control": "SNN control",
    "converted": "SNN converted from the ANN",
    "inherited": "SNN begun from the ANN's weights",
}


def look(family: str) -> str:
    """The class that gives a family its colour."""
    return f"family-{family.replace(' ', '-')}"


def shape(family: str) -> Html:
    """The mark about the origin of an SVG."""
    hollow = " hollow" if family in _OPEN else ""
    return element("path", d=SHAPES[family], class_=f"mark {look(family)}{hollow}")


def swatch(family: str) -> Html:
    """The mark within a line of text."""
    return element(
        "svg",
        shape(family),
        viewBox="-8 -8 16 16",
        width=14,
        height=14,
        class_="sign",
        role="img",
        aria_label=meaning(family),
    )


def meaning(family: str) -> str:
    """A family in words."""
    return _MEANINGS[family]


def legend(families: set[str]) -> Html:
    """The marks that a chart has, with what they stand for."""
    items = (element("li", swatch(f), " ", meaning(f)) for f in FAMILIES if f in families)
    return element("ul", *items, class_="legend")
