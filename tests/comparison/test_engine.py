"""What the engine runs, in which order, and what becomes of failures, deaths and other settings."""

from dataclasses import replace
from pathlib import Path

import pytest

from snnpd.comparison.engine import Engine, outcome_of
from snnpd.comparison.grid import Grid
from snnpd.comparison.store import Key, Outcome, Store
from snnpd.errors import UsageError
from tests.comparison.orders import Here, describer

GRID = Grid(
    (("spikingformer_tiny", "vit_tiny_twin"),),
    ("softmax", "softmax_relu", "converted", "bsa_inherited", "ssa"),
    seeds=(0, 1),
    tuning={"optim.lr": [0.1, 0.2]},
)
CELLS = ("softmax/T1", "softmax_relu/T1", "converted/T4", "bsa_inherited/lif/T4", "ssa/lif/T4")


def run(path: Path, grid: Grid = GRID, num: int = 2, **told: object) -> tuple[Store, list[str]]:
    lines: list[str] = []
    store = Store(path / "results.sqlite")
    engine = Engine(grid, store, describer(**told), lines.append)  # type: ignore[arg-type]
    try:
        engine.check()
        engine.run(Here(num))  # type: ignore[arg-type]
    except UsageError:
        store.close()
        raise
    return store, lines


def outcomes(store: Store) -> dict[tuple[str, int], Outcome]:
    return {(key.row, key.seed): outcome for key, outcome in store.cells()}


def test_a_whole_grid(tmp_path: Path) -> None:
    store, lines = run(tmp_path)
    kept = outcomes(store)
    assert set(kept) == {(row, seed) for row in CELLS for seed in (0, 1)}
    assert {outcome.status for outcome in kept.values()} == {"done"}
    # Chosen on the first seed, by the loss; a converted row has nothing to choose, but knows its source's setting.
    assert kept["ssa/lif/T4", 1].figures["setting"] == {"optim.lr": 0.1}
    assert kept["converted/T4", 1].figures["setting"] == {}
    assert kept["converted/T4", 1].figures["of_source"] == {"optim.lr": 0.1}
    assert store.get(Key("trial", "ssa/lif/T4", 0, "lr=0.2")) is not None
    assert store.get(Key("trial", "ssa/lif/T4", 1, "lr=0.2")) is None
    assert store.get(Key("trial", "converted/T4", 0, "lr=0.2")) is None
    # What others are made from went first.
    order = [next(row for row in CELLS if row in line) for line in lines if "validation" not in line]
    assert order.index("softmax/T1") < order.index("bsa_inherited/lif/T4")
    assert lines[-1].startswith("10/10 cells")
    assert "left" not in lines[-1]
    store.close()


def test_failures_stay_with_their_reason_and_the_rest_goes_on(tmp_path: Path) -> None:
    fates = {
        ("cell", "softmax", 1): "raises",
        ("cell", "softmax_relu", 0): "dies",
        ("trial", "ssa", 0): "raises",
    }
    store, lines = run(tmp_path, fates=fates)
    kept = outcomes(store)
    reasons = {place: outcome.reason for place, outcome in kept.items() if outcome.status == "failed"}
    told = "TrainingError: the loss is not finite at epoch 1; lower optim.lr"
    assert reasons == {
        ("softmax/T1", 1): told,
        ("bsa_inherited/lif/T4", 1): "made from softmax/T1, which failed",
        ("softmax_relu/T1", 0): "its process ended (killed by signal SIGKILL); out of memory?",
        ("converted/T4", 0): "made from softmax_relu/T1, which failed",
        ("ssa/lif/T4", 0): f"no setting could be trained: {told}",
        ("ssa/lif/T4", 1): f"no setting could be trained: {told}",
    }
    assert len(kept) == 10
    assert any(f"failed: {told}" in line for line in lines)
    store.close()
    # Asked again, nothing is; told to try again, only what failed is.
    store, lines = run(tmp_path)
    assert lines == []
    Engine(GRID, store, describer(), print).retry()
    store.close()
    store, lines = run(tmp_path)
    assert {outcome.status for outcome in outcomes(store).values()} == {"done"}
    assert sum("validation" not in line for line in lines) == len(reasons)
    store.close()


def test_a_trial_that_is_tried_again_is_chosen_for_all_seeds_or_for_none(tmp_path: Path) -> None:
    fates = {("trial", "softmax", 0, "lr=0.1"): "raises", ("cell", "softmax", 1): "raises"}
    store, _ = run(tmp_path, fates=fates)
    kept = outcomes(store)
    assert kept["softmax/T1", 0].figures["setting"] == {"optim.lr": 0.2}
    assert kept["bsa_inherited/lif/T4", 0].figures["of_source"] == {"optim.lr": 0.2}
    Engine(GRID, store, describer(), print).retry()
    store.close()
    store, lines = run(tmp_path)
    kept = outcomes(store)
    for seed in GRID.seeds:
        assert kept["softmax/T1", seed].figures["setting"] == {"optim.lr": 0.1}
        assert kept["bsa_inherited/lif/T4", seed].figures["of_source"] == {"optim.lr": 0.1}
    # What does not hang on that trial is not made again.
    assert not [line for line in lines if "ssa" in line or "softmax_relu" in line]
    store.close()


