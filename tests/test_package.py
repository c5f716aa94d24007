"""What other programs rely on: public names, lazy imports, pins, licences."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version

import pytest

import aimanga
from aimanga.benchmark import load_recipe
from aimanga.metrics import find_metric
from tests.conftest import ROOT


def test_public_names_do_not_move():
    assert sorted(aimanga.__all__) == [
        "AimangaError", "BenchmarkOptions", "BuildOptions", "CurateOptions", "EvaluateOptions", "FitOptions",
        "MODELS", "Metadata", "Model", "ModelError", "PairOptions", "Picture", "PictureError",
        "PreviewOptions", "Record", "Report", "ResourceError", "ScoreOptions", "SweepOptions", "TrainOptions",
        "UpscaleOptions", "UsageError", "Watcher", "__version__", "benchmark", "build_test_set",
        "curate_files", "evaluate", "explain_training", "export", "fit_recipe", "load_model", "make_pairs",
        "metrics", "mix", "preview_recipe", "read", "remake", "score_files", "sweep", "train", "upscale",
        "upscale_files", "write",
    ]  # fmt: skip
    for name in aimanga.__all__:
        assert getattr(aimanga, name) is not None


def test_unknown_name_is_an_attribute_error():
    assert not hasattr(aimanga, "no_such_name")


def test_upscale_is_a_function_whatever_was_imported_before():
    code = """
import aimanga, aimanga.upscale.tiles
from aimanga.upscale.engine import Engine
import inspect
print(list(inspect.signature(aimanga.upscale).parameters), aimanga.upscale.tiles.HALO)
"""
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output == "['picture', 'options', 'model', 'scale', 'strength', 'device', 'precision'] 64\n"


def test_importing_aimanga_imports_nothing_heavy():
    code = "import sys, aimanga; print([m for m in ('torch', 'numpy', 'pyvips', 'rich') if m in sys.modules])"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output == "[]\n"


def test_versions_agree():
    assert version("aimanga") == aimanga.__version__
    assert f"## {aimanga.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_every_constraint_is_a_pin_and_covers_every_dependency():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in lines)
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    names = {re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower() for requirement in wanted}
    assert names - {"aimanga"} <= pinned


def test_tests_mirror_the_sources():
    package, tests = ROOT / "src" / "aimanga", ROOT / "tests"
    for path in set(tests.glob("*/test_*.py")) - set(tests.glob("gpu/*")):  # those run where there is a GPU
        source = package / path.parent.name / path.name.removeprefix("test_")
        assert source.exists(), f"{path} tests no module of that name"


@pytest.mark.parametrize("folder", ["samples", "tests/photos", "benchmarks/photos", "docs/images"])
def test_every_picture_has_its_licence(folder):
    table = (ROOT / folder / "LICENSES.md").read_text()
    for sample in (ROOT / folder).rglob("*"):
        if sample.is_file() and sample.suffix not in (".md", ".toml"):
            name = sample.relative_to(ROOT / folder).as_posix()
            line = next(line for line in table.splitlines() if line.startswith(f"| {name} |"))
            assert re.search(r"CC0-1\.0|public domain|CC-BY-[234]\.\d", line)


def test_the_published_results_are_by_todays_protocols():
    text = (ROOT / "docs" / "results.md").read_text()
    assert "$ aimanga benchmark models -o out/models" in text
    for name in load_recipe("models").metrics:
        metric = find_metric(name)
        assert f"- {metric.title}: {metric.protocol} ({metric.source})" in text


def test_the_published_results_are_of_all_methods_of_the_recipe():
    text = (ROOT / "docs" / "results.md").read_text()
    assert [method.name for method in load_recipe("models").methods if f"- {method.name}: " not in text] == []


def test_it_runs_from_the_sources_without_an_installation():
    """`PYTHONPATH=src python -m aimanga`, with no metadata of a package called aimanga."""
    code = """
import importlib.metadata as metadata, sys
found = metadata.version
def version(name):
    if name == "aimanga":
        raise metadata.PackageNotFoundError(name)
    return found(name)
metadata.version = version
from aimanga.cli import main
sys.argv = ["aimanga", "score", "samples/owl.jpg"]
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
