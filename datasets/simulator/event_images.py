"""Any image set of ours as an event camera would have seen it: simulated events."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnpd.datasets.augmentation.table import Augment, choose_augmentations
from snnpd.datasets.events import Sensor
from snnpd.datasets.neuromorphic.frame_sets import ANY_FORMAT, shifts
from snnpd.datasets.neuromorphic.framing import TOKENS, Framing, Options, input_shape
from snnpd.datasets.recordings import Parts, split_recordings
from snnpd.datasets.simulator.event_camera import EventCamera
from snnpd.datasets.simulator.filmed import Filmed, Stills, digest_images
from snnpd.datasets.simulator.intensity import MAX_SIDE
from snnpd.datasets.simulator.motion import Pan, Saccade
from snnpd.datasets.simulator.motion import Path as Way
from snnpd.datasets.simulator.saccade import DURATION_US
from snnpd.datasets.splits import Splits
from snnpd.datasets.table import DATASETS
from snnpd.errors import UsageError, unknown
from snnpd.registry import accepted_options, create, resolve

# The number of the first test recording: no train part is as long.
_FIRST_TEST = 2**31
# The path spans twice this part of the sensor.
_AMPLITUDE = 0.1
_PATHS = ("saccade", "pan")


def event_images(
    *,
    images: str = "fashion_mnist",
    root: str | None = None,
    image_options: Options = None,
    num: int | None = None,
    sensor: int = 34,
    path: str = "saccade",
    border: str = "black",
    camera: Options = None,
    time_steps: int = 6,
    representation: str = "frames",
    representation_options: Options = None,
    slicing: str = "time",
    cache: bool | str = True,
    augment: Augment = True,
    seed: int = 0,
    val_fraction: float = 0.1,
) -> Splits:
    """The set `images`, with its own `root` and `image_options`, as *simulated* events: no real camera saw them.

    Each image, its longer side four fifths of the sensor, moves for 300 ms before one camera in N-MNIST's three
    saccades, or in a straight `path` "pan" to the right; around it all is black, or its edge goes on if `border` is
    "edge". `camera` holds options of `EventCamera`: threshold, shot_noise_hz, seed and so on. Frames hold
    log(1 + count), divided by the train part's standard deviation. Classes and parts are those of the images, or `num`
    of each part, every class in proportion. Augmentation shifts by up to two pixels. Licence: that of the images.

    Source: the path from Orchard et al., 2015.
    Shapes:
        sample: `[time_steps, 2, sensor, sensor]`.

    Raises:
        UsageError: no such image set, damaged files, or an option that does not fit.
    """
    for option, value in (("sensor", sensor), ("num", 1 if num is None else num)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise UsageError(f"{option} is {value!r}; give a whole number from 1 upwards")
    if sensor > MAX_SIDE:
        raise UsageError(f"sensor is {sensor}; give {MAX_SIDE} at most")
    shot_by, way = _camera(camera), _way(path, sensor)
    span = {"start_us": 0, "stop_us": DURATION_US} if slicing == "time" else {}
    if representation in TOKENS:
        raise UsageError(f"event_images holds frames; representation {representation!r} gives none")
    more = representation_options
    options = span | dict(more) if isinstance(more, Mapping) else more or span
    plane = Sensor(sensor, sensor)
    usual = Framing(time_steps, representation, slicing, options, None, cache).pipeline(plane, ANY_FORMAT)
    shape = input_shape(usual, time_steps)
    stills = _image_set(images, root, image_options)
    train = Stills(stills.train, _choose(stills.train, num))
    test = Stills(stills.test, _choose(stills.test, num), _FIRST_TEST)
    digest = digest_images((train, test), f"looking at {images}") if usual.cache else ""
    return split_recordings(
        "event_images",
        "frames",
        Parts(train.clips(), test.clips()),
        replace(usual, decode=Filmed(train, test, shot_by, way, border, plane, digest)),
        class_names=stills.class_names,
        input_shape=shape,
        augment=choose_augmentations(augment, "events", shifts(sensor)),
        seed=seed,
        val_fraction=val_fraction,
    )


def _camera(options: Options) -> EventCamera:
    if not isinstance(options, Mapping | None):
        raise UsageError(f"camera is {options!r}; give options of the camera, {{threshold: 0.3}} say")
    known = [option.name for option in fields(EventCamera)]
    for option in options or {}:
        if option not in known:
            raise unknown("option of the camera", option, known)
    return EventCamera(**(options or {}))


def _way(path: str, sensor: int) -> Way:
    if path not in _PATHS:
        raise unknown("path", path, _PATHS)
    if path == "saccade":
        return Saccade(_AMPLITUDE * sensor)
    return Pan((2 * _AMPLITUDE * sensor / (DURATION_US * 1e-6), 0.0))


def _image_set(images: str, root: str | None, image_options: Options) -> Splits:
    """The images, as they are and with all of train in one part."""
    factory = resolve("data set", images, DATASETS)
    if factory is event_images:
        raise UsageError("event_images of event_images; name a set of images, fashion_mnist say")
    taken = accepted_options(factory)
    # A set that has no such option has no such augmentation either.
    plain = {"val_fraction": 0.0, "augment": False}
    options: dict[str, Any] = {option: value for option, value in plain.items() if option in taken}
    if not isinstance(image_options, Mapping | None):
        raise UsageError(f"image_options is {image_options!r}; give options of {images}, {{size: 32}} say")
    options |= dict(image_options or {}) | ({} if root is None else {"root": root})
    splits = create("data set", images, DATASETS, **options)
    if splits.kind != "image":
        raise UsageError(f"data set {images!r} holds {splits.kind}; name a set of images, fashion_mnist say")
    return splits


def _choose(part: Any, num: int | None) -> NDArray[np.int64]:
    """The places of the first samples of each class, `num` together (all if None), as many of it as it has a share."""
    labels = np.asarray(part.labels)
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels)
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    turn = np.argsort((rank + 0.5) / np.repeat(np.maximum(counts, 1), counts), kind="stable")
    return np.sort(order[turn[:num]])
