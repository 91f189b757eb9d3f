"""A report as the page gets it, computed from the sizes of a network and drawn rates: what real ones look like."""

from collections import defaultdict
from collections.abc import Iterator
from random import Random
from typing import Any

from snnpd.energy.costs import COST_MODELS, Access, Operation
from snnpd.energy.rule_texts import RULES

STEPS, TOKENS, HEADS, BITS_V = 4, 64, 4, 8


def sample_report(dim: int = 192, depth: int = 2, seed: int = 0) -> dict[str, Any]:
    """A report on a bipolar spiking transformer of `depth` blocks, 4 heads and 64 tokens."""
    layers = [_priced(layer) for layer in _network(dim, depth, Random(seed))]
    operations = _summed(layers)
    return {
        "schema": "snnpd.energy/1",
        "snnpd_version": "0.1.0",
        "model": f"spikingformer, {depth} blocks of width {dim}",
        "data": "event_digits",
        "num_samples": 512,
        "time_steps": STEPS,
        "num_parameters": 9 * 2 * dim + depth * 12 * dim**2 + 11 * dim,
        "word": {"bits": 32, "is_float": True},
        "cost_models": [_cost_model(name, operations) for name in COST_MODELS],
        "layers": layers,
        "totals": {
            "operations": operations,
            "energy_pj": {
                name: {
                    "mean": (mean := sum(layer["energy_pj"][name] for layer in layers)),
                    "std": 0.04 * mean,
                }
                for name in COST_MODELS
            },
        },
        "baselines": [
            _baseline("ANN, fp32", 32, True, operations),
            _baseline("ANN, 4-bit", 4, False, operations),
        ],
        "unpriced": [{"layer": "head", "function": "exp", "elements": 10.0}],
        "rules": dict(RULES),
    }


def _network(dim: int, depth: int, random: Random) -> Iterator[dict[str, Any]]:
    elements = TOKENS * dim
    yield _layer(
        "stem.convs.0", "Conv2d", None, [_op("linear", "mac", 32, STEPS * elements * 9 * 2, is_float=True)]
    )
    yield _neuron("stem.activations.0", elements, "0..1", random)
    for block in range(depth):
        yield from _block(f"blocks.{block}", dim, random)
    yield _neuron("last", elements, "0..1", random)
    yield _layer("head", "Linear", None, [_op("linear", "mac", 32, STEPS * dim * 10, is_float=True)])


def _block(name: str, dim: int, random: Random) -> Iterator[dict[str, Any]]:
    elements, group = TOKENS * dim, f"{name}.attention.groups.0"
    yield _neuron(f"{name}.before", elements, "0..1", random)
    yield _linear(f"{name}.attention.qkv.linear", elements, 3 * dim, random)
    yield _neuron(f"{group}.query", elements, "-1..1", random)
    yield _neuron(f"{group}.key", elements, "-1..1", random)
    yield _attention(group, dim, random)
    yield _linear(f"{name}.attention.out.project.linear", elements, dim, random)
    yield _layer(
        name, "PreActivationBlock", None, [_op("residual", "ac", 32, 2 * STEPS * elements, is_float=True)]
    )
    yield _neuron(f"{name}.feed_forward.before", elements, "0..1", random)
    yield _linear(f"{name}.feed_forward.widen.linear", elements, 4 * dim, random)
    yield _neuron(f"{name}.feed_forward.between", 4 * elements, "0..1", random)
    yield _linear(f"{name}.feed_forward.narrow.linear", 4 * elements, dim, random)


def _linear(name: str, num_in: int, num_out: int, random: Random) -> dict[str, Any]:
    dense, rate = STEPS * num_in * num_out, random.uniform(0.08, 0.3)
    accesses = [
        _access("weight", "read", 16, rate * dense),
        _access("output", "write", 16, STEPS * TOKENS * num_out),
    ]
    operation = _op("linear", "ac", 32, rate * dense, (1 - rate) * dense, True)
    return _layer(name, "Linear", None, [operation], accesses)


def _neuron(name: str, elements: int, alphabet: str, random: Random) -> dict[str, Any]:
    num, rate = STEPS * elements, random.uniform(0.05, 0.35)
    letters = 2 if alphabet.startswith("-") else 1
    operations = [
        _op("neuron", "ac", 32, num, is_float=True),
        _op("neuron", "shift", 32, num, is_float=True),
        _op("neuron", "compare", 32, letters * num, is_float=True),
    ]
    accesses = [_access("potential", mode, 24, num) for mode in ("read", "write")]
    return _layer(name, "TernaryLIF" if letters == 2 else "LIF", alphabet, operations, accesses, rate)


