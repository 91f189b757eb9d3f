"""The names that others write down; a change here is a change of the face, and belongs in the changelog."""

import importlib
import inspect

import pytest

import snnpd
from snnpd.expansion import shiftmax

FACE = {
    "snnpd": "__version__ compare create_dataset create_model list_datasets list_models report",
    "snnpd.expansion": "AttentionSVR Causal CausalWindow Constant Description EluPlusOne Everywhere "
    "ExactTernary Expansion Exponential FeatureKernel FeatureMap Kernel Linear Normaliser PackedTernary "
    "Points PooledHeads PrimalState RandomFeatures Reach RowSum SVRProblem SVRSolution "
    "Shiftmax Strided TokenBatchNorm Transform TruncatedTernary Uniform Window describe "
    "dual_infeasibility dual_objective duality_gap dyadic_accumulate dyadic_numerators "
    "evaluate expand from_attention from_fixed_point kkt_residual map_error pack_ternary packed_attention predict "
    "primal_objective "
    "shift_accumulate shift_counts shiftmax solve_svr stream to_fixed_point to_regression with_origin",
    "snnpd.neurons": "IF IntegerLIF LIF ParametricLIF TernaryIF TernaryLIF create_neuron decay_from_tau explain "
    "firing_rates list_neurons set_default_implementation use_implementation",
    "snnpd.energy": "COST_MODELS Access Account CostModel Count EnergyReport Ledger Operation Word count_batch report",
    "snnpd.attention": "Attention AttentionBN AttentionBNSH AttentionSH BipolarBN BipolarBNSH BipolarSH "
    "BipolarSelfAttention ExpansionAttention HeadView SoftmaxAttention SpikingSelfAttention "
    "create_attention explain list_attentions observe record_attention",
    "snnpd.blocks": "BochnerEncoding ConvStem FeedForward MercerEncoding PreActivationBlock SeriesStem "
    "Stage TimeEncoding TimedSeriesStem token_grid",
}


@pytest.mark.parametrize("module", FACE)
def test_the_public_names(module: str) -> None:
    found = importlib.import_module(module)
    assert sorted(found.__all__) == sorted(FACE[module].split())
    assert all(hasattr(found, name) for name in found.__all__)


def test_the_names_in_configurations() -> None:
    assert snnpd.list_models() == [
        "spikingformer_cifar",
        "spikingformer_small",
        "spikingformer_tiny",
        "vit_cifar_twin",
        "vit_small_twin",
        "vit_tiny_twin",
    ]
    datasets = (
        "asl_dvs basic_motions cifar10 cifar100 cifar10_dvs digits dvs_gesture dvs_lip emnist "
        "event_digits event_images fashion_mnist idx image_folder imagenet irregular "
        "japanese_vowels kmnist listops lra_image lra_listops lra_pathfinder lra_text mnist "
        "ncaltech101 nmnist pathfinder shd ssc svhn tiny_imagenet ts"
    )
    assert snnpd.list_datasets() == datasets.split()


def test_shiftmax_has_its_signature() -> None:
    parameters = inspect.signature(shiftmax).parameters
    assert list(parameters)[:3] == ["scores", "dim", "rounding"]
    assert (parameters["dim"].default, parameters["rounding"].default) == (-1, "ceil")
