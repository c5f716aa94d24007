import os
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from aimanga.cli import main
from aimanga.models import SRVGGNetCompact
from tests.browser import browser_tab

ROOT = Path(__file__).parent.parent


def pytest_addoption(parser):
    help = "let precision auto resolve as on a processor with, or without, fast bfloat16 (in this process)"
    parser.addoption("--fast-bf16", choices=["yes", "no"], help=help)


def pytest_configure(config):
    if "PYTEST_XDIST_WORKER" in os.environ:  # a worker a core: one thread each, and for the processes that it starts
        os.environ |= {"OMP_NUM_THREADS": "1", "VIPS_CONCURRENCY": "1"}
        torch.set_num_threads(1)
    fast_bf16 = config.getoption("--fast-bf16")
    if fast_bf16 is not None:
        torch.cpu.get_capabilities = lambda: {"amx_bf16": fast_bf16 == "yes"}


@pytest.fixture(scope="session", autouse=True)
def children_can_be_interrupted():
    """A shell's background job ignores Ctrl-C, and every process that it starts inherits that: here it must not."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def samples():
    return ROOT / "samples"


@pytest.fixture(scope="session")
def shared_data():
    """Pictures that may be used beside the project, but not shipped with it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: these pictures may not be shipped with the project")
    return folder


@pytest.fixture(scope="session")
def nearest_model(tmp_path_factory):
    """A weight file whose network repeats each pixel 4 x 4 times: what goes in can be found in what comes out."""
    path = tmp_path_factory.mktemp("weights") / "nearest.safetensors"
    network = SRVGGNetCompact(features=4, convs=1, scale=4)
    save_file({name: torch.zeros_like(tensor) for name, tensor in network.state_dict().items()}, path)
    return path


@pytest.fixture(scope="session")
def tab():
    """A tab of one browser for all tests of pages: starting one takes longer than most of them."""
    with browser_tab() as opened:
        yield opened


@pytest.fixture
def aimanga_cli(monkeypatch):
    """Run the command line: in this process, since starting one takes two seconds, or in its own, as a user does."""

    def run(*arguments, process=False):
        command = [sys.executable, "-m", "aimanga", *map(str, arguments)]
        if process:
            return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        out, err = StringIO(), StringIO()
        monkeypatch.setattr(sys, "argv", ["aimanga", *command[3:]])
        code = 0
        with redirect_stdout(out), redirect_stderr(err):
            try:
                main()
            except SystemExit as end:
                code = end.code or 0
        return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())

    return run
