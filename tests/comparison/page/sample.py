"""A summary as the page gets it, drawn about plausible numbers: eight rows, of which one failed and one is partial."""

from math import exp
from random import Random
from statistics import fmean, stdev
from typing import Any

MODELS = ("horowitz45", "lemaire")
SEEDS = (0, 1, 2)
TOKENS, HEADS = 16, 4

# key, label, family, neuron, T, accuracy, energy in nJ
ROWS = (
    ("softmax/T1", "softmax", "ann", None, 1, 0.971, 5200.0),
    ("softmax-q3/T1", "softmax, 3 bits", "quantised", None, 1, 0.962, 410.0),
    ("bsa-shiftmax/lif/T4", "BSA, Shiftmax", "snn", "lif", 4, 0.958, 151.0),
    ("bsa-dyadic/lif/T4", "BSA, dyadic", "snn", "lif", 4, 0.955, 149.0),
    ("ssa/lif/T4", "SSA", "snn", "lif", 4, 0.941, 178.0),
    ("frozen/lif/T4", "frozen random q, k", "snn control", "lif", 4, 0.930, 120.0),
    ("converted/if/T8", "softmax, converted", "converted", "if", 8, 0.90, 640.0),
    ("qk/plif/T4", "QK", "snn", "plif", 4, None, None),
)


def sample_summary(seed: int = 0) -> dict[str, Any]:
    """A comparison on digits: the seventh row lacks a seed, the eighth failed."""
    random = Random(seed)
    rows = [_row(*row, random=random) for row in ROWS]
    rows[6] |= {
        "status": "partial",
        "seeds": [0, 2],
        "reasons": ["seed 1: TrainingError: the loss is not finite"],
    }
    for measure in rows[6]["measures"].values():
        del measure["values"][1]
    maps = {row["key"]: _maps(row, random) for row in rows[:6:2]}
    sample = {"kind": "image", "values": _image(), "label": 3}
    return _stated() | {"rows": rows, "pairs": _pairs(rows), "maps": {"sample": sample, "rows": maps}}


def _stated() -> dict[str, Any]:
    return {
        "schema": "snnpd.comparison/1",
        "snnpd_version": "0.1.0",
        "name": "compare-digits",
        "command": "snnpd compare compare-digits",
        "data": {"name": "digits", "num_train": 1152, "num_val": 143, "num_test": 360, "num_classes": 10},
        "budget": [
            "Every row: 30 epochs, batches of 64, AdamW, weight decay 0.05.",
            "Learning rate from {0.001, 0.002, 0.005} by the validation accuracy of seed 0; equal for all rows.",
            "Parameters: 25,866 in every row, within 1 %.",
        ],
        "seeds": list(SEEDS),
        "cost_models": [
            {
                "name": MODELS[0],
                "source": "Horowitz 2014, ISSCC, figure 1.1.9",
                "assumptions": ["45 nm, 0.9 V."],
            },
            {
                "name": MODELS[1],
                "source": "Lemaire et al. 2022",
                "assumptions": ["Memory is read for every spike."],
            },
        ],
        "reference": "softmax/T1",
        "questions": {
            "twin": "Is a spiking network as accurate as its ANN twin?",
            "normaliser": "Does the normaliser of the scores matter?",
            "trained": "Does training the queries and keys pay?",
        },
        "reading": [
            "No difference in accuracy is shown between softmax and BSA with Shiftmax, T = 4 "
            "(−1.3 points, 95 % from −2.9 to 0.3), at 34 times less energy by horowitz45.",
            "SSA is less accurate than softmax by 3.0 points (95 % from 1.2 to 4.8).",
        ],
        "seconds": {"total": 1834.2, "jobs": 2},
    }


def _row(
    key: str,
    label: str,
    family: str,
    neuron: str | None,
    steps: int,
    accuracy: float | None,
    energy_nj: float | None,
    random: Random,
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "key": key,
        "label": label,
        "family": family,
        "model": "spikingformer_tiny" if neuron else "transformer_tiny",
        "attention": label.lower(),
        "neuron": neuron,
        "time_steps": steps,
        "setting": {"optim.lr": 0.002},
        "status": "done",
        "reasons": [],
        "seeds": list(SEEDS),
        "measures": {},
        "curves": {},
        "layers": [],
    }
    if accuracy is None or energy_nj is None:
        reasons = [f"seed {seed}: TrainingError: the loss is not finite in epoch 3" for seed in SEEDS]
        return row | {"status": "failed", "seeds": [], "reasons": reasons}
    row["measures"] = _measures(accuracy, energy_nj * 1e3, neuron is not None, random)
    row["accuracy_interval"] = [accuracy - 0.019, accuracy + 0.015]
    row["curves"] = _curves(accuracy, steps, neuron is not None, random)
    row["layers"] = _layers(energy_nj * 1e3, neuron is not None, random)
    return row


