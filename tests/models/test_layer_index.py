"""Every attention layer that asks for its place in the network is told."""

import pytest
from torch import Tensor, nn

import snnpd


class Alternating(nn.Module):
    """A layer that alternates over depth; the neurons of a spiking network are offered and not needed."""

    def __init__(
        self, dim: int, num_heads: int, *, layer_index: int, neuron: object = 0, neuron_options: object = 0
    ) -> None:
        super().__init__()
        self.layer_index = layer_index

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return x


@pytest.mark.parametrize("name", ["spikingformer_tiny", "vit_tiny_twin"])
def test_layers_are_told_their_place(name: str) -> None:
    model = snnpd.create_model(name, depth=3, dim=16, attention=Alternating, input_shape=(9, 3))
    assert [block.attention.layer_index for block in model.blocks] == [0, 1, 2]
