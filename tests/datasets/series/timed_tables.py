"""Irregular series whose class lies in their time stamps alone, as tables."""

from pathlib import Path

import numpy as np

HEADER = "sample,label,time,a,b"


def timed_rows(num_samples: int, seed: int = 0, shuffled: bool = False) -> list[str]:
    """6 to 10 moments a sample: class "even" near multiples of 8, "odd" half-way between them; values are noise.

    With `shuffled` the stamps of all samples are dealt out anew, and tell nothing.
    """
    rng = np.random.default_rng(seed)
    samples = np.repeat(np.arange(num_samples), rng.integers(6, 11, num_samples))
    moments = np.concatenate(
        [rng.choice(40, num, replace=False) for num in np.bincount(samples, minlength=num_samples)]
    )
    times = 8 * moments + 4 * (samples % 2) + rng.normal(0, 0.4, len(samples))
    if shuffled:
        times = rng.permutation(times)
    times = times[np.lexsort([times, samples])]
    values = rng.normal(size=(len(samples), 2))
    return [
        f"{sample},{('even', 'odd')[sample % 2]},{time:.4f},{a:.4f},{b:.4f}"
        for sample, time, (a, b) in zip(samples, times, values, strict=True)
    ]


def write_timed(folder: Path, num_train: int = 60, num_test: int = 20, shuffled: bool = False) -> Path:
    for part, num in (("train", num_train), ("test", num_test)):
        rows = timed_rows(num, seed=num, shuffled=shuffled)
        (folder / f"{part}.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return folder
