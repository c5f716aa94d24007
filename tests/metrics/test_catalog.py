import io
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from aimanga import weights
from aimanga.errors import ModelError, UsageError
from aimanga.images import read
from aimanga.metrics import METRICS, find_metric
from aimanga.metrics.catalog import Metric
from aimanga.tensors import from_array
from tests.conftest import ROOT

PLAIN = [metric for metric in METRICS if metric.load is not None]
CPU = torch.device("cpu")


def test_names_are_unique_and_found_as_people_write_them():
    assert len({metric.name for metric in METRICS}) == len({metric.title for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert find_metric(metric.name) is metric
    assert find_metric("CLIP-IQA").name == "clip_iqa"
    with pytest.raises(UsageError, match="fid: there is no metric of this name. Available are: niqe, brisque"):
        find_metric("fid")


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_entry_says_what_a_paper_has_to_say(metric: Metric):
    assert metric.protocol and metric.source
    assert (metric.load is None) == bool(metric.parts) == (metric.combine is not None)
    assert metric.smallest[0] <= metric.smallest[1]
    for name in metric.weights:
        assert weights.weight_file(name).license in metric.license or metric.parts
    wanted = {name for part in metric.parts for name in find_metric(part).weights}
    assert not metric.parts or wanted == set(metric.weights)


@pytest.mark.parametrize("metric", [m for m in PLAIN if m.weights], ids=lambda metric: metric.name)
def test_absent_weights_are_named_with_what_brings_them(metric, no_weights):
    with pytest.raises(ModelError) as error:
        metric.load(CPU)
    known = weights.weight_file(metric.weights[0])
    for part in (f"aimanga weights fetch {known.name}", known.url, str(no_weights)):
        assert part in str(error.value)


@pytest.mark.parametrize(
    "metric",
    [m for m in PLAIN if set(m.weights) <= {"alexnet", "vgg16", "nrqm"}],
    ids=lambda metric: metric.name,
)
def test_what_it_takes_is_what_it_says(metric, random_weights):
    """The smallest size gives a score, and a pixel less on the shorter side does not."""
    measure = metric.load(CPU)
    short, long = metric.smallest
    pictures, references = torch.rand(2, 2, 3, short, long).mul(255).round() / 255
    scores = measure(pictures, references)
    assert scores.shape == (2,) and scores.isfinite().all()
    for picture, reference, score in zip(pictures, references, scores, strict=True):
        torch.testing.assert_close(measure(picture[None], reference[None])[0], score, rtol=1e-9, atol=1e-12)
    # Ma's score counts patches, not sides: what is enough is said, not what is needed.
    if short > 1 and metric.name != "nrqm":
        with pytest.raises(Exception, match=rf"needs {long} x {short} pixels or more|{short} x {short}"):
            measure(pictures[:, :, 1:], references[:, :, 1:])


@pytest.mark.parametrize(
    "metric",
    [m for m in PLAIN if m.needs_reference],
    ids=lambda metric: metric.name,
)
def test_equal_pictures_have_no_distance_and_without_a_reference_there_is_none(metric, random_weights):
    measure = metric.load(CPU)
    pictures = torch.rand(1, 3, 48, 40).mul(255).round() / 255
    best = {"psnr": float("inf"), "ssim": 1.0}.get(metric.name, 0.0)
    assert measure(pictures, pictures).tolist() == [best]
    with pytest.raises(ValueError, match="needs references"):
        measure(pictures, None)


def blurred(pixels, sigma):
    return ndimage.gaussian_filter(pixels, (sigma, sigma, 0))


def noisy(pixels, sigma):
    noise = np.random.default_rng(0).normal(0, sigma, pixels.shape)
    return np.clip(pixels + noise, 0, 255).round().astype(np.uint8)


def compressed(pixels, quality):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


@pytest.mark.parametrize("metric", [m for m in PLAIN if not m.needs_reference and not m.weights], ids=lambda m: m.name)
def test_a_better_picture_scores_better(metric, shared_data):
    """Down ladders of damage; what has weights would have to be measured with the real ones."""
    measure = metric.load(CPU)
    steps = []
    for path in (ROOT / "benchmarks" / "reef.jpg", *shared_data.glob("iqa/*.bmp"), shared_data / "set5/HR/baby.png"):
        photo = read(path).pixels[:384, :384]
        for damage, amounts in (
            (blurred, (0.8, 1.3, 2, 3.2)),
            (noisy, (5, 10, 20, 40)),
            (compressed, (50, 30, 18, 10)),
        ):
            ladder = [photo, *(damage(photo, amount) for amount in amounts)]
            scores = [float(measure(from_array(pixels), None)) for pixels in ladder]
            steps += [(a < b) == (metric.better == "lower") for a, b in pairwise(scores)]
    assert sum(steps) / len(steps) >= 0.95
