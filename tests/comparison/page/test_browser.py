"""The page at work in a real browser: marks stand where their numbers say, choosers, sorting."""

from collections.abc import Sequence
from itertools import combinations
from math import log10
from typing import Any

import pytest

from tests.comparison.page.sample import MODELS, sample_summary
from tests.energy.page.browser import Tab
from tests.energy.page.test_browser import COLUMNS, is_sorted

SUMMARY = sample_summary()
ROWS = SUMMARY["rows"]
DRAWN = range(7)

# Middles of all visible elements that a selector finds, with their halves, relative to nothing.
BOXES = """[...document.querySelectorAll(%r)].filter(e => e.checkVisibility()).map(e => {
  const { left, right, top, bottom } = e.getBoundingClientRect();
  return [(left + right) / 2, (top + bottom) / 2, left, right, top, bottom];
})"""


def boxes(tab: Tab, selector: str) -> list[list[float]]:
    return tab.evaluate(BOXES % selector)


def mean(row: int, measure: str) -> float:
    return ROWS[row]["measures"][measure]["mean"]


def assert_on_one_scale(pixels: Sequence[float], values: Sequence[float], least: float) -> None:
    """Pixels go with values by one straight line, over `least` pixels at the least."""
    low, high = values.index(min(values)), values.index(max(values))
    slope = (pixels[high] - pixels[low]) / (values[high] - values[low])
    assert abs(pixels[high] - pixels[low]) > least
    expected = [pixels[low] + slope * (value - values[low]) for value in values]
    assert list(pixels) == pytest.approx(expected, abs=0.3)


@pytest.mark.parametrize("cost", range(len(MODELS)), ids=MODELS)
def test_marks_stand_at_their_energy_and_accuracy(tab: Tab, cost: int) -> None:
    tab.click(f"[data-choose='{cost}']")
    marks = boxes(tab, ".plot [data-number] .mark")
    whiskers = boxes(tab, ".plot [data-number] .whisker")
    assert len(marks) == len(whiskers) == len(DRAWN)
    across, down = ticks(tab)
    # Triangles do not stand on the middle of their boxes; whiskers have the x of the mark.
    energies = [log10(mean(i, f"energy_pj.{MODELS[cost]}")) for i in DRAWN]
    assert_on_one_scale(
        [x for x, *_ in whiskers] + [x for x, _ in across], energies + [log10(e) for _, e in across], 200
    )
    upright = [i for i in DRAWN if ROWS[i]["family"] != "converted"]
    ends = [ROWS[i]["accuracy_interval"] for i in DRAWN]
    heights = [marks[i][1] for i in upright] + [box[5] for box in whiskers] + [box[4] for box in whiskers]
    values = [mean(i, "accuracy") for i in upright] + [low for low, _ in ends] + [high for _, high in ends]
    assert_on_one_scale(heights + [y for y, _ in down], values + [a for _, a in down], 200)


def ticks(tab: Tab) -> tuple[list[list[float]], list[list[float]]]:
    """Where the lines of both axes stand, with the energies in pJ and the accuracies that are written at them."""
    seen = tab.evaluate(
        """(plot => [...plot.querySelectorAll(".rule")].map(line => [line.getBoundingClientRect(),
        line.nextElementSibling.textContent]).map(([box, text]) => [box.x, box.y, text]))(
        [...document.querySelectorAll(".plot > svg")].find(e => e.checkVisibility()))"""
    )
    units = {"pJ": 1.0, "nJ": 1e3, "µJ": 1e6, "mJ": 1e9}
    across = [[x, float(t.split()[0]) * units[t.split()[1]]] for x, _, t in seen if t.endswith("J")]
    return across, [[y, float(text.split()[0]) / 100] for _, y, text in seen if text.endswith("%")]


