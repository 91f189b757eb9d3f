"""Finished runs to `snnpd/recipes/results.json` and to the README's table.

Run: python benchmarks/collect_results.py runs/*     (folders of finished runs of shipped recipes, any seeds)

The table is written between the README's two `results` marks, from the JSON file alone.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "snnpd" / "recipes" / "results.json"
README = ROOT / "README.md"
MARKS = ("<!-- results -->\n", "<!-- /results -->")
TWINS = {
    "digits-bsa": "digits-softmax",
    "event-digits-bsa": "event-digits-softmax",
    "japanese-vowels-bsa": "japanese-vowels-softmax",
}


def collect(folders: list[Path]) -> dict[str, Any]:
    """One entry a recipe; its seeds in order, and what the runs have in common."""
    runs = defaultdict(list)
    for folder in folders:
        summary = json.loads((folder / "summary.json").read_text())
        environment = json.loads((folder / "environment.json").read_text())
        runs[summary["recipe"]].append((summary["seed"], summary, environment))
    entries = {}
    for recipe, found in runs.items():
        found.sort(key=lambda run: run[0])
        summaries = [summary for _, summary, _ in found]
        rates = [s["firing_rate"] for s in summaries if s["firing_rate"] is not None]
        entries[recipe] = {
            "twin": TWINS.get(recipe),
            "seeds": [seed for seed, _, _ in found],
            "test_accuracy": [s["test_accuracy"] for s in summaries],
            "test_total": summaries[0]["test_total"],
            "parameters": summaries[0]["parameters"],
            "firing_rate": mean(rates) if rates else None,
            "seconds": [s["seconds"] for s in summaries],
            "threads": found[0][2]["threads"],
            "versions": summaries[0]["versions"],
            "command": f"snnpd train --recipe {recipe} --seed SEED --threads {found[0][2]['threads']}",
        }
    return entries


def table(results: dict[str, Any]) -> str:
    """Markdown, one row a recipe."""
    rows = [
        "| recipe | test accuracy, mean ± deviation | by seed | parameters | firing rate | seconds a run |",
        "|---|---|---|---|---|---|",
    ]
    for recipe, entry in sorted(results.items()):
        accuracies = [100 * a for a in entry["test_accuracy"]]
        spread = f" ± {stdev(accuracies):.2f}" if len(accuracies) > 1 else ""
        rate = "–" if entry["firing_rate"] is None else f"{entry['firing_rate']:.2f}"
        rows.append(
            f"| `{recipe}` | {mean(accuracies):.2f} %{spread} | {', '.join(f'{a:.2f}' for a in accuracies)} "
            f"| {entry['parameters']:,} | {rate} | {mean(entry['seconds']):.0f} |"
        )
    return "\n".join(rows) + "\n"


def main() -> None:
    """Merges the runs into the JSON file and renews the README."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results |= collect([Path(name) for name in sys.argv[1:] if (Path(name) / "summary.json").exists()])
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    text = README.read_text()
    before, rest = text.split(MARKS[0])
    _, after = rest.split(MARKS[1])
    README.write_text(before + MARKS[0] + table(results) + MARKS[1] + after)
    print(table(results))


if __name__ == "__main__":
    main()
