"""Sentences say what was planted in the statistics, and nothing where nothing is shown."""

import pytest

from snnpd.comparison.reading import read
from tests.comparison.summaries import make_pair, make_row, make_summary

NONE = "no difference shown"
SOFTMAX = make_row("softmax", family="ann", accuracy=0.97, pj=100.0, other_pj=100.0)
BSA = make_row("bsa", "BSA", accuracy=0.95, pj=20.0, other_pj=120.0)
SSA = make_row("ssa", "SSA", accuracy=0.94, pj=25.0, other_pj=110.0)
QK = make_row("qk", "QK", accuracy=0.93, pj=30.0, other_pj=40.0)
CONTROLS = [make_row(name, family="snn control", accuracy=0.9, pj=5.0) for name in ("frozen", "uniform")]


def about(word, *args, **more):
    """The only sentence with a word in it."""
    (found,) = [sentence for sentence in read(make_summary(*args, **more)) if word in sentence]
    return found


def test_rows_that_share_a_verdict_share_a_sentence():
    pairs = [
        make_pair("twin", "bsa", "softmax", (-0.034, -0.008), "lower"),
        make_pair("twin", "ssa", "softmax", (-0.05, -0.01), "lower", p_holm=0.0123),
        make_pair("twin", "qk", "softmax", (-0.016, 0.004), NONE),
    ]
    assert about("About twin?", [SOFTMAX, BSA, SSA, QK], pairs) == (
        "About twin? Shown to be less accurate than softmax: BSA (−2.1 points [−3.4, −0.8], p < 0.001); "
        "SSA (−3.0 points [−5.0, −1.0], p = 0.012). "
        "No difference shown in accuracy from softmax: QK (−0.6 points [−1.6, +0.4], p = 0.8)."
    )


def test_a_difference_that_is_not_shown_is_said_with_the_room_it_has():
    pairs = [
        make_pair("twin", "bsa", "softmax", (-0.03, 0.01), NONE),
        make_pair("twin", "ssa", "softmax", (-0.02, 0.025), NONE),
    ]
    assert about("About twin?", [SOFTMAX, BSA, SSA], pairs) == (
        "About twin? No difference shown in accuracy from softmax: BSA; SSA; "
        "their intervals leave room for anything from −3.0 to +2.5 points."
    )


def test_pairs_on_fewer_seeds_stand_apart_and_say_so():
    pairs = [
        make_pair("twin", "bsa", "softmax", (-0.03, 0.01), NONE),
        make_pair("twin", "ssa", "softmax", (-0.01, 0.01), NONE, seeds=2),
        make_pair("twin", "qk", "softmax", (-0.005, 0.005), NONE, seeds=1, p_seeds=None),
    ]
    answer = about("About twin?", [SOFTMAX, BSA, SSA, QK], pairs)
    assert "No difference shown in accuracy from softmax: BSA (" in answer
    assert "No difference shown in accuracy from softmax on 2 seeds: SSA (" in answer
    assert "No difference shown in accuracy from softmax on one seed, over samples alone: QK (" in answer


def test_a_question_of_many_pairs_without_a_difference_is_one_sentence():
    rows = [SOFTMAX, BSA, SSA, QK, *CONTROLS]
    pairs = [make_pair("twin", "bsa", row["key"], (-0.03, 0.01), NONE) for row in rows if row is not BSA]
    assert about("About twin?", rows, pairs) == (
        "About twin? No difference shown in accuracy in any of its 5 pairs; "
        "their intervals leave room for anything from −3.0 to +1.0 points."
    )


def test_an_interval_without_zero_that_is_not_shown_is_no_secret():
    pairs = [
        make_pair("twin", "bsa", "softmax", (-0.03, -0.01), NONE, p_holm=0.07),
        make_pair("twin", "ssa", "softmax", (-0.02, 0.02), NONE),
        make_pair("twin", "qk", "softmax", (-0.02, -0.01), NONE, seeds=1),
    ]
    answer = about("About twin?", [SOFTMAX, BSA, SSA, QK], pairs)
    assert answer.endswith(
        "By itself an interval leaves out 0, which the corrected test does not bear out, of "
        "BSA less softmax (−2.0 points [−3.0, −1.0], p = 0.07)."
    )


def test_rows_that_agree_on_every_sample_say_so():
    pairs = [make_pair("twin", "bsa", "softmax", (0.0, 0.0), NONE)]
    assert "BSA (the same on every sample)" in about("About twin?", [SOFTMAX, BSA], pairs)


def test_rows_at_the_edge_of_the_grid_are_named():
    rows = [SOFTMAX | {"setting": {"lr": 3}}, BSA | {"setting": {"lr": 2}}]
    assert about("wider grid", rows, tuning={"lr": [1, 2, 3]}).endswith("raise them (softmax).")


