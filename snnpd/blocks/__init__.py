"""What networks are built of besides attention: stems and the pre-activation residual block."""

from snnpd.blocks.block import FeedForward, PreActivationBlock
from snnpd.blocks.stems import ConvStem, SeriesStem, Stage, token_grid

__all__ = ["ConvStem", "FeedForward", "PreActivationBlock", "SeriesStem", "Stage", "token_grid"]
