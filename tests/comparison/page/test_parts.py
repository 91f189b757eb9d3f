"""The parts of the page by themselves: numbers, axes, the front, labels and pictures."""

import io
from base64 import b64decode
from collections.abc import Callable, Sequence
from itertools import combinations
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from snnpd.comparison.page.axes import linear_axis, log_axis
from snnpd.comparison.page.formats import (
    duration,
    p_value,
    plain,
    signed,
    spread_energy,
    spread_per_cent,
    spread_plain,
)
from snnpd.comparison.page.labels import LABEL_HEIGHT, LABEL_WIDTH, place_labels
from snnpd.comparison.page.pictures import LEVELS, grey_picture, png, shrunk, signed_picture
from snnpd.comparison.page.rows import Row, Spread, front
from tests.comparison.page.sample import sample_summary


@pytest.mark.parametrize(
    ("write", "given", "text"),
    [
        (spread_per_cent, (0.9531, 0.0042), "95.3 ± 0.4 %"),
        (spread_per_cent, (0.9531, None), "95.3 %"),
        (spread_per_cent, (0.9531, 0.0001), "95.3 ± <0.1 %"),
        (spread_plain, (0.11, 0.0097), "0.110 ± 0.010"),
        (spread_plain, (0.0, 0.02), "0.0000 ± 0.0200"),
        (spread_plain, (-1.234, 0.1), "−1.23 ± 0.10"),
        (spread_plain, (25_866.0, 0.0), "25,866"),
        (spread_energy, (5_240_000.0, 12_000.0), "5.24 ± 0.01 µJ"),
        (spread_energy, (120_000.0, 300.0), "120 ± <1 nJ"),
        (spread_energy, (120_000.0, None), "120 nJ"),
    ],
)
def test_means_and_deviations(write: Callable, given: tuple[float, float | None], text: str) -> None:
    assert write(Spread(*given, values=[])) == text


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (lambda v: signed(v, 2), 1.234, "+1.23"),
        (lambda v: signed(v, 2), -1.234, "−1.23"),
        (lambda v: signed(v, 2), -0.001, "0.00"),
        (p_value, None, "–"),
        (p_value, 0.0004, "< 0.001"),
        (p_value, 0.0475, "0.048"),
        (p_value, 0.9999, "1.00"),
        (plain, 0.0, "0"),
        (plain, 1234.5, "1,234"),
        (plain, -0.25, "−0.25"),
        (duration, 3599.9, "1 h 0 min"),
    ],
)
def test_other_numbers(write: Callable, value: float | None, text: str) -> None:
    assert write(value) == text


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.881, 0.986], [0.88, 0.9, 0.92, 0.94, 0.96, 0.98, 1.0]),
        ([-4.8, 0.3], [-5, -4, -3, -2, -1, 0, 1]),
        ([0.0, 0.0], [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        ([1, 2, 4], [1.0, 2.0, 3.0, 4.0]),
    ],
)
def test_ticks_of_a_linear_axis(values: list[float], ticks: list[float]) -> None:
    assert linear_axis(values, 6 if len(ticks) == 7 else 5).ticks == pytest.approx(ticks)


@given(st.lists(st.floats(1e-3, 1e12), min_size=1, max_size=9))
def test_a_log_axis_holds_its_values_and_its_ticks(values: list[float]) -> None:
    axis = log_axis(values)
    assert 2 <= len(axis.ticks) <= 6
    assert all(0 <= axis.share(value) <= 1 for value in values)
    assert all(-1e-9 <= axis.share(tick) <= 1 + 1e-9 for tick in axis.ticks)
    assert axis.share((axis.low * axis.high) ** 0.5) == pytest.approx(0.5)


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), max_size=12))
def test_the_front_is_what_no_other_beats(points: list[tuple[int, int]]) -> None:
    rows = [Row(i, "", {}) for i in range(len(points))]
    found = front((*point, row) for point, row in zip(points, rows, strict=True))
    beaten = {
        (cost, gain)
        for cost, gain in points
        for c, g in points
        if (c <= cost and g >= gain) and (c, g) != (cost, gain)
    }
    assert [point[:2] for point in found] == sorted(set(points) - beaten)


