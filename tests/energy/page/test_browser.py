"""The page at work in a real browser: marks as long as their numbers, the chooser, sorting, assumptions."""

from itertools import pairwise

import pytest

from snnpd.energy.page.figures import energy_by_role_pj
from tests.energy.page.browser import Tab
from tests.energy.page.sample import sample_report

REPORT = sample_report()
MODELS = [model["name"] for model in REPORT["cost_models"]]


@pytest.mark.parametrize("cost", range(len(MODELS)), ids=MODELS)
def test_marks_are_as_long_as_the_energies(tab: Tab, cost: int) -> None:
    tab.click(f"[data-choose='{cost}']")
    rows = tab.evaluate(
        """[...document.querySelectorAll(".chart[data-cost] .row:not(.axis)")].filter(e => e.checkVisibility())
        .map(row => [...row.querySelectorAll("rect")].map(rect => {
          const { left, width } = rect.getBoundingClientRect();
          return [rect.classList[0], left, width];
        }))"""
    )
    model = REPORT["cost_models"][cost]
    energies = [energy_by_role_pj(layer, model) for layer in REPORT["layers"]]
    assert [[role for role, *_ in row] for row in rows] == [list(energy) for energy in energies]
    longest = max(range(len(rows)), key=lambda i: sum(energies[i].values()))
    pixels_a_pj = sum(width for *_, width in rows[longest]) / sum(energies[longest].values())
    assert sum(width for *_, width in rows[longest]) > 300
    for row, energy in zip(rows, energies, strict=True):
        expected = [part * pixels_a_pj for part in energy.values()]
        assert [width for *_, width in row] == pytest.approx(expected, abs=0.1)
        for (_, left, width), (_, right, _) in pairwise(row):
            assert left + width == pytest.approx(right, abs=0.1)


def test_marks_of_rates_and_baselines_are_as_long_as_their_numbers(tab: Tab) -> None:
    widths = """[...document.querySelectorAll("%s rect")].map(r => r.getBoundingClientRect().width)"""
    rates = [layer["firing_rate"] for layer in REPORT["layers"] if layer["firing_rate"] is not None]
    drawn = tab.evaluate(widths % ".chart:not([data-cost])")
    assert len(rates) > 10
    assert drawn == pytest.approx([rate * drawn[0] / rates[0] for rate in rates], abs=0.1)
    for cost, name in enumerate(MODELS):
        energies = [REPORT["totals"]["energy_pj"][name]["mean"]]
        energies += [baseline["energy_pj"][name] for baseline in REPORT["baselines"]]
        drawn = tab.evaluate(widths % f"[data-panel='{cost}']")
        assert max(drawn) > 100
        assert drawn == pytest.approx([e * max(drawn) / max(energies) for e in energies], abs=0.1)


def test_the_chooser_changes_charts_tables_and_the_head_line(tab: Tab) -> None:
    shown = """[...document.querySelectorAll("[data-cost]")].filter(e => e.checkVisibility())
        .map(e => e.dataset.cost)"""
    totals = set()
    for cost in (1, 0, 2):
        tab.click(f"[data-choose='{cost}']")
        assert set(tab.evaluate(shown)) == {str(cost)}
        assert tab.evaluate("document.querySelector('[aria-pressed=true]').innerText") == MODELS[cost]
        totals.add(tab.evaluate(f"document.querySelector(\"[data-cost='{cost}'] .total\").innerText"))
    assert len(totals) == 3


# Of a table: every visible column's title, kind and values in the order of its rows; null where there is none.
COLUMNS = """(() => {
  const table = document.querySelectorAll("table")[%d];
  return [...table.tHead.rows[0].cells].filter((th) => th.checkVisibility()).map((th) => [
    th.innerText, th.dataset.sort, th.getAttribute("aria-sort"),
    [...table.tBodies[0].rows].map((row) => row.cells[th.cellIndex].dataset.value ?? null),
  ]);
})()"""


def is_sorted(kind: str, values: list[str | None], rising: bool) -> bool:
    given = [value for value in values if value is not None]
    assert values == given + [None] * (len(values) - len(given))
    numbers = [float(value) for value in given] if kind == "number" else given
    return numbers == sorted(numbers, reverse=not rising)


