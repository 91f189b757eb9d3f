"""Linear maps, pools and sums as an event-driven machine does them, each operation counted where it is done."""

from numba import njit

from snnpd.energy.executor.wires import Ints

OPTIONS = {"nogil": True, "cache": True}


@njit(**OPTIONS)
def add_events(
    starts: Ints,
    places: Ints,
    letters: Ints,
    reach_starts: Ints,
    outputs: Ints,
    taps: Ints,
    weight: Ints,
    sums: Ints,
    done: Ints,
    met: Ints,
) -> None:
    """Adds weights for each event, and each unit of it, to all outputs that it reaches.

    `met` counts products that an event takes part in, however large its letter.

    Shapes: places `p C + c`; weight `[taps, C, K]`; sums `[R, P, K]`, holding the bias; done, met `[R]`.
    """
    _, channels, width = weight.shape
    for r in range(len(starts) - 1):
        for event in range(starts[r], starts[r + 1]):
            place, channel = divmod(places[event], channels)
            for pair in range(reach_starts[place], reach_starts[place + 1]):
                row, out = weight[taps[pair], channel], sums[r, outputs[pair]]
                met[r] += width
                for _ in range(letters[event]):
                    for k in range(width):
                        out[k] += row[k]
                        done[r] += 1
                for _ in range(-letters[event]):
                    for k in range(width):
                        out[k] -= row[k]
                        done[r] += 1


@njit(**OPTIONS)
def multiply_words(
    words: Ints, reach_starts: Ints, outputs: Ints, taps: Ints, weight: Ints, sums: Ints, done: Ints
) -> None:
    """Multiplies and adds every word through every tap inside the image: the first layer.

    Shapes: words `[R, P_in, C]`; the others as in `add_events`.
    """
    _, channels, width = weight.shape
    for r in range(words.shape[0]):
        for place in range(words.shape[1]):
            for pair in range(reach_starts[place], reach_starts[place + 1]):
                out = sums[r, outputs[pair]]
                for channel in range(channels):
                    word, row = words[r, place, channel], weight[taps[pair], channel]
                    for k in range(width):
                        out[k] += word * row[k]
                        done[r] += 1


@njit(**OPTIONS)
def pool_largest(words: Ints, windows: Ints, inputs: Ints, largest: Ints, done: Ints) -> None:
    """The largest word of each window, by comparing one with the next.

    Shapes: words `[R, maps, P_in]`, largest `[R, maps, P_out]`.
    """
    for r in range(words.shape[0]):
        for m in range(words.shape[1]):
            for window in range(len(windows) - 1):
                best = words[r, m, inputs[windows[window]]]
                for pair in range(windows[window] + 1, windows[window + 1]):
                    word = words[r, m, inputs[pair]]
                    done[r] += 1
                    if word > best:
                        best = word
                largest[r, m, window] = best


@njit(**OPTIONS)
def sum_events(starts: Ints, places: Ints, letters: Ints, targets: Ints, sums: Ints, done: Ints) -> None:
    """Adds each event to the sum that its place belongs to.

    Shapes: targets `[places]`; sums `[R, number of sums]`.
    """
    for r in range(len(starts) - 1):
        for event in range(starts[r], starts[r + 1]):
            sums[r, targets[places[event]]] += letters[event]
            done[r] += 1


@njit(**OPTIONS)
def gate_events(
    starts: Ints, places: Ints, letters: Ints, gates: Ints, owners: Ints, passed: Ints, done: Ints
) -> None:
    """Lets each event through as often as the letter of its gate says; a sign turns it round.

    Shapes: owners `[places]`, which gate a place has; gates `[R, number of gates]`; passed `[events]`.
    """
    for r in range(len(starts) - 1):
        for event in range(starts[r], starts[r + 1]):
            gate = gates[r, owners[places[event]]]
            done[r] += 1
            for _ in range(gate):
                passed[event] += letters[event]
            for _ in range(-gate):
                passed[event] -= letters[event]
