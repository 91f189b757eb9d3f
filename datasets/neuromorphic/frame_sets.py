"""Data sets of event cameras as frames: what they share once their clips are found."""

from collections.abc import Callable

from snnpd.datasets.augmentation.frames import Translate
from snnpd.datasets.augmentation.table import Augment, Chosen, choose_augmentations
from snnpd.datasets.events import Sensor
from snnpd.datasets.neuromorphic.decode import AnyFormat, Read
from snnpd.datasets.neuromorphic.framing import TOKENS, Framing, input_shape
from snnpd.datasets.recordings import Parts, split_recordings
from snnpd.datasets.splits import Splits

ANY_FORMAT = AnyFormat()


def frame_splits(
    name: str,
    parts: Parts,
    sensor: Sensor,
    framing: Framing,
    *,
    class_names: tuple[str, ...],
    augment: Augment,
    default: Callable[[int], Chosen],
    seed: int,
    val_fraction: float,
    read: Read = ANY_FORMAT,
) -> Splits:
    """The parts of a data set of event frames, or of event tokens as series; `augment` True takes the set's `default`
    augmentations of frames, given their shorter side, and none for tokens.

    Raises:
        UsageError: damaged recordings or options that do not fit.
    """
    pipeline = framing.pipeline(sensor, read)
    shape = input_shape(pipeline, framing.time_steps)
    is_series = framing.representation in TOKENS
    if is_series:
        changes = choose_augmentations(augment, "tokens")
    else:
        changes = choose_augmentations(augment, "events", default(min(shape[-2:])))
    return split_recordings(
        name,
        "series" if is_series else "frames",
        parts,
        pipeline,
        class_names=class_names,
        input_shape=shape,
        augment=changes,
        seed=seed,
        val_fraction=val_fraction,
    )


def shifts(side: int) -> Chosen:
    """Shifts by up to a sixteenth of the side, and by a pixel at least."""
    pixels = max(1, side // 16)
    return Chosen(samples=(Translate(pixels, pixels),))
