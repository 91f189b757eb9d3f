"""The page as text: it stands alone, escapes what it is given, and leaves no number without its rule."""

import re
from collections.abc import Callable
from copy import deepcopy
from html.parser import HTMLParser
from typing import Any

import pytest

from snnpd.energy.page import render
from snnpd.energy.page.figures import MEMORY, energy_by_role_pj
from snnpd.errors import UsageError
from tests.energy.page.sample import sample_report

HOSTILE = """</script><script>document.title = "taken"</script><img src="x" onerror='a&b'> $model"""
VOID = {"meta", "link", "wbr"}


class Outline(HTMLParser):
    """All elements with their attributes, the text of the cells, and whether every tag is closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[list[Any]] = []
        self.heading, self._open = "", [""]
        self.feed(page)
        assert self._open == [""]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "td":
            self.cells.append([dict(attrs).get("class") or "", "", False])
        if tag == "a" and "td" in self._open:
            self.cells[-1][2] = "data-why" in dict(attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self._open:
            self.cells[-1][1] += data
        if "h1" in self._open:
            self.heading += data


@pytest.fixture
def report() -> dict[str, Any]:
    return sample_report()


def hostile(report: dict[str, Any]) -> dict[str, Any]:
    """The report with the hostile text wherever somebody's names may stand."""
    first = report["cost_models"][0]["name"]
    for owner in (*report["layers"], *report["baselines"], report["totals"]):
        owner["energy_pj"][HOSTILE] = owner["energy_pj"].pop(first)
    report["cost_models"][0] |= {"name": HOSTILE, "source": HOSTILE, "assumptions": [HOSTILE]}
    report["baselines"][0] |= {"name": HOSTILE, "assumptions": [HOSTILE]}
    for layer in report["layers"]:
        layer |= {"name": f"{HOSTILE}.{HOSTILE}", "type": HOSTILE, "alphabet": HOSTILE}
        for access in layer["accesses"]:
            access |= {"what": HOSTILE, "mode": HOSTILE}
    report["unpriced"][0] |= {"layer": HOSTILE, "function": HOSTILE}
    report["rules"] = dict.fromkeys(report["rules"], HOSTILE) | {'1"><script>': HOSTILE}
    return report | {"model": HOSTILE, "data": HOSTILE, "snnpd_version": HOSTILE}


def test_the_same_report_gives_the_same_page(report: dict[str, Any]) -> None:
    before = deepcopy(report)
    assert render(report) == render(before)
    assert report == before


@pytest.mark.parametrize("change", [lambda report: report, hostile], ids=["sample", "hostile"])
def test_the_page_stands_alone_and_runs_one_script(report: dict[str, Any], change: Callable) -> None:
    page = render(change(report))
    outline = Outline(page)
    tags = [tag for tag, _ in outline.elements]
    assert tags.count("script") == 1
    assert not {"img", "iframe", "object", "embed", "base"} & set(tags)
    for tag, attributes in outline.elements:
        assert "src" not in attributes
        assert attributes.get("href", "#").startswith(("#", "data:,")), tag
        assert not [name for name in attributes if name.startswith("on")]
    assert not re.search(r"url\(|@import|https?://", page.split("<body>")[0])


def test_names_come_out_as_they_went_in(report: dict[str, Any]) -> None:
    assert Outline(render(hostile(report))).heading == HOSTILE


@pytest.mark.parametrize("change", [lambda report: report, hostile], ids=["sample", "hostile"])
def test_every_number_has_a_rule_on_the_page(report: dict[str, Any], change: Callable) -> None:
    outline = Outline(render(change(report)))
    notes = {attributes.get("id") for _, attributes in outline.elements}
    rests = [attributes["data-why"] for _, attributes in outline.elements if "data-why" in attributes]
    assert len(rests) > 500
    assert {f"why-{identifier}" for why in rests for identifier in why.split()} <= notes
    numbers = [
        (text, linked) for look, text, linked in outline.cells if "number" in look and text not in ("", "–")
    ]
    assert len(numbers) > 300
    assert all(linked for _, linked in numbers)


def test_the_report_explains_in_its_own_words(report: dict[str, Any]) -> None:
    report["rules"]["rate"] = "Spikes seen by the next layer."
    assert report["rules"]["rate"] in render(report)


