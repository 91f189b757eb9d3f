"""Attention as a support vector expansion, as plain functions: kernels, normalisers, transforms, `expand`."""

from snnpd.expansion.dual import Expansion
from snnpd.expansion.features import EluPlusOne, FeatureMap
from snnpd.expansion.forms import evaluate, expand
from snnpd.expansion.kernels import Exponential, FeatureKernel, Kernel, Linear, Uniform
from snnpd.expansion.normalisers import Constant, Normaliser, RowSum, Shiftmax
from snnpd.expansion.power_weights import shiftmax
from snnpd.expansion.primal import PrimalState, stream
from snnpd.expansion.reach import Causal, CausalWindow, Everywhere, Reach, Strided, Window
from snnpd.expansion.transforms import Points, PooledHeads, TokenBatchNorm, Transform

__all__ = [
    "Causal",
    "CausalWindow",
    "Constant",
    "EluPlusOne",
    "Everywhere",
    "Expansion",
    "Exponential",
    "FeatureKernel",
    "FeatureMap",
    "Kernel",
    "Linear",
    "Normaliser",
    "Points",
    "PooledHeads",
    "PrimalState",
    "Reach",
    "RowSum",
    "Shiftmax",
    "Strided",
    "TokenBatchNorm",
    "Transform",
    "Uniform",
    "Window",
    "evaluate",
    "expand",
    "shiftmax",
    "stream",
]
