from pathlib import Path

import pytest
import torch
from torch import nn

from snnpd.comparison.inherited import inherit
from snnpd.errors import UsageError
from snnpd.models.spikingformer import spikingformer_tiny
from tests.comparison.digits import IMAGE, SERIES, images, train, twin

# What of attention a spiking network takes from its softmax twin: the maps of this name.
ATTENTION = {
    "bsa": {"qkv", "out"},
    "ssa": {"qkv", "out"},
    "bipolar_bn": {"qkv", "out"},
    "frozen_bsa": {"out"},
    "spiking_uniform": {"out"},
    "spiking_cat": {"out"},
    "token_qk": {"out"},
    "sdsa3": set(),
}


def pair(attention: str = "bsa", options: dict = IMAGE) -> tuple[nn.Module, nn.Module]:
    """A spiking network and a twin none of whose parameters has the value it began with."""
    ann = twin(seed=1, **options)
    with torch.no_grad():
        for tensor in [*ann.parameters(), *(b for b in ann.buffers() if b.is_floating_point())]:
            tensor.add_(torch.rand_like(tensor) + 0.1)
    torch.manual_seed(0)
    return spikingformer_tiny(attention=attention, **options), ann


@pytest.mark.parametrize("options", [IMAGE, SERIES], ids=["image", "series"])
def test_stem_head_and_maps_are_the_twins(options: dict) -> None:
    snn, ann = pair(options=options)
    done = inherit(snn, ann)
    mine, theirs = snn.state_dict(), ann.state_dict()
    same = [name for name in theirs if name.startswith(("stem.", "head."))]
    assert len(same) > 8
    assert all(torch.equal(mine[name], theirs[name]) for name in same)
    maps = {"attention.qkv": "attention.qkv", "attention.out": "attention.out.project"}
    maps |= {f"feed_forward.{name}": f"feed_forward.{name}" for name in ("widen", "narrow")}
    for block in ("blocks.0.", "blocks.1."):
        for source, place in maps.items():
            assert torch.equal(mine[f"{block}{place}.linear.weight"], theirs[f"{block}{source}.weight"])
            assert torch.equal(mine[f"{block}{place}.norm.bias"], theirs[f"{block}{source}.bias"])
            assert (mine[f"{block}{place}.norm.weight"] == 1).all()
    left = {name for name, _ in snn.named_parameters()} - set(done.names)
    assert left == {f"{b}{place}.norm.weight" for b in ("blocks.0.", "blocks.1.") for place in maps.values()}
    assert done.num_parameters == sum(p.numel() for p in snn.parameters())
    assert done.num_copied == done.num_parameters - sum(snn.get_parameter(name).numel() for name in left)


def test_an_inherited_map_begins_as_the_twins() -> None:
    snn, ann = pair()
    inherit(snn, ann)
    x = torch.randn(2, 3, 5, 32)
    found, wanted = (net.eval().blocks[0].feed_forward.widen(x) for net in (snn, ann))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("attention", ATTENTION)
def test_attention_without_counterpart_is_left_as_it_was(attention: str) -> None:
    snn, ann = pair(attention)
    before = {name: tensor.clone() for name, tensor in snn.state_dict().items()}
    done = inherit(snn, ann)
    copied = {name.split("attention.")[1].split(".")[0] for name in done.names if "attention." in name}
    assert copied == ATTENTION[attention]
    for name, parameter in snn.named_parameters():
        assert torch.equal(parameter, before[name]) == (name not in done.names), name


def test_wider_layers_are_left_as_they_were() -> None:
    snn, ann = spikingformer_tiny(**IMAGE | {"mlp_ratio": 2.0}), pair()[1]
    names = inherit(snn, ann).names
    assert "blocks.0.attention.qkv.linear.weight" in names
    # The narrowing map's bias has the twin's shape; its weight has not, and without it the bias means nothing.
    assert not [name for name in names if "feed_forward" in name]


def test_it_goes_on_learning_from_where_the_twin_was(tmp_path: Path) -> None:
    ann = twin(**IMAGE)
    train(ann, tmp_path / "ann", epochs=2)
    results = []
    for name in ("inherited", "from scratch"):
        torch.manual_seed(0)
        snn = spikingformer_tiny(**IMAGE)
        if name == "inherited":
            inherit(snn, ann)
            start = snn.stem.convs[0].conv.weight.detach().clone()
        results.append(train(snn, tmp_path / name, epochs=1, lr=2e-3))
        if name == "inherited":
            assert not torch.equal(snn.stem.convs[0].conv.weight, start)
    assert results[0] > 0.5
    assert results[0] > results[1] + 0.1
    assert snn(images(3, 2)).shape == (2, 3, 10)


def test_networks_that_share_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match=r"no layer of Backbone has the name and shape .* same stem"):
        inherit(spikingformer_tiny(**IMAGE), nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)))
