"""ROS images become RGB arrays, and images that cannot are refused with a reason."""

import array
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image

from sam2_ros.media import ros_images
from sam2_ros.media.ros_encodings import ImageError
from sam2_ros.media.ros_images import ImageConverter, to_rgb

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def image(encoding: str, pixels: np.ndarray, padding: int = 0, big_endian: bool = False) -> Image:
    """`pixels` as a driver would send them, with `padding` bytes at the end of each row."""
    if big_endian:
        pixels = pixels.astype(pixels.dtype.newbyteorder(">"))
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=99)
    return Image(
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=big_endian,
        step=rows.shape[1],
        data=array.array("B", rows.tobytes()),
    )


@pytest.fixture
def picture() -> np.ndarray:
    """(5, 6, 3) RGB noise, of odd height"""
    return np.random.default_rng(0).integers(0, 256, (5, 6, 3), np.uint8)


@pytest.mark.parametrize("padding", [0, 7])
@pytest.mark.parametrize(
    ("encoding", "order"),
    [("rgb8", [0, 1, 2]), ("bgr8", [2, 1, 0]), ("8UC3", [2, 1, 0]), ("rgba8", [0, 1, 2, 0]), ("bgra8", [2, 1, 0, 0])],
)
def test_colours_are_brought_into_rgb_order_whatever_the_step(
    picture: np.ndarray, encoding: str, order: list[int], padding: int
) -> None:
    np.testing.assert_array_equal(to_rgb(image(encoding, picture[..., order], padding)), picture)


def test_rgb8_is_a_view_of_the_message(picture: np.ndarray) -> None:
    message = image("rgb8", picture, padding=3)
    message.data[0] = 123
    rgb = to_rgb(message)
    message.data[0] = 45
    assert rgb[0, 0, 0] == 45


@pytest.mark.parametrize("encoding", ["mono8", "8UC1"])
@pytest.mark.parametrize("padding", [0, 5])
def test_grey_is_repeated_in_every_channel(picture: np.ndarray, encoding: str, padding: int) -> None:
    grey = picture[..., 0]
    np.testing.assert_array_equal(to_rgb(image(encoding, grey, padding)), np.dstack([grey] * 3))


@pytest.mark.parametrize("big_endian", [False, True])
def test_mono16_keeps_its_high_byte_in_either_byte_order(big_endian: bool) -> None:
    values = np.array([[0x0100, 0xFF07], [0x7F80, 0x00FF]], np.uint16)
    rgb = to_rgb(image("mono16", values, padding=2, big_endian=big_endian))
    np.testing.assert_array_equal(rgb[..., 1], [[0x01, 0xFF], [0x7F, 0x00]])


@pytest.mark.parametrize("big_endian", [False, True])
def test_16uc1_is_stretched_between_its_extremes(big_endian: bool) -> None:
    millimetres = np.array([[1000, 1500], [2000, 1000]], np.uint16)
    rgb = to_rgb(image("16UC1", millimetres, big_endian=big_endian))
    np.testing.assert_array_equal(rgb[..., 0], [[0, 127], [255, 0]])


@pytest.mark.parametrize("big_endian", [False, True])
def test_32fc1_is_stretched_and_black_where_it_is_not_finite(big_endian: bool) -> None:
    metres = np.array([[1.0, np.nan], [3.0, np.inf]], np.float32)
    rgb = to_rgb(image("32FC1", metres, padding=4, big_endian=big_endian))
    np.testing.assert_array_equal(rgb[..., 2], [[0, 0], [255, 0]])


@pytest.mark.parametrize("value", [np.nan, 2.5])
def test_32fc1_without_any_range_is_black(value: float) -> None:
    assert not to_rgb(image("32FC1", np.full((2, 2), value, np.float32))).any()