@pytest.mark.parametrize("width", [200, 260, 700, 1000])
def test_labels_are_clear_of_each_other_at_every_width(width: int) -> None:
    random = Random(3)
    shares = [
        (random.choice((0.2, 0.25, 0.8)) + random.uniform(0, 0.1), random.uniform(100, 300))
        for _ in range(24)
    ]
    places = place_labels([(200 * x, y) for x, y in shares], 380)
    middles = [(width * x + dx, y + dy) for (x, y), (dx, dy) in zip(shares, places, strict=True)]
    for (left, top), (right, bottom) in combinations(middles, 2):
        assert abs(left - right) >= LABEL_WIDTH - 1e-6 or abs(top - bottom) >= LABEL_HEIGHT - 1e-6
    assert all(LABEL_HEIGHT / 2 <= y <= 380 - LABEL_HEIGHT / 2 for _, y in middles)


def opened(pixels: Sequence[Sequence[int]], colours: list[tuple[int, ...]], alphas: list[int]) -> Image.Image:
    return Image.open(io.BytesIO(png(pixels, colours, alphas))).convert("RGBA")


def test_a_png_holds_its_pixels() -> None:
    image = opened([[0, 1, 2], [2, 1, 0]], [(1, 2, 3), (40, 50, 60), (255, 0, 9)], [255, 128, 0])
    assert image.size == (3, 2)
    assert [image.getpixel((x, 1)) for x in range(3)] == [(255, 0, 9, 0), (40, 50, 60, 128), (1, 2, 3, 255)]


def decoded(picture: str) -> Image.Image:
    data = picture.split("base64,")[1].split('"')[0]
    return Image.open(io.BytesIO(b64decode(data))).convert("RGBA")


def test_colours_tell_the_sign_and_strength_of_a_weight() -> None:
    image = decoded(signed_picture([[-1.0, -0.5, 0.0, 0.5, 1.0, float("nan")]], 1.0, "a map"))
    pixels = [image.getpixel((x, 0)) for x in range(6)]
    assert [alpha for *_, alpha in pixels] == pytest.approx([255, 128, 0, 128, 255, 0], abs=255 / LEVELS)
    assert pixels[0][0] > pixels[0][2]
    assert pixels[4][2] > pixels[4][0]
    assert {pixel[:3] for pixel in pixels[:2]} == {pixels[0][:3]} != {pixels[4][:3]}


def test_greys_reach_from_the_least_to_the_greatest() -> None:
    image = decoded(grey_picture([[2.0, 4.0, 3.0]], "a sample"))
    assert [image.getpixel((x, 0))[0] for x in range(3)] == [0, 255, 128]
    assert decoded(grey_picture([[7.0, 7.0]], "flat")).getpixel((0, 0))[0] == 0


def test_large_maps_are_averaged_over_blocks() -> None:
    matrix = [[float(10 * i + j) for j in range(5)] for i in range(4)]
    assert shrunk(matrix, 5) == matrix
    # Blocks of 2 × 2; those of the last column are one wide.
    assert shrunk(matrix, 3) == [[5.5, 7.5, 9.0], [25.5, 27.5, 29.0]]


@pytest.mark.parametrize(
    ("reasons", "remark"),
    [
        (["seed 0: a", "seed 2: a", "seed 1: b"], "failed: seeds 0, 2: a; seed 1: b"),
        (["out of disk"], "failed: out of disk"),
        ([], "failed"),
    ],
)
def test_reasons_that_seeds_share_are_told_once(reasons: list[str], remark: str) -> None:
    data: dict[str, Any] = sample_summary()["rows"][0] | {"status": "failed", "reasons": reasons}
    assert Row(1, "a", data).remark([0, 1, 2]) == remark
