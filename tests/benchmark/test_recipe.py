import pytest

from aimanga.benchmark import BenchmarkRecipe, load_recipe
from aimanga.benchmark.recipe import SHIPPED, Program
from aimanga.errors import UsageError
from aimanga.metrics import METRICS

START = """
[[methods]]
name = "bicubic"
resample = "bicubic"

[[sets]]
name = "Set5"
folder = "data/set5"
"""


def loaded(tmp_path, text, **options):
    path = tmp_path / "benchmark.toml"
    path.write_text(text)
    return load_recipe(path, **options)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_recipe_is_one(name):
    recipe = load_recipe(name)
    assert {metric.name for metric in METRICS} >= set(recipe.metrics)
    assert recipe.description


def test_the_factsheet_has_its_methods_sets_and_metrics():
    recipe = load_recipe("factsheet")
    assert [method.name for method in recipe.methods] == ["Real-ESRGAN x4plus", "InvSR", "Aimanga"]
    assert [entry.name for entry in recipe.sets] == ["Synthetic", "RealSR"]
    assert recipe.metrics == ("niqe", "brisque", "nrqm", "pi", "clip_iqa", "musiq")


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ('[[methods]]\nname = "x"', "line 9, methods.1: a method has one of model, resample, results, command"),
        ('[[sets]]\nname = "x"', "line 9, sets.1: a set has one of folder, categories"),
        ('[[methods]]\nname = "x"\nresample = "nearest"', "line 11, methods.1.resample"),
        (
            '[[methods]]\nname = "x"\nmodel = "m"\nstrenght = 1',
            "line 12, methods.1.strenght: there is no such key",
        ),
        ('[[methods]]\nname = "x"\nmodel = "m"\nstrength = 2.0', "line 12, methods.1.strength"),
        ('[[methods]]\nname = "BICUBIC"\nmodel = "m"', "line 10, methods.1.name: the name BICUBIC is used twice"),
        ('[[methods]]\nname = "HR"\nmodel = "m"', "HR is reserved for the pictures themselves"),
        ('[[methods]]\nname = "../x"\nmodel = "m"', "folders are named after it"),
        ('[[methods]]\nname = ".."\nmodel = "m"', "folders are named after it"),
        (
            '[[methods]]\nname = "x"\ncommand = ["x", "{input}"]',
            "line 11, methods.1.command: a command has {input} and {output}",
        ),
        (
            '[[methods]]\nname = "x"\ncommand = ["x", "{input}", "{output_folder}"]',
            "a command has {input} and {output}",
        ),
        ('[[methods]]\nname = "x"\ncommand = []', "line 11, methods.1.command"),
        ('[[figures]]\nset = "Set6"\npicture = "x"', "line 10, figures.0.set: there is no set Set6"),
        ('[[figures]]\nset = "Set5"\npicture = "x"\nbox = [0, 0, 0, 9]', "figures.0.box: left and top are at least 0"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, added, message):
    with pytest.raises(UsageError) as caught:
        loaded(tmp_path, START + added)
    assert message in str(caught.value)


def test_an_unknown_baseline_is_none(tmp_path):
    with pytest.raises(UsageError, match="line 1, baseline: there is no method x4plus"):
        loaded(tmp_path, 'baseline = "x4plus"\n' + START)


def test_some_methods_of_a_recipe(tmp_path):
    text = 'baseline = "bicubic"\n' + START + '[[methods]]\nname = "b"\nmodel = "m"\nstrength = 0.5\n'
    recipe = loaded(tmp_path, text, methods=["b"])
    assert [method.name for method in recipe.methods] == ["b"]
    assert recipe.methods[0].strength == 0.5
    assert recipe.baseline == ""
    assert loaded(tmp_path, text, methods=["bicubic"]).baseline == "bicubic"
    with pytest.raises(UsageError, match="--methods: there is no c among bicubic, b"):
        loaded(tmp_path, text, methods=["c"])


def test_some_sets_of_a_recipe(tmp_path):
    text = START + '[[sets]]\nname = "B"\nfolder = "b"\n[[figures]]\nset = "Set5"\npicture = "x"\n'
    recipe = loaded(tmp_path, text, sets=["B"])
    assert [entry.name for entry in recipe.sets] == ["B"]
    assert recipe.figures == ()
    assert len(loaded(tmp_path, text, sets=["Set5"]).figures) == 1
    with pytest.raises(UsageError, match="--sets: there is no C among Set5, B"):
        loaded(tmp_path, text, sets=["C"])


def test_there_is_no_recipe_of_this_name():
    with pytest.raises(UsageError, match="factsheet, models"):
        load_recipe("fact")


def test_every_field_says_what_it_is():
    for field in [*BenchmarkRecipe.model_fields.values(), *Program.model_fields.values()]:
        assert field.description
