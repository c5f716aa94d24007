from pathlib import Path

import numpy as np
import pytest

from aimanga.batch import journal
from aimanga.benchmark.methods import fingerprint
from aimanga.benchmark.produce import Places, produce_results
from aimanga.benchmark.recipe import ModelMethod, Program, Resampling
from aimanga.errors import UsageError
from aimanga.images import Picture, read, write
from tests.watchers import Counting

NAMES = [f"p{n}" for n in range(7)]


@pytest.fixture
def places(tmp_path):
    return Places(tmp_path / "results", tmp_path / "kept" / "results.jsonl", tmp_path / "logs", tmp_path / "work")


@pytest.fixture(params=["picture", "folder"])
def kind(request):
    return request.param


def a_program(path, kind="picture", *options):
    pair = ("{input}", "{output}") if kind == "picture" else ("{input_folder}", "{output_folder}")
    return Program(name="p", command=("{python}", str(path), *pair, "{scale}", *options))


def made(method, cases, places):
    counting = Counting()
    result = produce_results(method, cases, 4, places, watcher=counting)
    return result, [Path(name).stem for name in counting.done]


def test_everything_is_made_once(cases, places, program, calls, kind):
    first, new = made(a_program(program, kind), cases, places)
    assert sorted(first.files) == sorted(new) == sorted(calls()) == NAMES
    assert not first.problems
    assert read(first.files["p0"]).pixels.shape == (80, 96, 3)
    second, new = made(a_program(program, kind), cases, places)
    assert second == first
    assert new == calls() == []
    assert not places.work.exists()


def test_what_it_costs_is_measured_and_kept(cases, places, program, kind):
    costs = made(a_program(program, kind, "slow"), cases, places)[0].costs
    assert sum(cost.seconds for cost in costs.values()) > 0.1 * 7
    assert all(cost.memory > 5 * 2**20 for cost in costs.values())
    assert all(cost.megapixels == pytest.approx(80 * 96 / 1e6) for cost in costs.values())
    assert made(a_program(program, kind, "slow"), cases, places)[0].costs == costs


def test_a_kernel_has_no_memory_of_its_own(cases, places):
    costs = made(Resampling(name="b", resample="bicubic"), cases, places)[0].costs
    assert {cost.memory for cost in costs.values()} == {None}


def test_only_what_has_changed_is_made_again(cases, places, program, calls, kind):
    method = a_program(program, kind)
    first, _ = made(method, cases, places)
    calls()
    write(Picture(np.zeros((20, 24, 3), np.uint8)), cases["p3"].low)
    first.files["p5"].unlink()
    first.files["p1"].write_bytes(first.files["p2"].read_bytes())
    cases["p2"].low.touch()  # later, and the same
    second, new = made(method, cases, places)
    assert sorted(new) == sorted(calls()) == ["p1", "p3", "p5"]
    assert read(second.files["p3"]).pixels.max() == 0
    assert second.costs["p2"] == first.costs["p2"]


def test_another_method_makes_all_of_it_again(cases, places, program, calls, kind):
    made(a_program(program, kind), cases, places)
    calls()
    _, new = made(a_program(program, kind, "-v"), cases, places)
    assert sorted(new) == sorted(calls()) == NAMES


def test_what_a_crash_has_left_is_taken(cases, places, program, calls):
    result, _ = made(a_program(program, "folder", "crash"), cases, places)
    assert sorted(result.files) == NAMES[:-1]
    assert list(result.problems) == ["p6"]
    assert "failed with exit code 1; last output: loading weights | Traceback" in result.problems["p6"]
    assert "RuntimeError: out of memory" in result.problems["p6"]
    calls()
    made(a_program(program, "folder", "crash"), cases, places)
    assert calls() == ["p6"]


def test_what_a_killed_run_has_left_is_taken_where_it_is_whole(cases, places, program, calls):
    """The folder that the program wrote into is that of the method, and is still there."""
    method = a_program(program, "folder", "crash")
    results, _ = made(a_program(program, "picture"), cases, places)
    calls()
    again = Places(places.results.with_name("again"), places.journal.with_name("again"), places.logs, places.work)
    out = places.work / fingerprint(method)[:16] / "out"
    out.mkdir(parents=True)
    for name in NAMES[:3]:
        (out / f"{name}_out.png").write_bytes(results.files[name].read_bytes())
    (out / "p3_out.png").write_bytes(results.files["p3"].read_bytes()[:-400])
    result, _ = made(method, cases, again)
    assert sorted(calls()) == NAMES[3:]
    assert result.costs["p0"].seconds is None
    assert result.costs["p4"].seconds > 0


@pytest.mark.parametrize(
    ("option", "message"),
    [("wrong", "the result is 97 x 81, and 96 x 80 was expected"), ("none", "succeeded without writing")],
)
def test_bad_results_are_named_and_not_kept(cases, places, program, kind, option, message):
    result, _ = made(a_program(program, kind, option), cases, places)
    assert not result.files
    assert sorted(result.problems) == NAMES
    assert all(message in problem for problem in result.problems.values())
    assert not list(places.results.iterdir())


def test_a_folder_program_may_write_other_formats(cases, places, tmp_path):
    (tmp_path / "bmp.py").write_text(
        "import sys; from pathlib import Path; from PIL import Image\n"
        "for p in Path(sys.argv[1]).iterdir(): Image.open(p).resize((96, 80)).save(Path(sys.argv[2]) / f'{p.stem}.bmp')"
    )
    result, _ = made(a_program(tmp_path / "bmp.py", "folder"), cases, places)
    assert {path.suffix for path in result.files.values()} == {".png"}
    assert read(result.files["p0"]).width == 96


def test_two_runs_at_once_are_refused(cases, places, program):
    places.journal.parent.mkdir()
    with journal(places.journal), pytest.raises(UsageError, match="another run is writing this"):
        made(a_program(program), cases, places)


def test_a_model_runs_in_a_process_of_its_own(cases, places, nearest_model):
    result, new = made(ModelMethod(name="m", model=str(nearest_model)), cases, places)
    assert sorted(new) == NAMES
    # A process with torch in it, and not this one with all that the tests have left in it.
    assert 100 * 2**20 < max(cost.memory for cost in result.costs.values()) < 900 * 2**20
    assert np.array_equal(read(result.files["p1"]).pixels[::4, ::4], read(cases["p1"].low).pixels)
    assert made(ModelMethod(name="m", model=str(nearest_model)), cases, places)[1] == []
