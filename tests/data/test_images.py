"""Photos of any kind become upright RGB arrays of one size; broken ones are named."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from stages.common.errors import InputError
from stages.wells.data import images
from stages.wells.data.images import decode, decode_all, digest, resize
from tests.wells_files import encoded

RED, BLUE = (255, 0, 0), (0, 0, 255)
NOISE = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)


def plain(mode: str, colour: float | tuple[int, ...]) -> Image.Image:
    return Image.new(mode, (4, 3), colour)


def palette(colour: tuple[int, int, int]) -> Image.Image:
    image = plain("P", 1)
    image.putpalette([9, 9, 9, *colour])
    return image


def sixteen_bits(value: int) -> Image.Image:
    return Image.fromarray(np.full((3, 4), value, dtype=np.uint16))


@pytest.mark.parametrize(
    ("image", "kind", "expected"),
    [
        (plain("RGB", (200, 100, 50)), "PNG", (200, 100, 50)),
        (plain("L", 130), "PNG", (130, 130, 130)),
        (plain("LA", (130, 7)), "PNG", (130, 130, 130)),
        (plain("RGBA", (200, 100, 50, 7)), "PNG", (200, 100, 50)),
        (plain("CMYK", (0, 255, 255, 0)), "TIFF", RED),
        (palette((200, 100, 50)), "PNG", (200, 100, 50)),
        (plain("1", 1), "PNG", (255, 255, 255)),
        (plain("1", 0), "PNG", (0, 0, 0)),
        (sixteen_bits(0), "PNG", (0, 0, 0)),
        (sixteen_bits(32768), "PNG", (128, 128, 128)),
        (sixteen_bits(200 * 257), "PNG", (200, 200, 200)),
        (sixteen_bits(65535), "PNG", (255, 255, 255)),
        (sixteen_bits(32768), "TIFF", (128, 128, 128)),
        (plain("I", 32768), "TIFF", (128, 128, 128)),
    ],
)
def test_every_mode_becomes_rgb_with_its_colour(
    image: Image.Image, kind: str, expected: tuple[int, int, int]
) -> None:
    data = encoded(image, kind)
    assert Image.open(io.BytesIO(data)).mode[0] == image.mode[0], "the file keeps the mode"
    decoded = decode(data)
    assert (decoded.mode, decoded.size) == ("RGB", (4, 3))
    assert (np.asarray(decoded) == expected).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("orientation", "size", "red_corners"),
    [
        # EXIF 2.32, tag 0x0112: where the stored image's row 0 and column 0 lie when upright.
        (1, (48, 32), {"top left", "bottom left"}),
        (2, (48, 32), {"top right", "bottom right"}),
        (3, (48, 32), {"top right", "bottom right"}),
        (6, (32, 48), {"top left", "top right"}),
        (8, (32, 48), {"bottom left", "bottom right"}),
    ],
)
def test_a_photo_taken_askew_is_turned_upright(
    kind: str, orientation: int, size: tuple[int, int], red_corners: set[str]
) -> None:
    stored = Image.new("RGB", (48, 32), BLUE)
    stored.paste(RED, (0, 0, 24, 32))
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.asarray(decode(encoded(stored, kind, exif=exif)))
    assert pixels.shape == (size[1], size[0], 3)
    corners = {"top left": (0, 0), "top right": (0, -1)}
    corners |= {"bottom left": (-1, 0), "bottom right": (-1, -1)}
    assert {name for name, where in corners.items() if pixels[where][0] > 200} == red_corners


JPEG = encoded(Image.fromarray(NOISE), "JPEG")
PNG = encoded(Image.fromarray(NOISE))
# Cut behind the headers, within the pixels.
CUT_JPEG = JPEG[:-100]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an image"),
        (b"a note about the wells", "not an image"),
        (JPEG[:2], "not an image"),
        (JPEG[:300], "Truncated"),
        (CUT_JPEG, "truncated"),
        (PNG[: len(PNG) // 2], "truncated"),
        (PNG[:50] + bytes([PNG[50] ^ 1]) + PNG[51:], "."),
    ],
)
def test_what_is_no_whole_image_is_refused_with_the_reason(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode(data)


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 12 * 20)
    assert decode(JPEG).size == (20, 12)
    monkeypatch.setattr(images, "MAX_PIXELS", 12 * 20 - 1)
    with pytest.raises(ValueError, match="20 x 12 pixels, over 239"):
        decode(CUT_JPEG)


def test_resizing_averages_and_puts_channels_first() -> None:
    checks = np.indices((64, 64)).sum(axis=0) % 2 * 255
    channels = [checks, checks, np.full_like(checks, 254)]
    board = Image.fromarray(np.stack(channels, axis=2).astype(np.uint8))
    small = resize(board, 16, 24)
    assert small.shape == (3, 16, 24)
    assert small.dtype == np.uint8
    np.testing.assert_allclose(small[:2], 127.5, atol=20)
    assert (small[2] == 254).all()


def test_resizing_keeps_left_and_right_and_top_and_bottom() -> None:
    image = Image.new("RGB", (20, 12), BLUE)
    image.paste(RED, (0, 0, 10, 6))
    red = resize(image, 8, 16)[0] > 127
    expected = np.zeros((8, 16), dtype=np.bool_)
    expected[:4, :8] = True
    np.testing.assert_array_equal(red, expected)


def test_the_digest_is_of_the_pixels_not_of_their_encoding() -> None:
    image = Image.fromarray(NOISE)
    digests = {digest(decode(encoded(image, kind))) for kind in ("PNG", "BMP", "TIFF")}
    digests.add(digest(decode(encoded(image, "PNG", compress_level=0))))
    assert len(digests) == 1


def test_other_pixels_or_another_size_give_another_digest() -> None:
    last_changed = NOISE.copy()
    last_changed[-1, -1, -1] ^= 1
    others: list[NDArray[np.uint8]] = [
        NOISE,
        last_changed,
        NOISE[::-1],
        NOISE.reshape(20, 12, 3),
        NOISE.reshape(6, 40, 3),
    ]
    assert len({digest(Image.fromarray(pixels)) for pixels in others}) == len(others)


def test_images_come_in_the_order_of_their_names_whatever_their_size() -> None:
    blue, red = Image.new("RGB", (20, 12), BLUE), Image.new("RGB", (7, 30), RED)
    files = {"b.png": encoded(blue), "c.png": encoded(red), "a.png": encoded(red)}
    decoded = decode_all(files, 8, 16, "train")
    assert decoded.images.shape == (3, 3, 8, 16)
    assert decoded.images.dtype == np.uint8
    assert decoded.images[:, :, 0, 0].tolist() == [list(RED), list(BLUE), list(RED)]
    assert decoded.names.tolist() == ["a.png", "b.png", "c.png"]
    assert decoded.digests.tolist() == [digest(image) for image in (red, blue, red)]


@pytest.mark.parametrize("count", [1, 20, 23])
def test_broken_images_are_named_up_to_twenty_and_the_rest_counted(count: int) -> None:
    broken = {f"{number:02d}.jpg": b"broken" for number in range(count)}
    with pytest.raises(InputError) as refusal:
        decode_all(broken | {"whole.png": PNG, "00.png": PNG}, 8, 16, "proliv")
    head, *lines = str(refusal.value).split("\n")
    assert head.startswith(f"{count} of {count + 2} images of proliv can't be decoded")
    named = [f"  {name}: not an image" for name in sorted(broken)[:20]]
    assert lines == named + (["  and 3 more"] if count == 23 else [])
