"""The page as text: it stands alone, escapes what it is given, and says what a comparison lacks."""

import re
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from snnpd.comparison.page import render
from snnpd.errors import UsageError
from tests.comparison.page.sample import MODELS, sample_summary
from tests.energy.page.test_page import HOSTILE, Outline

PICTURE = "data:image/png;base64,"


@pytest.fixture
def summary() -> dict[str, Any]:
    return sample_summary()


def same(summary: dict[str, Any]) -> dict[str, Any]:
    return summary


def hostile(summary: dict[str, Any]) -> dict[str, Any]:
    """The summary with the hostile text wherever somebody's names may stand."""
    old = summary["cost_models"][0]["name"]
    summary["cost_models"][0] |= {"name": HOSTILE, "source": HOSTILE, "assumptions": [HOSTILE]}
    for row in summary["rows"]:
        if row["status"] != "failed":
            row["measures"][f"energy_pj.{HOSTILE}"] = row["measures"].pop(f"energy_pj.{old}")
        for layer in row["layers"]:
            layer["energy_pj"][HOSTILE] = layer["energy_pj"].pop(old)
            layer["name"] = f"{HOSTILE}.{HOSTILE}"
        for curve in row["curves"].values():
            curve["unit"] = HOSTILE
        row["key"] += HOSTILE
        row |= {"label": HOSTILE, "neuron": HOSTILE, "reasons": [HOSTILE] if row["reasons"] else []}
    for pair in summary["pairs"]:
        pair |= {"first": pair["first"] + HOSTILE, "second": HOSTILE, "question": HOSTILE}
    maps = {key + HOSTILE: layers for key, layers in summary["maps"]["rows"].items()}
    for layer in (layer for layers in maps.values() for layer in layers):
        layer["layer"] = HOSTILE
    summary["maps"] = {"sample": summary["maps"]["sample"] | {"label": HOSTILE}, "rows": maps}
    summary["data"]["name"] = summary["name"] = summary["command"] = HOSTILE
    given = {"budget": [HOSTILE], "reading": [HOSTILE], "questions": {HOSTILE: HOSTILE}}
    return summary | given | {"snnpd_version": HOSTILE, "reference": None}


def test_the_same_summary_gives_the_same_page(summary: dict[str, Any]) -> None:
    before = deepcopy(summary)
    assert render(summary) == render(before)
    assert summary == before


@pytest.mark.parametrize("change", [same, hostile])
def test_the_page_stands_alone_and_runs_one_script(summary: dict[str, Any], change: Callable) -> None:
    page = render(change(summary))
    outline = Outline(page)
    tags = [tag for tag, _ in outline.elements]
    assert tags.count("script") == 1
    assert tags.count("image") == 1 + 3 * 2 * 4
    assert not {"img", "iframe", "object", "embed", "base"} & set(tags)
    for tag, attributes in outline.elements:
        assert "src" not in attributes
        assert attributes.get("href", "#").startswith(PICTURE if tag == "image" else ("#", "data:,")), tag
        assert not [name for name in attributes if name.startswith("on")]
    assert not re.search(r"url\(|@import|https?://", page.split("<body>")[0])


def test_names_come_out_as_they_went_in(summary: dict[str, Any]) -> None:
    assert Outline(render(hostile(summary))).heading == HOSTILE


def test_links_within_the_page_lead_somewhere(summary: dict[str, Any]) -> None:
    elements = Outline(render(summary)).elements
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes["href"] for _, attributes in elements if attributes.get("href", "").startswith("#")}
    assert links == {"#notes", "#all-noise", "#all-steps"}
    assert {link[1:] for link in links} <= set(ids)


@pytest.mark.parametrize(
    "text",
    [
        "96.2 ± 0.4 %",
        "[94.3, 97.7 %]",
        "25,866",
        "failed: seeds 0, 1, 2: TrainingError: the loss is not finite in epoch 3",
        "partial: seeds 0, 2 of 0, 1, 2: seed 1: TrainingError: the loss is not finite",
        "<b>−1.30</b> [−2.90, +0.30]",
        "p 0.11, over seeds 0.22; Holm 0.33",
        "Holm &lt; 0.001",
        "○ no difference shown",
        "▼ lower",
        "6 done, 1 partial, 1 failed",
        "30 min 34 s in 2 processes",
        "8 × 8, label 3",
        "attention maps: not for rows 2, 4, 6, 7",
        "training, MiB: for no row",
    ],
)
def test_the_page_says(summary: dict[str, Any], text: str) -> None:
    assert text in render(summary)


def all_failed(summary: dict[str, Any]) -> None:
    lost = {
        "measures": {},
        "curves": {},
        "layers": [],
        "seeds": [],
        "status": "failed",
        "reasons": ["no memory"],
    }
    for row in summary["rows"]:
        row |= lost
        row.pop("accuracy_interval", None)
    summary |= {"pairs": [], "maps": {}, "reading": []}


