import hashlib
import json
import signal
import subprocess
import sys
import time
from collections import Counter

import psutil
import pytest

from aimanga.batch import Job, Watcher, run
from tests.batch.works import copy, make_jobs
from tests.conftest import ROOT

NAMES = [f"{number}.txt" for number in range(12)]


def statuses(report):
    return {record.file.name: record.status for record in report.records}


@pytest.mark.parametrize("workers", [1, 3])
def test_one_bad_file_never_stops_the_rest(tmp_path, workers):
    names = ["a", "bad", "b", "bug", "c"]
    report = run(copy, make_jobs(tmp_path, names), workers=workers, report=tmp_path / "r" / "report.jsonl", ignored=2)
    assert statuses(report) == {"a": "done", "bad": "failed", "b": "done", "bug": "failed", "c": "done"}
    assert (report.exit_code, report.ignored, report.count("done")) == (1, 2, 3)
    bad, bug = report.failed
    assert bad.error == f"{tmp_path / 'in' / 'bad'}: is bad"
    assert "ZeroDivisionError: a bug (works.py:" in bug.error
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a", "b", "c"}

    lines = [json.loads(line) for line in (tmp_path / "r" / "report.jsonl").read_text().splitlines()]
    assert {(line["file"].rpartition("/")[2], line["status"]) for line in lines} == set(statuses(report).items())
    done = next(line for line in lines if line["file"].endswith("/a"))
    assert done["sha256"] == hashlib.sha256(b"content of a").hexdigest()
    assert done["size"] == len("content of a")
    assert "error" not in done


def test_finished_results_are_skipped_unless_they_are_to_be_overwritten(tmp_path):
    jobs = make_jobs(tmp_path, ["a", "b"])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("there already")
    assert statuses(run(copy, jobs)) == {"a": "skipped", "b": "done"}
    assert (tmp_path / "out" / "a").read_text() == "there already"
    assert statuses(run(copy, jobs)) == {"a": "skipped", "b": "skipped"}
    assert statuses(run(copy, jobs, overwrite=True)) == {"a": "done", "b": "done"}
    assert (tmp_path / "out" / "a").read_text() == "content of a"


def start(tmp_path, workers):
    command = [sys.executable, "-m", "tests.batch.works", "run", tmp_path, str(workers), *NAMES]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, start_new_session=True)
    deadline = time.monotonic() + 60
    while len(finished(tmp_path)) < 3:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    return process


def finished(tmp_path):
    """The time at which each result that is there was made."""
    return {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("[!.]*")}


def assert_the_same_call_makes_just_what_is_missing(tmp_path, process, workers):
    before = finished(tmp_path)
    assert 3 <= len(before) < len(NAMES)
    subprocess.run([*process.args[:5], str(workers), *NAMES], cwd=ROOT, check=True)
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == {
        name: f"content of {name}" for name in NAMES
    }
    assert before.items() <= finished(tmp_path).items(), "what was finished has been made again"


@pytest.mark.parametrize("workers", [1, 2])
def test_after_kill_9_the_same_call_makes_just_what_is_missing(tmp_path, workers):
    process = start(tmp_path, workers)
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == [], "workers have outlived their parent"
    assert_the_same_call_makes_just_what_is_missing(tmp_path, process, workers)
    lines = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    assert Counter(line["status"] for line in lines)["skipped"] >= 3


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_stops_within_two_seconds_and_keeps_what_is_done(tmp_path, workers):
    process = start(tmp_path, workers)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert time.monotonic() - begin < 2
    assert b"KeyboardInterrupt" in errors
    assert not list((tmp_path / "out").glob(".*")), "something half-written is left"
    assert_the_same_call_makes_just_what_is_missing(tmp_path, process, workers)


def test_names_that_nobody_likes(tmp_path):
    """One that is not Unicode and fails, one whose result has too long a name, and a folder in a result's place."""
    odd = b"bad-\xff".decode("utf-8", "surrogateescape")
    jobs = make_jobs(tmp_path, ["a", odd, "b"])
    jobs.append(Job(jobs[0].source, tmp_path / "out" / ("x" * 300)))
    jobs.append(Job(jobs[0].source, tmp_path / "out" / "folder"))
    (tmp_path / "out" / "folder").mkdir(parents=True)
    report = run(copy, jobs, report=tmp_path / "report.jsonl")
    assert [record.status for record in report.records] == ["done", "failed", "done", "failed", "failed"]
    lines = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    assert lines[1]["file"] == str(tmp_path / "in" / odd)


def test_progress_is_told(tmp_path):
    told = []

    class Listener(Watcher):
        def on_start(self, job):
            told.append(("started", job.source.name))

        def on_progress(self, job, share):
            told.append((share, job.source.name))

        def on_end(self, job, record):
            told.append((record.status, job.source.name))

    run(copy, make_jobs(tmp_path, ["a", "bad"]), watcher=Listener())
    assert told == [
        ("started", "a"), (0.5, "a"), ("done", "a"), ("started", "bad"), (0.5, "bad"), ("failed", "bad"),
    ]  # fmt: skip