def test_roles_and_memory_make_up_the_energy_of_a_layer(report: dict[str, Any]) -> None:
    with_memory = set()
    for model in report["cost_models"]:
        for layer in report["layers"]:
            energy = energy_by_role_pj(layer, model)
            assert sum(energy.values()) == pytest.approx(layer["energy_pj"][model["name"]], rel=1e-9)
            with_memory |= {model["name"]} if MEMORY in energy else set()
    assert with_memory == {"lemaire", "step"}


def test_roles_are_priced_by_class() -> None:
    model = {"name": "m", "prices": [price("ac", 8, 0.5), price("shift", 8, 0.25), price("ac", 16, 2.0)]}
    operations = [
        operation("values", "ac", 8, 10),
        operation("values", "shift", 8, 4),
        operation("pool", "ac", 16, 3),
    ]
    layer = {"name": "l", "operations": operations, "energy_pj": {"m": 15.0}}
    # 10 · 0.5 + 4 · 0.25; 3 · 2; 15 − 12
    assert energy_by_role_pj(layer, model) == {"values": 6.0, "pool": 6.0, "memory": 3.0}


def price(kind: str, bits: int, energy_pj: float) -> dict[str, Any]:
    return {"kind": kind, "bits": bits, "is_float": False, "energy_pj": energy_pj}


def operation(role: str, kind: str, bits: int, done: float) -> dict[str, Any]:
    return {
        "role": role,
        "kind": kind,
        "bits": bits,
        "is_float": False,
        "done": done,
        "std": 0.0,
        "skipped": 0.0,
    }


@pytest.mark.parametrize(
    ("without", "text"),
    [
        ("unpriced", "Every function of this network has a price"),
        ("layers", "No layer of this network fires"),
        ("layers", "No words were counted"),
    ],
)
def test_what_a_report_lacks_is_said(report: dict[str, Any], without: str, text: str) -> None:
    assert text not in render(report)
    page = render(report | {without: []})
    assert text in page
    assert ("not in this figure" in page) == (without != "unpriced")
    Outline(page)


def test_a_network_without_baselines_stands_alone(report: dict[str, Any]) -> None:
    count = len(report["cost_models"])
    assert render(report).count('class="baseline"') == 2 * count
    page = render(report | {"baselines": []})
    assert page.count('class="baseline"') == 0
    assert page.count('class="network"') == count


def test_a_network_that_costs_nothing_has_a_page(report: dict[str, Any]) -> None:
    names = list(report["totals"]["energy_pj"])
    for owner in (*report["layers"], *report["baselines"]):
        owner |= {"operations": [], "accesses": [], "energy_pj": dict.fromkeys(names, 0.0)}
    report["totals"] = {"operations": [], "energy_pj": {name: {"mean": 0.0, "std": 0.0} for name in names}}
    body = render(report).split("<body>")[1]
    assert body.count(">0 pJ</a>") > 2 * len(report["layers"])
    assert not re.search(r"\bnan\b|\binf\b", body)


def without_schema(report: dict[str, Any]) -> None:
    report["schema"] = "snnpd.energy/9"


def without_costs(report: dict[str, Any]) -> None:
    report["cost_models"] = []


def without_a_price(report: dict[str, Any]) -> None:
    report["cost_models"][1]["prices"] = [
        p for p in report["cost_models"][1]["prices"] if p["kind"] != "shift"
    ]


def without_a_rule(report: dict[str, Any]) -> None:
    del report["rules"]["role:neuron"]


def with_another_role(report: dict[str, Any]) -> None:
    report["layers"][0]["operations"][0]["role"] = "linaer"


def with_too_little_energy(report: dict[str, Any]) -> None:
    report["layers"][0]["energy_pj"]["horowitz45"] /= 2


def with_a_gap_in_a_rule(report: dict[str, Any]) -> None:
    report["rules"]["role linear"] = "a space"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without_schema, "a report of schema 'snnpd.energy/9', not 'snnpd.energy/1'; make the report again"),
        (without_costs, "without a cost model; name at least one"),
        (without_a_price, "cost model 'community' lists no price of shift on 32-bit float words"),
        (without_a_rule, "rules do not explain 'role:neuron'"),
        (with_another_role, "unknown role 'linaer'; did you mean 'linear'"),
        (with_too_little_energy, "layer 'stem.convs.0' has operations of .* pJ in a total of"),
        (with_a_gap_in_a_rule, "a rule is called 'role linear'; leave out the spaces"),
    ],
)
def test_reports_that_do_not_add_up(report: dict[str, Any], spoil: Callable, message: str) -> None:
    spoil(report)
    with pytest.raises(UsageError, match=message) as raised:
        render(report)
    assert "\n" not in str(raised.value)
