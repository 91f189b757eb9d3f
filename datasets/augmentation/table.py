"""Augmentations by name, as recipes ask for them."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from snnpd.datasets.augmentation.bands import ShiftBands
from snnpd.datasets.augmentation.erase import Cutout, RandomErasing
from snnpd.datasets.augmentation.event_drop import DropAtRandom, DropByArea, DropByTime, EventDrop
from snnpd.datasets.augmentation.event_turns import EventRotate, EventShear
from snnpd.datasets.augmentation.events import (
    EventAugmentation,
    EventFlip,
    EventRoll,
    PolarityFlip,
    SpatialJitter,
    TimeJitter,
    TimeReversal,
    TimeScale,
)
from snnpd.datasets.augmentation.frames import Flip, Roll, Rotate, Shear, Translate
from snnpd.datasets.augmentation.images import Augmentation, RandAugment, RandomAffine, ShiftFlip
from snnpd.datasets.augmentation.nda import NDA, SNNAugmentWide
from snnpd.datasets.augmentation.timm_recipe import TimmRandAugment
from snnpd.errors import UsageError, unknown

PICTURE_AUGMENTATIONS: dict[str, Callable[..., Augmentation]] = {
    "cutout": Cutout,
    "flip": Flip,
    "nda": NDA,
    "random_erasing": RandomErasing,
    "roll": Roll,
    "rotate": Rotate,
    "shear": Shear,
    "shift_flip": ShiftFlip,
    "snn_augment_wide": SNNAugmentWide,
    "translate": Translate,
}
IMAGE_AUGMENTATIONS: dict[str, Callable[..., Augmentation]] = {
    "affine": RandomAffine,
    "randaugment": RandAugment,
    "timm": TimmRandAugment,
}
EVENT_AUGMENTATIONS: dict[str, Callable[..., EventAugmentation]] = {
    "drop_at_random": DropAtRandom,
    "drop_by_area": DropByArea,
    "drop_by_time": DropByTime,
    "event_drop": EventDrop,
    "event_flip": EventFlip,
    "event_roll": EventRoll,
    "event_rotate": EventRotate,
    "event_shear": EventShear,
    "polarity_flip": PolarityFlip,
    "spatial_jitter": SpatialJitter,
    "time_jitter": TimeJitter,
    "time_reversal": TimeReversal,
    "time_scale": TimeScale,
}
SERIES_AUGMENTATIONS: dict[str, Callable[..., Augmentation]] = {"shift_bands": ShiftBands}
AUGMENTATIONS: dict[str, Callable[..., Any]] = (
    PICTURE_AUGMENTATIONS | IMAGE_AUGMENTATIONS | EVENT_AUGMENTATIONS | SERIES_AUGMENTATIONS
)
# Those that mean nothing to a cochlea, whose channels are no places: it is one row of bands from low to high.
_OF_PLACES = (
    "drop_by_area",
    "event_drop",
    "event_flip",
    "event_roll",
    "event_rotate",
    "event_shear",
    "polarity_flip",
)

# What a data set has: images, frames that are stored as such, events that become frames, events that become tokens, or
# the spikes of a cochlea.
Source = Literal["image", "frames", "events", "tokens", "cochlea"]
OFFERED: dict[Source, dict[str, Callable[..., Any]]] = {
    "image": PICTURE_AUGMENTATIONS | IMAGE_AUGMENTATIONS,
    "frames": PICTURE_AUGMENTATIONS,
    "events": PICTURE_AUGMENTATIONS | EVENT_AUGMENTATIONS,
    "tokens": EVENT_AUGMENTATIONS,
    "cochlea": {n: made for n, made in EVENT_AUGMENTATIONS.items() if n not in _OF_PLACES}
    | SERIES_AUGMENTATIONS,
}
# How an `augment` option is written.
Augment = bool | str | Mapping[str, Any] | Sequence[Any]


@dataclass(frozen=True)
class Chosen:
    """Augmentations in the order in which they run: first those of events, then those of what is made from them."""

    events: tuple[EventAugmentation, ...] = ()
    samples: tuple[Augmentation, ...] = ()


def choose_augmentations(wishes: object, source: Source, default: Chosen | None = None) -> Chosen:
    """What a recipe's `augment` asks for: True the data set's `default`, False nothing, else by name.

    A wish is a name, or a mapping of a `name` and options; `wishes` are one of them or a list.

    Raises:
        UsageError: a name, an option or a value that is not known, or does not go with this kind of data.

    Example:
        >>> choose_augmentations(["event_drop", {"name": "roll", "pixels": 3}], "events").samples
        (Roll(pixels=3),)
    """
    if isinstance(wishes, bool):
        return (default or Chosen()) if wishes else Chosen()
    several = [wishes] if isinstance(wishes, str | Mapping) else wishes
    if not isinstance(several, Sequence):
        raise UsageError(f"augment is {wishes!r}; give true, false, a name, or a list of names")
    events: list[EventAugmentation] = []
    samples: list[Augmentation] = []
    for wish in several:
        name, augmentation = _create(wish, source)
        (events if name in EVENT_AUGMENTATIONS else samples).append(augmentation)
    return Chosen(tuple(events), tuple(samples))


def choose_for_pictures(
    wishes: object, source: Literal["image", "frames"], *default: Augmentation
) -> tuple[Augmentation, ...]:
    """As `choose_augmentations`, for a set whose samples lie there as images or frames.

    Example:
        >>> choose_for_pictures("flip", "image", Roll())
        (Flip(probability=0.5, axis='x'),)
    """
    return choose_augmentations(wishes, source, Chosen(samples=default)).samples


def _create(wish: object, source: Source) -> tuple[str, Any]:
    options = {"name": wish} if isinstance(wish, str) else wish
    if not isinstance(options, Mapping) or not isinstance(options.get("name"), str):
        raise UsageError(
            f"augment has {wish!r}; give a name, or name and options as {{name: roll, pixels: 3}}"
        )
    name = options["name"]
    if name not in AUGMENTATIONS:
        raise unknown("augmentation", name, OFFERED[source])
    if name not in OFFERED[source]:
        raise UsageError(
            f"augmentation {name!r} is not for {source}; for them there are {', '.join(sorted(OFFERED[source]))}"
        )
    # YAML has lists where the classes have tuples.
    given = {key: _frozen(value) for key, value in options.items() if key != "name"}
    return name, _made(name, given)


def _made(name: str, options: dict[str, Any]) -> Any:
    maker = AUGMENTATIONS[name]
    known, hints = inspect.signature(maker).parameters, get_type_hints(maker)
    for option, value in options.items():
        if option not in known:
            raise unknown(f"option of augmentation {name!r}", option, known)
        if not _fits(value, hints[option]):
            kind = (
                getattr(hints[option], "__name__", "") if isinstance(hints[option], type) else hints[option]
            )
            raise UsageError(f"augmentation {name!r}: {option} is {value!r}; give {kind}")
    for option, parameter in known.items():
        if parameter.default is parameter.empty and option not in options:
            raise UsageError(f"augmentation {name!r} needs {option}; write {{name: {name}, {option}: …}}")
    return maker(**options)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value from a recipe is of an option's type; a whole number is a number, true and false are none."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return value in parts
    if origin is UnionType:
        return any(_fits(value, part) for part in parts)
    if origin is tuple:
        kinds = parts[:1] * len(value) if isinstance(value, tuple) and parts[-1] is Ellipsis else parts
        return isinstance(value, tuple) and len(value) == len(kinds) and all(map(_fits, value, kinds))
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, int | float if hint is float else hint)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(part) for part in value) if isinstance(value, list) else value