def one_seed(summary: dict[str, Any]) -> None:
    summary["seeds"] = [0]
    for row in summary["rows"]:
        row["seeds"] = row["seeds"][:1]
        for measure in row["measures"].values():
            measure |= {"values": measure["values"][:1], "mean": measure["values"][0], "std": None}
        for curve in row["curves"].values():
            curve["std"] = [None] * len(curve["levels"])
    for pair in summary["pairs"]:
        pair["p_seeds"] = None


def without_energy(summary: dict[str, Any]) -> None:
    summary["cost_models"] = []


def without_layers(summary: dict[str, Any]) -> None:
    for row in summary["rows"]:
        row["layers"] = []


def without_curves(summary: dict[str, Any]) -> None:
    for row in summary["rows"]:
        del row["curves"]


def two_of_a_name(summary: dict[str, Any]) -> None:
    summary["rows"][3]["label"] = summary["rows"][2]["label"]


def not_finite(summary: dict[str, Any]) -> None:
    summary["rows"][2]["measures"]["nll"] |= {"mean": float("inf"), "values": [1.0, float("inf"), 1.0]}


def not_run(summary: dict[str, Any]) -> None:
    summary["rows"][7] |= {"status": "missing", "reasons": []}


VARIANTS: list[tuple[Callable[[dict[str, Any]], None], str]] = [
    (all_failed, "No row has both an accuracy and an energy."),
    (one_seed, "96.7 %<span"),
    (without_energy, "No energy was measured."),
    (without_layers, "No row has an energy by layer."),
    (without_curves, "No row has such a curve."),
    (two_of_a_name, "BSA, Shiftmax (bsa-dyadic/lif/T4)"),
    (not_finite, "not finite</td>"),
    (not_run, ": not run yet</li>"),
    (lambda summary: summary.update(maps={}), "No attention maps were kept."),
    (lambda summary: summary.update(pairs=[]), "No two rows of this comparison answer it."),
    (lambda summary: summary.update(pairs=[], questions={}), "Nothing was compared in pairs."),
    (lambda summary: summary.update(rows=[], maps={}, pairs=[]), "No row has a distance between its heads."),
    (lambda summary: summary.update(reading=[]), "Nothing can be said yet."),
]


@pytest.mark.parametrize(
    ("change", "text"), VARIANTS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_a_comparison_lacks_is_said(summary: dict[str, Any], change: Callable, text: str) -> None:
    assert text not in render(summary)
    change(summary)
    page = render(summary)
    assert text in page
    Outline(page)
    assert not re.search(r"\bnan\b|\binf\b|None", page.split("<body>")[1].split("<script>")[0])


@pytest.mark.parametrize("reference", [None, "not in the grid/T1"])
def test_a_grid_without_a_reference_shows_its_first_row_on_the_left(
    summary: dict[str, Any], reference: str | None
) -> None:
    dashed, chosen = "dashed: the row that the others stand beside", '<option value="1" selected="">'
    assert dashed in render(summary)
    page = render(summary | {"reference": reference})
    assert dashed not in page
    assert page.count(chosen) == 1


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda s: s.update(schema="snnpd.energy/1"),
            "of schema 'snnpd.energy/1', not 'snnpd.comparison/1'; make",
        ),
        (lambda s: s["rows"][0].update(family="sn"), "unknown family 'sn'; did you mean 'snn'"),
        (lambda s: s["rows"][0].update(status="dnoe"), "unknown status 'dnoe'; did you mean 'done'"),
        (
            lambda s: s["pairs"][0].update(verdict="highest"),
            "unknown verdict 'highest'; did you mean 'higher'",
        ),
    ],
)
def test_summaries_that_this_page_does_not_know(
    summary: dict[str, Any], spoil: Callable, message: str
) -> None:
    spoil(summary)
    with pytest.raises(UsageError, match=message) as raised:
        render(summary)
    assert "\n" not in str(raised.value)


def test_a_full_grid_stays_small(summary: dict[str, Any]) -> None:
    rows, maps = summary["rows"][:6], summary["maps"]["rows"]["softmax/T1"]
    wide = [[(i * j % 7) / 7 for j in range(200)] for i in range(200)]
    summary["rows"] = [row | {"key": f"{row['key']}/{i}"} for row in rows for i in range(5)]
    heads = [layer | {"heads": [wide] * 4} for layer in maps]
    summary["maps"]["rows"] = {row["key"]: heads for row in summary["rows"]}
    page = render(summary)
    assert page.count(PICTURE) == 1 + 30 * 2 * 4
    assert "200 queries × 200 keys, in pictures of 50 × 50" in page
    assert len(page.encode()) < 3_000_000
    assert all(f"energy, by {model}" not in page for model in MODELS)
