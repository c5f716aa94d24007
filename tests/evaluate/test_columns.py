import pytest

from aimanga.evaluate.columns import Column, Mean, as_latex, latex_table, markdown_table

LOWER = Column("niqe", "NIQE", "lower", {"a": Mean(3.14159, 6), "b": Mean(3.1418, 6, p=0.04)})
HIGHER = Column("psnr", "PSNR", "higher", {"a": Mean(20.0, 6)}, digits=1)


def test_markdown():
    assert markdown_table(["a", "b|c"], [LOWER, HIGHER]) == [
        "| method | NIQE ↓ | PSNR ↑ |",
        "| --- | --- | --- |",
        "| a | **3.142** | 20.0 |",
        "| b\\|c | - | - |",
    ]


def test_a_mark_is_no_markup():
    assert markdown_table(["b"], [LOWER])[2] == "| b | **3.142**\\* |"


def test_latex():
    assert latex_table(["a", "b_1"], [LOWER, HIGHER])[2:6] == [
        r"Method & NIQE $\downarrow$ & PSNR $\uparrow$ \\",
        r"\midrule",
        r"a & \textbf{3.142} & 20.0 \\",
        r"b\_1 & -- & -- \\",
    ]
    assert latex_table(["b"], [LOWER])[4] == r"b & \textbf{3.142}* \\"


@pytest.mark.parametrize(
    ("values", "best"),
    [
        ({"a": 1.0, "b": 2.0}, ("a",)),
        ({"a": 1.0001, "b": 1.0004}, ("a", "b")),  # as they are shown they are equal
        ({"a": 1.0}, ()),
        ({}, ()),
        ({"a": float("inf"), "b": 2.0}, ("b",)),
    ],
)
def test_the_best_are_those_that_look_best(values, best):
    assert Column("x", "X", "lower", {name: Mean(value, 1) for name, value in values.items()}).best() == best


def test_latex_has_no_command_from_a_name():
    assert as_latex("a_b%$#{}~^\\&") == r"a\_b\%\$\#\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}\&"
