"""Attention maps of all rows on one sample: a picture a head, with the numbers that its colours reach."""

from collections.abc import Iterator, Mapping, Sequence
from math import isqrt

from snnpd.comparison.page.axes import title_of
from snnpd.comparison.page.formats import plain
from snnpd.comparison.page.pictures import Matrix, extremes, grey_picture, shrunk, signed_picture
from snnpd.comparison.page.rows import Part, Row
from snnpd.energy.page.markup import Html, element, join

MAX_SIDE = 64
_MAX_PIXELS = 1_000_000


def attention_maps(rows: Sequence[Row], maps: Part) -> Html:
    """The sample, then a block a row in the order of the grid."""
    given: Mapping[str, Sequence[Part]] = maps.get("rows", {})
    shown = [(row, given[row.data["key"]]) for row in rows if given.get(row.data["key"])]
    if not shown:
        return element("p", "No attention maps were kept.", class_="none")
    side = _side(sum(len(layer["heads"]) for _, layers in shown for layer in layers))
    blocks = [_block(row, layers, side) for row, layers in shown]
    return join([_sample(maps["sample"]), element("div", *blocks, class_="blocks")])


def _side(num: int) -> int:
    """As many pixels a side as keep the page small, whatever number of maps there is."""
    return max(8, min(MAX_SIDE, isqrt(_MAX_PIXELS // max(num, 1))))


def _sample(sample: Part) -> Html:
    size = f"{len(sample['values'])} × {len(sample['values'][0])}"
    low, high = (plain(end) for end in extremes([sample["values"]]))
    says = (
        f"The sample: {sample['kind']}, {size}, label {sample['label']}, from {low} (black) to {high} (white)"
    )
    picture = grey_picture(sample["values"], says)
    return element("figure", picture, element("figcaption", f"{says}."), class_=f"sample {sample['kind']}")


def _block(row: Row, layers: Sequence[Part], side: int) -> Html:
    figures = [part for layer in layers for part in _layer(row, layer, side)]
    return element("div", element("h3", title_of(row)), *figures, class_="block", data_number=row.number)


def _layer(row: Row, layer: Part, side: int) -> Iterator[Html]:
    heads: Sequence[Matrix] = layer["heads"]
    low, high = extremes(heads)
    small = [shrunk(head, side) for head in heads]
    peak = max(map(abs, extremes(small)))
    pictures = [
        signed_picture(head, peak, f"{row.name}, {layer['layer']}, head {i}")
        for i, head in enumerate(small, 1)
    ]
    size = f"{len(heads[0])} queries × {len(heads[0][0])} keys"
    shrink = (
        "" if len(small[0]) == len(heads[0]) else f", in pictures of {len(small[0])} × {len(small[0][0])}"
    )
    yield element(
        "p", f"{layer['layer']}: {size}{shrink}, from {_weight(low)} to {_weight(high)}", class_="layer"
    )
    yield element("div", *pictures, class_="heads")


def _weight(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")
