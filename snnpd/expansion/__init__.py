"""Attention as a support vector expansion, as plain functions: kernels, normalisers, transforms, `expand`."""

from snnpd.expansion.describe import Description, describe
from snnpd.expansion.dual import Expansion
from snnpd.expansion.features import (
    EluPlusOne,
    ExactTernary,
    FeatureMap,
    RandomFeatures,
    TruncatedTernary,
    map_error,
)
from snnpd.expansion.forms import evaluate, expand
from snnpd.expansion.from_attention import AttentionSVR, from_attention, to_regression, with_origin
from snnpd.expansion.integer_shiftmax import (
    dyadic_accumulate,
    dyadic_numerators,
    shift_accumulate,
    shift_counts,
)
from snnpd.expansion.kernels import Exponential, FeatureKernel, Kernel, Linear, Uniform
from snnpd.expansion.normalisers import Constant, Normaliser, RowSum, Shiftmax
from snnpd.expansion.packed import packed_attention
from snnpd.expansion.packed_words import PackedTernary, from_fixed_point, pack_ternary, to_fixed_point
from snnpd.expansion.penalty import dual_infeasibility
from snnpd.expansion.power_weights import shiftmax
from snnpd.expansion.primal import PrimalState, stream
from snnpd.expansion.reach import Causal, CausalWindow, Everywhere, Reach, Strided, Window
from snnpd.expansion.svr import (
    SVRProblem,
    dual_objective,
    duality_gap,
    kkt_residual,
    predict,
    primal_objective,
)
from snnpd.expansion.svr_solver import SVRSolution, solve_svr
from snnpd.expansion.transforms import Points, PooledHeads, TokenBatchNorm, Transform

__all__ = [
    "AttentionSVR",
    "Causal",
    "CausalWindow",
    "Constant",
    "Description",
    "EluPlusOne",
    "Everywhere",
    "ExactTernary",
    "Expansion",
    "Exponential",
    "FeatureKernel",
    "FeatureMap",
    "Kernel",
    "Linear",
    "Normaliser",
    "PackedTernary",
    "Points",
    "PooledHeads",
    "PrimalState",
    "RandomFeatures",
    "Reach",
    "RowSum",
    "SVRProblem",
    "SVRSolution",
    "Shiftmax",
    "Strided",
    "TokenBatchNorm",
    "Transform",
    "TruncatedTernary",
    "Uniform",
    "Window",
    "describe",
    "dual_infeasibility",
    "dual_objective",
    "duality_gap",
    "dyadic_accumulate",
    "dyadic_numerators",
    "evaluate",
    "expand",
    "from_attention",
    "from_fixed_point",
    "kkt_residual",
    "map_error",
    "pack_ternary",
    "packed_attention",
    "predict",
    "primal_objective",
    "shift_accumulate",
    "shift_counts",
    "shiftmax",
    "solve_svr",
    "stream",
    "to_fixed_point",
    "to_regression",
    "with_origin",
]