def test_one_setting_needs_no_trial(tmp_path: Path) -> None:
    grid = Grid(GRID.models, ("ssa",), seeds=(3,), tuning={"optim.lr": [0.7]})
    store, lines = run(tmp_path, grid, num=1)
    assert len(lines) == 1
    assert outcomes(store)["ssa/lif/T4", 3].figures["setting"] == {"optim.lr": 0.7}
    store.close()


def test_where_nothing_is_tuned_any_seed_may_be_the_first(tmp_path: Path) -> None:
    grid = Grid(GRID.models, ("ssa",), seeds=(3,), tuning={"optim.lr": [0.7]})
    run(tmp_path, grid, num=1)[0].close()
    store, lines = run(tmp_path, replace(grid, seeds=(1, 3)), num=1)
    assert len(lines) == 1
    store.close()
    for other in ({"optim.lr": [0.8]}, {}):
        with pytest.raises(UsageError, match="under other settings"):
            run(tmp_path, replace(grid, tuning=other))


def test_more_seeds_and_methods_join_what_is_there(tmp_path: Path) -> None:
    small = Grid(GRID.models, ("ssa",), seeds=(0,))
    run(tmp_path, small, num=1)[0].close()
    store, lines = run(tmp_path, Grid(GRID.models, ("ssa", "bsa"), seeds=(0, 1)), num=1)
    assert len(lines) == 3
    assert len(outcomes(store)) == 4
    store.close()


def test_outcomes_of_other_settings_are_refused(tmp_path: Path) -> None:
    small = Grid(GRID.models, ("ssa",), seeds=(0,))
    run(tmp_path, small, num=1)[0].close()
    with pytest.raises(UsageError, match="holds ssa/lif/T4, seed 0, under other settings than asked for"):
        run(tmp_path, small, num=1, version="longer")


def test_another_tuning_or_another_first_seed_is_refused(tmp_path: Path) -> None:
    tuned = Grid(GRID.models, ("ssa",), seeds=(0, 1), tuning={"optim.lr": [0.1, 0.2]})
    run(tmp_path, tuned, num=1)[0].close()
    others = {
        "tuned over optim.lr in [0.1, 0.2] on seed 0, asked for is nothing": Grid(
            GRID.models, ("ssa",), seeds=(0,)
        ),
        "asked for is optim.lr in [0.1, 0.3] on seed 0": replace(tuned, tuning={"optim.lr": [0.1, 0.3]}),
        "asked for is optim.lr in [0.1, 0.2] on seed 1": replace(tuned, seeds=(1, 0)),
    }
    for message, other in others.items():
        with pytest.raises(UsageError) as caught:
            run(tmp_path, other)
        assert message in str(caught.value)
    store, lines = run(tmp_path, replace(tuned, seeds=(0, 2)), num=1)
    assert len(lines) == 1
    store.close()


def test_trials_and_failures_of_other_settings_are_refused_too(tmp_path: Path) -> None:
    store = Store(tmp_path / "results.sqlite")
    store.put(
        Key("trial", "ssa/lif/T4", 0, "lr=0.1"),
        Outcome("done", "other", {"val_accuracy": 1.0, "val_loss": 0}),
    )
    store.close()
    with pytest.raises(UsageError, match="holds ssa/lif/T4, seed 0, under other settings"):
        run(tmp_path, replace(GRID, methods=("ssa",)))


def test_a_row_whose_source_failed_on_the_tuning_seed_cannot_be_tuned(tmp_path: Path) -> None:
    grid = replace(GRID, methods=("softmax", "bsa_inherited"))
    store, _ = run(tmp_path, grid, fates={("cell", "softmax", 0): "raises"})
    kept = outcomes(store)
    assert kept["bsa_inherited/lif/T4", 0].reason == "made from softmax/T1, which failed"
    told = "cannot be tuned: softmax/T1, seed 0, which it is made from, failed"
    assert kept["bsa_inherited/lif/T4", 1].reason == told
    assert kept["softmax/T1", 1].status == "done"
    store.close()


def test_a_figure_that_is_not_finite_fails_its_cell(tmp_path: Path) -> None:
    outcome = outcome_of({"accuracy": 0.5, "nll": float("inf"), "noise": {"accuracy": [float("nan")]}}, "f")
    assert (outcome.status, outcome.reason) == ("failed", "not finite: nll, noise")
