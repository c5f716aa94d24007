"""Detail is structure: blur takes it, noise and blocks do not add to it."""

import numpy as np
import pytest
from scipy import ndimage

from aimanga.curate.detail import TILE, TileEnergies
from aimanga.curate.measure import measure
from aimanga.images import Picture
from tests.curate.pictures import blurred, denoised, enlarged, jpeg, noisy, photos


def tiles_of(luma, band=64):
    energies = TileEnergies(luma.shape[1])
    for top in range(0, len(luma), band):
        energies.add(luma[top : top + band].astype(np.int16))
    return energies.finish()


def map_of(pixels):
    return measure(Picture.from_array(pixels)).tiles


def detail(pixels):
    return map_of(pixels).mean


WORSE = {
    "blur, sigma 1": lambda x: blurred(x, 1),
    "blur, sigma 2": lambda x: blurred(x, 2),
    "reduced by 2 and enlarged": lambda x: enlarged(x, 2),
    "reduced by 4 and enlarged": lambda x: enlarged(x, 4),
    "denoised": denoised,
}


@pytest.mark.parametrize("worse", WORSE.values(), ids=WORSE)
@pytest.mark.parametrize("number", range(6))
def test_a_photo_has_more_detail_than_what_is_made_of_it(number, worse):
    photo = photos()[number]
    assert detail(photo) > detail(worse(photo))


@pytest.mark.parametrize("deviation", [5, 15])
@pytest.mark.parametrize("number", range(6))
def test_noise_is_no_detail(number, deviation):
    photo = photos()[number]
    assert detail(noisy(photo, deviation)) < 1.05 * detail(photo)


def test_blocks_are_no_detail():
    for photo in photos():
        assert detail(jpeg(photo, 20)) < 1.05 * detail(photo)


def test_the_noise_is_found_on_plain_ground():
    # Three channels of independent noise are less in luma.
    share = np.sqrt(0.299**2 + 0.587**2 + 0.114**2)
    plain = np.full((256, 256, 3), 120, np.uint8)
    for deviation in (3, 8):
        assert map_of(noisy(plain, deviation)).noise == pytest.approx(share * deviation, rel=0.05)
    assert map_of(plain).noise == 0
    assert map_of(plain).mean == 0


def test_a_slope_by_hand():
    # 3 levels a column: at full resolution the gradient is 3, at half 6, at a quarter 12; the noise mask sees nothing.
    # The last column of a picture has no neighbour at its right.
    luma = np.tile(3 * np.arange(64), (64, 1))
    tiles = tiles_of(luma)
    assert tiles.noise == 0
    assert tiles.detail[:, 0] == pytest.approx(3 + 6 + 12)
    assert tiles.detail[:, 1] == pytest.approx(3 * 31**0.5 / 32**0.5 + 6 * 15**0.5 / 16**0.5 + 12 * 7**0.5 / 8**0.5)


def test_against_a_plain_restatement():
    luma = np.random.default_rng(3).integers(0, 256, (2 * TILE, 3 * TILE))
    luma = ndimage.uniform_filter(luma.astype(float), 3).round().astype(int)
    tiles = tiles_of(luma)
    mask = ndimage.convolve(luma.astype(float), np.outer([1, -2, 1], [1, -2, 1]), mode="constant")
    responses, energies = np.zeros((2, 3)), np.zeros((3, 2, 3))
    for row in range(2):
        strip = luma[row * TILE : (row + 1) * TILE].astype(float)
        for column in range(3):
            # A response belongs to the column of its upper left sample, and lies within its row of tiles.
            left = column * TILE + 1
            inner = mask[row * TILE + 1 : (row + 1) * TILE - 1, left : min(left + TILE, luma.shape[1] - 1)]
            responses[row, column] = (inner**2).sum() / (TILE * (TILE - 2)) / 36
            for scale in range(3):
                step = 2**scale
                small = strip.reshape(TILE // step, step, -1, step).mean((1, 3))
                size = TILE // step
                across = (small[:, 1:] - small[:, :-1])[:, column * size : (column + 1) * size]
                down = (small[1:] - small[:-1])[:, column * size : (column + 1) * size]
                energies[scale, row, column] = (across**2).sum() / size**2 + (down**2).sum() / size / (size - 1)
    variance = np.quantile(responses, 0.25)
    assert tiles.noise == pytest.approx(variance**0.5, rel=1e-5)
    wanted = sum(np.sqrt(np.maximum(energies[scale] - 5 * variance / 4**scale, 0)) for scale in range(3))
    np.testing.assert_allclose(tiles.detail, wanted, rtol=1e-5)


def test_the_height_of_the_bands_changes_nothing():
    luma = np.random.default_rng(0).integers(0, 256, (300, 200))
    one, other = tiles_of(luma, 64), tiles_of(luma, 256)
    np.testing.assert_array_equal(one.detail, other.detail)
    np.testing.assert_array_equal(one.text, other.text)
    assert one.detail.shape == (300 // TILE, 200 // TILE) and one.noise == other.noise


def test_letters_are_told_from_photos():
    page = np.full((192, 192, 3), 250, np.uint8)
    page[8::12, 8:184] = 10  # lines, as of a table
    page[:, 16::24] = 10
    assert map_of(page).text.mean() > 0.9
    assert map_of(jpeg(page, 90)).text.mean() > 0.8
    for photo in photos():
        assert map_of(photo).text.mean() < 0.1


def test_flatness_is_the_share_of_tiles_without_detail():
    pixels = np.full((128, 128, 3), 100, np.uint8)
    pixels[:64] = np.random.default_rng(0).integers(0, 256, (64, 128, 3))
    assert map_of(pixels).flatness(6) == 0.5