def test_the_front_passes_the_rows_that_no_other_beats(tab: Tab) -> None:
    numbers = [(mean(i, f"energy_pj.{MODELS[0]}"), mean(i, "accuracy"), i) for i in DRAWN]
    best = [i for e, a, i in sorted(numbers) if not any(f <= e and b >= a and j != i for f, b, j in numbers)]
    assert len(best) >= 4
    marks = boxes(tab, ".plot [data-number] .mark")
    lines = boxes(tab, ".plot .front")
    assert [[left, top] for _, _, left, _, top, _ in lines[::2]] == [
        pytest.approx(marks[i][:2], abs=0.3) for i in best
    ]
    bold = tab.evaluate(
        "[...document.querySelectorAll('.key .best .id')].filter(e => e.checkVisibility()).map(e => +e.innerText)"
    )
    assert bold == sorted(i + 1 for i in best)


def test_labels_do_not_cover_each_other(tab: Tab) -> None:
    tags = boxes(tab, ".plot .tag")
    assert len(tags) == len(DRAWN)
    for (*_, l1, r1, t1, b1), (*_, l2, r2, t2, b2) in combinations(tags, 2):
        assert r1 <= l2 or r2 <= l1 or b1 <= t2 or b2 <= t1


def test_forests_put_differences_about_zero(tab: Tab) -> None:
    figures = tab.evaluate(
        """[...document.querySelectorAll(".forest")].map(figure => [...figure.querySelectorAll(".pair")].map(row =>
        ["zero", "difference", "whisker"].map(name => {
          const { left, right } = row.querySelector("." + name).getBoundingClientRect();
          return [left, (left + right) / 2, right];
        })))"""
    )
    drawn = [row for figure in figures for row in figure]
    assert (len(figures), len(drawn)) == (4, len(SUMMARY["pairs"]))
    pairs = iter(SUMMARY["pairs"])
    for figure in figures:
        pixels, values = [], []
        for (_, zero, _), (_, middle, _), (low, _, high) in figure:
            pair = next(pairs)
            pixels += [zero, middle, low, high]
            values += [0.0, pair["difference"], *pair["interval"]]
        assert_on_one_scale(pixels, values, 200)


def test_dots_and_curves_stand_at_their_numbers(tab: Tab) -> None:
    values = [value for i in DRAWN for value in ROWS[i]["measures"]["head_distance"]["values"]]
    assert_on_one_scale([x for x, *_ in boxes(tab, ".seed")], values, 100)
    means = [mean(i, "head_distance") for i in DRAWN]
    bars, dots = boxes(tab, "svg .mean"), boxes(tab, ".seed")
    assert_on_one_scale([x for x, *_ in bars + dots], means + values, 100)
    for place, kind, num in ((0, "noise", 7), (1, "steps", 5)):
        panels = tab.evaluate(
            f"""[...document.querySelectorAll(".multiples")].at({place}).querySelectorAll("figure").values()
            .map(f => [f.querySelector("svg[height]").getBoundingClientRect(), f]).map(([box, f]) =>
              [...f.querySelectorAll("circle")].map(c => c.getBoundingClientRect())
              .map(c => [c.left + c.width / 2 - box.left, c.top + c.height / 2 - box.top])).toArray()"""
        )
        curves = [row["curves"][kind] for row in ROWS if kind in row["curves"]]
        assert len(panels) == len(curves) == num
        points = [point for panel in panels for point in panel]
        assert_on_one_scale([x for x, _ in points], [v for curve in curves for v in curve["levels"]], 60)
        assert_on_one_scale([y for _, y in points], [v for curve in curves for v in curve["accuracy"]], 30)


def shown_twins(tab: Tab) -> list[list[Any]]:
    return tab.evaluate(
        """[...document.querySelectorAll(".twin")].map(twin => [Number(twin.firstChild.dataset.number) - 1,
        [...twin.querySelectorAll("rect")].map(r => r.getBoundingClientRect().width),
        [...twin.querySelectorAll(".amount")].map(a => a.innerText)])"""
    )


