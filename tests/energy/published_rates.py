"""Published figures: operations, firing rates and energies of spiking transformers on ImageNet, with sources."""

from dataclasses import dataclass

STEPS = 4
TOKENS = 14 * 14
GIGA = 1e9


def stem_macs(width: int) -> int:
    """First convolution of a spiking tokenizer, 3 x 3 on 224 x 224 pixels to an eighth of the width, in each step."""
    return 9 * 3 * (width // 8) * 224**2 * STEPS


def head_macs(width: int, classes: int = 1000) -> int:
    """The classifier, once, on the mean over time; its biases are counted as one product each."""
    return width * classes + classes


def residual_fed_macs(width: int, depth: int = 8, tokens: int = TOKENS) -> int:
    """Dense products of the layers that read a residual sum: query, key, value and the first one of each MLP."""
    return depth * (3 + 4) * width**2 * tokens * STEPS


@dataclass(frozen=True)
class Row:
    """A row of a published table.

    Units: operations in 10⁹, energy in mJ; the MACs are those that the row takes in, counted from the geometry.
    """

    name: str
    giga_ops: float
    macs: int
    energy_mj: float


# Zhou et al., Spikformer, ICLR 2023 (arXiv 2209.15425), table 2; its formula is equation 22. Every row has the stem of
# the width 512, whatever its own width.
SPIKFORMER = (
    Row("Spikformer-8-384", 6.82, stem_macs(512), 7.734),
    Row("Spikformer-6-512", 8.69, stem_macs(512), 9.417),
    Row("Spikformer-8-512", 11.09, stem_macs(512), 11.577),
    Row("Spikformer-10-512", 13.67, stem_macs(512), 13.899),
    Row("Spikformer-8-768", 22.09, stem_macs(512), 21.477),
)

# The same table: residual networks, whose 7 x 7 stem (64 channels, 112 x 112) is taken once, not in each step.
RESNET_STEM = 49 * 3 * 64 * 112**2
RESNETS = (
    Row("Spiking ResNet-34", 65.28, RESNET_STEM, 59.295),
    Row("tdBN ResNet-34", 6.50, RESNET_STEM, 6.393),
    Row("SEW ResNet-34", 3.88, RESNET_STEM, 4.035),
    Row("SEW ResNet-50", 4.83, RESNET_STEM, 4.890),
    Row("SEW ResNet-101", 9.30, RESNET_STEM, 8.913),
    Row("SEW ResNet-152", 13.72, RESNET_STEM, 12.891),
)

# Zhou et al., Spikingformer (arXiv 2304.11954; AAAI 2026), table 2 and section "ImageNet-1k classification"; the
# operations from the README of zhouchenlin2096/Spikingformer. Each row has the stem of its own width, and the head.
SPIKINGFORMER = (
    Row("Spikingformer-8-384", 3.88, stem_macs(384) + head_macs(384), 4.69),
    Row("Spikingformer-8-512", 6.52, stem_macs(512) + head_macs(512), 7.463),
    Row("Spikingformer-8-768", 12.54, stem_macs(768) + head_macs(768), 13.678),
)

# The same paper's recount of Spikformer: width, energy in mJ.
RECOUNT = {384: 12.43, 512: 18.819, 768: 32.074}


@dataclass(frozen=True)
class MeasuredRates:
    """Rates of every layer's input, measured over ImageNet's validation set, and what was computed from them.

    Units: rates in percent, operations in 10⁹, energy in mJ.
    Shapes: stem: four convolutions behind the first; blocks: the input of query, key and value, of the projection, of
        the first and of the second layer of the MLP; attention: query, key, value (shares, not percent).
    """

    width: int
    heads: int
    stem: tuple[float, ...]
    blocks: tuple[tuple[float, float, float, float], ...]
    attention: tuple[tuple[float, float, float], ...]
    giga_acs: float
    giga_macs: float
    energy_mj: float


# zhouchenlin2096/Spikingformer, energy_consumption_calculation/test_spikingformer-8-512_eg.log.
RATES_512 = MeasuredRates(
    512,
    8,
    (25.8312565, 15.3364436, 13.1065373, 12.9557331),
    (
        (17.6595751, 29.7803004, 26.7676900, 3.28870974),
        (33.7953024, 30.9584658, 33.0194005, 2.96453710),
        (34.2222987, 31.4189673, 34.7303054, 2.55983278),
        (34.4263662, 29.0892771, 34.6611222, 1.92913754),
        (34.3272679, 20.9885448, 36.0386227, 1.42090094),
        (35.9286898, 16.5693003, 35.9497969, 0.952562647),
        (34.2288006, 10.6833842, 32.2695614, 0.568941609),
        (31.7671993, 9.47712146, 29.9233030, 1.37684836),
    ),
    (
        (0.17230188630104062, 0.03626344770312309, 0.06957707978010177),
        (0.11627475060462952, 0.040295450145006184, 0.07173207724809647),
        (0.10669307922124864, 0.044414592387676234, 0.07524623577594756),
        (0.08188644799470902, 0.05000199048876763, 0.0768778057050705),
        (0.06365273276925086, 0.04325467040181161, 0.07054187965631485),
        (0.07711239219903945, 0.0311313860142231, 0.07321582739830017),
        (0.07023756886482238, 0.024202287513613703, 0.07348622434139251),
        (0.09727698216676713, 0.02812242347121239, 0.07954712931871415),
    ),
    6.51754094076244,
    0.347329512,
    7.463502601886196,
)

# The same repository, imagenet/energy_consumption_logs/energy_consumption_ (a checkpoint other than the table's).
RATES_768 = MeasuredRates(
    768,
    12,
    (19.7965460, 13.1895378, 12.0846457, 13.0084657),
    (
        (14.7487163, 26.5166095, 22.7515193, 2.34958546),
        (29.8753035, 28.0114389, 29.2010668, 1.82614675),
        (29.0634241, 28.5826126, 29.7635107, 1.55622950),
        (30.8397023, 23.4471216, 31.4734939, 1.01932791),
        (31.1861667, 18.0228588, 31.2871279, 0.563001929),
        (30.6928039, 12.6033685, 29.9676573, 0.314805499),
        (29.2061912, 8.09031347, 26.9513600, 0.288770040),
        (27.3812756, 7.15480859, 26.9668558, 0.558467084),
    ),
    (
        (0.13504587255466577, 0.029809614839687148, 0.059374576983854926),
        (0.10502227857612378, 0.03767449076381095, 0.060627427491204526),
        (0.083264635933484, 0.03776095036300132, 0.06862975352579866),
        (0.0563250279859985, 0.03519357228931017, 0.06847197796057848),
        (0.06754581377675473, 0.03175003137613819, 0.058989271577890176),
        (0.05021996689208955, 0.02239815261861332, 0.042047852859927334),
        (0.075462721379392, 0.03070094926452176, 0.0403859808697728),
        (0.08323420930894296, 0.029329224434424882, 0.07040979446432474),
    ),
    12.513659576717108,
    0.520993768,
    13.658864951845398,
)

# ZK-Zhou/spikformer, issue 23: the recount's tool on Spikformer-4-384, CIFAR-10 (32 x 32 pixels, 8 x 8 tokens).
CIFAR_ALL_MACS = 1_073_133_322
CIFAR_PRICED_MACS = 5_312_266
