"""Which rows a grid has, what each is made from, and beside which others it is looked at."""

import pytest

from snnpd.attention.table import ANALOG, SPIKING
from snnpd.comparison.grid import Grid, words_of
from snnpd.comparison.methods import METHOD_SETS, METHODS, QUESTIONS, expand_methods
from snnpd.errors import UsageError

TINY = (("spikingformer_tiny", "vit_tiny_twin"),)


def keys(grid: Grid) -> list[str]:
    return [row.key for row in grid.rows]


@pytest.mark.parametrize("name", METHODS)
def test_methods_name_what_there_is(name: str) -> None:
    method = METHODS[name]
    table = SPIKING if method.is_spiking and method.family != "converted" else ANALOG
    assert method.attention in table
    assert method.source is None or METHODS[method.source].family == "ann"
    assert all(question in QUESTIONS and other in METHODS for question, other in method.beside)
    assert name not in [other for _, other in method.beside]
    assert (method.letters is not None) == (method.family == "quantised")


def test_every_learned_spiking_row_of_the_core_stands_beside_the_ann() -> None:
    for name in METHOD_SETS["core"]:
        if METHODS[name].family in ("snn", "inherited", "converted"):
            assert ("twin", "softmax") in METHODS[name].beside
    assert {METHODS[name].family for name in METHOD_SETS["core"]} == {m.family for m in METHODS.values()}


def test_the_ablation_has_every_combination_and_its_control() -> None:
    parts = {
        f"{points}_{rows}"
        for points in ("binary", "ternary")
        for rows in ("none", "softmax", "shiftmax", "dyadic")
    }
    assert set(METHOD_SETS["ablation"]) == parts | {"ssa", "frozen_bsa"}
    assert all(("ablation", "ssa") in METHODS[name].beside for name in parts)


def test_time_steps_and_neurons_are_those_of_spiking_rows() -> None:
    grid = Grid(TINY, ("softmax", "bsa", "quantised"), neurons=("lif", "if"), time_steps=(2, 4))
    assert keys(grid) == [
        "softmax/T1",
        "quantised/T2",
        "quantised/T4",
        *("bsa/lif/T2", "bsa/lif/T4", "bsa/if/T2", "bsa/if/T4"),
    ]
    spiking = grid.rows[-1]
    assert (spiking.model, spiking.neuron, grid.rows[0].model) == (
        "spikingformer_tiny",
        "if",
        "vit_tiny_twin",
    )


def test_frames_have_their_time_steps_in_an_ann_too_and_are_never_converted() -> None:
    grid = Grid(TINY, ("softmax", "converted"), time_steps=(3,), frames=True)
    assert keys(grid) == ["softmax/T3", "softmax_relu/T3"]


def test_a_source_comes_along_and_goes_first() -> None:
    assert expand_methods("bsa_inherited") == ("softmax", "bsa_inherited")
    grid = Grid(TINY, ("converted", "bsa_inherited"), time_steps=(2, 4))
    sources = {row.key: grid.source_of(row) for row in grid.rows}
    assert {key: source.key for key, source in sources.items() if source is not None} == {
        "converted/T2": "softmax_relu/T1",
        "converted/T4": "softmax_relu/T1",
        "bsa_inherited/lif/T2": "softmax/T1",
        "bsa_inherited/lif/T4": "softmax/T1",
    }


def test_rows_stand_beside_those_of_the_same_t_and_neuron() -> None:
    grid = Grid(TINY, ("softmax", "bsa", "bipolar_bn"), neurons=("lif", "if"), time_steps=(2, 4))
    row = next(row for row in grid.rows if row.key == "bipolar_bn/if/T4")
    assert [(question, other.key) for question, other in grid.beside(row)] == [
        ("twin", "softmax/T1"),
        ("bn_sh", "bsa/if/T4"),
    ]


def test_two_networks_keep_to_themselves() -> None:
    models = (*TINY, ("spikingformer_small", "vit_small_twin"))
    grid = Grid(models, ("softmax", "bsa"))
    assert len(set(keys(grid))) == len(grid.rows) == 4
    for row in grid.rows:
        assert all(other.spiking_model == row.spiking_model for _, other in grid.beside(row))


def test_settings_are_all_combinations() -> None:
    grid = Grid(TINY, ("bsa",), tuning={"optim.lr": [0.1, 0.2], "optim.clip_norm": [1.0, 2.0]})
    assert len(grid.settings) == 4
    assert words_of(grid.settings[0]) == "lr=0.1,clip_norm=1.0"
    assert Grid(TINY, ("bsa",)).settings == [{}]
    assert words_of({}) == "untuned"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"methods": ("bas",)}, "unknown method 'bas'; did you mean 'bsa'"),
        ({"methods": ()}, "no method to compare"),
        ({"seeds": ()}, "seeds of the comparison are []; give at least one"),
        ({"seeds": (1, 1)}, "give at least one, each once"),
        ({"tuning": {"optim.lr": []}}, "tuning of optim.lr has no value"),
    ],
)
def test_what_makes_no_grid_is_refused(change: dict, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Grid(**({"models": TINY, "methods": ("bsa",)} | change))
    assert message in str(caught.value)
