import pytest
from safetensors.torch import save_file

from aimanga.models import VGGFeatures
from aimanga.train import train
from aimanga.train.explain import measure_cost, values
from aimanga.train.reading import load_train_recipe


def test_every_value_has_its_description():
    found = list(values(load_train_recipe("aimanga", ["train.lr=3e-4"])))
    keys = [value.key for value in found]
    assert len(keys) == len(set(keys)) > 50
    assert [value.key for value in found if not value.description] == []
    by_key = {value.key: value for value in found}
    assert (by_key["train.lr"].value, by_key["train.lr"].default) == (3e-4, False)
    assert (by_key["train.grad_clip"].value, by_key["train.grad_clip"].default) == (None, True)
    assert by_key["data.sources.0.path"].value.endswith("curated")
    assert by_key["losses.ldl"].value is None
    assert by_key["losses.perceptual.layers"].value["conv5_4"] == 1.0


def test_what_follows_is_measured():
    found = measure_cost(load_train_recipe("smoke"), "cpu")
    assert found.parameters == {"generator": 69_427, "discriminator": 88_187}
    assert found.samples == 2 * load_train_recipe("smoke").recipe.train.iterations
    assert found.precision in ("fp32", "bf16")
    assert 0 < found.seconds_per_iteration < 60
    assert not found.random_vgg
    larger = measure_cost(load_train_recipe("smoke", ["train.batch_size=8"]), "cpu")
    parts = measure_cost(load_train_recipe("smoke", ["train.batch_size=8", "train.accumulate=4"]), "cpu")
    assert larger.memory > found.memory
    assert parts.memory == pytest.approx(found.memory)


def test_the_memory_is_that_of_the_weights_and_of_the_way_back():
    found = measure_cost(load_train_recipe("smoke", ["losses.gan.weight=0"]), "cpu")
    weights = 20 * 69_427
    # Of each of the 16 x 16 pixels at least the inputs of the convolutions of three dense blocks are kept.
    assert found.memory > weights + 2 * 4 * 256 * 3 * (16 + 24 + 32 + 40 + 48)
    assert found.memory < 100e6


def test_the_disk_is_that_of_the_files(tmp_path):
    settings = [
        "train.iterations=3", "saving.every=1", "validation.every=1", "validation.metrics=['psnr']",
        "validation.crop=64", "logging.tensorboard=false",
    ]  # fmt: skip
    found = measure_cost(load_train_recipe("smoke", settings), "cpu")
    train("smoke", tmp_path, set=settings, device="cpu")
    written = sum(path.stat().st_size for path in tmp_path.rglob("*.safetensors"))
    assert written == pytest.approx(found.disk, rel=0.2)


@pytest.mark.parametrize(
    "more", [[], ["losses.perceptual.network=vgg16-hed", "losses.perceptual.layers={conv4_3 = 1.0}"]]
)
def test_missing_weights_of_a_vgg_are_stood_in_for(monkeypatch, tmp_path, more):
    monkeypatch.setenv("AIMANGA_WEIGHTS", str(tmp_path))
    settings = ["losses.perceptual.weight=1", "data.crop=32", *more]
    assert measure_cost(load_train_recipe("smoke", settings), "cpu").random_vgg


def test_a_weight_file_is_not_stood_in_for(monkeypatch, tmp_path):
    """Whatever else is missing."""
    monkeypatch.setenv("AIMANGA_WEIGHTS", str(tmp_path))
    path = tmp_path / "vgg.safetensors"
    save_file(VGGFeatures("vgg19").state_dict(), path)
    settings = ["losses.perceptual.weight=1", f"losses.perceptual.network={path}", "data.crop=32"]
    assert not measure_cost(load_train_recipe("smoke", settings), "cpu").random_vgg