@pytest.mark.parametrize(
    ("encoding", "order"), [("yuv422", "uyvy"), ("uyvy", "uyvy"), ("yuv422_yuy2", "yuyv"), ("yuyv", "yuyv")]
)
@pytest.mark.parametrize("colour", [RED, GREEN, BLUE])
def test_yuv_422_is_read_in_the_order_of_its_encoding(encoding: str, order: str, colour: tuple[int, int, int]) -> None:
    y, u, v = cv2.cvtColor(np.array([[colour]], np.uint8), cv2.COLOR_RGB2YUV)[0, 0]
    pair = {"uyvy": [[u, y], [v, y]], "yuyv": [[y, u], [y, v]]}[order]
    rgb = to_rgb(image(encoding, np.tile(np.array(pair, np.uint8), (4, 2, 1)), padding=4))
    assert rgb.shape == (4, 4, 3)
    np.testing.assert_allclose(rgb.reshape(-1, 3), np.tile(colour, (16, 1)), atol=40)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize("colour", [RED, GREEN, BLUE])
def test_bayer_patterns_are_named_by_their_first_two_rows(
    pattern: str, colour: tuple[int, int, int], depth: int
) -> None:
    tile = np.array([colour["rgb".index(letter)] for letter in pattern]).reshape(2, 2)
    raw = np.tile(tile, (8, 8)).astype(np.uint8)
    pixels = raw if depth == 8 else raw.astype(np.uint16) << 8
    rgb = to_rgb(image(f"bayer_{pattern}{depth}", pixels))
    np.testing.assert_array_equal(rgb[8, 8], colour)


def test_an_empty_image_is_refused() -> None:
    with pytest.raises(ImageError, match=r"0x4 pixels, expected at least 1x1"):
        to_rgb(Image(height=4, width=0, encoding="rgb8"))


def test_data_that_is_shorter_than_step_times_height_is_refused(picture: np.ndarray) -> None:
    message = image("rgb8", picture)
    message.data = message.data[:-1]
    with pytest.raises(ImageError, match=r"data has 89 bytes, expected step \* height = 18 \* 5 = 90"):
        to_rgb(message)


def test_a_step_that_is_shorter_than_a_row_is_refused(picture: np.ndarray) -> None:
    message = image("rgb8", picture)
    message.step = 17
    with pytest.raises(ImageError, match="step is 17 bytes, expected at least 18 for 6 pixels of rgb8"):
        to_rgb(message)


def test_yuv_422_of_odd_width_is_refused() -> None:
    with pytest.raises(ImageError, match="width is 3 pixels, expected an even one"):
        to_rgb(image("yuv422", np.zeros((2, 3, 2), np.uint8)))


@pytest.mark.parametrize("extension", [".jpg", ".png"])
def test_compressed_images_are_decoded_to_rgb(extension: str) -> None:
    bgr = np.full((40, 48, 3), RED[::-1], np.uint8)
    data = array.array("B", cv2.imencode(extension, bgr)[1].tobytes())
    rgb = to_rgb(CompressedImage(format="bgr8; compressed bgr8", data=data))
    np.testing.assert_allclose(rgb, np.full((40, 48, 3), RED), atol=4)


def compressed(format: str, picture: np.ndarray, extension: str = ".png", padding: bytes = b"") -> CompressedImage:
    data = cv2.imencode(extension, picture)[1].tobytes() + padding
    return CompressedImage(format=format, data=array.array("B", data))


def smooth(colour: tuple[int, int, int]) -> np.ndarray:
    """(32, 48, 3) RGB of one colour, with a darker half."""
    picture = np.full((32, 48, 3), colour, np.uint8)
    picture[:, 24:] //= 2
    return picture


