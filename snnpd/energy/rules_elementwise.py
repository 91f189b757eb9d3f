"""Rules 11 and 12 and their neighbours: sums, products and functions of single elements."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from torch import Tensor

from snnpd.energy.scene import Call, Scene
from snnpd.energy.signals import Signal, combined


def addition(scene: Scene, call: Call) -> Signal | None:
    """a + b and a - b: the residual sum, an event on a word, or a constant that is added."""
    a, b = call.args[:2]
    left, right = _signal(scene, a), _signal(scene, b)
    minus = call.name.startswith(("sub", "rsub"))
    alpha = call.kwargs.get("alpha", 1)
    if left is None or right is None:
        known = left or right
        assert known is not None
        constant = b if right is None else a
        if known.folds or _is_mask(constant):
            return known  # the accumulator starts from a bias; a mask leaves scores out
        if _is_zero(constant):
            return known.scaled(-1) if known.is_events and minus and left is None else known
        scene.count("residual", "ac", known, scene.per_row(call.result.numel(), known))
        return known.analog()
    signal = left if left.steps >= right.steps else right
    elements = scene.per_row(call.result.numel(), signal)
    if not left.is_events and not right.is_events:
        scene.count("residual", "ac", signal, elements)
        return signal.analog()
    if left.is_events and right.is_events and left.scale == right.scale and alpha == 1:
        low, high = combined(left, right, int.__sub__ if minus else int.__add__)
        result = signal.events(low, high, left.scale)
        met = scene.nonzeros((a != 0).logical_and(b != 0), _flags(signal))
        scene.count("residual", "ac", signal, met, elements - met, bits=result.width)
        return result
    events, x = (left, a) if left.is_events else (right, b)
    done = scene.nonzeros(x.expand(call.result.shape), events.with_steps(signal.steps))
    scene.count("residual", "ac", signal, done, elements - done)
    return signal.analog()


def multiplication(scene: Scene, call: Call) -> Signal | None:
    """a ⊙ b: a gate of events, words times words, or a constant that folds into what follows."""
    a, b = call.args[:2]
    left, right = _signal(scene, a), _signal(scene, b)
    if left is None or right is None:
        known, x, constant = (right, b, a) if left is None else (left, a, b)
        assert known is not None
        return _constant(scene, known, x, constant, call)
    signal = left if left.steps >= right.steps else right
    elements = scene.per_row(call.result.numel(), signal)
    if not left.is_events and not right.is_events:
        scene.count("gate", "mac", signal, elements)
        return signal.analog()
    result = signal.analog()
    if left.is_events and right.is_events:
        low, high = combined(left, right, int.__mul__)
        result = signal.events(low, high, left.scale * right.scale)
    drives_left = left.is_events and (not right.is_events or a.numel() >= b.numel())
    x, events = (a, left) if drives_left else (b, right)
    done = scene.nonzeros(x.expand(call.result.shape), events.with_steps(signal.steps))
    bits = result.width if result.is_events else None
    scene.count("gate", "and", signal, done, elements - done, bits)
    return result


def _constant(scene: Scene, known: Signal, x: Tensor, constant: Tensor | float, call: Call) -> Signal:
    if call.name.startswith("div") and constant is call.args[0]:
        scene.ledger.add_unpriced(scene.layer, "division", call.result.numel())
        return known.analog()
    number = _number(constant)
    if number == 1 or (known.folds and not known.is_events):
        return known
    if number is not None and known.is_events:
        return known.scaled(1 / number if call.name.startswith("div") else number)
    scene.count("norm", "mac", known, scene.per_row(call.result.numel(), known))
    return known.analog()


def division(scene: Scene, call: Call) -> Signal | None:
    """By a constant it is a multiplication; by an activation it has no price."""
    if _signal(scene, call.args[1]) is None:
        return multiplication(scene, call)
    signal = _signal(scene, call.args[1])
    assert signal is not None
    scene.ledger.add_unpriced(scene.layer, "division", call.result.numel())
    return signal.analog()


def comparison(scene: Scene, call: Call) -> Signal:
    """What it gives is a truth value, an event by its type."""
    signal = next(s for s in (_signal(scene, x) for x in call.args[:2]) if s is not None)
    scene.count("neuron", "compare", signal, scene.per_row(call.result.numel(), signal))
    return signal.events(0, 1)


def extreme(scene: Scene, call: Call) -> Signal | None:
    """The largest or the least of some elements: a comparison for each but the first."""
    x = call.args[0]
    if len([s for s in map(partial(_signal, scene), call.args[:2]) if s is not None]) == 2:
        return comparison(scene, call).analog()
    signal = scene.signals[x]
    assert signal is not None
    bits = signal.width if signal.is_events else None
    scene.count("pool", "compare", signal, scene.per_row(x.numel() - call.result.numel(), signal), bits=bits)
    return replace(signal, folds=False)


def relu(scene: Scene, call: Call) -> Signal | None:
    """A comparison with zero."""
    signal = scene.signals[call.args[0]]
    assert signal is not None
    scene.count("neuron", "compare", signal, scene.per_row(call.result.numel(), signal))
    if signal.is_events:
        low, high = signal.letters
        return signal.events(max(low, 0), max(high, 0), signal.scale)
    return signal.analog()


def function(name: str) -> Callable[[Scene, Call], Signal | None]:
    """A function that has no price: listed."""

    def listed(scene: Scene, call: Call) -> Signal | None:
        signal = next(s for s in (_signal(scene, x) for x in call.args) if s is not None)
        scene.ledger.add_unpriced(scene.layer, name, call.result.numel())
        return signal.analog()

    return listed


def negation(scene: Scene, call: Call) -> Signal | None:
    """A sign folds into what follows."""
    signal = scene.signals[call.args[0]]
    assert signal is not None
    return signal.scaled(-1) if signal.is_events else signal


def rounding(scene: Scene, call: Call) -> Signal | None:
    """Letters are whole numbers already."""
    signal = scene.signals[call.args[0]]
    assert signal is not None
    if signal.is_events and signal.scale == 1:
        return signal
    return function(call.name)(scene, call)


def filling(scene: Scene, call: Call) -> Signal | None:
    """masked_fill and padding: letters stay letters if what is filled in is one of them."""
    signal = _signal(scene, call.args[0])
    assert signal is not None
    value = call.argument(2, "value", 0) or 0
    value = value.item() if isinstance(value, Tensor) else value
    if not signal.is_events or signal.letters[0] * signal.scale <= value <= signal.high * signal.scale:
        is_letter = not signal.is_events or value == 0 or (value / signal.scale).is_integer()
        return signal if is_letter else signal.analog()
    return signal.analog()


def _number(constant: Tensor | float) -> float | None:
    """The constant that serves all elements; None if each has its own."""
    if not isinstance(constant, Tensor):
        return constant
    return float(constant) if constant.numel() == 1 else None


def _signal(scene: Scene, x: Tensor | float) -> Signal | None:
    return scene.signals[x] if isinstance(x, Tensor) else None


def _flags(signal: Signal) -> Signal:
    return signal.events(0, 1)


def _is_mask(x: Tensor | float) -> bool:
    """Zeros, and -inf where a score is hidden."""
    return isinstance(x, Tensor) and bool(x.isneginf().any()) and bool(((x == 0) | x.isneginf()).all())


def _is_zero(x: Tensor | float) -> bool:
    return not isinstance(x, Tensor) and x == 0


COMPARISONS = ("gt", "ge", "lt", "le", "eq", "ne")
FUNCTIONS = [
    "abs",
    "clamp",
    "clamp_min",
    "clamp_max",
    "cos",
    "elu",
    "erf",
    "exp",
    "exp2",
    "expm1",
    "gelu",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log",
    "log2",
    "log1p",
    "maximum",
    "minimum",
    "mish",
    "pow",
    "reciprocal",
    "rsqrt",
    "sigmoid",
    "silu",
    "sign",
    "sin",
    "softplus",
    "sqrt",
    "tanh",
    "logical_not",
    "bitwise_and",
    "bitwise_or",
    "logical_and",
    "logical_or",
    "atan",
    "square",
]
RULES: dict[str, Callable[[Scene, Call], Signal | None]] = {
    "add": addition,
    "sub": addition,
    "rsub": addition,
    "mul": multiplication,
    "div": division,
    "relu": relu,
    "neg": negation,
    "masked_fill": filling,
    "constant_pad_nd": filling,
    **dict.fromkeys(("round", "floor", "ceil", "trunc"), rounding),
    **dict.fromkeys(COMPARISONS, comparison),
    **dict.fromkeys(("amax", "amin", "max", "min"), extreme),
    **{name: function(name) for name in FUNCTIONS},
}