def assert_twins_are_drawn(tab: Tab, chosen: Sequence[int], cost: int) -> None:
    twins = shown_twins(tab)
    assert [row for row, *_ in twins] == list(chosen)
    energies = [[layer["energy_pj"][MODELS[cost]] for layer in ROWS[i]["layers"]] for i in chosen]
    widths = [width for _, widths, _ in twins for width in widths]
    flat = [energy for layers in energies for energy in layers]
    assert max(widths) > 150
    assert widths == pytest.approx([e / max(flat) * max(widths) for e in flat], abs=0.1)
    assert all(text.endswith("J") for *_, texts in twins for text in texts)


def test_twins_are_drawn_on_one_scale_and_chosen(tab: Tab) -> None:
    assert_twins_are_drawn(tab, (0, 2), 0)
    tab.click("[data-choose='1']")
    assert_twins_are_drawn(tab, (0, 2), 1)
    tab.evaluate(
        """(select => { select.value = "6"; select.dispatchEvent(new Event("change", { bubbles: true })); })(
        document.querySelector("select[data-side='right']"))"""
    )
    assert_twins_are_drawn(tab, (0, 5), 1)


def test_the_chooser_changes_the_plot_and_the_table(tab: Tab) -> None:
    shown = "[...document.querySelectorAll('[data-cost]')].filter(e => e.checkVisibility()).map(e => e.dataset.cost)"
    for cost in (1, 0):
        tab.click(f"[data-choose='{cost}']")
        assert set(tab.evaluate(shown)) == {str(cost)}
        assert len(boxes(tab, ".plot")) == 1
        assert f"priced by {MODELS[cost]}" in tab.evaluate(
            "[...document.querySelectorAll('.scatter')].find(e => e.checkVisibility()).innerText"
        )


def test_every_column_sorts_in_both_directions(tab: Tab) -> None:
    columns = tab.evaluate(COLUMNS % 0)
    assert [title for title, *_ in columns[:5]] == ["row", "family", "T", "accuracy", "energy"]
    assert len(columns) == 18
    for number, (title, kind, _, before) in enumerate(columns):
        orders = []
        for _ in range(2):
            tab.evaluate(
                f"""[...document.querySelector("table").tHead.rows[0].cells].filter(th => th.checkVisibility())
                [{number}].querySelector("button").click()"""
            )
            after = tab.evaluate(COLUMNS % 0)
            _, _, direction, values = after[number]
            assert sorted(map(str, values)) == sorted(map(str, before))
            # A browser sorts words by their language, not by their code points.
            assert kind == "text" or is_sorted(kind, values, rising=direction == "ascending"), title
            orders.append((direction, values))
        assert {direction for direction, _ in orders} == {"ascending", "descending"}
        assert (orders[0][1] != orders[1][1]) == (len({*before} - {None}) > 1)


def test_a_keyboard_sorts_by_the_chosen_energy(tab: Tab) -> None:
    tab.click("[data-choose='1']")
    tab.evaluate("document.querySelector(\"th[data-cost='1'] button\").focus()")
    for rising in (False, True):
        tab.press("Enter")
        title, kind, direction, values = (tab.evaluate(COLUMNS % 0))[4]
        assert (title.split()[0], direction) == ("energy", "ascending" if rising else "descending")
        assert is_sorted(kind, values, rising)
        expected = sorted((mean(i, f"energy_pj.{MODELS[1]}") for i in DRAWN), reverse=not rising)
        assert [float(value) for value in values if value] == expected


def test_pictures_are_drawn_in_their_shape(tab: Tab) -> None:
    images = boxes(tab, ".heads .picture")
    assert len(images) == 3 * 2 * 4
    assert all(
        right - left == pytest.approx(bottom - top, abs=2.5) for *_, left, right, top, bottom in images
    )
    assert all(right - left > 50 for *_, left, right, _, _ in images)
