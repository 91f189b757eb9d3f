"""Attention as a support vector expansion, as plain functions: kernels, normalisers, transforms, `expand`."""

from snnpd.expansion.dual import Expansion, expand
from snnpd.expansion.kernels import Exponential, Kernel, Linear, PositiveFeatures
from snnpd.expansion.normalisers import Constant, Normaliser, RowSum, Shiftmax
from snnpd.expansion.power_weights import shiftmax
from snnpd.expansion.transforms import Points, PooledHeads, TokenBatchNorm, Transform

__all__ = [
    "Constant",
    "Expansion",
    "Exponential",
    "Kernel",
    "Linear",
    "Normaliser",
    "Points",
    "PooledHeads",
    "PositiveFeatures",
    "RowSum",
    "Shiftmax",
    "TokenBatchNorm",
    "Transform",
    "expand",
    "shiftmax",
]
