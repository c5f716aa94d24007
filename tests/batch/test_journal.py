import json
import math
import tracemalloc
from pathlib import Path

import pytest

from aimanga.batch import journal
from aimanga.errors import UsageError
from tests.batch.works import full_disk

A, B, C = (Path("/photos") / name for name in ("a.jpg", "b.jpg", "c.jpg"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "scores.journal"


def fill(path, *entries):
    with journal(path) as kept:
        for source, key, number in entries:
            kept.append(source, key, {"number": number})


def test_what_is_appended_is_found_again(path):
    values = {"x": 0.1, "n": None, "deep": {"list": [1, "图"]}, "psnr": math.inf, "map": "A" * 10_000}
    with journal(path) as kept:
        assert not kept.holds(A, "key")
        kept.append(A, "key", values)
        kept.append(B, "other", {})
        assert kept.holds(A, "key") and kept.values(A) == values and kept.values(B) == {}
    with journal(path) as kept:
        assert kept.holds(A, "key") and not kept.holds(A, "other") and not kept.holds(C, "key")
        assert kept.values(A) == values and kept.key(B) == "other"
        for ask in (kept.values, kept.key):
            with pytest.raises(KeyError):
                ask(C)
    assert [json.loads(line)["source"] for line in path.read_text().splitlines()] == [str(A), str(B)]


def test_a_source_is_the_same_whichever_way_it_is_named(tmp_path, path, monkeypatch):
    odd = b"in/\xff\n\xe2\x80\xa8.jpg".decode("utf-8", "surrogateescape")
    monkeypatch.chdir(tmp_path)
    fill(path, (Path(odd), "key", 1))
    monkeypatch.chdir("/")
    with journal(path) as kept:
        assert kept.holds(tmp_path / odd, "key") and kept.values(tmp_path / odd) == {"number": 1}


def test_the_last_line_of_a_source_counts(path):
    fill(path, (A, "old", 1), (B, "old", 2), (A, "new", 3))
    with journal(path) as kept:
        assert kept.holds(A, "new") and not kept.holds(A, "old")
        assert (kept.values(A), kept.values(B)) == ({"number": 3}, {"number": 2})


def test_wherever_a_kill_stops_a_line_the_next_one_is_whole(path):
    fill(path, (A, "key", 1))
    kept_before = path.stat().st_size
    fill(path, (B, "key", 2))
    whole = path.read_bytes()
    for end in range(kept_before, len(whole)):
        path.write_bytes(whole[:end])
        with journal(path) as kept:
            assert kept.holds(A, "key") and not kept.holds(B, "key")
            kept.append(C, "key", {"number": 3})
        with journal(path) as kept:
            assert [kept.values(source) for source in (A, C)] == [{"number": 1}, {"number": 3}]
        assert path.read_bytes().count(b"\n") == 2


def test_a_journal_can_be_killed_in_its_first_line(path):
    path.write_bytes(b'{"sou')
    fill(path, (A, "key", 1))
    assert path.read_bytes().startswith(b'{"source": "/photos/a.jpg"')


@pytest.mark.parametrize(
    "damage", [b"\0\xff\xfe{", b"[1, 2]", b"3", b'{"source": [], "key": 1, "values": {}}', b'{"a": 1}', b""]
)
def test_a_damaged_line_is_as_good_as_none(path, damage):
    fill(path, (A, "key", 1), (B, "key", 2), (C, "key", 3))
    first, _, last = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([first, damage, last, b""]))
    with journal(path) as kept:
        assert [kept.holds(source, "key") for source in (A, B, C)] == [True, False, True]
        assert kept.values(C) == {"number": 3}
    path.write_bytes(b"\n".join([damage, first, last, b""]))
    with journal(path) as kept:
        assert [kept.holds(source, "key") for source in (A, B, C)] == [True, False, True]


@pytest.mark.parametrize("content", [b"picture,niqe\na.png,3.2\n", b"no end", b"\0\0"])
def test_a_file_of_another_kind_is_left_alone(path, content):
    path.write_bytes(content)
    with pytest.raises(UsageError, match="this is not a journal of aimanga; move it away"), journal(path):
        pass
    assert path.read_bytes() == content


def test_it_is_for_one_run_at_a_time(path):
    with journal(path) as kept:
        kept.append(A, "key", {})
        with pytest.raises(UsageError, match="scores.journal: another run is writing this"), journal(path):
            pass
        assert kept.values(A) == {}
    with journal(path):
        pass


def test_it_is_written_anew_when_most_lines_are_stale(path):
    fill(path, (A, "1", 1), (B, "1", 2), (A, "2", 3), (B, "2", 4))
    half = path.read_bytes()
    fill(path)
    assert path.read_bytes() == half
    fill(path, (A, "3", 5))
    with journal(path) as kept:
        assert path.read_bytes().count(b"\n") == 2
        assert (kept.values(A), kept.values(B)) == ({"number": 5}, {"number": 4})
        with pytest.raises(UsageError, match="another run"), journal(path):
            pass
        kept.append(C, "3", {"number": 6})
    with journal(path) as kept:
        assert kept.values(C) == {"number": 6} and kept.holds(A, "3") and kept.holds(B, "2")
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_full_disk_is_an_error_and_takes_nothing(path):
    with journal(path) as kept:
        kept.append(A, "key", {"number": 1})
        before = path.read_bytes()
        with full_disk(path, 100), pytest.raises(OSError, match="File too large"):
            kept.append(B, "key", {"text": "x" * 1000})
        assert path.read_bytes() == before and not kept.holds(B, "key") and kept.values(A) == {"number": 1}
        kept.append(C, "key", {"number": 3})
    with journal(path) as kept:
        assert [kept.holds(source, "key") for source in (A, B, C)] == [True, False, True]


def test_what_is_not_json_is_refused_whole(path):
    with journal(path) as kept, pytest.raises(TypeError):
        kept.append(A, "key", {"path": A})
    assert path.read_bytes() == b""


def test_values_are_not_held_in_memory(path):
    with journal(path) as kept:
        for number in range(100):
            kept.append(Path(f"/{number}"), "key", {"map": "x" * 100_000})
    tracemalloc.start()
    try:
        with journal(path) as kept:
            assert len(kept.values(Path("/99"))["map"]) == 100_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


def test_without_a_path_it_is_gone_afterwards():
    with journal(None) as kept:
        kept.append(A, "key", {"number": 1})
        assert kept.values(A) == {"number": 1} and kept.path.exists()
    assert not kept.path.parent.exists()
