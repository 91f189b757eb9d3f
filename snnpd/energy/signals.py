"""What is known of an activation: the letters its maker declared, followed from tensor to tensor."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from snnpd.energy.letters import Seen
from snnpd.spikes import Alphabet


@dataclass(frozen=True)
class Signal:
    """An activation: analog words, or events, letters `low..high` times a constant `scale`.

    `steps` is the number of time steps in its leading axis, or axes; `folds`, that a batch-norm behind it goes into
    the linear map it comes from.
    """

    steps: int
    low: int | None = None
    high: int = 0
    scale: float = 1.0
    folds: bool = False

    @property
    def is_events(self) -> bool:
        """Whether letters are declared."""
        return self.low is not None

    @property
    def letters(self) -> tuple[int, int]:
        """The least and the largest letter."""
        assert self.low is not None
        return self.low, self.high

    @property
    def peak(self) -> int:
        """The largest magnitude of a letter."""
        return max(map(abs, self.letters))

    @property
    def width(self) -> int:
        """The bits of a letter, with a sign where letters are negative."""
        return max(self.peak.bit_length(), 1) + (self.letters[0] < 0)

    def analog(self, folds: bool = False) -> "Signal":
        """The same time steps, nothing declared."""
        return Signal(self.steps, folds=folds)

    def events(self, low: int, high: int, scale: float = 1.0) -> "Signal":
        """The same time steps with these letters."""
        return Signal(self.steps, low, high, scale)

    def of(self, alphabet: Alphabet) -> "Signal":
        """The same time steps with the letters of an alphabet."""
        return self.events(alphabet.low, alphabet.high)

    def scaled(self, factor: float) -> "Signal":
        """Events times a constant: the scale goes into what follows; a negative one turns the letters round."""
        low, high = self.letters
        if factor < 0:
            low, high = -high, -low
        return self.events(low, high, self.scale * abs(factor)) if factor else self.events(0, 0)

    def with_steps(self, steps: int) -> "Signal":
        """The same letters, other time steps."""
        return replace(self, steps=steps)


def combined(a: Signal, b: Signal, letter: Callable[[int, int], int]) -> tuple[int, int]:
    """The least and the largest of what `letter` makes of two letters (monotone in each of them)."""
    ends = [letter(x, y) for x, y in product(a.letters, b.letters)]
    return min(ends), max(ends)


def joined(signals: list[Signal]) -> Signal:
    """What holds for all: the hull of letters of one scale, else analog."""
    steps = max(signal.steps for signal in signals)
    alike = all(signal.is_events for signal in signals) and len({signal.scale for signal in signals}) == 1
    if not alike:
        return Signal(steps, folds=all(signal.folds for signal in signals))
    low = min(signal.letters[0] for signal in signals)
    return Signal(steps, low, max(signal.high for signal in signals), signals[0].scale)


_STEPS = "_snnpd_num_steps"


class Signals:
    """The signals of one forward pass, by the memory that tensors lie in: a view has its base's signal.

    A tensor without a signal does not come from the input: weights, and what is computed from them alone. A view of
    one time step says so itself, as its base has all of them.
    """

    def __init__(self) -> None:
        # The weak references keep the places of memory that is freed: nothing else gets the same key.
        self._of: dict[int, tuple[Signal | None, StorageWeakRef]] = {}
        self._zeros: set[int] = set()
        self._seen: dict[int, Seen] = {}

    def __getitem__(self, x: Tensor) -> Signal | None:
        signal, _ = self._of.get(x.untyped_storage()._cdata, (None, None))
        steps = getattr(x, _STEPS, None)
        return signal if signal is None or steps is None else signal.with_steps(steps)

    def set(self, x: Tensor, signal: Signal | None) -> None:
        """Declares x, and what shares its memory, if x is a part of it, to be the one or the other."""
        storage = x.untyped_storage()
        key = storage._cdata
        old = self._of.get(key, (None, None))[0]
        if old is not None and signal is not None and x.numel() * x.element_size() < storage.nbytes():
            signal = joined([old, signal])  # the rest of the memory stays what it was
        self._zeros.discard(key)
        self._seen.pop(key, None)
        self._of[key] = signal, StorageWeakRef(storage)

    def remember(self, x: Tensor, seen: Seen) -> None:
        """Keeps what a look at all values has found, for whoever asks for their sums."""
        self._seen[x.untyped_storage()._cdata] = seen

    def seen(self, x: Tensor, rows: int) -> Seen | None:
        """What a look at the whole memory that x is a view of has found, if it was cut into these rows."""
        storage = x.untyped_storage()
        seen = self._seen.get(storage._cdata)
        is_whole = x.numel() * x.element_size() == storage.nbytes()
        return seen if seen is not None and is_whole and len(seen.events) == rows else None

    def forget(self, tensors: Sequence[Tensor], is_zero: bool) -> None:
        """Tensors that no activation went into; remembers which are zeros, for events to be written into."""
        for x in tensors:
            self.set(x, None)
            if is_zero:
                self._zeros.add(x.untyped_storage()._cdata)

    def is_zero(self, x: Tensor) -> bool:
        """Whether x was made of zeros and nothing was written into it."""
        return x.untyped_storage()._cdata in self._zeros

    def fit(self, x: Tensor, batch_size: int) -> None:
        """Marks a tensor that has no axes for its time steps: they are behind it, or not there yet."""
        signal = self[x]
        assert signal is not None
        if self.fitting(x, signal, batch_size) != signal:
            self.mark_view(x, 1)

    @staticmethod
    def fitting(x: Tensor, signal: Signal, batch_size: int) -> Signal:
        """The signal with the time steps that the leading axes of x have room for."""
        shape, rows = list(x.shape) or [1], signal.steps * batch_size
        while len(shape) > 1 and shape[0] == 1 and rows not in (1, shape[1]):
            shape.pop(0)
        has_room = shape[0] % rows == 0 or (len(shape) > 1 and shape[0] * shape[1] == rows)
        return signal if has_room else signal.with_steps(1)

    def mark_view(self, view: Tensor, steps: int) -> None:
        """A view that has other time steps than its base."""
        setattr(view, _STEPS, steps)

    def follow_view(self, x: Tensor, view: Tensor) -> None:
        """A view of a view that was marked."""
        if hasattr(x, _STEPS) and view is not x:
            setattr(view, _STEPS, getattr(x, _STEPS))