def _attention(name: str, dim: int, random: Random) -> dict[str, Any]:
    pairs = STEPS * TOKENS**2
    met, cut = random.uniform(0.02, 0.09), random.uniform(0.1, 0.4)
    operations = [
        _op("product", "ac", 7, met * pairs * dim, (1 - met) * pairs * dim),
        _op("shiftmax", "ac", 7, pairs * HEADS),
        _op("shiftmax", "ac", 103, pairs * HEADS),
        _op("shiftmax", "leading_one", 103, STEPS * TOKENS * HEADS),
        *(
            _op("values", kind, BITS_V, (1 - cut) * pairs * dim, cut * pairs * dim)
            for kind in ("shift", "ac")
        ),
    ]
    accesses = [_access("score", "write", 7, pairs * HEADS), _access("value", "read", BITS_V, pairs * dim)]
    return _layer(name, "BipolarSelfAttention", None, operations, accesses)


def _op(
    role: str, kind: str, bits: int, done: float, skipped: float = 0.0, is_float: bool = False
) -> dict[str, Any]:
    std = 0.05 * done if skipped else 0.0
    operation = {"role": role, "kind": kind, "bits": bits, "is_float": is_float}
    return operation | {"done": float(done), "std": std, "skipped": float(skipped)}


def _access(what: str, mode: str, bits: int, words: float) -> dict[str, Any]:
    return {"what": what, "mode": mode, "bits": bits, "words": float(words)}


def _layer(
    name: str,
    kind: str,
    alphabet: str | None,
    operations: list[dict[str, Any]],
    accesses: list[dict[str, Any]] | None = None,
    rate: float | None = None,
) -> dict[str, Any]:
    counted = {"operations": operations, "accesses": accesses or []}
    return {"name": name, "type": kind, "alphabet": alphabet, "firing_rate": rate, **counted}


def _price_pj(model: str, operation: dict[str, Any]) -> float:
    kind, bits, is_float = (operation[key] for key in ("kind", "bits", "is_float"))
    return COST_MODELS[model].energy_pj(Operation(kind, bits, is_float))


def _moved_pj(model: str, access: dict[str, Any]) -> float:
    word = Access(access["what"], access["mode"], access["bits"], capacity=TOKENS * 192)
    return access["words"] * COST_MODELS[model].access_price(word)


def _priced(layer: dict[str, Any]) -> dict[str, Any]:
    energy = {
        model: sum(op["done"] * _price_pj(model, op) for op in layer["operations"])
        + sum(_moved_pj(model, access) for access in layer["accesses"])
        for model in COST_MODELS
    }
    return layer | {"energy_pj": energy}


def _summed(layers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    sums: dict[tuple, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for operation in (operation for layer in layers for operation in layer["operations"]):
        key = operation["kind"], operation["bits"], operation["is_float"]
        sums[key] = [a + operation[b] for a, b in zip(sums[key], ("done", "std", "skipped"), strict=True)]
    keys = ("kind", "bits", "is_float", "done", "std", "skipped")
    return [dict(zip(keys, (*key, *counts), strict=True)) for key, counts in sums.items()]


def _cost_model(name: str, operations: list[dict[str, Any]]) -> dict[str, Any]:
    prices = [
        {key: operation[key] for key in ("kind", "bits", "is_float")}
        | {"energy_pj": _price_pj(name, operation)}
        for operation in operations
    ]
    source, assumptions = COST_MODELS[name].source, list(COST_MODELS[name].assumptions)
    return {"name": name, "source": source, "assumptions": assumptions, "prices": prices}


def _baseline(name: str, bits: int, is_float: bool, operations: list[dict[str, Any]]) -> dict[str, Any]:
    dense = sum(op["done"] + op["skipped"] for op in operations if op["kind"] in ("mac", "ac")) / STEPS
    operation = _op("linear", "mac", bits, dense, is_float=is_float)
    weights = _access("weight", "read", bits, dense)
    energy = {model: dense * _price_pj(model, operation) + _moved_pj(model, weights) for model in COST_MODELS}
    assumptions = [
        f"the same layers on words of {bits} bits, every product done",
        "softmax attention, one step",
    ]
    return {"name": name, "assumptions": assumptions, "operations": [operation], "energy_pj": energy}