def mosaic(rgb: np.ndarray, pattern: str) -> np.ndarray:
    """What a sensor with this pattern of colours sees."""
    raw = np.empty(rgb.shape[:2], rgb.dtype)
    for i, letter in enumerate(pattern):
        raw[i // 2 :: 2, i % 2 :: 2] = rgb[i // 2 :: 2, i % 2 :: 2, "rgb".index(letter)]
    return raw


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize(
    ("format", "extension"),
    [
        ("bayer_{}8; jpeg compressed", ".jpg"),
        ("bayer_{}8; jpeg compressed ", ".jpg"),
        ("bayer_{}8;jpeg compressed bgr8", ".jpg"),
        ("bayer_{}8; png compressed", ".png"),
        ("bayer_{}8; png", ".png"),
    ],
)
def test_a_compressed_bayer_pattern_becomes_colours(format: str, extension: str, pattern: str) -> None:
    picture = smooth((200, 120, 40))
    rgb = to_rgb(compressed(format.format(pattern), mosaic(picture, pattern), extension))
    np.testing.assert_allclose(rgb[4:-4, 4:20], picture[4:-4, 4:20], atol=25 if extension == ".jpg" else 0)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_compressed_bayer_pattern_may_have_up_to_16_bits(bits: int) -> None:
    picture = smooth((200, 120, 40))
    raw = mosaic(picture, "grbg").astype(np.uint16) << (bits - 8)
    rgb = to_rgb(compressed("bayer_grbg16; png", raw))
    np.testing.assert_array_equal(rgb[4:-4, 4:20], picture[4:-4, 4:20])


def test_a_bayer_pattern_in_three_equal_channels_becomes_colours_too() -> None:
    picture = smooth((200, 120, 40))
    rgb = to_rgb(compressed("bayer_rggb8; png compressed bgr8", np.dstack([mosaic(picture, "rggb")] * 3)))
    np.testing.assert_array_equal(rgb[4:-4, 4:20], picture[4:-4, 4:20])


def test_colours_that_were_made_of_a_bayer_pattern_before_compression_stay() -> None:
    picture = smooth((200, 120, 40))
    rgb = to_rgb(compressed("bayer_rggb8; png compressed bgr8", picture[..., ::-1]))
    np.testing.assert_array_equal(rgb, picture)


@pytest.mark.parametrize(
    "format",
    [
        "rgb8; jpeg compressed bgr8",
        "bgr8; png compressed bgr8",
        "rgba8; png compressed bgra8",
        "jpeg",
        "png",
        "jpg",
        "",
        "yuv422_yuy2; jpeg compressed bgr8",
        "; jpeg",
        "anything",
    ],
)
def test_colours_are_those_of_the_file_whatever_its_format_is_called(format: str) -> None:
    picture = smooth((200, 120, 40))
    np.testing.assert_array_equal(to_rgb(compressed(format, picture[..., ::-1])), picture)


@pytest.mark.parametrize("format", ["mono8; jpeg compressed ", "mono8; png compressed", "8UC1; png", "png"])
def test_compressed_grey_is_repeated_in_every_channel(format: str) -> None:
    grey = smooth((90, 0, 0))[..., 0]
    np.testing.assert_array_equal(to_rgb(compressed(format, grey)), np.dstack([grey] * 3))


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("format", ["mono16; png compressed ", "mono16; png", "png", "rgb16; png compressed bgr16"])
def test_compressed_images_of_16_bits_are_scaled_by_the_bits_that_they_use(format: str, bits: int) -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (40, 1))
    picture = ramp if "bgr" not in format else np.dstack([ramp, ramp // 2, ramp // 4])
    rgb = to_rgb(compressed(format, picture.astype(np.uint16) << (bits - 8)))
    np.testing.assert_array_equal(rgb, np.dstack([ramp] * 3) if picture.ndim == 2 else picture[..., ::-1])


def test_compressed_16uc1_is_stretched_as_uncompressed() -> None:
    millimetres = 2000 + 7 * np.tile(np.arange(200, dtype=np.uint16), (40, 1))
    np.testing.assert_array_equal(
        to_rgb(compressed("16UC1; png compressed ", millimetres)), to_rgb(image("16UC1", millimetres))
    )


@pytest.mark.parametrize("alpha", [0, 77, 255])
def test_alpha_of_a_compressed_image_changes_nothing(alpha: int) -> None:
    picture = smooth((200, 120, 40))
    bgra = np.dstack([picture[..., ::-1], np.full((32, 48), alpha, np.uint8)])
    np.testing.assert_array_equal(to_rgb(compressed("rgba8; png compressed bgra8", bgra)), picture)


@pytest.mark.parametrize("format", ["16UC1; compressedDepth png", "32FC1; compressedDepth"])
def test_compressed_depth_is_refused_with_what_to_do(format: str) -> None:
    message = compressed(format, np.full((4, 4), 900, np.uint16))
    message.data = array.array("B", bytes(12)) + message.data
    with pytest.raises(ImageError, match="transport compressedDepth, remap `image` to the camera's colour image"):
        to_rgb(message)


@pytest.mark.parametrize("padding", [bytes(100), bytes(1025), bytes(1_000_000), b"\x55" * 3000])
def test_a_jpeg_with_padding_behind_its_end_is_decoded(padding: bytes) -> None:
    picture = smooth((200, 120, 40))
    rgb = to_rgb(compressed("jpeg", picture[..., ::-1], ".jpg", padding))
    np.testing.assert_array_equal(rgb, to_rgb(compressed("jpeg", picture[..., ::-1], ".jpg")))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[: len(data) // 2], "the JPEG of .* bytes is cut off before its end marker"),
        (lambda data: data[: len(data) // 2] + bytes(5000), "the JPEG of .* bytes is cut off before its end marker"),
        (lambda data: b"", "0 bytes, expected a JPEG or PNG"),
        (lambda data: bytes(500), "cannot be decoded, expected a JPEG or PNG"),
        (lambda data: data[:2] + bytes(300) + data[-2:], "cannot be decoded, expected a JPEG or PNG"),
    ],
    ids=["truncated", "truncated and padded", "empty", "no image", "overwritten"],
)
def test_corrupt_compressed_images_are_refused(
    picture: np.ndarray, damage: Callable[[bytes], bytes], reason: str
) -> None:
    data = cv2.imencode(".jpg", picture)[1].tobytes()
    with pytest.raises(ImageError, match=f"cannot decode a compressed image of format 'jpeg': .*{reason}"):
        to_rgb(CompressedImage(format="jpeg", data=array.array("B", damage(data))))


RAMP = np.tile(np.arange(256, dtype=np.uint16), (40, 1))


@pytest.mark.parametrize(
    ("encoding", "order"),
    [
        ("rgb16", [0, 1, 2]),
        ("bgr16", [2, 1, 0]),
        ("16UC3", [2, 1, 0]),
        ("rgba16", [0, 1, 2, 0]),
        ("bgra16", [2, 1, 0, 0]),
        ("16UC4", [2, 1, 0, 0]),
    ],
)
@pytest.mark.parametrize("bits", [12, 16])
def test_colours_of_16_bits_are_scaled_by_the_bits_that_they_use(encoding: str, order: list[int], bits: int) -> None:
    rgb = np.dstack([RAMP, 255 - RAMP, RAMP // 2])
    found = to_rgb(image(encoding, rgb[..., order] << (bits - 8), padding=4))
    np.testing.assert_array_equal(found, rgb)


class Stream:
    """A converter, and what it warned of."""

    def __init__(self, bit_depth: int = 0) -> None:
        self.warnings: list[str] = []
        self._converter = ImageConverter(bit_depth, self.warnings.append)

    def grey(self, encoding: str, pixels: np.ndarray) -> np.ndarray:
        return self._converter.to_rgb(image(encoding, pixels))[..., 0]


@pytest.mark.parametrize("encoding", ["mono16", "bayer_rggb16"])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_a_dark_image_of_a_stream_stays_dark(encoding: str, bits: int) -> None:
    stream = Stream()
    bright = stream.grey(encoding, RAMP << (bits - 8))
    dark = stream.grey(encoding, RAMP << (bits - 8) >> 3)
    np.testing.assert_allclose(dark, bright // 8, atol=1)


def test_a_stream_whose_encoding_or_size_changes_is_judged_anew() -> None:
    stream = Stream()
    stream.grey("mono16", RAMP << 8)
    np.testing.assert_array_equal(stream.grey("mono16", (RAMP << 4)[:20]), RAMP[:20])
    stream.grey("mono16", (RAMP << 8)[:20])
    stream.grey("mono8", RAMP.astype(np.uint8))  # has no need of it
    assert stream.grey("mono16", (RAMP << 4)[:20]).max() == 15
    assert stream.grey("16UC1", RAMP + 9000).max() == 255


def test_images_that_use_fewer_bits_are_warned_about_once() -> None:
    stream = Stream()
    for _ in range(3):
        stream.grey("mono16", RAMP << 4)
    assert stream.warnings == [
        "mono16 images use 12 of 16 bits so far and are brightened accordingly; set image_bit_depth to the camera's if "
        "that is wrong"
    ]


def test_images_that_use_all_bits_are_not_warned_about() -> None:
    stream = Stream()
    stream.grey("mono16", RAMP << 8)
    assert not stream.warnings


@pytest.mark.parametrize(
    ("given", "bits", "warning"),
    [
        (10, 12, "mono16 images have values of 12 bits, image_bit_depth is 10: set it to 0"),
        (16, 10, "mono16 images are dark: they use 10 bits, image_bit_depth is 16: set it to 0"),
        (16, 8, "mono16 images are dark: they use 8 bits, image_bit_depth is 16: set it to 0"),
        (12, 12, None),
        (14, 12, None),
        (11, 10, None),
    ],
)
def test_a_given_bit_depth_that_does_not_fit_is_warned_about_once(given: int, bits: int, warning: str | None) -> None:
    stream = Stream(given)
    for _ in range(3):
        stream.grey("mono16", RAMP << (bits - 8))
    assert stream.warnings == ([warning] if warning else [])


@pytest.fixture
def cv_bridge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Installs a module of that name for one test."""

    def install(source: str) -> None:
        (tmp_path / "cv_bridge.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)

    ros_images._cv_bridge.cache_clear()
    monkeypatch.delitem(sys.modules, "cv_bridge", raising=False)
    yield install
    ros_images._cv_bridge.cache_clear()
    sys.modules.pop("cv_bridge", None)


@pytest.mark.parametrize(
    "failure", ['AttributeError("_ARRAY_API not found")', 'ImportError("numpy.core.multiarray")', 'SystemError("x")']
)
def test_an_unknown_encoding_is_refused_however_cv_bridge_fails_to_import(
    cv_bridge: Callable[[str], None], failure: str
) -> None:
    cv_bridge(f"raise {failure}")
    with pytest.raises(ImageError) as refusal:
        to_rgb(image("nv21", np.zeros((2, 2), np.uint8)))
    message = str(refusal.value)
    assert "'nv21' is unknown" in message
    assert failure.split("(")[0] in message
    assert "rgb8, bgr8" in message


def test_an_unknown_encoding_is_left_to_cv_bridge_where_it_imports(cv_bridge: Callable[[str], None]) -> None:
    cv_bridge(
        "import numpy as np\n"
        "class CvBridge:\n"
        "    def imgmsg_to_cv2(self, message, desired_encoding):\n"
        "        assert (message.encoding, desired_encoding) == ('nv21', 'rgb8')\n"
        "        return np.full((message.height, message.width, 3), 7, np.uint8)\n"
    )
    assert to_rgb(image("nv21", np.zeros((2, 4), np.uint8))).tolist() == np.full((2, 4, 3), 7).tolist()


def test_an_encoding_that_nobody_knows_is_refused(cv_bridge: Callable[[str], None]) -> None:
    cv_bridge(
        "class CvBridge:\n    def imgmsg_to_cv2(self, *_):\n        raise RuntimeError('Unrecognized image encoding')"
    )
    with pytest.raises(ImageError, match="'holography' is unknown, also to cv_bridge .Unrecognized image encoding."):
        to_rgb(image("holography", np.zeros((2, 2), np.uint8)))
