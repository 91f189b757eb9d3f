"""Small summaries in which a test plants what is to be told."""

from typing import Any


def make_row(
    key: str, label: str = "", family: str = "snn", seeds: int = 3, **measures: float
) -> dict[str, Any]:
    """A row whose measures are the same for every seed; `pj` and `other_pj` are energies under the two cost models."""
    names = {"pj": "energy_pj.near", "other_pj": "energy_pj.far"}
    row = {
        "key": key,
        "label": label or key,
        "family": family,
        "model": "spikingformer_tiny",
        "attention": key,
        "neuron": "lif" if family == "snn" else None,
        "time_steps": 4 if family == "snn" else 1,
        "setting": {"optim.lr": 0.002},
        "status": "done" if seeds == 3 else "partial" if seeds else "missing",
        "reasons": [],
        "failed_trials": [],
        "seeds": list(range(seeds)),
        "measures": {
            names.get(name, name): {
                "values": [value] * seeds,
                "mean": value,
                "std": 0.01 if seeds > 1 else None,
            }
            for name, value in measures.items()
        },
        "curves": {},
        "unpriced": [],
        "layers": [],
    }
    if "accuracy" in measures:
        row["accuracy_interval"] = [measures["accuracy"] - 0.02, measures["accuracy"] + 0.02]
    return row


def make_pair(
    question: str, first: str, second: str, interval: tuple[float, float], verdict: str, **more: Any
) -> dict[str, Any]:
    """A pair whose difference is the middle of its interval."""
    is_shown = verdict != "no difference shown"
    return {
        "question": question,
        "measure": "accuracy",
        "first": first,
        "second": second,
        "difference": sum(interval) / 2,
        "interval": list(interval),
        "p": 0.0001 if is_shown else 0.4,
        "p_holm": 0.0004 if is_shown else 0.8,
        "p_seeds": 0.0002 if is_shown else 0.4,
        "seeds": 3,
        "verdict": verdict,
    } | more


def make_summary(rows: list[dict[str, Any]], pairs: list[dict[str, Any]] = (), **more: Any) -> dict[str, Any]:
    """A summary whose questions are those of its pairs and whose reference is the first row."""
    asked = dict.fromkeys(pair["question"] for pair in pairs)
    return {
        "schema": "snnpd.comparison/1",
        "snnpd_version": "0.1.0",
        "name": "planted",
        "command": "snnpd compare planted",
        "data": {"name": "digits", "num_train": 1152, "num_val": 143, "num_test": 360, "num_classes": 10},
        "budget": ["30 epochs."],
        "seeds": [0, 1, 2],
        "tuning": {},
        "cost_models": [{"name": name, "source": "", "assumptions": []} for name in ("near", "far")],
        "reference": rows[0]["key"] if rows else None,
        "rows": rows,
        "pairs": list(pairs),
        "questions": {question: f"About {question}?" for question in asked},
        "maps": {},
        "reading": [],
        "seconds": {"total": 1.0, "jobs": 1},
    } | more
