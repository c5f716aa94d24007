import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import aimanga
from aimanga.errors import DivergedError, ResourceError, UsageError
from aimanga.images import Picture, write
from aimanga.models import load_model
from aimanga.models.checkpoint import read_info
from aimanga.train import loop, run, train, validation
from aimanga.train.learner import Learner
from aimanga.train.log import read_log
from aimanga.train.states import States
from aimanga.upscale.engine import Engine, NotFiniteError

ROOT = Path(__file__).parents[2]

RECIPE = """
description = "tiny"
[model]
start = "none"
features = 8
blocks = 1
growth = 4
attention = "pixel"
upsampler = "pixelshuffle"
[discriminator]
features = 4
[data]
sources = [{ path = "photos" }]
degradation = "realesrgan"
crop = 32
workers = 0
[losses]
pixel = {}
gan = { weight = 0.01 }
[train]
iterations = 12
batch_size = 2
lr = 1e-3
ema = { decay = 0.9 }
[validation]
every = 6
held_out = 1
crop = 64
metrics = ["psnr", "brisque"]
[saving]
every = 4
keep = 2
[logging]
every = 2
inputs = 6
tensorboard = false
[compute]
precision = "fp32"
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """A recipe, and four small photos beside it."""
    folder = tmp_path_factory.mktemp("recipe")
    (folder / "photos").mkdir()
    for number, name in enumerate(("cat", "dog", "books", "sunflower")):
        photo = aimanga.read(ROOT / "tests" / "photos" / f"{name}.jpg").pixels
        part = photo[100 * number : 100 * number + 96, 100:196]
        write(Picture(np.ascontiguousarray(part)), folder / "photos" / f"{name}.png")
    path = folder / "tiny.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def whole(recipe, tmp_path_factory):
    """A training that was not interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert train(recipe, folder, device="cpu").reason == "finished"
    return folder


def state_of(folder, iteration):
    return load_file(folder / "state" / f"iteration-{iteration:08}.safetensors")


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


def events(folder, kind):
    return [event for event in read_log(folder) if event["event"] == kind]


def test_it_learns_and_leaves_what_it_promises(whole):
    assert {path.name for path in whole.iterdir()} >= {
        "best.safetensors", "latest.safetensors", "best-held_out-psnr.safetensors", "recipe.toml", "log.jsonl",
        "report.html", "state", "validation", "inputs",
    }  # fmt: skip
    trained = events(whole, "train")
    assert [event["iteration"] for event in trained] == [2, 4, 6, 8, 10, 12]
    assert trained[-1]["l1"] < 0.8 * trained[0]["l1"]
    assert trained[0]["losses"].keys() == {"pixel", "gan", "total", "discriminator_real", "discriminator_fake"}
    assert [event["iteration"] for event in events(whole, "validation")] == [0, 6, 12]
    assert [event["iteration"] for event in events(whole, "saved")] == [0, 4, 8, 12]
    assert sorted(path.name for path in (whole / "state").iterdir()) == [
        "iteration-00000008.safetensors", "iteration-00000012.safetensors",
    ]  # fmt: skip
    assert events(whole, "end")[0]["reason"] == "finished"
    assert '"state":"Finished","iteration":12,"iterations":12' in (whole / "report.html").read_text()


def test_what_comes_out_says_where_it_is_from_and_upscales(whole, recipe):
    info = read_info(whole / "best.safetensors")
    assert info.network == "RRDBNet"
    assert "crop = 32" in info.recipe
    assert str(recipe.parent) not in info.recipe
    assert re.match("3 pictures \\(SHA-256 [0-9a-f]{64}\\), (6|12) iterations of 2", info.training_data)
    assert info.versions.keys() >= {"aimanga", "torch", "lightning-fabric"}
    picture = aimanga.read(recipe.parent / "photos" / "cat.png")
    made = aimanga.upscale(picture, model=whole / "best.safetensors", device="cpu")
    assert made.pixels.shape == (384, 384, 3)


def test_the_average_is_what_comes_out(whole):
    latest = load_file(whole / "latest.safetensors")
    state = state_of(whole, 12)
    assert_equal(latest, {name: state[f"ema.{name}"] for name in latest})


def test_the_same_recipe_gives_the_same_bytes(whole, recipe, tmp_path):
    train(recipe, tmp_path / "again", device="cpu")
    assert (tmp_path / "again" / "latest.safetensors").read_bytes() == (whole / "latest.safetensors").read_bytes()


def test_stopped_and_gone_on_with_it_ends_the_same(whole, recipe, tmp_path):
    """Stopped by the clock after the first iteration, then by a budget of iterations, then to the end."""
    folder = tmp_path / "run"
    assert train(recipe, folder, set=["train.hours=1e-9"], device="cpu").reason == "out of time"
    assert train(recipe, folder, set=["train.iterations=7"], resume=True, device="cpu").iteration == 7
    result = train(recipe, folder, resume=True, device="cpu")
    assert (result.reason, result.iteration, result.exit_code) == ("finished", 12, 0)
    assert_equal(state_of(folder, 12), state_of(whole, 12))
    assert [event["resumed"] for event in events(folder, "start")] == [False, True, True]


