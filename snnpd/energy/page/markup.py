"""Elements of HTML, escaped unless they say that they are HTML already."""

from collections.abc import Iterable
from html import escape


class Html(str):
    """Text that is HTML already; every other string is escaped where it becomes part of a page."""

    __slots__ = ()


def join(parts: Iterable[str]) -> Html:
    """The parts one after the other; those that are not `Html` are escaped."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))


def element(name: str, *children: str, **attributes: str | float | None) -> Html:
    """An element with its children; attributes that are None are left out.

    Example:
        >>> element("td", "a < b", class_="number", data_value=2)
        '<td class="number" data-value="2">a &lt; b</td>'
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{given}>{join(children)}</{name}>")


def breakable(path: str) -> Html:
    """A dotted path that may go on in the next line behind each dot."""
    first, *rest = path.split(".")
    return join([first, *(part for piece in rest for part in (".", Html("<wbr>"), piece))])
