"""Few rows of options in which every value of each meets every value of every other."""

from collections.abc import Sequence
from itertools import combinations, product


def covering(options: Sequence[Sequence]) -> list[tuple]:
    """Rows with one value for each option, chosen greedily and always the same.

    Example:
        >>> covering([[1, 2], "ab"])
        [(1, 'a'), (1, 'b'), (2, 'a'), (2, 'b')]
    """
    ranges = [range(len(values)) for values in options]
    missing = {
        ((a, i), (b, j))
        for a, b in combinations(range(len(options)), 2)
        for i, j in product(ranges[a], ranges[b])
    }
    rows = []
    while missing:
        row: dict[int, int] = dict(min(missing))
        for option in sorted(set(range(len(options))) - set(row), key=lambda o: -len(ranges[o])):
            # Among equals another one every time, lest the first values be in nearly every row.
            row[option] = max(
                ranges[option],
                key=lambda i, o=option: (
                    sum(tuple(sorted([(o, i), other])) in missing for other in row.items()),
                    (i + len(rows)) % len(ranges[o]),
                ),
            )
        missing -= set(combinations(sorted(row.items()), 2))
        rows.append(tuple(options[o][i] for o, i in sorted(row.items())))
    return rows
