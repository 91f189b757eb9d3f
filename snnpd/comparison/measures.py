"""What is measured of a trained network on the test part, besides its operations."""

import copy
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from lightning_fabric import Fabric
from torch import Tensor, nn

from snnpd.analysis.heads import attention_entropy, head_distance
from snnpd.attention import HeadView, observe
from snnpd.comparison.memory import peak_memory
from snnpd.energy.samples import Piece, pieces
from snnpd.neurons import firing_rates
from snnpd.training import Encoder
from snnpd.training.evaluate import forward, times_of
from snnpd.training.seeding import seeded

NUM_BINS = 15
# Standard deviations of the input for images and series; shares of a frame's entries that are lost for events.
NOISE_LEVELS = {"frames": (0.0, 0.1, 0.3, 0.5), "other": (0.0, 0.25, 0.5, 1.0)}
NOISE_UNITS = {"frames": "share of the frame entries lost", "other": "standard deviations of the input"}
Change = Callable[[Tensor, int], Tensor]


class Predicted(NamedTuple):
    """What a network said: logits of every time step, the true classes, and the seconds that the network took."""

    logits: Float[Tensor, "T n K"]
    labels: Int[Tensor, "n"]
    seconds: float

    def correct(self, steps: int | None = None) -> Tensor:
        """Whether the mean logit over the first time steps has its maximum at the true class, `[n]`."""
        return self.logits[:steps].mean(0).argmax(-1) == self.labels


@dataclass(frozen=True)
class Bench:
    """Where networks are measured: the test part and how it is shown."""

    loader: Iterable[Any]
    encode: Encoder
    fabric: Fabric
    seed: int = 0

    @property
    def is_frames(self) -> bool:
        """Whether samples are events in frames, `[T, B, ...]`, and not `[B, ...]`."""
        return self.encode.kind == "frames"

    def inputs(self, batch: Any, index: int) -> Tensor:
        """A batch as the network sees it; a drawn encoding is a function of the batch's number."""
        with seeded(self.seed, 0, index):
            return self.encode(batch.x, batch.mask)

    def first(self, batch: Any, number: int) -> Any:
        """The first samples of a batch."""
        cut = {
            name: part[:number]
            for name in ("y", "mask", "times")
            if (part := getattr(batch, name, None)) is not None
        }
        return batch._replace(x=batch.x[:, :number] if self.is_frames else batch.x[:number], **cut)


@torch.no_grad()
def predict(model: nn.Module, bench: Bench, change: Change | None = None) -> Predicted:
    """Logits on every test sample; `change` is what is done to a batch's inputs, told its first sample's number."""
    model.eval()
    logits, labels, seconds, seen = [], [], 0.0, 0
    for index, batch in enumerate(bench.loader):
        batch = bench.fabric.to_device(batch)
        if change is not None:
            batch = batch._replace(x=change(batch.x, seen))
        x = bench.inputs(batch, index)
        began = _now(bench.fabric.device)
        with bench.fabric.autocast():
            found = forward(model, x, batch.mask, times_of(batch))
        seconds += _now(bench.fabric.device) - began
        logits.append(found.float().cpu())
        labels.append(batch.y.cpu())
        seen += len(batch.y)
    return Predicted(torch.cat(logits, 1), torch.cat(labels), seconds)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def warm_up(model: nn.Module, bench: Bench) -> None:
    """One step of a copy, forward and backward, so that what a process does once is in no figure."""
    twin = copy.deepcopy(model).train()
    batch = bench.fabric.to_device(next(iter(bench.loader)))
    loss = forward(twin, bench.inputs(batch, 0), batch.mask, times_of(batch)).square().mean()
    if loss.requires_grad:
        loss.backward()


