"""What is drawn, against what the recipe says: chi-square for choices, Kolmogorov-Smirnov for ranges."""

import math
from collections import Counter

import pytest
from scipy import stats

from aimanga.degrade import Recipe, Sample, draw, load_degradation
from aimanga.degrade.recipe import DEGRADATIONS
from aimanga.degrade.steps import CameraStep, CompressStep, FilterStep, GaussianStep, PoissonStep, ResizeStep, UsmStep

DRAWS = 2000
UNLIKELY = 1e-4  # seeds are fixed: what passes once passes always


@pytest.fixture(scope="module")
def drawn():
    recipe = load_degradation("realesrgan")
    return [draw(recipe, 400, 400, seed) for seed in range(DRAWS)]


def assert_uniform(values, low, high):
    assert low <= min(values) and max(values) <= high
    assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > UNLIKELY


def assert_whole_numbers(values, allowed):
    counts = Counter(values)
    assert set(counts) <= set(allowed)
    assert stats.chisquare([counts[value] for value in allowed]).pvalue > UNLIKELY


def assert_shares(values, shares):
    counts = Counter(values)
    assert set(counts) <= set(shares)
    found = [counts[kind] for kind in shares]
    assert stats.chisquare(found, [share * len(values) for share in shares.values()]).pvalue > UNLIKELY


def stages(drawn):
    """The steps of the first stage, of the second, and of the last one, for each sample of Real-ESRGAN's recipe."""
    for sample in drawn:
        steps = list(sample.steps)
        assert isinstance(steps.pop(0), UsmStep)
        first = [steps.pop(0) for _ in range(4)]  # blur, resize, noise, JPEG: all of them always
        blurred = isinstance(steps[0], FilterStep)
        second = [steps.pop(0) if blurred else None, steps.pop(0), steps.pop(0)]
        yield first, second, steps


def kind_of(step):
    """The kind of a drawn kernel, by the names of the recipe."""
    spread = "isotropic" if step.parameters["sigma_x"] == step.parameters["sigma_y"] else "anisotropic"
    prefix = {"gaussian": "", "generalized_gaussian": "generalized_", "plateau": "plateau_"}[step.kernel]
    return prefix + spread


@pytest.mark.parametrize(("stage", "probability", "high"), [(0, 1.0, 3.0), (1, 0.8, 1.5)])
def test_blurs_of_real_esrgan(drawn, stage, probability, high):
    """Kernel sizes 7 to 21; mix 0.45/0.25/0.12/0.03/0.12/0.03; sinc 0.1; sigma, betas, angles: arXiv:2107.10833."""
    blurs = [parts[stage][0] for parts in stages(drawn)]
    if probability < 1:
        assert_shares([blur is not None for blur in blurs], {True: probability, False: 1 - probability})
    blurs = [blur for blur in blurs if blur is not None]
    assert_shares([blur.kernel == "sinc" for blur in blurs], {True: 0.1, False: 0.9})
    assert_whole_numbers([blur.size for blur in blurs], range(7, 22, 2))
    others = [blur for blur in blurs if blur.kernel != "sinc"]
    assert_shares(
        [kind_of(blur) for blur in others],
        {
            "isotropic": 0.45, "anisotropic": 0.25, "generalized_isotropic": 0.12, "generalized_anisotropic": 0.03,
            "plateau_isotropic": 0.12, "plateau_anisotropic": 0.03,
        },
    )  # fmt: skip
    assert_uniform([blur.parameters["sigma_x"] for blur in others], 0.2, high)
    assert_uniform([b.parameters["sigma_y"] for b in others if "anisotropic" in kind_of(b)], 0.2, high)
    assert_uniform([blur.parameters["angle"] for blur in others], -math.pi, math.pi)
    betas = [blur.parameters["beta"] for blur in others if blur.kernel == "generalized_gaussian"]
    assert_shares([beta < 1 for beta in betas], {True: 0.5, False: 0.5})
    assert_uniform([beta for beta in betas if beta < 1], 0.5, 1)
    assert_uniform([beta for beta in betas if beta >= 1], 1, 4)
    betas = [blur.parameters["beta"] for blur in others if blur.kernel == "plateau"]
    assert_shares([beta == 1 for beta in betas], {True: 0.5, False: 0.5})
    assert_uniform([beta for beta in betas if beta > 1], 1, 2)
    for small in (True, False):
        cutoffs = [b.parameters["cutoff"] for b in blurs if b.kernel == "sinc" and (b.size < 13) == small]
        assert_uniform(cutoffs, math.pi / 3 if small else math.pi / 5, math.pi)


