import io
from pathlib import Path

from rich.console import Console

from aimanga.batch import Job, ProgressDisplay, Record
from aimanga.text import printable


def shown(terminal):
    output = io.StringIO()
    console = Console(file=output, force_terminal=terminal, width=100, color_system=None)
    jobs = [Job(Path("in/[a].png"), Path("out/[a].png"), 3.0), Job(Path("in/b.png"), Path("out/b.png"))]
    with ProgressDisplay(console) as display:
        display.on_batch(jobs)
        display.on_start(jobs[0])
        display.on_progress(jobs[0], 0.5)
        details = {"input_size": [2, 3], "output_size": [8, 12]}
        display.on_end(jobs[0], Record(jobs[0].source, jobs[0].target, "done", 1.5, details=details))
        display.on_start(jobs[1])
        display.on_end(jobs[1], Record(jobs[1].source, jobs[1].target, "failed", error="in/b.png: [broken]"))
        display.on_end(jobs[1], Record(jobs[1].source, None, "done"))
    return output.getvalue()


def test_a_line_for_every_file_that_ends():
    assert shown(terminal=False).splitlines() == [
        "done     out/[a].png  2 x 3 -> 8 x 12  1.5 s",
        "failed   in/b.png: [broken]",
        "done     in/b.png    0.0 s",
    ]


def test_names_cannot_command_the_terminal():
    assert printable("图 ü.png") == "图 ü.png"
    assert printable("a\x1b[31m\nb\udcff.png") == r"a\x1b[31m\nb\udcff.png"


def test_a_terminal_shows_the_share_by_cost():
    assert "75 %" in shown(terminal=True)
