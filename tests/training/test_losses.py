import pytest
import torch
from spikingjelly.activation_based.functional import temporal_efficient_training_cross_entropy
from torch.nn import functional

from snnpd.training.config import OptimConfig
from snnpd.training.losses import classification_loss

LOGITS = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
Y = torch.tensor([0, 3, 1, 1, 2])


def test_mean_rate_is_the_cross_entropy_of_the_mean() -> None:
    expected = functional.cross_entropy(LOGITS.mean(0), Y, label_smoothing=0.1)
    assert torch.equal(classification_loss(LOGITS, Y, OptimConfig(label_smoothing=0.1)), expected)


def test_tet_is_spikingjellys_where_both_exist() -> None:
    ours = classification_loss(LOGITS, Y, OptimConfig(loss="tet"))
    torch.testing.assert_close(ours, temporal_efficient_training_cross_entropy(LOGITS, Y))
    assert ours > classification_loss(LOGITS, Y, OptimConfig())  # Jensen


def test_tets_second_term() -> None:
    config = OptimConfig(loss="tet", tet_lambda=0.25, label_smoothing=0.1)
    steps = torch.stack([functional.cross_entropy(step, Y, label_smoothing=0.1) for step in LOGITS])
    expected = 0.75 * steps.mean() + 0.25 * (LOGITS - 1).square().mean()
    torch.testing.assert_close(classification_loss(LOGITS, Y, config), expected)


@pytest.mark.parametrize("loss", ["mean_rate", "tet"])
def test_soft_targets_generalise_hard_ones(loss: str) -> None:
    config = OptimConfig(loss=loss, label_smoothing=0.1)
    one_hot = functional.one_hot(Y, 4).float()
    torch.testing.assert_close(
        classification_loss(LOGITS, one_hot, config), classification_loss(LOGITS, Y, config)
    )