def calibration(logits: Float[Tensor, "n K"], labels: Int[Tensor, "n"]) -> dict[str, float]:
    """Negative log likelihood, expected calibration error and Brier score of softmax(logits).

    Equation: ece = Σ_b n_b/n |accuracy_b - confidence_b| over 15 bins of equal width of the largest probability.

    Source: Guo et al. 2017 (arXiv 1706.04599), eq. 3.
    """
    chances = logits.double().softmax(-1)
    confidence, found = chances.max(-1)
    correct = (found == labels).double()
    bins = (confidence * NUM_BINS).long().clamp(max=NUM_BINS - 1)
    gaps = torch.zeros(NUM_BINS, dtype=torch.float64).index_add(0, bins, correct - confidence)
    truth = torch.nn.functional.one_hot(labels, logits.shape[-1])
    return {
        "nll": torch.nn.functional.cross_entropy(logits.double(), labels).item(),
        "ece": gaps.abs().sum().item() / len(labels),
        "brier": (chances - truth).square().sum(-1).mean().item(),
    }


def score(model: nn.Module, bench: Bench) -> dict[str, Any]:
    """Accuracy, calibration, accuracy after each number of time steps, seconds and memory: the one reading of the test
    part that counts."""
    with peak_memory(bench.fabric.device) as peak:
        predicted = predict(model, bench)
    num, num_steps = len(predicted.labels), len(predicted.logits)
    figures: dict[str, Any] = {
        "accuracy": predicted.correct().double().mean().item(),
        **calibration(predicted.logits.mean(0), predicted.labels),
        "inference_ms": 1000 * predicted.seconds / num,
        "inference_memory_mib": peak.mib,
        "num_test": num,
        "samples": {"accuracy": predicted.correct().numpy().astype(np.float32)},
    }
    if num_steps > 1:
        levels = list(range(1, num_steps + 1))
        accuracy = [predicted.correct(steps).double().mean().item() for steps in levels]
        figures["steps"] = {"unit": "time steps", "levels": levels, "accuracy": accuracy}
    return figures


def noise_curve(model: nn.Module, bench: Bench, clean: float) -> dict[str, Any]:
    """Accuracy at growing noise: added to the values of images and series, or entries of event frames lost.

    The noise of a sample is a function of its place in the test part: the same for every network, in any batches.
    """
    kind = "frames" if bench.is_frames else "other"
    levels, accuracy = NOISE_LEVELS[kind], [clean]
    scale = 1.0 if bench.is_frames else input_scale(bench)
    for level in levels[1:]:
        change = partial(erase if bench.is_frames else add_noise, level=level * scale)
        accuracy.append(predict(model, bench, change).correct().double().mean().item())
    return {"unit": NOISE_UNITS[kind], "levels": list(levels), "accuracy": accuracy}


def input_scale(bench: Bench) -> float:
    """The standard deviation of the test part's entries, padding left out."""
    parts = [
        batch.x.flatten() if batch.mask is None else batch.x[batch.mask].flatten() for batch in bench.loader
    ]
    return torch.cat(parts).double().std().item()


def add_noise(x: Float[Tensor, "B *sample"], first: int, level: float) -> Tensor:
    """Samples with Gaussian noise of a standard deviation; `first` is the number of the first one."""
    drawn = [torch.randn(one.shape, generator=_generator(first + i, level)) for i, one in enumerate(x)]
    return x + level * torch.stack(drawn).to(x)


def erase(x: Float[Tensor, "T B *sample"], first: int, level: float) -> Tensor:
    """Event frames of which a share of the entries, drawn at random, is zero."""
    drawn = [
        torch.rand(one.shape, generator=_generator(first + i, level)) for i, one in enumerate(x.unbind(1))
    ]
    return x * (torch.stack(drawn, 1).to(x.device) >= level)


def _generator(number: int, level: float) -> torch.Generator:
    state = np.random.SeedSequence((number, round(1e6 * level))).generate_state(1)
    return torch.Generator().manual_seed(int(state[0]))


