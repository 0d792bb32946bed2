"""A photo shows through its heat as far as it is not strange, in colours that grow lighter."""

import numpy as np
import pytest
from matplotlib import colormaps

from stages.common.types import FloatArray, Images
from stages.wells.detection.features import BLOCK
from stages.wells.inference.heat import COLOURS, FULL_HEAT, heat_of, lay_over

BLUE = (30, 60, 200)


def plain_photos(count: int = 1) -> Images:
    photos = np.empty((count, 3, 16, 24), dtype=np.uint8)
    photos[:] = np.reshape(BLUE, (3, 1, 1))
    return photos


def laid(strange: float) -> FloatArray:
    """Return the colour of a photo that is strange all over."""
    (picture,) = lay_over(plain_photos(), np.full((1, 4, 6), strange))
    colour: FloatArray = picture[:, 0, 0].astype(np.float64)
    assert (picture == colour[:, None, None]).all()
    return colour


def test_maps_are_laid_over_photos_at_their_own_size_each_block_in_its_place() -> None:
    photos, blocks = plain_photos(3), np.zeros((3, 4, 6))
    blocks[1, 1, 4] = blocks[2, 3, 0] = 100
    found = lay_over(photos, blocks)
    assert found.shape == photos.shape
    assert found.dtype == np.uint8
    hot = (found != photos).any(axis=1)
    assert hot.sum(axis=(1, 2)).tolist() == [0, BLOCK**2, BLOCK**2]
    assert hot[1, BLOCK : 2 * BLOCK, 4 * BLOCK : 5 * BLOCK].all()
    assert hot[2, 3 * BLOCK :, :BLOCK].all()
    assert (photos == plain_photos(3)).all()


@pytest.mark.parametrize("strange", [0.0, -3.0])
def test_the_photo_shows_where_nothing_is_strange(strange: float) -> None:
    np.testing.assert_array_equal(laid(strange), BLUE)


def test_half_of_the_photo_shows_at_half_of_full_heat_and_none_at_the_whole() -> None:
    hottest = laid(FULL_HEAT)
    assert (hottest != BLUE).all()
    np.testing.assert_array_equal(laid(50.0), hottest)
    # Half-way from the photo to the colour of half the heat, which is redder than the photo.
    half = 2 * laid(FULL_HEAT / 2) - BLUE
    assert half[0] > BLUE[0] + 100
    assert (half >= -1).all()
    assert (half <= 256).all()


SHARES = np.linspace(0, 1, 1001)


def test_colours_are_those_of_matplotlibs_inferno() -> None:
    inferno = colormaps["inferno"](SHARES, bytes=True)[:, :3]
    assert abs(heat_of(SHARES).astype(int) - inferno).max() <= 20


def test_a_larger_share_is_lighter() -> None:
    light = heat_of(SHARES).sum(axis=1, dtype=int)
    assert (light[10:] > light[:-10]).all()
    # Each channel is rounded by itself, which may take back a level between two of a thousand.
    assert np.diff(light).min() >= -1
    assert light[-1] > light[0] + 500


def test_colours_begin_and_end_at_the_first_and_the_last() -> None:
    ends = [f"#{bytes(colour).hex().upper()}" for colour in heat_of(np.array([0.0, 1.0]))]
    assert ends == [COLOURS[0], COLOURS[-1]]


def test_shares_of_any_shape_are_coloured_each_by_itself() -> None:
    shares = np.random.default_rng(0).random((2, 3, 4))
    colours = heat_of(shares)
    assert colours.shape == (2, 3, 4, 3)
    assert colours.dtype == np.uint8
    np.testing.assert_array_equal(colours[1, 2, 3], heat_of(shares[1, 2, 3]))
