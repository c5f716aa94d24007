import numpy as np
import pytest

from aimanga.images import Picture, write


@pytest.fixture
def recipe(tmp_path):
    for folder in ("HR", "LR"):
        (tmp_path / "set" / folder).mkdir(parents=True)
    for n in range(2):
        high = np.random.default_rng(n).integers(40, 200, (32, 40, 3), np.uint8)
        write(Picture(high), tmp_path / "set" / "HR" / f"{n}.png")
        write(Picture(high[::4, ::4].copy()), tmp_path / "set" / "LR" / f"{n}.png")
    path = tmp_path / "b.toml"
    path.write_text(
        'metrics = ["psnr", "ssim"]\n'
        '[[methods]]\nname = "bicubic"\nresample = "bicubic"\n'
        '[[methods]]\nname = "lanczos"\nresample = "lanczos"\n'
        '[[methods]]\nname = "broken"\ncommand = ["{python}", "-c", "exit(3)  # {input} {output}"]\n'
        f'[[sets]]\nname = "Two"\nfolder = "{tmp_path / "set"}"\n'
    )
    return path


def test_methods_in_a_table_with_what_went_wrong(aimanga_cli, recipe, tmp_path):
    done = aimanga_cli("benchmark", recipe, "-o", tmp_path / "out")
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["Two: 2 pictures, x4, psnr, ssim", "methods: bicubic, lanczos, broken"]
    table = lines[lines.index("Two (2 pictures)") + 1 :]
    assert table[0].split()[:5] == ["method", "PSNR", "↑", "SSIM", "↑"]
    assert [line.split()[0] for line in table[1:4]] == ["bicubic", "lanczos", "broken"]
    assert table[3].split()[1:3] == ["-", "-"]
    assert any("failed with exit code 3" in line for line in lines if line.startswith("Two, broken, 0, 1: "))
    assert f"written   {tmp_path / 'out' / 'report.html'}" in lines
    text = (tmp_path / "out" / "results.md").read_text()
    assert f"$ aimanga benchmark {recipe} -o {tmp_path / 'out'}" in text


def test_some_methods_only(aimanga_cli, recipe, tmp_path):
    done = aimanga_cli("benchmark", recipe, "-o", tmp_path / "out", "--methods", "bicubic, lanczos")
    assert done.returncode == 0, done.stderr
    assert "--methods bicubic,lanczos" in (tmp_path / "out" / "results.md").read_text()


def test_a_metric_without_weights_is_said_before_the_work(aimanga_cli, recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("AIMANGA_WEIGHTS", str(tmp_path / "none"))
    recipe.write_text(recipe.read_text().replace('"ssim"', '"musiq"'))
    done = aimanga_cli("benchmark", recipe, "-o", tmp_path / "out", "--dry-run")
    assert done.stdout.splitlines()[2] == "musiq: weights missing: aimanga weights fetch musiq-koniq"


def test_a_dry_run_does_nothing(aimanga_cli, recipe, tmp_path):
    done = aimanga_cli("benchmark", recipe, "-o", tmp_path / "out", "--dry-run")
    assert done.returncode == 0
    assert "Two: 2 pictures" in done.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "nothing: no such file, and the recipes that come with aimanga are factsheet, models"),
        (["RECIPE", "--methods", "x"], "--methods: there is no x among bicubic, lanczos, broken"),
        (["RECIPE", "--sets", "x"], "--sets: there is no x among Two"),
        (["factsheet", "--methods", "InvSR"], "Synthetic: data/synthetic: there is no such folder"),
    ],
)
def test_what_cannot_be_done_is_2(aimanga_cli, recipe, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    given = [recipe if argument == "RECIPE" else argument for argument in arguments]
    done = aimanga_cli("benchmark", *given, "-o", tmp_path / "out")
    assert done.returncode == 2
    assert message in done.stderr
