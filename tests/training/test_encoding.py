import pytest
import torch
from torch import Tensor

from snnpd.errors import UsageError
from snnpd.training import Encoder
from snnpd.training.seeding import seeded

IMAGES = torch.rand(6, 1, 5, 5, generator=torch.Generator().manual_seed(0)) * 3 - 1
SERIES = torch.randn(3, 7, 2, generator=torch.Generator().manual_seed(0))
MASK = torch.arange(7) < torch.tensor([[7], [4], [1]])


def encode(encoding: str, x: Tensor, mask: Tensor | None = None, time_steps: int = 4) -> Tensor:
    kind = "image" if x.ndim == 4 else "series"
    with seeded(0):
        return Encoder(encoding, time_steps, kind)(x, mask)


@pytest.mark.parametrize("encoding", ["direct", "rate", "latency", "delta"])
@pytest.mark.parametrize(("x", "mask"), [(IMAGES, None), (SERIES, MASK), (SERIES, None)])
@pytest.mark.parametrize("time_steps", [1, 4])
def test_time_first_and_padding_stays_zero(
    encoding: str, x: Tensor, mask: Tensor | None, time_steps: int
) -> None:
    x = x if mask is None else x * mask.unsqueeze(-1)
    out = encode(encoding, x, mask, time_steps)
    assert out.shape == (time_steps, *x.shape)
    assert out.count_nonzero() > 0
    if mask is not None:
        assert out[:, ~mask].count_nonzero() == 0
    if encoding != "direct":
        assert set(out.unique().tolist()) <= {-1.0, 0.0, 1.0}
        assert torch.equal(out, encode(encoding, x, mask, time_steps))


def test_direct_repeats() -> None:
    assert all(torch.equal(step, IMAGES) for step in encode("direct", IMAGES))


def test_rate_has_the_scaled_value_as_its_mean() -> None:
    x = torch.tensor([[0.0, 1.0, 4.0], [2.0, 3.0, 4.0]]).view(2, 1, 1, 3)
    mean = encode("rate", x, time_steps=4000).mean(0).view(2, 3)
    assert mean[:, [0, 2]].tolist() == [[0.0, 1.0]] * 2
    assert mean[:, 1].tolist() == pytest.approx([0.25, 0.5], abs=0.03)


def test_latency_spikes_once_and_earlier_for_larger_values() -> None:
    out = encode("latency", torch.linspace(0, 1, 5).view(1, 1, 1, 5), time_steps=5).view(5, 5)
    assert out.sum(0).tolist() == [1.0] * 5
    assert out.argmax(0).tolist() == [4, 3, 2, 1, 0]


@pytest.mark.parametrize("encoding", ["latency", "delta"])
def test_a_sample_does_not_depend_on_its_batch(encoding: str) -> None:
    together = encode(encoding, IMAGES)
    alone = torch.cat([encode(encoding, image.unsqueeze(0)) for image in IMAGES], dim=1)
    assert torch.equal(together, alone)


def test_delta_marks_changes_of_a_series_with_their_sign() -> None:
    x = torch.tensor([5.0, 5.05, 6.0, 4.0]).view(1, 4, 1)
    assert encode("delta", x, time_steps=2)[:, 0, :, 0].tolist() == [[0.0, 0.0, 1.0, -1.0]] * 2


def test_delta_of_a_picture_is_its_appearance() -> None:
    out = encode("delta", IMAGES)
    assert torch.equal(out[0], IMAGES.sign() * (IMAGES.abs() >= 0.1))
    assert out[1:].count_nonzero() == 0


def test_frames_stay() -> None:
    frames = torch.randn(5, 2, 1, 3, 3)
    assert Encoder("direct", 5, "frames")(frames) is frames


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("direct", 0), "time_steps is 0"),
        (("rat", 4), "unknown encoding 'rat'; did you mean 'rate'"),
        (("rate", 4, "frames"), "spikes already; use 'direct'"),
    ],
)
def test_bad_encoders(arguments: tuple, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Encoder(*arguments)


def test_frames_of_another_number() -> None:
    with pytest.raises(UsageError, match="time_steps is 4, but the data have 5 frames"):
        Encoder("direct", 4, "frames")(torch.zeros(5, 2, 1, 3, 3))
