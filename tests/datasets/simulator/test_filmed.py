"""Images of a data set that are filmed when asked for, in any order."""

import pickle

import numpy as np
import pytest

from snnpd.datasets.events import Sensor
from snnpd.datasets.images.idx import idx_folder
from snnpd.datasets.simulator.event_camera import EventCamera
from snnpd.datasets.simulator.filmed import Filmed, Stills, digest_images
from snnpd.datasets.simulator.images import events_of_image
from snnpd.datasets.simulator.motion import Saccade
from snnpd.datasets.splits import Splits
from tests.datasets.files import write_idx_folder

CAMERA = EventCamera(0.5, shot_noise_hz=10.0, seed=1)
SENSOR = Sensor(15, 15)


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> Splits:
    return idx_folder(root=str(write_idx_folder(tmp_path_factory.mktemp("idx"))), val_fraction=0)


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5, 6], [6, 4, 5, 0, 3, 1, 2], [2, 3, 3, 4, 6, 5, 6]])
def test_an_image_is_what_it_is_alone_in_any_order(splits: Splits, order: list[int]) -> None:
    train = Stills(splits.train, np.array([2, 5, 6, 40]))
    test = Stills(splits.test, np.array([1, 7, 9]), 1000)
    clips = [*train.clips(), *test.clips()]
    assert [clip.label for clip in clips] == [2, 5, 6, 0, 1, 7, 9]
    numbers = [(splits.train, n, n) for n in (2, 5, 6, 40)]
    numbers += [(splits.test, n, 1000 + n) for n in (1, 7, 9)]
    film = pickle.loads(pickle.dumps(Filmed(train, test, CAMERA, Saccade(1.5), "edge", SENSOR)))
    for place in order:
        part, number, index = numbers[place]
        # Exactly what the set gives, divided as it divides.
        image = part.standard.undo(part[number][0]).clamp(0, 1)[0].numpy()
        alone = events_of_image(image, Saccade(1.5), camera=CAMERA, sensor=SENSOR, border="edge", index=index)
        assert len(alone) > 300
        assert np.array_equal(film(clips[place]), alone)


def test_the_digest_is_that_of_the_chosen_images(splits: Splits) -> None:
    def digest(*numbers: int) -> str:
        return digest_images([Stills(splits.train, np.array(numbers))], "looking")

    assert digest(1, 2) == digest(1, 2)
    assert len({digest(1, 2), digest(2, 1), digest(1), digest(1, 3)}) == 4


def test_repr_says_what_events_depend_on(splits: Splits) -> None:
    stills = Stills(splits.train, np.array([0]))
    made = repr(Filmed(stills, stills, CAMERA, Saccade(1.5), "black", SENSOR, "abc"))
    assert made == (
        f"Filmed(camera={CAMERA!r}, path=Saccade(amplitude=1.5), border='black', sensor={SENSOR!r}, digest='abc')"
    )
