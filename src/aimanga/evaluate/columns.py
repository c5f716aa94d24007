"""Methods by measures as a table for papers: arrows for the directions, the best in bold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

_ARROWS = {"lower": ("↓", r"$\downarrow$"), "higher": ("↑", r"$\uparrow$")}


@dataclass(frozen=True)
class Column:
    """A measure.

    Attributes:
        title: Its name.
        better: Whether a good method's value is high or low.
        values: By method; one without a value has a gap.
        digits: So many are shown behind the point.
        marks: What stands behind a value, by method.
    """

    title: str
    better: Literal["lower", "higher"]
    values: Mapping[str, float]
    digits: int = 3
    marks: Mapping[str, str] = field(default_factory=dict)

    @property
    def head(self) -> str:
        """The name with an arrow."""
        return f"{self.title} {_ARROWS[self.better][0]}"

    def shown(self, method: str) -> str | None:
        """A value as the table has it; None for a gap."""
        value = self.values.get(method)
        return None if value is None else f"{value:.{self.digits}f}"

    def best(self) -> tuple[str, ...]:
        """The methods with the best value, as it is shown; several where it shows no difference."""
        if len(self.values) < 2:
            return ()
        best = (min if self.better == "lower" else max)(self.values, key=self.values.__getitem__)
        return tuple(method for method in self.values if self.shown(method) == self.shown(best))


def markdown_table(methods: Sequence[str], columns: Sequence[Column]) -> list[str]:
    """The lines of a table in Markdown."""
    head = ["method", *(column.head for column in columns)]
    return markdown_rows([head, ["---"] * len(head), *_rows(methods, columns, "**{}**", "-", "\\")])


def markdown_rows(rows: Sequence[Sequence[str]]) -> list[str]:
    """Cells as the lines of a table in Markdown."""
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


def latex_table(methods: Sequence[str], columns: Sequence[Column]) -> list[str]:
    """The lines of a table in LaTeX, for the package booktabs."""
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
    """Text as LaTeX shows it."""
    escapes = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(escapes.get(c, f"\\{c}" if c in "&%$#_{}" else c) for c in text)


def _rows(
    methods: Sequence[str], columns: Sequence[Column], bold: str, gap: str, before_mark: str = ""
) -> list[list[str]]:
    best = [column.best() for column in columns]
    rows = []
    for method in methods:
        cells = []
        for column, winners in zip(columns, best, strict=True):
            cell = column.shown(method)
            text = gap if cell is None else bold.format(cell) if method in winners else cell
            mark = column.marks.get(method)
            cells.append(text + before_mark + mark if mark else text)
        rows.append([method, *cells])
    return rows
