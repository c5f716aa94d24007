import signal
import stat
import subprocess
import sys
import threading

import pytest

from aimanga.atomic import is_part, locked, remove_remains, replacing

WRITER = """
import sys, time
from pathlib import Path
from aimanga.atomic import replacing
with replacing(Path(sys.argv[1])) as part:
    part.write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(60)
"""


def test_content_appears_only_when_it_is_whole(tmp_path):
    target = tmp_path / "a.png"
    target.write_bytes(b"old")
    with replacing(target) as part:
        part.write_bytes(b"new")
        assert is_part(part)
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.png"
    target.write_bytes(b"old")

    def fail():
        with replacing(target) as part:
            part.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_remains_of_a_killed_process_are_removed_those_of_a_living_one_are_not(tmp_path):
    target = tmp_path / "图 [1].png"
    process = subprocess.Popen([sys.executable, "-c", WRITER, target], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"writing\n"
        assert remove_remains(tmp_path) == 0
        assert len(list(tmp_path.iterdir())) == 1
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert remove_remains(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_remains_that_cannot_be_removed_do_not_matter(tmp_path):
    (tmp_path / ".folder.aimanga-part").mkdir()
    assert remove_remains(tmp_path) == 0


def test_writing_and_removing_remains_at_the_same_time(tmp_path):
    stop = threading.Event()
    remover = threading.Thread(target=lambda: [remove_remains(tmp_path) for _ in iter(stop.is_set, True)])
    remover.start()
    try:
        for number in range(500):
            with replacing(tmp_path / "a") as part:
                part.write_text(str(number))
    finally:
        stop.set()
        remover.join()
    assert (tmp_path / "a").read_text() == "499"


def test_two_writers_of_one_target_do_not_disturb_each_other(tmp_path):
    target = tmp_path / "a.png"
    with replacing(target) as first, replacing(target) as second:
        first.write_bytes(b"first")
        second.write_bytes(b"second")
    assert target.read_bytes() == b"first"  # the outer block ends last


def test_permissions_are_those_of_an_ordinary_new_file(tmp_path):
    with replacing(tmp_path / "a"):
        pass
    (tmp_path / "b").touch()
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"}
    assert len(modes) == 1


def test_the_longest_name_that_a_file_system_allows(tmp_path):
    target = tmp_path / ("é" * 125 + ".png")
    with replacing(target) as part:
        part.write_bytes(b"x")
    assert target.read_bytes() == b"x"


def test_a_missing_folder_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "no" / "a.png"):
        pass


def test_a_lock_is_free_once(tmp_path):
    with locked(tmp_path / "lock") as first, locked(tmp_path / "lock") as second:
        assert first and not second
    with locked(tmp_path / "lock") as again:
        assert again