@pytest.mark.parametrize(
    "question", ["twin", "control", "bn_sh", "ablation", "quantised", "conversion", "reference"]
)
@pytest.mark.parametrize("measure", ["accuracy", "head_distance"])
def test_nothing_is_claimed_where_no_difference_is_shown(question, measure):
    pairs = [make_pair(question, "bsa", "ssa", (-0.2, 0.4), NONE, measure=measure)]
    answer = about(f"About {question}?", [SOFTMAX, BSA, SSA], pairs)
    assert "No difference shown" in answer
    assert "Shown to" not in answer
    assert not [
        sentence for sentence in read(make_summary([SOFTMAX, BSA, SSA], pairs)) if " pays" in sentence
    ]


@pytest.mark.parametrize(("verdict", "words"), [("higher", "less alike"), ("lower", "more alike")])
def test_head_distance_is_told_in_its_own_words_and_units(verdict, words):
    interval = (0.05, 0.21) if verdict == "higher" else (-0.21, -0.05)
    pairs = [make_pair("bn_sh", "bsa", "softmax", interval, verdict, measure="head_distance")]
    answer = about("About bn_sh?", [SOFTMAX, BSA], pairs)
    assert (
        f"Shown to have heads {words} than softmax: BSA ({'+' if verdict == 'higher' else '−'}0.130 ["
        in answer
    )
    assert "points" not in answer


@pytest.mark.parametrize(
    ("verdicts", "words", "is_evidence"),
    [
        (("higher", "higher"), "pays: it beats all controls beside it, frozen; uniform.", True),
        ((NONE, NONE), "is not shown to beat frozen; uniform:", False),
        (("higher", NONE), "is not shown to beat uniform; what it does beat is frozen:", False),
        ((NONE, "lower"), "is not shown to beat frozen and is beaten by uniform:", False),
    ],
)
def test_attention_is_needed_only_where_it_beats_every_control(verdicts, words, is_evidence):
    spans = {"higher": (0.02, 0.08), NONE: (-0.02, 0.03), "lower": (-0.06, -0.02)}
    pairs = [
        make_pair("control", "bsa", control["key"], spans[verdict], verdict)
        for control, verdict in zip(CONTROLS, verdicts, strict=True)
    ]
    answer = about("learned attention", [SOFTMAX, BSA, *CONTROLS], pairs)
    assert f"the learned attention of BSA {words}" in answer
    assert ("no evidence" in answer) is not is_evidence


def test_energy_says_where_the_verdict_hangs_on_the_cost_model():
    dear = make_row("big", "Big", accuracy=0.9, pj=150.0, other_pj=300.0)
    assert about("Energy", [SOFTMAX, BSA, SSA, QK, dear, *CONTROLS]) == (
        "Energy as a share of what softmax takes, under near. "
        "The verdict hangs on the cost model (cheaper under near; dearer under far): BSA (0.2); SSA (0.25). "
        "Cheaper under every cost model: QK (0.3). Dearer under every cost model: Big (1.5)."
    )


def test_energy_is_not_set_beside_a_reference_that_is_not_there():
    assert "no ratio" in about("energy", [make_row("softmax", family="ann", seeds=0), BSA], reference=None)


def test_the_front_names_what_no_row_beats_on_both_sides():
    front = about("Pareto", [SOFTMAX, BSA, SSA, QK])
    assert front.endswith("BSA (95.0 %); softmax (97.0 %).")


def test_failed_partial_and_missing_rows_are_named_with_their_reasons():
    failed = make_row("f", "Fails", seeds=0) | {
        "status": "failed",
        "reasons": [f"seed {seed}: TrainingError: the loss is not finite." for seed in range(3)],
    }
    half = make_row("h", "Half", seeds=2, accuracy=0.9, pj=7.0) | {"reasons": ["seed 2: no memory"]}
    told = read(make_summary([SOFTMAX, failed, half, make_row("l", "Later", seeds=0)]))
    assert (
        "Failed, and in none of the comparisons: Fails (seeds 0, 1, 2: TrainingError: the loss is not finite)."
        in told
    )
    assert "Compared on fewer seeds than the others: Half (seeds 0, 1; seed 2: no memory)." in told
    assert "Not trained yet, and in none of the comparisons: Later." in told


def test_limits_say_what_one_seed_leaves_open():
    assert about("Limits", [SOFTMAX, BSA]).startswith("Limits: 3 seeds; one data set (digits, 1,152 training")
    assert "nothing is known of other trainings" in about("Limits", [SOFTMAX, BSA], seeds=[0])


def test_nothing_compared_is_said():
    assert read(make_summary([], cost_models=[{"name": "near"}]))[0].startswith("No two rows were compared")