@pytest.fixture
def at_iteration(monkeypatch):
    """Do something just before an iteration of the next training."""
    usual = Learner.step

    def patch(iteration, action):
        calls = itertools.count(1)

        def step(self, *arguments, **how):
            if next(calls) == iteration:
                action()
            return usual(self, *arguments, **how)

        monkeypatch.setattr(Learner, "step", step)

    return patch


@pytest.mark.parametrize(
    ("number", "code", "reason"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_ends_it_after_the_iteration(recipe, tmp_path, at_iteration, number, code, reason):
    at_iteration(2, lambda: os.kill(os.getpid(), number))
    result = train(recipe, tmp_path / "run", device="cpu")
    assert (result.exit_code, result.reason, result.iteration) == (code, reason, 2)
    assert events(tmp_path / "run", "end")[0]["reason"] == reason
    assert state_of(tmp_path / "run", 2)


def test_killed_it_loses_no_more_than_since_the_last_state(whole, recipe, tmp_path):
    """Until it is killed, its folder is locked."""
    folder = tmp_path / "run"
    script = Path(__file__).with_name("stuck.py")
    process = subprocess.Popen(
        [sys.executable, script, recipe, folder, "7"],
        stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert process.stdout.readline() == "waiting in iteration 7\n"
    with pytest.raises(UsageError, match="another training is running there"):
        train(recipe, folder, resume=True, device="cpu")
    process.kill()
    process.wait(timeout=60)
    train(recipe, folder, resume=True, device="cpu")
    assert events(folder, "start")[-1]["iteration"] == 4
    assert_equal(state_of(folder, 12), state_of(whole, 12))
    # Iterations that were done twice are counted once.
    assert [event["iteration"] for event in events(folder, "train")] == [2, 4, 6, 8, 10, 12]


def test_an_error_saves_everything_first(whole, recipe, tmp_path, at_iteration, monkeypatch):
    folder = tmp_path / "run"

    def fail():
        raise OSError("no space left on device")

    at_iteration(6, fail)
    with pytest.raises(OSError, match="no space"):
        train(recipe, folder, device="cpu")
    monkeypatch.undo()
    assert events(folder, "end")[0]["message"] == "OSError: no space left on device"
    assert train(recipe, folder, resume=True, device="cpu").iteration == 12
    assert events(folder, "start")[-1]["iteration"] == 5
    assert_equal(state_of(folder, 12), state_of(whole, 12))


@pytest.fixture
def diverging(monkeypatch):
    """Let the training diverge in the given iterations, each time it comes to them."""
    step = Learner.step

    def put(*calls):
        def broken(self, low, high, rates, **how):
            broken.rates.append(rates["generator"])
            if len(broken.rates) in calls:
                raise DivergedError("not finite: pixel")
            return step(self, low, high, rates, **how)

        broken.rates = []
        monkeypatch.setattr(Learner, "step", broken)
        return broken.rates

    return put


def test_after_a_divergence_it_goes_back_with_half_the_rates(recipe, tmp_path, diverging):
    rates = diverging(7)  # the seventh iteration, with states of 0 and 4
    result = train(recipe, tmp_path / "run", device="cpu")
    assert (result.reason, result.iteration) == ("finished", 12)
    assert rates == [1e-3] * 7 + [5e-4] * 8
    back = events(tmp_path / "run", "rollback")[0]
    assert (back["iteration"], back["to"], back["lr_factor"]) == (4, 4, 0.5)
    assert "diverged after iteration 6 (not finite: pixel): rolled back to iteration 4" in back["message"]
    assert "diverged after iteration 6" in (tmp_path / "run" / "report.html").read_text()


def test_a_state_that_diverges_at_once_is_given_up(recipe, tmp_path, diverging):
    diverging(10, 11)  # after the state of 8 has been saved, and at once again
    assert train(recipe, tmp_path / "run", device="cpu").reason == "finished"
    assert [event["to"] for event in events(tmp_path / "run", "rollback")] == [8, 4]


def test_after_the_third_divergence_it_stops(recipe, tmp_path, diverging):
    rates = diverging(3, 4, 5)
    result = train(recipe, tmp_path / "run", device="cpu")
    assert (result.reason, result.exit_code) == ("diverged", 1)
    assert rates == [1e-3] * 3 + [5e-4, 2.5e-4]
    assert "diverged for the 3rd time" in events(tmp_path / "run", "warning")[-1]["message"]
    assert (tmp_path / "run" / "best.safetensors").exists()


@pytest.mark.parametrize("module", [run, loop])
def test_weights_that_are_not_finite_are_neither_saved_nor_validated(recipe, tmp_path, monkeypatch, module):
    finite = iter([True, True, False])  # the third state is of iteration 8, the third validation of 12
    monkeypatch.setattr(module, "is_finite", lambda tensors: next(finite, True))
    assert train(recipe, tmp_path / "run", device="cpu").reason == "finished"
    assert [event["to"] for event in events(tmp_path / "run", "rollback")] == [4 if module is run else 8]


def test_outputs_that_are_not_finite_are_a_divergence(recipe, tmp_path, monkeypatch):
    usual, calls = validation.Validator.run, itertools.count(1)

    def broken(self, *arguments):
        if next(calls) == 2:
            raise NotFiniteError("the result holds NaN")
        return usual(self, *arguments)

    monkeypatch.setattr(validation.Validator, "run", broken)
    assert train(recipe, tmp_path / "run", device="cpu").reason == "finished"
    assert [event["to"] for event in events(tmp_path / "run", "rollback")] == [4]


def test_killed_after_a_rollback_it_keeps_the_lower_rates(recipe, tmp_path, diverging, monkeypatch):
    """Before the next state is saved, and again before that: each start has the rates of the last rollback."""
    rates = diverging(7)
    saved = itertools.count(1)
    usual = States.save

    def killed(self, state):
        usual(self, state)
        if next(saved) == 3:  # of iterations 0 and 4, and after the rollback
            raise KeyboardInterrupt

    monkeypatch.setattr(States, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "run", device="cpu")
    assert train(recipe, tmp_path / "run", resume=True, device="cpu").reason == "finished"
    assert rates == [1e-3] * 7 + [5e-4] * 8


def test_workers_and_a_budget_of_hours_change_no_sample(whole, recipe, tmp_path):
    """The schedule does not depend on the clock as long as iterations are what ends it."""
    settings = ["data.workers=1", "train.hours=100"]
    assert train(recipe, tmp_path / "run", set=settings, device="cpu").reason == "finished"
    assert_equal(state_of(tmp_path / "run", 12), state_of(whole, 12))


def test_a_new_rate_is_taken_on_resuming(recipe, tmp_path):
    folder = tmp_path / "run"
    train(recipe, folder, set=["train.iterations=2"], device="cpu")
    train(recipe, folder, set=["train.iterations=4", "train.lr=5e-4"], resume=True, device="cpu")
    assert [event["lr"]["generator"] for event in events(folder, "train")] == [1e-3, 5e-4]


def test_ctrl_c_in_the_terminal_reaches_no_worker(recipe, tmp_path):
    """It goes to the whole group of processes."""
    script = tmp_path / "script.py"
    settings = ["data.workers=1", "train.iterations=100000"]
    script.write_text(
        "import signal, aimanga\n"
        "if __name__ == '__main__':\n"
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"    aimanga.train({str(recipe)!r}, {str(tmp_path / 'run')!r}, set={settings}, device='cpu')\n"
    )
    process = subprocess.Popen(
        [sys.executable, script], stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    while not (tmp_path / "run" / "log.jsonl").exists() or not events(tmp_path / "run", "train"):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == ""
    assert events(tmp_path / "run", "end")[0]["reason"] == "interrupted"


@pytest.mark.parametrize("gan", [True, False])
def test_frozen_blocks_are_computed_once_and_resumed(recipe, tmp_path, gan):
    settings = [
        "model.blocks=3", "model.freeze=2", "stored.halo=2", "data.outer_crop=64", "stored.pairs=5",
        f"discriminator.first={2 if gan else 0}", f"losses.gan.weight={0.01 if gan else 0}", "data.workers=0",
    ]  # fmt: skip
    train(recipe, tmp_path / "whole", set=settings, device="cpu")
    assert [event["crops"] for event in events(tmp_path / "whole", "stored")] == [0, 5]
    folder = tmp_path / "parts"
    assert train(recipe, folder, set=[*settings, "train.hours=1e-9"], device="cpu").reason == "out of time"
    states = States(folder, 1)
    (first,) = states.iterations()
    assert states.load(first).rest["seconds"] > 0  # storing is part of the hours
    train(recipe, folder, set=settings, resume=True, device="cpu")
    assert [event["crops"] for event in events(folder, "stored")] == [0, 5, 5]
    assert_equal(state_of(folder, 12), state_of(tmp_path / "whole", 12))


def test_another_training_is_neither_overwritten_nor_mixed_up(whole, recipe, tmp_path):
    with pytest.raises(UsageError, match="holds a training at iteration 12; resume it with --resume"):
        train(recipe, whole, device="cpu")
    with pytest.raises(UsageError, match=r"has another recipe: train\.seed \(0 before, 1 now\)"):
        train(recipe, whole, set=["train.seed=1"], resume=True, device="cpu")
    others = [recipe.parent / "photos" / f"{name}.png" for name in ("cat", "dog", "books")]
    with pytest.raises(UsageError, match="has other pictures"):
        train(recipe, whole, data=others, resume=True, device="cpu")
    assert train(recipe, whole, resume=True, device="cpu").iteration == 12  # it had ended; nothing is done


def test_nothing_to_go_on_with_is_a_beginning(recipe, tmp_path):
    result = train(recipe, tmp_path / "run", set=["train.iterations=1"], resume=True, device="cpu")
    assert (result.reason, result.iteration) == ("finished", 1)


def test_all_that_is_wrong_is_said_before_anything_is_done(recipe, tmp_path):
    with pytest.raises(UsageError) as caught:
        train(
            recipe, tmp_path / "run", device="cpu", data=[tmp_path / "nowhere"],
            set=["model.preset=aimanga", "data.degradation=gone.toml", "validation.metrics=[\"nice\"]",
                      "losses.perceptual.weight=1", "discriminator.start=lost.safetensors"],
        )  # fmt: skip
    message = str(caught.value)
    for part in (
        "nowhere", "--set data.degradation: ", "gone.toml", "--set validation.metrics: ", "nice",
        "--set losses.perceptual.weight", "lost.safetensors",
    ):  # fmt: skip
        assert part in message
    assert not (tmp_path / "run").exists()


def test_a_disk_without_room_is_told_before_the_work(recipe, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(ResourceError, match="1 kB free, states and weights need .* MB; make room"):
        train(recipe, tmp_path / "run", device="cpu")


def test_a_batch_larger_than_the_data_is_refused(recipe, tmp_path):
    with pytest.raises(UsageError, match=r"--set train\.batch_size: a batch of 4 is larger than the data: 3 pictures"):
        train(recipe, tmp_path / "run", set=["train.batch_size=4"], device="cpu")


def test_at_iteration_0_the_real_model_is_the_published_one(recipe, tmp_path, monkeypatch):
    """The published weights in the method's variant give the published pictures; the training starts from there."""
    settings = [
        "train.hours=1e-9", "data.crop=32", "train.batch_size=1", "discriminator.features=4", "validation.crop=64",
        "train.ema.decay=0", "validation.metrics=[\"psnr\"]", "train.lr=1e-5",
    ]  # fmt: skip
    text = re.sub(
        r"\[model\].*?\[disc", '[model]\nstart = "realesrgan-x4plus"\npreset = "aimanga"\n[disc', RECIPE, flags=re.S
    )
    path = recipe.with_name("real.toml")
    path.write_text(text)
    outputs = {}
    run_engine = Engine.run

    def remembering(self, x):
        result = run_engine(self, x)
        outputs.setdefault(self.model.name, (x, result))
        return result

    # In float32: bf16 rounds the two ways of computing differently.
    monkeypatch.setattr(validation, "choose_precision", lambda *arguments: "fp32")
    monkeypatch.setattr(Engine, "run", remembering)
    train(path, tmp_path / "run", set=settings, device="cpu")
    low, start = outputs["iteration 0"]
    published = run_engine(Engine(load_model("realesrgan-x4plus"), torch.device("cpu"), "fp32"), low)
    assert (start - published).abs().max() < 1e-5
    # A value near the middle between two levels may be rounded either way.
    levels = [(x.clamp(0, 1) * 255).round() for x in (start, published)]
    assert (levels[0] - levels[1]).abs().max() <= 1
    assert (levels[0] != levels[1]).float().mean() < 0.001
    info = read_info(tmp_path / "run" / "latest.safetensors")
    assert info.license == "BSD-3-Clause"
    assert info.parent.startswith("realesrgan-x4plus (SHA-256 ")
    assert info.options["attention"] == "pixel"


def test_two_processes_train_as_one(recipe, tmp_path):
    """Each has half of the batch, in two parts; the gradients meet over gloo."""
    settings = [
        "train.iterations=3", "train.batch_size=4", "train.accumulate=2", "validation.held_out=0",
        f"validation.real={recipe.parent / 'photos' / 'cat.png'}", "validation.metrics=['brisque']",
    ]  # fmt: skip
    train(recipe, tmp_path / "one", set=settings, device="cpu")
    done = subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--rdzv-backend=c10d",
            "--rdzv-endpoint=127.0.0.1:0", "-m", "aimanga", "train", recipe, "-o", tmp_path / "two", "--device", "cpu",
            *(part for setting in settings for part in ("--set", setting)),
        ],
        capture_output=True, text=True, timeout=110, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    one, two = (state_of(tmp_path / name, 3) for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        assert torch.allclose(two[name], tensor, rtol=1e-3, atol=2e-5), name
    assert done.stdout.count("finished at iteration 3") == 1