@pytest.mark.parametrize(
    ("stage", "side", "shares", "low", "high"),
    [
        (0, 400, {"up": 0.2, "down": 0.7, "keep": 0.1}, 0.15, 1.5),
        (1, 100, {"up": 0.3, "down": 0.4, "keep": 0.3}, 0.3, 1.2),
    ],
)
def test_resizes_of_real_esrgan(drawn, stage, side, shares, low, high):
    resizes = [parts[stage][1] for parts in stages(drawn)]
    assert all(resize.height == resize.width for resize in resizes)
    sides = [resize.height for resize in resizes]
    # A factor just above 1 is cut off to the side itself: a whole pixel's worth of "up" looks like "keep".
    jitter = {"up": shares["up"] / (side * (high - 1))}
    jitter["keep"] = -jitter["up"]
    direction = ["keep" if s == side else "up" if s > side else "down" for s in sides]
    assert_shares(direction, {name: share - jitter.get(name, 0) for name, share in shares.items()})
    # Whole pixels of a continuous range: its place within the pixel is a half on average.
    assert_uniform_pixels([s for s in sides if s < side], low * side, side)
    assert_uniform_pixels([s for s in sides if s > side], side + 1, high * side)
    assert_shares([resize.mode for resize in resizes], dict.fromkeys(("area", "bilinear", "bicubic"), 1 / 3))


def assert_uniform_pixels(sides, low, high):
    assert math.floor(low) <= min(sides) and max(sides) < high
    edges = [low + (high - low) * n / 10 for n in range(11)]
    # The chance of each whole number, summed up between the edges.
    whole = range(math.floor(low), math.ceil(high))
    chance = {n: (min(n + 1, high) - max(n, low)) / (high - low) for n in whole}
    found, expected = [0.0] * 10, [0.0] * 10
    for n in whole:
        place = min(9, max(0, next((i for i in range(10) if n < edges[i + 1]), 9)))
        found[place] += sides.count(n)
        expected[place] += chance[n] * len(sides)
    assert stats.chisquare(found, expected).pvalue > UNLIKELY


@pytest.mark.parametrize(("stage", "sigma", "scale"), [(0, (1, 30), (0.05, 3)), (1, (1, 25), (0.05, 2.5))])
def test_noise_of_real_esrgan(drawn, stage, sigma, scale):
    noises = [parts[stage][2] for parts in stages(drawn)]
    assert_shares([type(noise) for noise in noises], {GaussianStep: 0.5, PoissonStep: 0.5})
    assert_shares([noise.gray for noise in noises], {True: 0.4, False: 0.6})
    assert_uniform([noise.sigma for noise in noises if isinstance(noise, GaussianStep)], *sigma)
    assert_uniform([noise.scale for noise in noises if isinstance(noise, PoissonStep)], *scale)


def test_jpeg_and_the_last_stage_of_real_esrgan(drawn):
    for steps in ([parts[0][3] for parts in stages(drawn)], [next_jpeg(parts[2]) for parts in stages(drawn)]):
        assert_whole_numbers([step.quality for step in steps], range(30, 96))
        assert {step.op for step in steps} == {"jpeg"} and all(step.subsampled for step in steps)
    lasts = [last for _, _, last in stages(drawn)]
    assert_shares([isinstance(last[0], ResizeStep) for last in lasts], {True: 0.5, False: 0.5})
    sincs = [next((step for step in last if isinstance(step, FilterStep)), None) for last in lasts]
    assert_shares([sinc is not None for sinc in sincs], {True: 0.8, False: 0.2})
    assert_whole_numbers([sinc.size for sinc in sincs if sinc is not None], range(7, 22, 2))
    for last in lasts:
        resize = next(step for step in last if isinstance(step, ResizeStep))
        assert (resize.height, resize.width) == (100, 100)
        if (sinc := next((step for step in last if isinstance(step, FilterStep)), None)) is not None:
            assert last.index(sinc) == last.index(resize) + 1  # the filter belongs to the resizing


