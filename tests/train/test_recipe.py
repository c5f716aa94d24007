import re
from pathlib import Path

import pytest

from aimanga.config import load, write_toml
from aimanga.errors import UsageError
from aimanga.train.reading import TRAIN_RECIPES, load_train_recipe, without_folders
from aimanga.train.recipe import TrainRecipe

GOOD = """description = "mine"
[model]
start = "weights/mine.safetensors"
[data]
sources = [{ path = "photos" }, { path = "~/more", lr = "small", weight = 2 }]
degradation = "damage.toml"
[losses.pixel]
weight = 1.0
[losses.gan]
weight = 0.1
[train]
iterations = 10
[validation]
real = "/somewhere/real"
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    return path


@pytest.mark.parametrize("name", TRAIN_RECIPES)
def test_what_is_shipped_can_be_read(name):
    found = load_train_recipe(name)
    assert found.path.name == f"train-{name}.toml"
    assert found.recipe.description


def test_the_method_is_as_published():
    recipe = load_train_recipe("aimanga").recipe
    assert (recipe.model.start, recipe.model.preset) == ("realesrgan-x4plus", "aimanga")
    assert (recipe.train.iterations, recipe.train.batch_size, recipe.train.lr) == (100_000, 16, 1e-4)
    assert (recipe.train.betas, recipe.train.schedule, recipe.train.ema.decay) == ((0.9, 0.99), "constant", 0.999)
    assert recipe.losses.active == {"pixel", "perceptual", "gan"}
    assert (recipe.losses.pixel.weight, recipe.losses.perceptual.weight, recipe.losses.gan.weight) == (1, 1, 0.1)
    # The degradation starts from the plain picture: so does what the losses aim at.
    assert not recipe.losses.pixel.sharpened and not recipe.losses.perceptual.sharpened
    assert list(recipe.losses.perceptual.layers.values()) == [0.1, 0.1, 1, 1, 1]
    assert recipe.data.crop == 256


def test_paths_are_relative_to_the_recipe(path, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.chdir("/")
    recipe = load_train_recipe(path).recipe
    assert recipe.model.start == str(tmp_path / "weights/mine.safetensors")
    assert [source.path for source in recipe.data.sources] == [str(tmp_path / "photos"), "/home/someone/more"]
    assert recipe.data.sources[1].lr == str(tmp_path / "small")
    assert recipe.data.degradation == str(tmp_path / "damage.toml")
    assert recipe.validation.real == "/somewhere/real"
    assert recipe.validation.pictures is None


def test_paths_of_the_command_line_are_relative_to_the_current_folder(path, monkeypatch, tmp_path):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    recipe = load_train_recipe(
        path, ["validation.pictures=held", "data.degradation=bicubic"], ["one", Path("two")]
    ).recipe
    assert [source.path for source in recipe.data.sources] == [str(tmp_path / "here/one"), str(tmp_path / "here/two")]
    assert recipe.validation.pictures == str(tmp_path / "here/held")
    assert recipe.data.degradation == "bicubic"


def test_settings_are_as_in_toml_or_bare(path):
    settings = [
        "train.lr=2e-4", "losses.gan.kind=hinge", 'losses.pixel.kind="charbonnier"', "train.ema.decay = 0.9",
        "data.sources.1.weight=5", "train.milestones=[3, 4]", "train.schedule=multistep", "losses.colour.weight=0.5",
        "compute.compile=true",
    ]  # fmt: skip
    recipe = load_train_recipe(path, settings).recipe
    assert (recipe.train.lr, recipe.train.ema.decay, recipe.train.milestones) == (2e-4, 0.9, (3, 4))
    assert (recipe.losses.gan.kind, recipe.losses.pixel.kind) == ("hinge", "charbonnier")
    assert recipe.data.sources[1].weight == 5
    assert recipe.losses.colour.weight == 0.5
    assert recipe.compute.compile


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.lr", "a setting is a key and its value"),
        ("train..lr=1", "a setting is a key and its value"),
        ("description.x=1", "the recipe has no such place"),
        ("data.sources.7.weight=1", "the recipe has no such place"),
        ("train.lr=fast", "--set train.lr: Input should be a valid number"),
        ("train.speed=1", "--set train.speed: there is no such key"),
        ("losses.gan.weight=-1", "--set losses.gan.weight: Input should be greater than or equal to 0"),
    ],
)
def test_bad_settings_are_named(path, setting, message):
    with pytest.raises(UsageError) as caught:
        load_train_recipe(path, [setting])
    assert message in str(caught.value)
    assert setting.partition("=")[0] in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("weight = 0.1", "weight = 0.1\nshare = 2", "line 11, losses.gan.share: there is no such key"),
        ("iterations = 10", "iterations = 0", "line 12, train.iterations: Input should be greater than"),
        ("iterations = 10", "", "line 11, train.iterations: Field required"),
        (
            "iterations = 10",
            "iterations = 10\nbatch_size = 4\naccumulate = 3",
            "line 14, train.accumulate: 4 does not divide into 3 parts",
        ),
        (
            "iterations = 10",
            'iterations = 10\nschedule = "multistep"',
            'line 11, train: schedule = "multistep" needs milestones',
        ),
        (
            '"damage.toml"',
            '"damage.toml"\ncrop = 100',
            "line 7, data.crop: 100: the discriminator takes multiples of 8",
        ),
        ("[losses.pixel]\nweight = 1.0", "[losses.pixel]\nweight = 0", "line 7, losses: at least one loss besides gan"),
        (
            "[losses.gan]",
            "[losses.ldl]\n[train.ema]\ndecay = 0\n[losses.gan]",
            "line 9, losses.ldl: it compares with the EMA",
        ),
        ('safetensors"', 'safetensors"\nblocks = 5', "line 2, model: blocks: the weights decide that"),
        ("[{ path", "[] #", "line 5, data.sources: Tuple should have at least 1 item"),
    ],
)
def test_bad_recipes_are_refused_with_the_line(path, old, new, message):
    assert old in GOOD
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(UsageError) as caught:
        load_train_recipe(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_what_is_missing_or_misspelt(tmp_path):
    with pytest.raises(UsageError, match="amanga: no such file, and the recipes that come with aimanga are aimanga"):
        load_train_recipe("amanga")
    with pytest.raises(UsageError, match=r"gone\.toml: No such file"):
        load_train_recipe(tmp_path / "gone.toml")
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace("weights/mine.safetensors", "realesrgan-4xplus"))
    assert load_train_recipe(path).recipe.model.start == "realesrgan-4xplus"  # a name, as the error will have it


def test_it_says_where_a_value_stands(path):
    found = load_train_recipe(path, ["train.lr=1"])
    assert found.where("losses", "gan", "weight") == f"{path}: line 10, losses.gan.weight"
    assert found.where("data", "sources", 1, "lr") == f"{path}: line 5, data.sources.1.lr"
    assert found.where("train", "lr") == f"{path}: --set train.lr"
    assert found.where("compute", "precision") == f"{path}: compute.precision"


@pytest.mark.parametrize("name", TRAIN_RECIPES)
def test_a_recipe_can_be_kept_elsewhere(tmp_path, name):
    recipe = load_train_recipe(name).recipe
    write_toml(recipe, tmp_path / "recipe.toml")
    assert load(TrainRecipe, tmp_path / "recipe.toml") == recipe
    assert load_train_recipe(tmp_path / "recipe.toml").recipe == recipe


def test_what_is_given_away_names_no_folders(path):
    recipe = without_folders(load_train_recipe(path).recipe)
    assert recipe.model.start == "mine.safetensors"
    assert [source.path for source in recipe.data.sources] == ["photos", "more"]
    assert (recipe.data.sources[1].lr, recipe.data.degradation, recipe.validation.real) == (
        "small",
        "damage.toml",
        "real",
    )
    assert without_folders(load_train_recipe("aimanga").recipe).model.start == "realesrgan-x4plus"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["data.outer_crop=128"], "data.outer_crop: 128: it is smaller than the crop of 256"),
        (["losses.gan.weight=0", "discriminator.first=5"], "discriminator.first: there is no discriminator"),
        (["losses.gan.weight=0", "losses.feature_matching.weight=1"], "losses.feature_matching: it compares features"),
        (["discriminator.kind=realesrgan", "discriminator.eps=0.01"], "discriminator.eps: only the multiscale"),
        (["model.freeze=3"], "model.freeze: features of frozen blocks are kept"),
    ],
)
def test_settings_that_do_not_go_together_are_named(settings, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        load_train_recipe("aimanga", settings)
