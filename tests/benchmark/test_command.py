import json
import os
import signal
import subprocess
import sys
import time
from threading import Timer

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimanga.benchmark.command import ProgramError, filled, kill_orphans, run_program


def run(tmp_path, code, timeout=None):
    run_program([sys.executable, "-c", code], tmp_path, tmp_path / "log", timeout)


def test_placeholders_are_filled_and_other_braces_stay():
    values = {"input": "a{output}b", "output": "o"}
    assert filled(["x", "-i={input}", "{output}{output}", "{a} {", "{inputs}"], values) == [
        "x", "-i=a{output}b", "oo", "{a} {", "{inputs}",
    ]  # fmt: skip


@given(st.text(), st.text())
def test_what_a_value_has_in_it_is_not_looked_at(before, value):
    part = before.replace("{", "")
    assert filled([f"{part}{{x}}"], {"x": value}) == [part + value]


def test_it_runs_in_its_folder_and_says_into_its_log(tmp_path):
    run(tmp_path, "import os; print(os.getcwd())")
    assert (tmp_path / "log").read_text().strip() == os.path.realpath(tmp_path)


def test_a_crash_is_told_with_its_last_lines(tmp_path):
    code = "print(*range(100), sep='\\n'); raise SystemExit('no CUDA here')"
    with pytest.raises(ProgramError) as caught:
        run(tmp_path, code)
    assert (
        f"failed with exit code 1; last output: 93 | 94 | 95 | 96 | 97 | 98 | 99 | no CUDA here (see {tmp_path}"
        in str(caught.value)
    )


def test_a_killed_program_is_told_by_its_signal(tmp_path):
    with pytest.raises(ProgramError, match="was killed by SIGKILL; no output"):
        run(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")


def test_what_takes_too_long_is_ended_with_its_children(tmp_path):
    child = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)  # mark-of-this'])"
    )
    begin = time.monotonic()
    with pytest.raises(ProgramError, match="took more than 0.5 s"):
        run(tmp_path, child, timeout=0.5)
    assert time.monotonic() - begin < 20
    time.sleep(0.1)
    mine = [p for p in psutil.Process().children(recursive=True) if p.status() != psutil.STATUS_ZOMBIE]
    assert not [p for p in mine if any("mark-of-this" in part for part in p.cmdline())]


def test_ctrl_c_ends_it(tmp_path):
    Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, "import time; time.sleep(60)  # mark-of-that")
    assert not [
        p for p in psutil.Process().children() if p.is_running() and any("mark-of-that" in part for part in p.cmdline())
    ]


def test_what_a_killed_run_has_left_running_is_ended(tmp_path):
    code = (
        "import sys; from pathlib import Path; from aimanga.benchmark.command import run_program; "
        "run_program([sys.executable, '-c', 'import time; time.sleep(60)'], Path(), Path('log'), None)"
    )
    runner = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)
    note = tmp_path / "log.pid"
    while not (note.is_file() and note.read_text()):
        time.sleep(0.02)
    left = psutil.Process(json.loads(note.read_text())[0])
    runner.kill()
    runner.wait()
    assert left.is_running()
    kill_orphans(tmp_path)
    assert not left.is_running() or left.status() == psutil.STATUS_ZOMBIE
    assert not note.exists()


def test_a_number_that_is_another_programs_now_is_left_alone(tmp_path):
    (tmp_path / "a.pid").write_text(json.dumps([os.getpid(), 0.0]))
    (tmp_path / "b.pid").write_text("half")
    kill_orphans(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_program_is_told(tmp_path):
    with pytest.raises(ProgramError, match="no-such-program cannot be started"):
        run_program(["no-such-program"], tmp_path, tmp_path / "log", None)
