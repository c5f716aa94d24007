import numpy as np
import pytest
import torch

import aimanga
from aimanga import Metadata, Picture
from aimanga.errors import ModelError, UsageError
from aimanga.tensors import from_array, luma, resize, to_array
from aimanga.upscale.image import output_size
from aimanga.upscale.options import UpscaleOptions

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (10, 14, 3), np.uint8)
FAST = "realesr-animevideov3-x4"
PUBLISHED = {"baby": 25.901, "bird": 28.858, "butterfly": 22.435, "head": 29.637, "woman": 26.335}
"""Set5, Y-PSNR in dB of Real-ESRGAN x4plus: the reference values of the method that this project implements."""
OURS = {"baby": 28.666, "bird": 29.767, "butterfly": 24.059, "head": 30.921, "woman": 27.592}
"""The same of aimanga-x4, measured by this project in fp32."""


def enlarged(array, factor=4):
    return array.repeat(factor, 0).repeat(factor, 1)


def smooth(height, width, seed=0):
    coarse = torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(seed))
    return to_array(resize(coarse, height, width), np.uint8)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_every_kind_of_picture_passes_a_network_that_repeats_pixels(nearest_model, kind, channels):
    array = RNG.integers(0, np.iinfo(kind).max + 1, (10, 14, channels), kind)
    if channels in (2, 4):
        array[:, :, -1] |= 1  # nothing is fully hidden, so no colour is replaced
    result = aimanga.upscale(Picture.from_array(array), model=nearest_model, precision="fp32").to_array()
    assert result.dtype == kind
    np.testing.assert_array_equal(result, enlarged(array))


def test_profile_and_metadata_go_along(nearest_model):
    metadata = Metadata(exif=b"exif", xmp=b"xmp", pixels_per_mm=(3.0, 3.0))
    result = aimanga.upscale(Picture(RGB, None, b"profile", metadata), model=nearest_model)
    assert result.icc == b"profile"
    assert result.metadata == metadata


def test_gray_stays_gray_with_a_real_network():
    gray = smooth(20, 24)[:, :, :1]
    assert aimanga.upscale(Picture(gray), model=FAST).pixels.shape == (80, 96, 1)
    as_rgb = aimanga.upscale(Picture(gray.repeat(3, 2)), model=FAST).pixels
    assert as_rgb.shape == (80, 96, 3)
    assert (as_rgb[:, :, 0] == as_rgb[:, :, 1]).all() and (as_rgb[:, :, 1] == as_rgb[:, :, 2]).all()


def test_sixteen_bits_have_more_than_256_levels_with_a_real_network():
    deep = to_array(from_array(smooth(20, 24)) * 0.2 + 0.3, np.uint16)
    result = aimanga.upscale(Picture(deep), model=FAST, precision="fp32").pixels
    assert result.dtype == np.uint16
    assert len(np.unique(result)) > 2000
    eight = aimanga.upscale(Picture((deep / 257).round().astype(np.uint8)), model=FAST, precision="fp32").pixels
    assert np.abs(result / 65535 - eight / 255).mean() < 0.03


def test_opaque_alpha_stays_opaque_and_edges_of_cut_outs_have_no_fringe():
    """A white square on hidden black: nowhere visible may the result be darker than white."""
    alpha = np.zeros((24, 24), np.uint8)
    alpha[6:18, 6:18] = 255
    white_on_black = np.repeat(alpha[:, :, None], 3, 2)
    result = aimanga.upscale(Picture(white_on_black, alpha), model=FAST)
    assert result.alpha[32:64, 32:64].min() == 255
    assert result.alpha[:16].max() == 0
    visible = result.alpha > 0
    assert result.pixels[visible].min() >= 245
    opaque = aimanga.upscale(Picture(RGB, np.full((10, 14), 255, np.uint8)), model=FAST)
    assert opaque.alpha.min() == 255


