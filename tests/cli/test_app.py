import re
import subprocess
import sys

import aimanga

HEAVY = ("torch", "numpy", "pyvips", "safetensors", "pooch", "requests")


def test_help_imports_nothing_heavy():
    """What makes `--help` answer at once."""
    asked = [
        ["--help"], ["upscale", "--help"], ["models", "--help"], ["models", "mix", "--help"], ["weights", "--help"],
        ["models", "mix", "--help"], ["models", "sweep", "--help"],
        ["export", "--help"], ["score", "--help"], ["curate", "--help"], ["train", "--help"],
        ["testset", "build", "--help"], ["evaluate", "--help"], ["benchmark", "--help"], ["metrics", "--help"],
        ["degrade", "--help"], ["degrade", "pairs", "--help"], ["degrade", "fit", "--help"],
        ["--version"],
    ]  # fmt: skip
    code = f"""
import sys
from aimanga.cli import main
for arguments in {asked}:
    sys.argv = ["aimanga", *arguments]
    try:
        main()
    except SystemExit as end:
        assert not end.code
    heavy = [name for name in {HEAVY} if name in sys.modules]
    assert not heavy, (arguments, heavy)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_process_answers_and_returns_the_code(aimanga_cli):
    assert aimanga_cli("--version", process=True).stdout == f"aimanga {aimanga.__version__}\n"
    wrong = aimanga_cli("nothing", process=True)
    assert wrong.returncode == 2 and "No such command 'nothing'" in wrong.stderr


def test_without_arguments_it_shows_its_help(aimanga_cli):
    shown = aimanga_cli()
    assert "Usage: aimanga" in shown.stdout + shown.stderr


def test_wrong_usage_is_2_and_says_why(aimanga_cli, tmp_path, samples):
    for arguments, message in (
        (["upscale", tmp_path / "no.png", "-o", tmp_path], "no such file or folder"),
        (["upscale", tmp_path, "-o", tmp_path / "o"], "no pictures found"),
        (["upscale", tmp_path], "--output"),
        (["upscale", tmp_path, "-o", tmp_path / "o", "--scale", "x"], "--scale"),
        (["upscale", samples, "-o", tmp_path / "o", "--report", tmp_path], "this is a folder"),
    ):
        result = aimanga_cli(*arguments)
        assert result.returncode == 2
        assert message in re.sub(r"\s+", " ", result.stderr)
        assert "Traceback" not in result.stderr
