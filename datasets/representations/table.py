"""Representations by name, with options as a recipe or a command line gives them."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any

import numpy as np

from snnpd.datasets.representations.form import Representation
from snnpd.datasets.representations.slicing import SLICINGS
from snnpd.datasets.representations.spatial import Crop, Downsample
from snnpd.errors import UsageError, unknown
from snnpd.registry import resolve

REPRESENTATIONS: dict[str, str] = {
    "frames": "snnpd.datasets.representations.frames:Frames",
    "signed": "snnpd.datasets.representations.frames:SignedFrames",
    "signed_counts": "snnpd.datasets.representations.frames:SignedCounts",
    "voxel": "snnpd.datasets.representations.voxel:VoxelGrid",
    "time_surface": "snnpd.datasets.representations.time_surface:TimeSurface",
    "tokens": "snnpd.datasets.representations.tokens:SingleEvents",
    "token_groups": "snnpd.datasets.representations.tokens:EventGroups",
}

# The types of options.
_KINDS: dict[Any, str] = {
    int: "a whole number",
    int | None: "a whole number",
    float: "a number",
    bool: "True or False",
}


def create_representation(
    name: str, *, slicing: object = None, crop: object = None, downsample: object = 1, **options: Any
) -> Representation:
    """A representation with its slicing, of the sensor's middle if there is a `crop` (height, width), then coarser.

    `slicing` is "time" unless given, for those that slice; its options stand beside the representation's own.

    Raises:
        UsageError: an unknown name or option, or one that is missing or makes no sense.

    Example:
        >>> create_representation("signed", num_slices=10)
        SignedFrames(slicing=EqualTimes(num_slices=10, start_us=None, stop_us=None))
    """
    maker = resolve("representation", name, REPRESENTATIONS)
    parts = {f"representation {name!r}": maker}
    cut = None
    if "slicing" in _fields(maker):
        slicing = _slicing_name(slicing)
        cut = parts[f"slicing {slicing!r}"] = resolve("slicing", slicing, SLICINGS)
    elif slicing is not None:
        raise UsageError(f"representation {name!r} has no slices; leave slicing={slicing!r} out")
    options = {key: _plain(value) for key, value in options.items()}
    _check_options({what: _fields(part) for what, part in parts.items()}, options)
    taken = _taken(maker, options)
    if cut is not None:
        taken["slicing"] = cut(**_taken(cut, options))
    return _of_part(maker(**taken), crop, _plain(downsample))


def _slicing_name(slicing: object) -> str:
    if slicing is None:
        return "time"
    if not isinstance(slicing, str):
        raise UsageError(f"slicing is {slicing!r}; give one of {', '.join(SLICINGS)}")
    return slicing


def _of_part(made: Representation, crop: object, downsample: object) -> Representation:
    _check_kind("downsample", downsample, int)
    assert isinstance(downsample, int)
    if downsample != 1:
        made = Downsample(of=made, factor=downsample)
    if crop is None:
        return made
    if not isinstance(crop, list | tuple) or len(crop) != 2:
        raise UsageError(f"crop is {crop!r}; give a height and a width")
    height, width = map(_plain, crop)
    _check_kind("height of the crop", height, int)
    _check_kind("width of the crop", width, int)
    return Crop(of=made, height=height, width=width)


def _plain(value: object) -> Any:
    """A number of numpy's as Python's: their `repr` differ, and a cache knows a representation by that."""
    return value.item() if isinstance(value, np.generic) else value


def _fields(maker: Callable[..., Any]) -> dict[str, Field[Any]]:
    return {field.name: field for field in fields(maker)}  # type: ignore[arg-type]


def _taken(maker: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: options[key] for key in _fields(maker) if key in options}


def _check_options(parts: Mapping[str, Mapping[str, Field[Any]]], options: Mapping[str, Any]) -> None:
    """Raises UsageError for an option that no part takes, that a part lacks or that is of another kind."""
    accepted = [key for part in parts.values() for key in part if key != "slicing"]
    for option in options:
        if option not in accepted:
            raise UsageError(
                f"{', '.join(parts)}: {unknown('option', option, [*accepted, 'crop', 'downsample'])}"
            )
    for what, part in parts.items():
        for key, field in part.items():
            if key != "slicing" and field.default is MISSING and key not in options:
                raise UsageError(f"{what} needs the option {key!r}; give it")
            if key in options:
                _check_kind(key, options[key], field.type)


def _check_kind(option: str, value: object, kind: Any) -> None:
    # True is an int to Python, and an int a float.
    if isinstance(value, bool):
        fits = kind is bool
    else:
        fits = isinstance(value, int | float if kind is float else kind)
    if not fits:
        raise UsageError(f"{option} is {value!r}; give {_KINDS[kind]}")
