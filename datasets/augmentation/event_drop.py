"""EventDrop: recordings with a stretch of time, a part of the sensor or random events missing."""

from dataclasses import dataclass

import numpy as np

from snnpd.datasets.augmentation.checks import check_shares
from snnpd.datasets.augmentation.events import Kept
from snnpd.datasets.events import Events, Sensor

_TENTHS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_UP_TO_A_QUARTER = (0.05, 0.1, 0.15, 0.2, 0.25)


@dataclass(frozen=True)
class DropByTime:
    """Drops the events of one stretch of time, one of `ratios` of the recording's span.

    It begins anywhere in the span, so it may reach over the end.

    Source: Gu et al., 2021 (EventDrop), algorithm 1.
    """

    ratios: tuple[float, ...] = _TENTHS

    def __post_init__(self) -> None:
        check_shares(self, "ratios")

    def __call__(self, events: Events, sensor: Sensor, rng: np.random.Generator) -> Kept:
        """What is left; all, if nothing would be."""
        if len(events) == 0:
            return events
        ratio, begin = _drawn(self.ratios, rng), rng.random()
        t = events["t"]
        place = (t - t[0]) / max(1, int(t[-1] - t[0]))
        return _kept(events, (place < begin) | (place >= begin + ratio))


@dataclass(frozen=True)
class DropByArea:
    """Drops the events of a box on the sensor, whose sides are one of `ratios` of the sensor's.

    Its centre is any point of the sensor, so it may reach over the border. (The authors' code drops all rows
    and columns of the box, a cross; their paper drops the box.)

    Source: Gu et al., 2021 (EventDrop), algorithm 1.
    """

    ratios: tuple[float, ...] = _UP_TO_A_QUARTER

    def __post_init__(self) -> None:
        check_shares(self, "ratios")

    def __call__(self, events: Events, sensor: Sensor, rng: np.random.Generator) -> Kept:
        """What is left; all, if nothing would be."""
        ratio = _drawn(self.ratios, rng)
        left, top = rng.random(2) - ratio / 2
        # Looked up by column and by row; a pixel is where its middle is.
        columns = (np.arange(sensor.width) + 0.5) / sensor.width
        rows = (np.arange(sensor.height) + 0.5) / sensor.height
        in_columns = (columns >= left) & (columns < left + ratio)
        in_rows = (rows >= top) & (rows < top + ratio)
        dropped = in_columns[events["x"]] & in_rows[events["y"]]
        return _kept(events, ~dropped)


@dataclass(frozen=True)
class DropAtRandom:
    """Drops one of `ratios` of all events, whichever they are.

    Source: Gu et al., 2021 (EventDrop), algorithm 1.
    """

    ratios: tuple[float, ...] = _TENTHS

    def __post_init__(self) -> None:
        check_shares(self, "ratios")

    def __call__(self, events: Events, sensor: Sensor, rng: np.random.Generator) -> Kept:
        """What is left; all, if nothing would be."""
        kept = np.ones(len(events), dtype=bool)
        kept[: int(len(events) * _drawn(self.ratios, rng))] = False
        rng.shuffle(kept)
        return _kept(events, kept)


@dataclass(frozen=True)
class EventDrop:
    """One of: nothing, a stretch of time dropped, a box on the sensor, random events.

    Source: Gu et al., 2021 (EventDrop), with the ratios of their code.
    """

    time_ratios: tuple[float, ...] = _TENTHS
    area_ratios: tuple[float, ...] = _UP_TO_A_QUARTER
    random_ratios: tuple[float, ...] = _TENTHS

    def __post_init__(self) -> None:
        for name in ("time_ratios", "area_ratios", "random_ratios"):
            check_shares(self, name)

    def __call__(self, events: Events, sensor: Sensor, rng: np.random.Generator) -> Kept:
        """What is left; all, if nothing would be."""
        choices = (
            DropByTime(self.time_ratios),
            DropByArea(self.area_ratios),
            DropAtRandom(self.random_ratios),
        )
        number = int(rng.integers(len(choices) + 1))
        return choices[number](events, sensor, rng) if number < len(choices) else events


def _drawn(ratios: tuple[float, ...], rng: np.random.Generator) -> float:
    return ratios[int(rng.integers(len(ratios)))]


def _kept(events: Events, kept: np.ndarray) -> Kept:
    return events[kept] if kept.any() else events
