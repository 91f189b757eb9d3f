"""`explain`: an attention layer in the words of the primal-dual framework."""

from snnpd.attention.base import Attention
from snnpd.attention.layer import ExpansionAttention
from snnpd.expansion.describe import describe
from snnpd.expansion.forms import Sizes


def explain(layer: Attention, num_tokens: int = 196) -> str:
    """Kernel, normaliser, transforms, feature dimension, costs and row sums of each group of heads, as a text.

    For a layer that is no support vector expansion, the reason. Costs are those of `num_tokens` queries and as
    many keys before pooling.

    Example:
        >>> from snnpd.attention import create_attention
        >>> print(explain(create_attention("ssa", 64, 2), num_tokens=1024))
        SpikingSelfAttention, 1,024 tokens
        heads 1 to 2 of 2
          kernel             Linear(scale=1.0)
          normaliser         Constant(value=8.0)
          transform          none
          reach              all support points
          rows               not stochastic: they sum to anything
          feature dimension  32
          dual form          67,108,864 MACs
          primal form        2,162,688 MACs
          runs as            primal
    """
    title = f"{type(layer).__name__}, {num_tokens:,} tokens"
    if layer.no_expansion:
        return f"{title}\n  no support vector expansion: {layer.no_expansion}"
    if not isinstance(layer, ExpansionAttention):
        return f"{title}\n  an expansion whose points are made on the way; see {type(layer).__name__}'s description"
    width = layer.dim // layer.num_heads
    lines, first = [title], 1
    for group in layer.head_groups:
        num_points = num_tokens
        for step in group.expansion.transforms:
            num_points = -(-num_points // getattr(step, "factor", 1))
        last = first + group.num_heads - 1
        lines.append(f"heads {first} to {last} of {layer.num_heads}")
        text = describe(group.expansion, Sizes(num_tokens, num_points, width, width))
        lines += [f"  {line}" for line in str(text).splitlines()]
        first = last + 1
    return "\n".join(lines)
