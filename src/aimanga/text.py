"""Words for people: numbers that agree with their nouns, lists that end, times, names that a terminal can show."""

from collections.abc import Iterable


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """A number of things: `1 picture`, `1,200 pictures`."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def listed(things: Iterable[object], most: int = 5, separator: str = ", ") -> str:
    """The first things, and how many more there are: `a, b and 3 more`."""
    shown = [str(thing) for thing in things]
    more = f" and {len(shown) - most:,} more" if len(shown) > most else ""
    return separator.join(shown[:most]) + more


def ordinal(number: int) -> str:
    """A number in a row: `1st`, `2nd`, `3rd`, `11th`."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def duration(seconds: float) -> str:
    """A time: `6.7 s`, `2 min 5 s`, `3 h 20 min`, `2.5 days`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 48 * 60 else f"{seconds / 86400:.1f} days"


def file_size(count: float) -> str:
    """A number of bytes, in powers of 1000: `350 B`, `12 MB`, `1.5 GB`."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}" if unit == "GB" else f"{count / size:.0f} {unit}"
    return f"{count:.0f} B"


def printable(text: str) -> str:
    """The text with escapes for what a terminal cannot show, or would obey: a file name can hold anything."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
