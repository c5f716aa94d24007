"""A table of methods by measures: metrics and costs, arrows for the directions, the best in bold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from aimanga.evaluate.statistics import Interval

SIGNIFICANT = 0.05
"""The p value below which a difference counts."""

_ARROWS = {"lower": ("↓", r"$\downarrow$"), "higher": ("↑", r"$\uparrow$")}


@dataclass(frozen=True)
class Mean:
    """The mean of a measure for one method.

    Attributes:
        value: The mean.
        count: The number of pictures.
        interval: The 95 % confidence interval; None where it is unknown.
        p: The corrected p value of the difference to the baseline; None for the baseline, and where it is unknown.
    """

    value: float
    count: int
    interval: Interval | None = None
    p: float | None = None

    @property
    def is_significant(self) -> bool:
        """True if the method differs from the baseline."""
        return self.p is not None and self.p < SIGNIFICANT


@dataclass(frozen=True)
class Column:
    """A measure: a metric, or a cost.

    Attributes:
        name: Its identifier.
        title: Its heading.
        better: Whether a lower or a higher value is better.
        means: By method; a method may lack one.
        digits: Decimal places.
        about: Its protocol and source.
    """

    name: str
    title: str
    better: Literal["lower", "higher"]
    means: Mapping[str, Mean]
    digits: int = 3
    about: str = ""

    @property
    def head(self) -> str:
        """The heading with an arrow."""
        return f"{self.title} {_ARROWS[self.better][0]}"

    def text(self, method: str) -> str | None:
        """The rounded mean of a method; None if there is none."""
        return f"{self.means[method].value:.{self.digits}f}" if method in self.means else None

    def mark(self, method: str) -> str:
        """`*` if the method differs significantly from the baseline."""
        return "*" if method in self.means and self.means[method].is_significant else ""

    def best(self) -> tuple[str, ...]:
        """The methods with the best mean after rounding; none if only one method has a mean."""
        if len(self.means) < 2:
            return ()
        best = (min if self.better == "lower" else max)(self.means, key=lambda method: self.means[method].value)
        return tuple(method for method in self.means if self.text(method) == self.text(best))


def markdown_table(methods: Sequence[str], columns: Sequence[Column]) -> list[str]:
    """The lines of a Markdown table."""
    return markdown_rows(
        [["method", *(column.head for column in columns)], *_rows(methods, columns, "**{}**", "-", "\\")]
    )


def markdown_rows(rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table of any cells; the first row is its head."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return [lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]]


def latex_table(methods: Sequence[str], columns: Sequence[Column]) -> list[str]:
    """The lines of a LaTeX table; it needs the package booktabs."""
    head = ["Method", *(f"{as_latex(column.title)} {_ARROWS[column.better][1]}" for column in columns)]
    rows = [[as_latex(row[0]), *row[1:]] for row in _rows(methods, columns, r"\textbf{{{}}}", "--")]
    return [
        rf"\begin{{tabular}}{{l{'r' * len(columns)}}}",
        r"\toprule",
        " & ".join(head) + r" \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]


def as_latex(text: str) -> str:
    """Escape text for LaTeX."""
    escapes = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(escapes.get(c, f"\\{c}" if c in "&%$#_{}" else c) for c in text)


def _rows(
    methods: Sequence[str], columns: Sequence[Column], bold: str, gap: str, before_mark: str = ""
) -> list[list[str]]:
    best = [column.best() for column in columns]
    rows = []
    for method in methods:
        row = [method]
        for column, winners in zip(columns, best, strict=True):
            text, mark = column.text(method), column.mark(method)
            cell = gap if text is None else bold.format(text) if method in winners else text
            row.append(cell + (before_mark + mark if mark else ""))
        rows.append(row)
    return rows
