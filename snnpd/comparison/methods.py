"""What is compared: the methods by name, and beside which others each of them is looked at."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from snnpd.errors import UsageError, unknown

Family = Literal["ann", "quantised", "snn", "ann control", "snn control", "converted", "inherited"]

# In the order in which they are asked.
QUESTIONS: dict[str, str] = {
    "twin": "Is the spiking network as accurate as its ANN twin?",
    "quantised": "Is it as accurate as the ANN quantised to T + 1 or 2T + 1 levels?",
    "quantisation": "What does quantising the ANN cost?",
    "control": "Is learned attention better than attention that cannot have learned where to look?",
    "bn_sh": "Do Attention-BN and -SH raise accuracy and make heads less alike?",
    "ablation": "Which part of bipolar attention matters: ternary spikes, the kernel with its normaliser, or both?",
    "conversion": "What do trained ANN weights bring, with their epochs on top?",
    "reference": "Is it as accurate as the reference?",
}


@dataclass(frozen=True)
class Method:
    """A row of a comparison but for its neuron and its time steps.

    `source` names the method whose trained network of the same seed this one is made from; `letters`, how many letters
    but zero an activation's time step has, is that of a quantised network.
    """

    label: str
    family: Family
    attention: str
    attention_options: dict[str, Any] = field(default_factory=dict)
    model_options: dict[str, Any] = field(default_factory=dict)
    source: str | None = None
    letters: int | None = None
    beside: tuple[tuple[str, str], ...] = ()

    @property
    def is_spiking(self) -> bool:
        """Whether time steps and neurons are its own."""
        return self.family in ("snn", "snn control", "inherited", "converted")

    @property
    def is_trained(self) -> bool:
        """Whether it has a training of its own."""
        return self.family != "converted"


def _snn(label: str, attention: str, *beside: tuple[str, str], **options: Any) -> Method:
    return Method(label, "snn", attention, options, beside=(("twin", "softmax"), *beside))


def _controls(*names: str) -> tuple[tuple[str, str], ...]:
    return tuple(("control", name) for name in names)


def _ablation() -> dict[str, Method]:
    """Bipolar attention, one part at a time: letters of queries and keys, then the normaliser."""
    normalisers = {
        "none": "linear, no normaliser",
        "softmax": "softmax",
        "shiftmax": "Shiftmax",
        "dyadic": "dyadic",
    }
    methods: dict[str, Method] = {}
    for points in ("binary", "ternary"):
        for normaliser, label in normalisers.items():
            name = f"{points}_{normaliser}"
            options = {"points": points, "normaliser": normaliser}
            others = ["ssa", f"{points}_none", f"binary_{normaliser}", "frozen_bsa"]
            if normaliser in ("shiftmax", "dyadic"):  # what powers of two cost
                others.append(f"{points}_softmax")
            beside = tuple(("ablation", other) for other in others if other != name)
            methods[name] = Method(f"{points}, {label}", "snn", "bsa_ablation", options, beside=beside)
    return methods


METHODS: dict[str, Method] = {
    "softmax": Method("softmax", "ann", "softmax", beside=_controls("frozen_softmax", "uniform", "identity")),
    "attention_bn": Method("Attention-BN", "ann", "attention_bn", beside=(("bn_sh", "softmax"),)),
    "attention_sh": Method("Attention-SH", "ann", "attention_sh", beside=(("bn_sh", "softmax"),)),
    "attention_bn_sh": Method("Attention-BN+SH", "ann", "attention_bn_sh", beside=(("bn_sh", "softmax"),)),
    "primal": Method("Primal-Attention", "ann", "primal", beside=(("reference", "softmax"),)),
    "cat": Method("CAT", "ann", "cat", beside=(("reference", "softmax"),)),
    "softmax_relu": Method(
        "softmax, ReLU", "ann", "softmax", {}, {"activation": "relu"}, beside=(("reference", "softmax"),)
    ),
    "frozen_softmax": Method("frozen random q, k", "ann control", "frozen_softmax"),
    "uniform": Method("uniform", "ann control", "uniform"),
    "identity": Method("identity", "ann control", "identity"),
    "quantised": Method(
        "softmax, T + 1 levels", "quantised", "softmax", letters=1, beside=(("quantisation", "softmax"),)
    ),
    "quantised_ternary": Method(
        "softmax, 2T + 1 levels", "quantised", "softmax", letters=2, beside=(("quantisation", "softmax"),)
    ),
    "ssa": _snn("SSA", "ssa", ("quantised", "quantised")),
    "sdsa": _snn("SDSA", "sdsa1", ("quantised", "quantised")),
    "qk": _snn("QK, tokens", "token_qk", ("quantised", "quantised")),
    "a2os2a": _snn("A²OS²A", "a2os2a", ("quantised", "quantised_ternary")),
    "bsa": _snn(
        "BSA",
        "bsa",
        ("quantised", "quantised_ternary"),
        *_controls("frozen_bsa", "spiking_uniform", "spiking_identity"),
    ),
    "bsa_softmax": _snn("BSA, exact rows", "bsa", ("ablation", "bsa"), rounding="sum"),
    "bsa_dyadic": _snn("BSA, dyadic", "bsa", ("ablation", "bsa"), rounding="dyadic"),
    "bipolar_bn": _snn("Bipolar-BN", "bipolar_bn", ("bn_sh", "bsa")),
    "bipolar_sh": _snn("Bipolar-SH", "bipolar_sh", ("bn_sh", "bsa")),
    "bipolar_bn_sh": _snn("Bipolar-BN+SH", "bipolar_bn_sh", ("bn_sh", "bsa")),
    "frozen_bsa": Method("BSA, frozen random q, k", "snn control", "frozen_bsa"),
    "spiking_uniform": Method("spiking uniform", "snn control", "spiking_uniform"),
    "spiking_identity": Method("spiking identity", "snn control", "spiking_identity"),
    "converted": Method(
        "softmax, ReLU, converted",
        "converted",
        "softmax",
        {},
        {"activation": "relu"},
        source="softmax_relu",
        beside=(("conversion", "softmax_relu"), ("twin", "softmax")),
    ),
    "bsa_inherited": Method(
        "BSA from the ANN's weights",
        "inherited",
        "bsa",
        source="softmax",
        beside=(("conversion", "bsa"), ("twin", "softmax")),
    ),
    **_ablation(),
}

_SPLIT = list(METHODS).index("binary_none")
METHOD_SETS: dict[str, tuple[str, ...]] = {
    "core": tuple(METHODS)[:_SPLIT],
    "ablation": ("ssa", *tuple(METHODS)[_SPLIT:], "frozen_bsa"),
    "bn_sh": (*tuple(name for name in METHODS if name.endswith(("_bn", "_sh"))), "softmax", "bsa"),
    "controls": (
        *tuple(name for name, m in METHODS.items() if m.family.endswith("control")),
        "softmax",
        "bsa",
    ),
}


def expand_methods(names: Sequence[str] | str) -> tuple[str, ...]:
    """Methods by name or by the name of a set, each once, with the sources that some of them are made from.

    Raises:
        UsageError: an unknown name, with the nearest ones; no name.
    """
    given = names.split(",") if isinstance(names, str) else list(names)
    found: list[str] = []
    for name in (name.strip() for name in given):
        if name not in METHODS and name not in METHOD_SETS:
            raise unknown("method", name, (*METHODS, *METHOD_SETS))
        found += METHOD_SETS.get(name, (name,))
    if not found:
        raise UsageError("no method to compare; name some, or a set of them, `core` say")
    return _ordered([*found, *(source for name in found if (source := METHODS[name].source))])


def _ordered(names: Iterable[str]) -> tuple[str, ...]:
    wanted = set(names)
    return tuple(name for name in METHODS if name in wanted)