@torch.no_grad()
def attention_figures(model: nn.Module, bench: Bench, num_samples: int) -> dict[str, Any]:
    """Firing rate, head redundancy, row sums and entropy, over the first test samples; absent where there is none.

    Series are looked at in their own lengths: padded tokens would fire more seldom and be keys that nothing looks at.
    Sample by sample under `samples`: the mean over layers of the relative distance between heads.
    """
    distances: list[float] = []
    sums: list[Tensor] = []
    entropies: list[Tensor] = []
    model.eval()
    with firing_rates(model) as rates:
        for piece in _first_pieces(bench, num_samples):
            with observe(model) as views:
                forward(model, piece.x, None, piece.given.get("times"))
            layers = [layer for layer in views.values() if layer]
            distances += _distances(layers, piece.num_samples)
            for view in (view for layer in layers for view in layer):
                _look_at_map(view, sums, entropies)
    figures: dict[str, Any] = {
        "samples": {},
        "firing_rate": sum(rates.values()) / len(rates) if rates else None,
    }
    if distances:
        figures["head_distance"] = sum(distances) / len(distances)
        figures["samples"]["head_distance"] = np.array(distances, dtype=np.float32)
    if sums:
        rows = torch.cat(sums)
        figures |= {
            "row_sum_min": rows.min().item(),
            "row_sum_median": rows.median().item(),
            "row_sum_max": rows.max().item(),
        }
    if entropies and len(spread := torch.cat(entropies)):
        figures["attention_entropy"] = spread.mean().item()
    return figures


def _first_batches(bench: Bench, num_samples: int) -> Iterator[Any]:
    """Batches of the first test samples, the last one cut to their number."""
    left = num_samples
    for batch in bench.loader:
        if left <= 0:
            return
        yield bench.first(bench.fabric.to_device(batch), left)
        left -= len(batch.y)


def _first_pieces(bench: Bench, num_samples: int) -> Iterator[Piece]:
    """The first test samples without padding, those of one length together: in the same order for every network."""
    for index, batch in enumerate(_first_batches(bench, num_samples)):
        with seeded(bench.seed, 0, index):
            shown = list(pieces(batch, bench.encode, bench.fabric.device, is_time_first=True))
        yield from shown


def _distances(layers: list[list[HeadView]], num_samples: int) -> list[float]:
    """Of each sample, the mean over layers of how far their heads are from each other."""
    found = []
    for number in range(num_samples):
        heads = (torch.cat([view.heads for view in layer], 2)[:, number : number + 1] for layer in layers)
        of_layers = [distance.relative for one in heads if (distance := head_distance(one)) is not None]
        if of_layers:
            found.append(sum(of_layers) / len(of_layers))
    return found


def _look_at_map(view: HeadView, sums: list[Tensor], entropies: list[Tensor]) -> None:
    weights = view.weights()
    if weights is None:
        return
    sums.append(weights.sum(-1).flatten().cpu())
    entropies.append(attention_entropy(weights).cpu())


@torch.no_grad()
def attention_maps(model: nn.Module, bench: Bench, max_tokens: int = 64) -> dict[str, Any]:
    """The first test sample and the maps of the last layer that has some, mean over time; no layer for more tokens."""
    batch = next(_first_batches(bench, 1))
    x = bench.inputs(batch, 0)
    with observe(model.eval()) as views:
        forward(model, x, batch.mask, times_of(batch))
    length = None if batch.mask is None else int(batch.mask[0].sum())
    shown: dict[str, Any] = {"sample": _sample(batch, length, x), "layers": []}
    for name, layer in reversed(views.items()):
        maps = [weights for view in layer if (weights := view.weights()) is not None]
        if maps and max(one.shape[-2] for one in maps) <= max_tokens:
            heads = [head[:length].tolist() for one in maps for head in one[:, 0].mean(0).cpu()]
            cut = [[[round(w, 4) for w in row[:length]] for row in head] for head in heads]
            shown["layers"] = [{"layer": name, "heads": cut}]
            return shown
    return shown


def _sample(batch: Any, length: int | None, x: Tensor) -> dict[str, Any]:
    """The first sample as rows of numbers: the mean over time and channels of a picture, a series token by token."""
    values = batch.x[0, :length] if batch.mask is not None else x[:, 0].mean(0).mean(0)
    rows = [[round(value, 4) for value in row] for row in values.cpu().tolist()]
    kind = "series" if batch.mask is not None else "image"
    return {"kind": kind, "values": rows, "label": int(batch.y[0])}
