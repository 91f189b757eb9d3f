"""Frames of a recording: ours against tonic's ToFrame, for each slicing that both define.

Run: python benchmarks/event_frames.py [--events 300000] [--side 128] [--rounds 41]

The recording is random. Both must give the same frames, which is checked first: tonic's equal times leave out the
recording's last moment, so ours are given a span without it. Both alternate in this process; ratios are of rounds.
"""

import argparse
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
from record import append, quantiles, stopwatch
from tonic.transforms import ToFrame

from snnpd.datasets.events import EVENT_DTYPE, Events, Sensor
from snnpd.datasets.representations.table import create_representation

NUM_SLICES = 10
WINDOW_US = 100_000
DURATION_US = NUM_SLICES * WINDOW_US


def random_recording(num_events: int, side: int) -> Events:
    """Events in order of time over `DURATION_US`, from its first moment on; the last event comes after it."""
    rng = np.random.default_rng(0)
    events = np.zeros(num_events, dtype=EVENT_DTYPE)
    events["x"], events["y"], events["p"] = (rng.integers(0, top, num_events) for top in (side, side, 2))
    events["t"] = np.sort(rng.integers(0, DURATION_US, num_events))
    events["t"][[0, -1]] = 0, DURATION_US + 1
    return events


def slicings(num_events: int) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """By name: our options, and tonic's for the same frames."""
    ours: dict[str, dict[str, Any]] = {
        "time": {"num_slices": NUM_SLICES, "start_us": 0, "stop_us": DURATION_US},
        "duration": {"window_us": WINDOW_US},
        "events": {"num_slices": NUM_SLICES},
        "event_count": {"num_events": num_events // NUM_SLICES},
    }
    theirs: dict[str, dict[str, Any]] = {
        "time": {"n_time_bins": NUM_SLICES},
        "duration": {"time_window": WINDOW_US, "include_incomplete": True},
        "events": {"n_event_bins": NUM_SLICES},
        "event_count": {"event_count": num_events // NUM_SLICES, "include_incomplete": True},
    }
    return {name: (ours[name] | {"slicing": name}, theirs[name]) for name in ours}


def measure(events: Events, side: int, num_rounds: int) -> None:
    """Records the rows of every slicing, ours with the ratio of tonic's time to it."""
    peer = f"tonic {version('tonic')} ToFrame"
    for slicing, (options, tonic_options) in slicings(len(events)).items():
        represent = create_representation("frames", **options)
        to_frame = ToFrame((side, side, 2), **tonic_options)
        calls: dict[str, Callable[[], np.ndarray]] = {
            "snnpd Frames": partial(represent, events, Sensor(side, side)),
            peer: partial(to_frame, events),
        }
        frames = {name: call() for name, call in calls.items()}
        assert np.array_equal(frames["snnpd Frames"], frames[peer]), f"{slicing}: the frames differ"
        assert frames[peer].sum() >= len(events) - 1
        watches = {name: stopwatch(call) for name, call in calls.items()}
        rounds = [{name: watch() for name, watch in watches.items()} for _ in range(num_rounds)]
        for name, found in frames.items():
            row = {
                "op": "event_frames",
                "implementation": name,
                "mode": f"slicing by {slicing}",
                "events": len(events),
                "shape": list(found.shape),
                "dtype": str(found.dtype),
                "rounds": num_rounds,
                **quantiles([seconds[name] for seconds in rounds]),
            }
            if name != peer:
                ratios = np.quantile([seconds[peer] / seconds[name] for seconds in rounds], (0.2, 0.5, 0.8))
                row |= {"peer": peer, "times_faster_p20_p50_p80": ratios.round(2).tolist()}
            append("event_frames", row)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=300_000, help=f"a multiple of {NUM_SLICES}")
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=41)
    options = parser.parse_args()
    measure(random_recording(options.events, options.side), options.side, options.rounds)


if __name__ == "__main__":
    main()