def next_jpeg(steps):
    return next(step for step in steps if isinstance(step, CompressStep))


def test_what_real_esrgan_does_not_have():
    """Camera noise on a logarithmic scale, disks, motion, sharpening, other codecs, no subsampling."""
    recipe = Recipe.model_validate({
        "description": "everything else",
        "stages": [
            {
                "blur": {
                    "probability": 0.5, "size": [9, 9], "sinc": 0, "kinds": {"disk": 0.5, "motion": 0.5},
                    "sigma": [1, 1], "disk_radius": [1, 3], "motion_length": [2, 8],
                },
                "noise": {
                    "probability": 0.25, "kinds": {"camera": 1}, "gray": 0,
                    "camera_shot": [0.001, 0.1], "camera_read": [0.002, 0.2],
                },
                "sharpen": {"probability": 0.3, "sigma": [0.5, 2], "amount": [0.2, 1.5]},
                "compression": {
                    "probability": 0.9, "codecs": {"jpeg": 0.4, "webp": 0.3, "avif": 0.3}, "subsampled": 0.7,
                    "jpeg_quality": [10, 19], "webp_quality": [20, 29], "avif_quality": [30, 39],
                },
            }
        ],
        "final": {"modes": {"matlab": 1}},
    })  # fmt: skip
    steps = [step for seed in range(DRAWS) for step in draw(recipe, 64, 64, seed).steps]
    disks, motions, sharps = (
        [step for step in steps if isinstance(step, FilterStep) and step.kernel == kernel]
        for kernel in ("disk", "motion", "unsharp")
    )
    cameras = [step for step in steps if isinstance(step, CameraStep)]
    codecs = [step for step in steps if isinstance(step, CompressStep)]
    for found, share in ((disks, 0.25), (motions, 0.25), (cameras, 0.25), (sharps, 0.3), (codecs, 0.9)):
        assert stats.binomtest(len(found), DRAWS, share).pvalue > UNLIKELY
    assert_uniform([step.parameters["radius"] for step in disks], 1, 3)
    assert_uniform([step.parameters["length"] for step in motions], 2, 8)
    assert_uniform([math.log(step.shot) for step in cameras], math.log(0.001), math.log(0.1))
    assert_uniform([math.log(step.read) for step in cameras], math.log(0.002), math.log(0.2))
    assert_uniform([step.parameters["sigma"] for step in sharps], 0.5, 2)
    assert_uniform([step.parameters["amount"] for step in sharps], 0.2, 1.5)
    assert_shares([step.op for step in codecs], {"jpeg": 0.4, "webp": 0.3, "avif": 0.3})
    for codec, low in (("jpeg", 10), ("webp", 20), ("avif", 30)):
        assert_whole_numbers([step.quality for step in codecs if step.op == codec], range(low, low + 10))
    assert all(step.subsampled for step in codecs if step.op == "webp")
    assert_shares([step.subsampled for step in codecs if step.op != "webp"], {True: 0.7, False: 0.3})


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_a_sample_survives_being_written_down(name):
    recipe = load_degradation(name)
    for seed in range(50):
        sample = draw(recipe, 128, 96, seed)
        assert sample == draw(recipe, 128, 96, seed)
        assert Sample.model_validate_json(sample.model_dump_json()) == sample
    assert len({draw(recipe, 128, 96, seed).seed for seed in range(50)}) == 50


def test_a_side_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="99 x 64 is no multiple of 4"):
        draw(load_degradation("bicubic"), 64, 99, 0)


def test_another_noise_leaves_blur_resizing_and_compression_as_they_were():
    recipe = load_degradation("realesrgan")
    content = recipe.model_dump(exclude_none=True)
    content["stages"][0]["noise"] = {"kinds": {"camera": 1.0}, "gray": 0.0}
    content["stages"][1]["blur"]["probability"] = 0.0
    other = Recipe.model_validate(content)
    for seed in range(20):
        one, two = draw(recipe, 64, 64, seed), draw(other, 64, 64, seed)
        (first, second, last), (first2, second2, last2) = next(stages([one])), next(stages([two]))
        assert isinstance(first2[2], CameraStep)
        assert second2[0] is None
        del first[2], first2[2], second[0], second2[0]
        assert (first, second, last, one.seed) == (first2, second2, last2, two.seed)