@pytest.mark.parametrize("table", [0, 1, 2])
def test_every_column_sorts_in_both_directions(tab: Tab, table: int) -> None:
    columns = tab.evaluate(COLUMNS % table)
    assert len(columns) == [9, 7, 5][table]
    for number, (_, kind, _, before) in enumerate(columns):
        orders = []
        for _ in range(2):
            tab.evaluate(
                f"""[...document.querySelectorAll("table")[{table}].tHead.rows[0].cells]
                .filter(th => th.checkVisibility())[{number}].querySelector("button").click()"""
            )
            after = tab.evaluate(COLUMNS % table)
            _, _, direction, values = after[number]
            assert is_sorted(kind, values, rising=direction == "ascending")
            assert sorted(map(str, values)) == sorted(map(str, before))
            assert [column[2] for column in after if column[2]] == [direction]
            orders.append((direction, values))
        assert {direction for direction, _ in orders} == {"ascending", "descending"}
        assert (orders[0][1] != orders[1][1]) == (len({*before} - {None}) > 1)


def test_sorting_follows_the_cost_model(tab: Tab) -> None:
    name = "table th[data-cost='0']"
    tab.click(name + " button")
    tab.click("[data-choose='2']")
    title, kind, direction, values = tab.evaluate(COLUMNS % 0)[-1]
    assert (title.split()[0], direction) == ("energy", "descending")
    assert is_sorted(kind, values, rising=False)
    expected = sorted((layer["energy_pj"][MODELS[2]] for layer in REPORT["layers"]), reverse=True)
    assert [float(value) for value in values] == expected


def test_every_number_opens_what_it_rests_on(tab: Tab) -> None:
    opened = tab.evaluate(
        """[...document.querySelectorAll("[data-why]")].map((mark) => {
          mark.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
          const panel = document.querySelector("dialog[open]");
          const notes = [...panel.querySelectorAll(".note")];
          const told = [panel.querySelector("h2").innerText, notes.length === mark.dataset.why.split(" ").length,
            Math.min(...notes.map((note) => note.innerText.trim().length))];
          panel.close();
          return told;
        })"""
    )
    assert len(opened) > 500
    assert all(name and is_whole and shortest > 12 for name, is_whole, shortest in opened)
    numbers = tab.evaluate(
        """[...document.querySelectorAll("td.number")].filter(td => /\\d/.test(td.innerText)
          && !td.querySelector("[data-why]")).length"""
    )
    assert numbers == 0


def test_a_mouse_and_a_keyboard_open_and_close_the_panel(tab: Tab) -> None:
    is_open = "document.querySelector('dialog').open"
    mac = "table td.number a.why"
    tab.click(mac)
    assert tab.evaluate(is_open)
    tab.click("dialog form button")
    assert not tab.evaluate(is_open)
    tab.evaluate(f"document.querySelector('{mac}').focus()")
    tab.press("Enter")
    assert tab.evaluate(is_open)
    layer, operation = REPORT["layers"][0], REPORT["layers"][0]["operations"][0]
    assert tab.evaluate("document.querySelector('dialog h2').innerText") == f"mac of {layer['name']}"
    assert tab.evaluate("document.querySelector('dialog .exact').innerText") == f"{operation['done']:,.0f}"
    assert REPORT["rules"]["role:linear"] in tab.evaluate("document.querySelector('dialog').innerText")
    tab.press("Escape")
    assert not tab.evaluate(is_open)


def test_one_stop_of_the_tabulator_a_table_and_arrows_inside(tab: Tab) -> None:
    stops = """[...document.querySelectorAll("tbody")]
        .map(body => body.querySelectorAll("a.why:not([tabindex='-1'])").length)"""
    assert tab.evaluate(stops) == [1] * 4
    tab.evaluate("document.querySelector('tbody a.why').focus()")
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        tab.press(key)
    # The second layer is a neuron: behind its name and alphabet stands its rate, then how many mac it does.
    assert tab.evaluate("document.activeElement.dataset.name") == f"mac of {REPORT['layers'][1]['name']}"