def _measures(accuracy: float, energy_pj: float, is_spiking: bool, random: Random) -> dict[str, Any]:
    typical = {
        "accuracy": accuracy,
        "val_accuracy": accuracy + 0.004,
        "nll": 3.2 * (1 - accuracy),
        "ece": 0.5 * (1 - accuracy),
        "brier": 1.6 * (1 - accuracy),
        "energy_pj.horowitz45": energy_pj,
        "energy_pj.lemaire": energy_pj**0.8 * 90,
        "head_distance": random.uniform(0.3, 0.9),
        "row_sum_min": 0.0 if is_spiking else 1.0,
        "row_sum_max": 1.75 if is_spiking else 1.0,
        "attention_entropy": random.uniform(0.4, 0.95),
        "train_seconds": 42.0 if is_spiking else 11.0,
        "inference_ms": 1.9 if is_spiking else 0.31,
    }
    typical |= {"firing_rate": random.uniform(0.1, 0.2)} if is_spiking else {}
    exact = {"parameters": 25_866.0} | ({} if is_spiking else {"row_sum_min": 1.0, "row_sum_max": 1.0})
    drawn = {name: [mean * random.uniform(0.99, 1.01) for _ in SEEDS] for name, mean in typical.items()}
    drawn |= {name: [value] * len(SEEDS) for name, value in exact.items()}
    drawn["head_distance"] = [typical["head_distance"] + random.uniform(-0.06, 0.06) for _ in SEEDS]
    drawn["accuracy"] = [accuracy + step for step in (-0.004, 0.001, 0.003)]
    return {name: {"values": v, "mean": fmean(v), "std": stdev(v)} for name, v in drawn.items()}


def _curves(accuracy: float, steps: int, is_spiking: bool, random: Random) -> dict[str, Any]:
    levels, fall = [0.0, 0.25, 0.5, 1.0], random.uniform(0.3, 0.6)
    noise = [0.1 + (accuracy - 0.1) * exp(-fall * level**2 * 2) for level in levels]
    unit = "standard deviations of the input"
    curves = {"noise": {"unit": unit, "levels": levels, "accuracy": noise, "std": [0.01] * 4}}
    if is_spiking:
        counts = list(range(1, steps + 1))
        fewer = [accuracy * (1 - exp(-1.2 * t)) / (1 - exp(-1.2 * steps)) for t in counts]
        curves["steps"] = {"unit": "time steps", "levels": counts, "accuracy": fewer, "std": [0.008] * steps}
    return curves


def _layers(energy_pj: float, is_spiking: bool, random: Random) -> list[dict[str, Any]]:
    names = ["stem.convs.0"]
    for block in range(2):
        parts = [
            "attention.qkv",
            "attention.heads",
            "attention.out",
            "feed_forward.widen",
            "feed_forward.narrow",
        ]
        parts += ["attention.before", "feed_forward.between"] if is_spiking else []
        names += [f"blocks.{block}.{part}" for part in parts]
    names.append("head")
    weights = [random.uniform(0.2, 1.0) for _ in names]
    shares = [energy_pj * weight / sum(weights) for weight in weights]
    return [
        {"name": name, "energy_pj": {MODELS[0]: share, MODELS[1]: share**0.8 * 90}}
        for name, share in zip(names, shares, strict=True)
    ]


def _pairs(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    asked = (
        ("twin", "accuracy", 2, 0, [-0.029, 0.003], 0.11, "no difference shown"),
        ("twin", "accuracy", 3, 0, [-0.031, -0.001], 0.048, "no difference shown"),
        ("twin", "accuracy", 4, 0, [-0.048, -0.012], 0.0002, "lower"),
        ("normaliser", "accuracy", 2, 3, [-0.009, 0.014], 0.62, "no difference shown"),
        ("normaliser", "head_distance", 2, 3, [0.05, 0.21], 0.004, "higher"),
        ("trained", "accuracy", 2, 5, [0.011, 0.046], 0.0011, "higher"),
    )
    pairs = []
    for question, measure, first, second, interval, p, verdict in asked:
        means = [rows[i]["measures"][measure]["mean"] for i in (first, second)]
        difference = means[0] - means[1] if measure == "accuracy" else sum(interval) / 2
        pair = {"question": question, "measure": measure, "difference": difference, "interval": interval}
        pair |= {"first": rows[first]["key"], "second": rows[second]["key"], "verdict": verdict}
        pairs.append(pair | {"p": p, "p_holm": min(1.0, 3 * p), "p_seeds": 2 * p if p < 0.5 else None})
    return pairs


def _image() -> list[list[float]]:
    return [[max(0.0, 16 - 4 * abs((x - 3.5) ** 2 + (y - 3.5) ** 2 - 6)) for x in range(8)] for y in range(8)]


def _maps(row: dict[str, Any], random: Random) -> list[dict[str, Any]]:
    low = -0.3 if row["label"].startswith("BSA") else 0.0
    heads = [
        [
            [random.uniform(low, 1.0) * exp(-abs(i - j) / (h + 1)) for j in range(TOKENS)]
            for i in range(TOKENS)
        ]
        for h in range(HEADS)
    ]
    return [{"layer": f"blocks.{block}.attention", "heads": heads} for block in range(2)]
