import json
import subprocess
import sys
import time

import pytest

from aimanga.batch import Watcher, gather, journal
from tests.batch.works import full_disk, make_jobs, read, state
from tests.conftest import ROOT


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal"


def make(tmp_path, names):
    return [job.source for job in make_jobs(tmp_path, names)]


def statuses(report):
    return {record.file.name: record.status for record in report.records}


class Works:
    """A work that remembers what it was called for, and can be told to do something then."""

    def __init__(self, before=None):
        self.seen = []
        self.before = before

    def __call__(self, source, tick):
        if self.before is not None:
            self.before(source)
        self.seen.append(source.name)
        return read(source, tick)


def seen(sources, path, key=state, before=None):
    work = Works(before)
    with journal(path) as kept:
        gather(work, sources, kept, key=key)
    return work.seen


@pytest.mark.parametrize("workers", [1, 2])
def test_every_source_has_its_values_or_its_error(tmp_path, path, workers):
    odd = b"\xff".decode("utf-8", "surrogateescape")
    names = ["a", "bad", odd, "bug", "c"] + ["crash"] * (workers > 1)
    sources = make(tmp_path, names)
    (tmp_path / "in" / odd).write_text("odd")
    sources.append(tmp_path / "absent")
    with journal(path) as kept:
        report = gather(read, sources, kept, key=state, workers=workers, report=tmp_path / "r" / "report.jsonl")
        assert [record.file for record in report.records] == sources
        assert [name for name, status in statuses(report).items() if status == "done"] == ["a", odd, "c"]
        assert kept.values(sources[0]) == {"text": "content of a", "size": 12}
        assert kept.values(sources[2]) == {"text": "odd", "size": 3}
    errors = {record.file.name: record.error for record in report.failed}
    assert errors["bad"] == f"{tmp_path / 'in' / 'bad'}: is bad"
    assert "ZeroDivisionError: a bug (works.py:" in errors["bug"]
    assert "No such file" in errors["absent"]
    if workers > 1:
        assert "its worker process died" in errors["crash"]
    assert (report.exit_code, report.count("done")) == (1, 3)
    lines = [json.loads(line) for line in (tmp_path / "r" / "report.jsonl").read_text().splitlines()]
    assert {(line["file"].rpartition("/")[2], line["status"]) for line in lines} == set(statuses(report).items())
    assert all("output" not in line for line in lines)


def test_what_the_journal_holds_is_skipped_and_what_failed_is_tried_again(tmp_path, path):
    sources = make(tmp_path, ["a", "bad", "b"])
    with journal(path) as kept:
        assert statuses(gather(read, sources, kept, key=state)) == {"a": "done", "bad": "failed", "b": "done"}
    with journal(path) as kept:
        assert statuses(gather(read, sources, kept, key=state)) == {"a": "skipped", "bad": "failed", "b": "skipped"}
        assert kept.values(sources[2])["text"] == "content of b"


def test_another_key_makes_the_values_anew(tmp_path, path):
    sources = make(tmp_path, ["a", "b"])
    assert seen(sources, path) == ["a", "b"]
    assert seen(sources, path) == []
    (tmp_path / "in" / "a").write_text("changed")
    assert seen(sources, path) == ["a"]
    assert seen(sources, path, key=lambda source: "other options") == ["a", "b"]
    with journal(path) as kept:
        assert kept.values(sources[0])["text"] == "changed"


def test_what_changes_while_it_is_read_is_read_again_by_the_next_call(tmp_path, path):
    (source,) = make(tmp_path, ["a"])
    assert seen([source], path, before=lambda path: path.write_text("longer than it was")) == ["a"]
    assert seen([source], path) == ["a"]
    assert seen([source], path) == []


def test_a_source_given_twice_is_read_once(tmp_path, path):
    sources = make(tmp_path, ["a"])
    with journal(path) as kept:
        assert len(gather(read, sources * 2, kept, key=state).records) == 2
    assert path.read_bytes().count(b"\n") == 1


def test_ctrl_c_keeps_what_is_done(tmp_path, path):
    sources = make(tmp_path, "abcd")

    def stop_at_c(source):
        if source.name == "c":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        seen(sources, path, before=stop_at_c)
    assert seen(sources, path) == ["c", "d"]


def test_after_kill_9_the_same_call_reads_just_what_is_missing(tmp_path, path):
    names = [str(number) for number in range(9)]
    process = subprocess.Popen([sys.executable, "-m", "tests.batch.works", "gather", tmp_path, "1", *names], cwd=ROOT)
    deadline = time.monotonic() + 60
    while not path.exists() or path.read_bytes().count(b"\n") < 3:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    done = path.read_bytes().count(b"\n")
    sources = [tmp_path / "in" / name for name in names]
    assert 3 <= done < len(names) and seen(sources, path) == names[done:]


def test_a_full_disk_ends_the_batch_and_nothing_is_lost(tmp_path, path):
    sources = make(tmp_path, ["a", "b", "c"])
    assert seen(sources[:1], path) == ["a"]
    with full_disk(path, 10), pytest.raises(OSError, match="File too large"):
        seen(sources, path)
    assert seen(sources, path) == ["b", "c"]


def test_progress_is_told_and_a_line_can_have_the_values(tmp_path, path):
    told = []

    class Listener(Watcher):
        def on_start(self, job):
            told.append(("started", job.source.name, job.target))

        def on_progress(self, job, share):
            told.append((share, job.source.name))

        def on_end(self, job, record):
            told.append((record.status, record.file.name, record.output))

    sources = make(tmp_path, ["a", "b"])
    assert seen(sources[:1], path) == ["a"]
    with journal(path) as kept:
        gather(
            read, sources, kept, key=state, watcher=Listener(),
            report=tmp_path / "report", line=lambda record: kept.values(record.file)["text"],
        )  # fmt: skip
    assert told == [("skipped", "a", None), ("started", "b", path), (0.5, "b"), ("done", "b", None)]
    assert (tmp_path / "report").read_text() == "content of a\ncontent of b\n"
