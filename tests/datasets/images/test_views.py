"""Views: what part of an image is seen."""

import numpy as np
import pytest
from PIL import Image

from snnpd.datasets.images.views import CentreView, RandomView
from snnpd.datasets.seeding import rng_for
from tests.datasets.images.pictures import picture


def smooth(height: int, width: int) -> Image.Image:
    return Image.fromarray(picture(3, 6, 6)).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize(("height", "width"), [(375, 500), (500, 333), (120, 120), (256, 256)])
def test_the_middle_is_that_of_resizing_and_cutting(height: int, width: int) -> None:
    transforms = pytest.importorskip("torchvision.transforms")
    image = smooth(height, width)
    field = transforms.Compose([transforms.Resize(256, interpolation=3), transforms.CenterCrop(224)])(image)
    ours = CentreView(224, 224 / 256)(image, rng_for(0))
    assert ours.size == (224, 224)
    # The field rounds the longer side and the place of the cut to whole pixels.
    difference = np.abs(np.asarray(ours).astype(int) - np.asarray(field))
    assert difference.mean() < 1.5
    assert np.asarray(field).std() > 20


def test_an_image_of_the_right_size_is_left_as_it_is() -> None:
    image = Image.fromarray(picture(1))
    assert np.array_equal(np.asarray(CentreView(24)(image, rng_for(0))), picture(1))


@pytest.mark.parametrize("view", [CentreView(32), RandomView(32)])
@pytest.mark.parametrize("size", [(1, 1), (20000, 1), (1, 20000), (3, 900)])
def test_long_and_narrow_images(view: CentreView | RandomView, size: tuple[int, int]) -> None:
    assert view(Image.new("RGB", size, (9, 8, 7)), rng_for(0)).getpixel((16, 16)) == (9, 8, 7)


def test_random_parts_have_the_areas_and_shapes_that_were_asked_for() -> None:
    view = RandomView(32, area=(0.2, 0.6), aspect=(0.5, 2.0))
    boxes = np.array([view._box((400, 300), rng_for(7, index)) for index in range(500)])
    left, top, right, bottom = boxes.T
    assert left.min() >= 0
    assert top.min() >= 0
    assert right.max() <= 400
    assert bottom.max() <= 300
    area = (right - left) * (bottom - top) / 120_000
    aspect = (right - left) / (bottom - top)
    assert 0.199 < area.min() < 0.22
    assert 0.58 < area.max() < 0.601
    assert 0.49 < aspect.min() < 0.55
    assert 1.8 < aspect.max() < 2.02
    # Uniform in the area, not in the side.
    assert np.median(area) == pytest.approx(0.4, abs=0.03)
    assert len({*left.tolist()}) > 100


def test_half_are_mirrored() -> None:
    image = smooth(60, 60)
    plain, mirrored = (
        RandomView(60, (1.0, 1.0), (1.0, 1.0), flip=False),
        RandomView(60, (1.0, 1.0), (1.0, 1.0)),
    )
    straight = np.asarray(plain(image, rng_for(0)))
    assert np.array_equal(straight, np.asarray(image))
    seen = [np.asarray(mirrored(image, rng_for(index))) for index in range(200)]
    flipped = sum(np.array_equal(one, straight[:, ::-1]) for one in seen)
    assert flipped + sum(np.array_equal(one, straight) for one in seen) == 200
    assert 70 < flipped < 130
