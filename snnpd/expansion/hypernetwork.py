"""Attention as a hypernetwork: the weights of all heads at one pair of tokens are the code of a small value network."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from snnpd.errors import unknown

ValueNetwork = Callable[[Tensor, Tensor], Tensor]


def head_codes(
    scores: Float[Tensor, "... H N M"], mask: Bool[Tensor, "... #N M"] | None = None, epsilon: float = 1e-6
) -> Float[Tensor, "... H N M"]:
    """The scores of each pair of tokens, of root mean square one over the heads; zero outside the mask.

    Equation: a_hqk = s_hqk / √(mean_h s_hqk² + ε).

    Source: RMSHead of HYLA, Schug et al., ICLR 2025 (arXiv 2406.05816), and its code's ε;
    docs/math/systems.md#c11-the-heads-as-a-code.
    """
    wide = scores.to(torch.promote_types(scores.dtype, torch.float32))
    if mask is not None:
        wide = wide.masked_fill(~mask.unsqueeze(-3), 0)
    return (wide * (wide.square().mean(-3, keepdim=True) + epsilon).rsqrt()).to(scores.dtype)


def two_layers(
    codes: Float[Tensor, "... H N M"],
    values: Float[Tensor, "... H M E"],
    activation: Callable[[Tensor], Tensor],
) -> Float[Tensor, "... H N E"]:
    """The value network of HYLA: one hidden layer per pair of tokens, which takes O(N M E) memory.

    Equation: o_hq = Σ_k a_hqk σ(Σ_h' a_h'qk v_h'k); with output maps W_h, Σ_h W_h o_hq = Σ_k (Σ_h a_hqk W_h) σ(…).
    Source: docs/math/systems.md#c12-a-value-network-for-every-pair-of-tokens.
    """
    hidden = activation(torch.einsum("...hnm,...hme->...nme", codes, values))
    return torch.einsum("...hnm,...nme->...hne", codes, hidden)


def one_layer(
    codes: Float[Tensor, "... H N M"], values: Float[Tensor, "... H M E"]
) -> Float[Tensor, "... H N E"]:
    """A linear value network, which is multi-head attention with the codes for weights.

    Equation: o_hq = Σ_k a_hqk v_hk; with output and value maps Σ_h W_h o_hq = Σ_k (Σ_h a_hqk W_h W_h^val) x_k.
    Source: docs/math/systems.md#c12-a-value-network-for-every-pair-of-tokens.
    """
    return codes @ values


def _relu(codes: Tensor, values: Tensor) -> Tensor:
    return two_layers(codes, values, F.relu)


def _identity(codes: Tensor, values: Tensor) -> Tensor:
    return two_layers(codes, values, lambda hidden: hidden)


# "identity" is the linear network of the authors' code: both of its layers take the code, so it is multi-head
# attention not over the H codes but over their H² products a_hqk a_h'qk.
VALUE_NETWORKS: dict[str, ValueNetwork] = {"relu": _relu, "identity": _identity, "multi_head": one_layer}


def find_value_network(name: str) -> ValueNetwork:
    """The value network by name: of codes and values, the outputs of the heads.

    Raises:
        UsageError: no such network.
    """
    if name not in VALUE_NETWORKS:
        raise unknown("value network", name, VALUE_NETWORKS)
    return VALUE_NETWORKS[name]