def test_alpha_is_averaged_where_the_picture_shrinks(nearest_model):
    stripes = np.tile(((np.arange(64) // 4) % 2 * 255).astype(np.uint8), (64, 1))
    picture = Picture(np.full((64, 64, 3), 200, np.uint8), stripes)
    result = aimanga.upscale(picture, model=nearest_model, scale=1 / 16)
    assert np.abs(result.alpha.astype(int) - 128).max() < 30


@pytest.mark.parametrize(
    ("scale", "size"), [(4, (56, 40)), (2, (28, 20)), (3.5, (49, 35)), (1, (14, 10)), (0.05, (1, 1)), (5, (70, 50))]
)
def test_any_scale(nearest_model, scale, size):
    result = aimanga.upscale(Picture(RGB), model=nearest_model, scale=scale)
    assert (result.width, result.height) == size == output_size(14, 10, scale)


def test_the_scale_of_the_model_is_the_default():
    picture = Picture(smooth(8, 9))
    for scale in (2, 3, 4):
        assert aimanga.upscale(picture, model=f"realesr-animevideov3-x{scale}").width == 9 * scale


def test_other_scales_are_resampled_from_the_networks_own():
    picture = Picture(smooth(20, 24))
    native = aimanga.upscale(picture, model=FAST, precision="fp32").pixels
    half = aimanga.upscale(picture, model=FAST, scale=2, precision="fp32").pixels
    expected = to_array(resize(from_array(native), 40, 48), np.uint8)
    assert np.abs(half.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 30, 3), (30, 1, 3), (2, 1, 1)])
def test_the_smallest_pictures(shape):
    picture = Picture(np.full(shape, 77, np.uint8))
    result = aimanga.upscale(picture, model=FAST)
    assert result.pixels.shape == (shape[0] * 4, shape[1] * 4, shape[2])
    assert np.abs(result.pixels.astype(int) - 77).max() < 40


def test_strength_zero_is_the_bicubic_upscale_and_one_the_network():
    picture = Picture(smooth(20, 24))
    bicubic = to_array(resize(from_array(picture.pixels), 80, 96), np.uint8)
    np.testing.assert_array_equal(aimanga.upscale(picture, model=FAST, strength=0).pixels, bicubic)
    full = aimanga.upscale(picture, model=FAST, strength=1).pixels
    np.testing.assert_array_equal(full, aimanga.upscale(picture, model=FAST).pixels)
    assert (full != bicubic).any()


def test_strength_moves_each_value_straight_from_one_to_the_other():
    picture = Picture(RGB)
    ends = [aimanga.upscale(picture, model=FAST, strength=strength).pixels.astype(float) for strength in (0, 1)]
    for strength in (0.25, 0.5, 0.75):
        blend = aimanga.upscale(picture, model=FAST, strength=strength).pixels
        expected = ends[0] + strength * (ends[1] - ends[0])
        assert np.abs(blend - expected).max() <= 1


def test_with_strength_details_fade_and_the_tone_stays(samples):
    picture = aimanga.read(samples / "parrot.jpg")
    picture = Picture(picture.pixels[40:88, 40:88])
    source = resize(from_array(picture.pixels), 12, 12)
    detail, tone = [], []
    for strength in (0, 0.25, 0.5, 0.75, 1):
        result = from_array(aimanga.upscale(picture, model=FAST, strength=strength).pixels)
        gray = luma(result)
        detail.append(float((gray[..., 1:] - gray[..., :-1]).abs().mean()))
        tone.append(float((resize(result, 12, 12) - source).abs().mean()))
    assert detail == sorted(detail)
    assert tone == sorted(tone)
    assert tone[-1] < 4 / 255


def test_strength_zero_needs_no_network(monkeypatch):
    monkeypatch.setattr("aimanga.upscale.engine.Engine.stream", None)
    assert aimanga.upscale(Picture(RGB), model=FAST, strength=0).width == 56


@pytest.mark.parametrize(
    "options", [{"scale": 0}, {"scale": -1}, {"scale": 65}, {"strength": 1.1}, {"strength": float("nan")}]
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(UsageError, match="--(scale|strength)"):
        aimanga.upscale(Picture(RGB), model=FAST, **options)


def test_an_unknown_model_is_refused():
    with pytest.raises(ModelError, match="no model of this name"):
        aimanga.upscale(Picture(RGB), model="no-such-model")


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(("scale", "strength"), [(None, 1), (None, 0.4), (2.5, 0.4), (0.5, 1), (3, 0)])
def test_in_bands_it_is_the_same_as_at_once(monkeypatch, channels, scale, strength):
    """Everything that streams: hidden colours, the network, its bound for alpha, the resample, the blend."""
    array = np.dstack((smooth(48, 20), smooth(48, 20, 1)[:, :, :1]))
    array[16:32, :, 3] = 0
    picture = Picture.from_array(array[:, :, {1: [0], 2: [0, 3], 3: [0, 1, 2], 4: [0, 1, 2, 3]}[channels]])
    options = {"model": FAST, "precision": "fp32", "scale": scale, "strength": strength}
    at_once = aimanga.upscale(picture, **options).to_array()
    monkeypatch.setattr("aimanga.upscale.stream.BAND_PIXELS", 80)
    in_bands = aimanga.upscale(picture, **options).to_array()
    assert np.abs(in_bands.astype(int) - at_once).max() <= 1
    assert (in_bands != at_once).mean() < 1e-3


def test_the_same_picture_gives_the_same_bytes():
    first, second = (aimanga.upscale(Picture(RGB), model=FAST).pixels for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "precision", "expected", "mean", "tolerance"),
    [("realesrgan-x4plus", "fp32", PUBLISHED, 26.633, 0.002), ("aimanga-x4", "auto", OURS, 28.20, 0.05)],
)
def test_set5_gives_the_known_numbers(shared_data, model, precision, expected, mean, tolerance):
    scores = {}
    for name in expected:
        lr, hr = (aimanga.read(shared_data / "set5" / f) for f in (f"LRx4/{name}x4.png", f"HR/{name}.png"))
        ours = aimanga.upscale(lr, model=model, precision=precision).pixels
        y, target = (luma(from_array(p))[..., 4:-4, 4:-4] for p in (ours, hr.pixels[: ours.shape[0], : ours.shape[1]]))
        scores[name] = float(-10 * torch.log10((y - target).square().mean()))
    assert scores == pytest.approx(expected, abs=tolerance)
    assert np.mean(list(scores.values())) == pytest.approx(mean, abs=tolerance)


def test_the_default_model_is_aimanga_x4_and_gives_these_pixels(samples):
    """Golden values in fp32, every 16th pixel of 64 x 64: the weights and what runs them must not move."""
    crop = aimanga.read(samples / "parrot.jpg").pixels[40:56, 60:76]
    assert UpscaleOptions().model == "aimanga-x4"
    result = aimanga.upscale(Picture(np.ascontiguousarray(crop)), precision="fp32").pixels
    expected = [
        [[170, 92, 136], [144, 130, 234], [170, 145, 235], [194, 172, 228]],
        [[59, 45, 107], [144, 107, 226], [97, 76, 213], [102, 61, 209]],
        [[144, 111, 226], [191, 167, 253], [164, 144, 227], [148, 103, 232]],
        [[87, 72, 201], [156, 140, 245], [97, 97, 219], [73, 29, 139]],
    ]
    assert np.abs(result[8::16, 8::16].astype(int) - expected).max() <= 1
