"""benchmarks/attention_cost*.py on given rows: the fit, the limits, the page and the picture; no timing."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from matplotlib.image import imread

from snnpd.analysis.plots import new_figure
from snnpd.attention import create_attention
from snnpd.expansion import shiftmax

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
WHY = "no benchmarks beside these tests (run against an installed wheel)"
cost = pytest.importorskip("attention_cost", reason=WHY)
fit = pytest.importorskip("attention_cost_fit", reason=WHY)
meter = pytest.importorskip("attention_cost_measure", reason=WHY)
pages = pytest.importorskip("attention_cost_page", reason=WHY)
picture = pytest.importorskip("attention_cost_plot", reason=WHY)
ratio = pytest.importorskip("attention_cost_ratio", reason=WHY)

Rows = list[dict[str, Any]]
ABOUT = {
    "width": 512,
    "heads": 8,
    "calls_range": "2 to 11 calls",
    "limit_seconds": 40.0,
    "limit_memory_mib": 6144.0,
}
ABOUT |= {
    "keeps_freed_memory": True,
    "device": "cpu",
    "torch": "2.6",
    "commit": "abc1234",
    "date": "2026-01-02",
}


def rows(label: str, time_power: float, memory_power: float = 1.0, num_sizes: int = 9) -> Rows:
    """A layer whose costs are powers of N, the first two thrice as high."""
    made = []
    for i, n in enumerate(meter.SIZES[:num_sizes]):
        row = {"op": pages.FORWARD, "implementation": label, "shape": [1, 1, n, 512], "form": "fused"}
        start = 3.0 if i < 2 else 1.0
        row |= {
            "p50_ms": start * (n / 64) ** time_power,
            "peak_memory_mib": start * (n / 64) ** memory_power,
        }
        made.append(row | ABOUT)
    return made


def fused(*ratios: float) -> Rows:
    """Both rows of each firing rate."""
    made = []
    for i, value in enumerate(ratios):
        row = {"op": pages.FUSED, "mode": "forward", "input_rate": i / 10, "rounds": 7}
        row |= {"shape": [1, 8, 4096, 64], "peak_memory_mib": 16.0}
        made.append(row | ABOUT | {"implementation": ratio.THEIRS, "p50_ms": 400.0})
        ours = {"p50_ms": 400 * value, "ratio": value, "ratio_range": [value - 0.01, value + 0.01]}
        made.append(row | ABOUT | {"implementation": ratio.OURS} | ours)
    return made


@pytest.mark.parametrize(
    ("power", "order"),
    [
        (0.9, "linear"),
        (1.0, "linear"),
        (1.1, "linear"),
        (1.3, "sub-quadratic"),
        (1.6, "quadratic"),
        (2.0, "quadratic"),
    ],
)
@pytest.mark.parametrize(("num_sizes", "sizes"), [(9, (1024, 16384)), (6, (512, 2048)), (3, (128, 256))])
def test_the_exponent_is_that_of_the_upper_half(
    power: float, order: str, num_sizes: int, sizes: tuple[int, int]
) -> None:
    layer = rows("ssa", power, num_sizes=num_sizes)
    # with three sizes the start would reach into the upper half
    layer[1]["p50_ms"] = 2.0**power
    found = fit.growth(layer, "p50_ms")
    assert (found.exponent, found.last) == (pytest.approx(power), pytest.approx(power))
    assert (found.order, found.sizes) == (order, sizes)


def test_the_exponent_is_a_least_squares_slope_and_the_last_doubling_its_own() -> None:
    layer = rows("ssa", 1.0)
    layer[-1]["p50_ms"] *= 2
    found = fit.growth(layer, "p50_ms")
    # five points at x = -2..2 doublings, the last one raised by one: the slope rises by 2/10
    assert (found.exponent, found.last) == (pytest.approx(1.2), pytest.approx(2.0))


@pytest.mark.parametrize("missing", [None, 0.0])
def test_no_exponent_without_three_figures(missing: float | None) -> None:
    layer = rows("ssa", 1.0)
    for row in layer[:-2]:
        row["peak_memory_mib"] = missing
    assert fit.growth(layer, "peak_memory_mib") is None
    assert fit.growth(layer, "p50_ms") is not None
    assert fit.growth(layer[:2], "p50_ms") is None


def test_rows_are_sorted_by_layer_and_size_and_skipped_ones_left_out() -> None:
    left_out = {"implementation": "cat", "shape": [1, 1, 128, 512], "skipped": "too dear"}
    layers = fit.by_layer([*rows("ssa", 1.0)[::-1], left_out, *rows("cat", 1.0)[:1]])
    assert [fit.num_tokens(row) for row in layers["ssa"]] == list(meter.SIZES)
    assert len(layers["cat"]) == 1


def test_every_attention_has_a_family_and_every_name_a_layer() -> None:
    labels = {subject.label for subject in cost.subjects()}
    assert {picture.family_of(label) for label in labels} <= set(picture.FAMILIES)
    named = [name for _, names in picture.FAMILIES.values() for name in names]
    assert len(named) == len(set(named))
    assert {*named, *pages.REMARKS, *(target.label for target in fit.TARGETS)} <= labels
    for subject in cost.VARIANTS:
        create_attention(subject.attention, 16, 2, **subject.options)


@pytest.mark.parametrize(
    ("times", "memory", "seconds", "reason"),
    [
        ([], [], 0.0, ""),
        ([10, 20, 40], [1, 2, 4], 1.0, ""),
        # five calls of 80 ms
        ([10, 20, 40], [1, 2, 4], 0.35, "5 calls of 0.1 s"),
        # quadratic: 2, 8, then 32 s, of which two calls are enough
        ([500, 2000, 8000], [1, 2, 4], 60.0, "2 calls of 32.0 s"),
        ([500, 2000, 8000], [1, 2, 4], 70.0, ""),
        ([10, 20, 40], [64, 256, 1024], 1.0, "4.0 GiB"),
        ([10, 20, 40], [256, 512, 1024], 1.0, ""),
        ([10, 20, 40], [None, None, None], 1.0, ""),
    ],
)
def test_sizes_over_the_limits_are_foretold(
    times: list[float], memory: list[float | None], seconds: float, reason: str
) -> None:
    done = [{"p50_ms": t, "peak_memory_mib": m} for t, m in zip(times, memory, strict=True)]
    why = meter.reason_to_skip(done, seconds, 3000)
    assert why.startswith(reason)
    assert bool(why) == bool(reason)


def test_the_peak_of_memory_is_seen_even_where_it_is_given_back() -> None:
    _, peak = meter.peak_memory(lambda: torch.ones(24 << 20).sum().item())
    if peak is None:
        pytest.skip("this system does not tell the peak of the resident set")
    assert 90 < peak < 120
    _, small = meter.peak_memory(lambda: torch.ones(1 << 20).sum().item())
    assert small < 10


@pytest.mark.parametrize(
    ("name", "num_tokens", "form"),
    [
        ("ssa", 64, "dual"),
        ("ssa", 4096, "primal"),
        ("bsa", 4096, "fused"),
        ("bipolar_sh", 4096, "fused"),
        ("local", 4096, "banded"),
        ("cat", 4096, "fft"),
        ("sdsa1", 4096, ""),
    ],
)
def test_the_form_that_runs_is_named(name: str, num_tokens: int, form: str) -> None:
    assert meter.form_of(create_attention(name, meter.DIM, meter.NUM_HEADS), num_tokens) == form


def test_a_layer_is_measured_until_its_limit_and_its_neurons_fire() -> None:
    sent: Rows = []

    class Sink:
        send = staticmethod(sent.append)
        close = staticmethod(lambda: None)

    threads = torch.get_num_threads()
    meter.measure(cost.Subject("bsa", "bsa"), meter.Limits(0.0, 1e6), Sink())
    torch.set_num_threads(threads)
    first, last = sent
    assert first["shape"] == [1, 1, 64, 512]
    assert 0.05 < first["firing_rate"] < 0.6
    assert 0 < first["p20_ms"] <= first["p50_ms"] <= first["p80_ms"]
    assert (last["shape"], "p50_ms" in last) == ([1, 1, 128, 512], False)
    assert "more than the seconds left" in last["skipped"]


def test_the_two_that_are_compared_differ_by_the_row_gain_alone() -> None:
    torch.manual_seed(0)
    q, k, v = ratio.ternary(0.3, (1, 2, 40, 8)), ratio.ternary(0.3, (1, 2, 40, 8)), torch.randn(1, 2, 40, 8)
    assert 0.2 < q.abs().mean() < 0.4
    assert set(q.unique().tolist()) == {-1.0, 0.0, 1.0}
    weights = shiftmax(q @ k.mT)
    torch.testing.assert_close(ratio.ours(q, k, v), weights @ v)
    torch.testing.assert_close(weights.sum(-1, keepdim=True) * ratio.theirs(q, k, v), weights @ v)


def test_a_comparison_gives_rows_for_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [(32, 0.0, ratio.FORWARD), (64, 0.3, ratio.FORWARD), (32, 0.3, ratio.BOTH)]
    for name, value in {"CASES": cases, "HEAD_DIM": 8, "ROUNDS": 3}.items():
        monkeypatch.setattr(ratio, name, value)
    made = [{"op": pages.FUSED} | row | ABOUT for row in ratio.compare()]
    assert len(made) == 2 * len(cases)
    for peer, ours in zip(made[::2], made[1::2], strict=True):
        assert ours["ratio_range"][0] <= ours["ratio"] <= ours["ratio_range"][1]
        assert ours["peer"] == peer["implementation"]
    table = pages.fused_table(made)
    assert table.count("| forward and backward |") == 1
    assert "| 64 | 0.3 | forward |" in table


def test_the_page_says_what_was_met_missed_and_left_out() -> None:
    left_out = {
        "op": pages.FORWARD,
        "implementation": "hyla",
        "shape": [1, 1, 2048, 512],
        "skipped": "too dear",
    }
    costs = [*rows("bsa", 1.9), *rows("cat", 1.1), *rows("ssa", 1.7), *rows("hyla", 2.0, 2.0, 5), left_out]
    text = pages.page(costs, fused(1.05, 1.31), "python x.py")
    for line in (
        "- `bsa` memory, linear: exponent 1.00, linear (met)",
        "- `cat` time, sub-quadratic: exponent 1.10, linear (met)",
        "- `ssa` time, linear: exponent 1.70, quadratic (**missed**)",
        "- `primal` time, sub-quadratic: exponent not measured (–)",
        "at most 1.25: 1.05 to 1.31 over the firing rates below (**missed**)",
        "- `hyla` from N = 2,048: too dear",
        "| 4,096 | 0.1 | forward | 400 | 524 | 1.31 | 1.30 to 1.32 | 16 | 16 |",
        "commit\n`abc1234`",
        "times have no page faults in them",
    ):
        assert line in text
    cells = next(line for line in text.splitlines() if line.startswith("| `ssa` |")).split(" | ")
    # 64^1.7 at 4,096, 256^1.7 at 16,384
    assert cells[1:6] == ["fused", "1,176", "64", "16,384", "12,417"]
    assert cells[7:11] == ["1.70 (1.70)", "1.00 (1.00)", "quadratic", "linear"]
    assert text.index("`bsa` | fused") < text.index("`ssa` | fused") < text.index("`cat` | fused")
    assert "(met)" in pages.fused_verdict(fused(1.0, 1.2))


def test_names_stand_apart_in_the_order_of_their_lines() -> None:
    layers = {f"layer {i}": rows("bsa", 1.0 + 1e-3 * i) for i in range(15)}
    figure = new_figure(6, 9)
    axes = figure.subplots()
    picture.draw(axes, layers, "p50_ms", [picture.OTHER])
    names = {text.get_text(): text.xyann[1] for text in axes.texts if text.get_text() in layers}
    assert list(layers) == sorted(names, key=names.__getitem__)
    heights = torch.tensor(sorted(names.values()))
    assert heights.diff().min() > 0.99 * picture.GAP
    assert (heights[0] >= 0, heights[-1] <= 1) == (True, True)


def test_the_picture_shows_the_families_in_their_colours(tmp_path: Path) -> None:
    png = tmp_path / "images" / "cost.png"
    picture.plot([*rows("bsa", 2.0), *rows("softmax", 1.9), *rows("ssa, causal", 1.0)], png)
    pixels = torch.from_numpy((imread(png)[..., :3] * 255).round().astype("int64"))
    for label, is_there in (("bsa", True), ("softmax", True), ("ssa", True), ("cat", False)):
        wanted = torch.tensor([int(picture.colour_of(label)[i : i + 2], 16) for i in (1, 3, 5)])
        assert bool(((pixels - wanted).abs().amax(-1) < 3).sum() > 100) == is_there, label
