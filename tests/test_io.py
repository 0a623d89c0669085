import errno
import io as bytes_io
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from segmif import io
from segmif.checks import InputError
from segmif.labelsets import FMB

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
RGB = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 16384, (5, 7), dtype=np.uint16)
DEEP_RGB = RNG.integers(0, 65536, (5, 7, 3), dtype=np.uint16)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = bytes_io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


# --- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF", ".bmp"])
@pytest.mark.parametrize("array", [GREY, RGB], ids=["grey", "rgb"])
def test_eight_bits_there_and_back(tmp_path, suffix, array):
    io.write_image(tmp_path / f"a{suffix}", array)
    read = io.read_image(tmp_path / f"a{suffix}")
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read if read.ndim == array.ndim else read[..., 0], array)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("array", [DEEP, DEEP_RGB], ids=["grey", "rgb"])
def test_sixteen_bits_there_and_back(tmp_path, suffix, array):
    io.write_image(tmp_path / f"a{suffix}", array)
    read = io.read_image(tmp_path / f"a{suffix}")
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
def test_lossy_formats_come_close(tmp_path, suffix):
    smooth = cv2.resize(RGB, (64, 48), interpolation=cv2.INTER_CUBIC)
    io.write_image(tmp_path / f"a{suffix}", smooth)
    assert np.abs(io.read_image(tmp_path / f"a{suffix}").astype(int) - smooth).mean() < 4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_float_tiffs(shape, dtype):
    array = RNG.normal(300, 20, shape).astype(np.float32).astype(dtype)
    bgr = array[..., ::-1] if array.ndim == 3 else array
    done, data = cv2.imencode(".tif", np.ascontiguousarray(bgr))
    assert done
    np.testing.assert_array_equal(io.decode_image(data.tobytes()), array)


def test_thirty_two_bit_counts_shrink_where_they_fit():
    small = Image.fromarray(DEEP.astype(np.int32))
    np.testing.assert_array_equal(io.decode_image(saved(small, "TIFF")), DEEP)
    large = Image.fromarray(DEEP.astype(np.int32) * 100 - 5)
    read = io.decode_image(saved(large, "TIFF"))
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, DEEP.astype(np.float32) * 100 - 5)


def test_sixteen_bits_with_alpha_lose_only_the_alpha():
    bgra = np.dstack([DEEP_RGB[..., ::-1], np.full((5, 7), 9, np.uint16)])
    done, data = cv2.imencode(".png", bgra)
    assert done
    np.testing.assert_array_equal(io.decode_image(data.tobytes()), DEEP_RGB)


def test_alpha_and_palette():
    rgba = Image.fromarray(np.dstack([RGB, GREY]))
    np.testing.assert_array_equal(io.decode_image(saved(rgba, "PNG")), RGB)
    grey_alpha = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(GREY)])
    np.testing.assert_array_equal(io.decode_image(saved(grey_alpha, "PNG")), GREY)
    palette = Image.fromarray(RGB).quantize(200)
    expected = np.asarray(palette.convert("RGB"))
    np.testing.assert_array_equal(io.decode_image(saved(palette, "PNG")), expected)
    np.testing.assert_array_equal(io.decode_image(saved(palette, "PNG", transparency=0)), expected)
    bits = Image.fromarray(GREY > 100)
    np.testing.assert_array_equal(io.decode_image(saved(bits, "PNG")), np.where(GREY > 100, 255, 0))
    assert io.decode_image(saved(Image.fromarray(RGB).convert("CMYK"), "JPEG")).shape == (5, 7, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("array", [GREY, DEEP], ids=["8", "16"])
def test_exif_rotation_is_applied_at_every_depth(orientation, array):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(array)
    expected = {
        1: array, 2: array[:, ::-1], 3: array[::-1, ::-1], 4: array[::-1], 5: array.T,
        6: np.rot90(array, -1), 7: array[::-1, ::-1].T, 8: np.rot90(array),
    }[orientation]  # fmt: skip
    for kind in ("PNG", "TIFF"):
        np.testing.assert_array_equal(io.decode_image(saved(image, kind, exif=exif)), expected)
    turned = Image.open(bytes_io.BytesIO(saved(image, "PNG", exif=exif)))
    np.testing.assert_array_equal(io.from_pillow(turned), expected)


def test_pillow_images_in_memory():
    np.testing.assert_array_equal(io.from_pillow(Image.fromarray(RGB)), RGB)
    np.testing.assert_array_equal(io.from_pillow(Image.fromarray(DEEP)), DEEP)
    floats = Image.fromarray(np.array([[0.5, np.nan]], np.float32))
    with pytest.raises(InputError, match="holds 1 NaN"):
        io.from_pillow(floats)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", r"empty \(0 bytes\)"),
        (b"II*\0 pretends to be a TIFF", "not a picture in a format we read"),
        (b"hello, I am text", "not a picture in a format we read"),
        (saved(Image.fromarray(RGB), "PNG")[:-30], "damaged or truncated"),
        (saved(Image.fromarray(np.tile(RGB, (20, 20, 1))), "JPEG")[:-800], "damaged or truncated"),
    ],
)
def test_files_that_are_no_pictures(tmp_path, content, message):
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.png: .*{message}") as caught:
        io.read_image(path)
    assert "\n" not in str(caught.value)


def test_a_folder_and_a_forbidden_file(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="is a folder"):
        io.read_image(tmp_path)

    def refuse(_: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\)"):
        io.read_image(tmp_path / "a.png")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_holes_in_float_pictures_are_counted(tmp_path, bad):
    array = np.ones((4, 6), np.float32)
    array[1, 2:5] = bad
    Image.fromarray(array).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match="holds 3 NaN or infinite values"):
        io.read_image(tmp_path / "a.tif")


def test_pictures_too_large_are_refused_before_they_are_unpacked(monkeypatch):
    data = saved(Image.fromarray(RGB), "PNG")
    monkeypatch.setattr(io, "MAX_PIXELS", 34)
    with pytest.raises(InputError, match="7x5 is above the limit of 34 pixels"):
        io.decode_image(data)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(InputError, match="refused, it unpacks to too many pixels"):
        io.decode_image(data)


SOURCES = [
    saved(Image.fromarray(RGB), "PNG"),
    saved(Image.fromarray(DEEP), "PNG"),
    saved(Image.fromarray(RGB), "JPEG"),
    saved(Image.fromarray(DEEP), "TIFF"),
    saved(Image.fromarray(RGB), "TIFF", compression="tiff_lzw"),
    saved(Image.fromarray(RGB), "WEBP", lossless=True),
    saved(Image.fromarray(RGB).quantize(8), "BMP"),
]


@settings(max_examples=300, deadline=None)
@given(
    source=st.sampled_from(SOURCES),
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=4),
    keep=st.floats(0.01, 1),
)
def test_damage_of_any_kind_gives_a_picture_or_one_clear_error(source, changes, keep):
    data = bytearray(source)
    for where, value in changes:
        data[int(where * len(data))] = value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            array = io.decode_image(bytes(data[: max(1, int(keep * len(data)))]))
        except InputError:
            return
    assert array.dtype in (np.uint8, np.uint16, np.float32)
    assert array.ndim in (2, 3)


def test_what_counts_as_a_picture():
    names = {"a.PNG": True, "b.jpeg": True, ".c.png": False, "d.txt": False, "e": False}
    assert {name: io.is_image(Path(name)) for name in names} == names


# --- values ----------------------------------------------------------------------------------------------------------


def test_eight_bits_and_bool_to_unit():
    np.testing.assert_array_equal(io.to_unit(np.array([[0, 51, 255]], np.uint8), "infrared"), [[0, np.float32(0.2), 1]])
    np.testing.assert_array_equal(io.to_unit(np.array([[True, False]]), "visible"), [[1, 0]])


@pytest.mark.parametrize(("peak", "bits"), [(200, 8), (1000, 10), (4095, 12), (4096, 14), (16383, 14), (16384, 16)])
def test_deep_visible_pictures_are_divided_by_the_full_scale_of_their_bits(peak, bits):
    image = np.array([[0, peak]], np.uint16)
    np.testing.assert_allclose(io.to_unit(image, "visible"), [[0, peak / (2**bits - 1)]], rtol=1e-6)


def test_deep_infrared_is_stretched_over_the_range_it_uses():
    counts = RNG.normal(7800, 60, (100, 100)).clip(0, 16383).astype(np.uint16)
    counts[0, 0] = 16383  # one hot pixel must not eat the contrast
    unit = io.to_unit(counts, "infrared")
    assert unit.dtype == np.float32
    assert unit.min() == 0.0
    assert unit.max() == 1.0
    assert 0.3 < np.median(unit) < 0.7


def test_constant_infrared_becomes_black_and_two_values_keep_apart():
    assert io.to_unit(np.full((4, 4), 7000, np.uint16), "infrared").max() == 0
    rare = np.full((100, 100), 7000, np.uint16)
    rare[0, 0] = 7001
    assert io.to_unit(rare, "infrared").max() == 1


def test_floats_to_unit():
    unit = np.array([[0.0, 0.25, 1.0]], np.float64)
    for band in ("infrared", "visible"):
        np.testing.assert_array_equal(io.to_unit(unit, band), unit)
    kelvin = np.linspace(280, 310, 10_000, dtype=np.float32).reshape(100, 100)
    assert io.to_unit(kelvin, "infrared").mean() == pytest.approx(0.5, abs=1e-2)
    with pytest.raises(InputError, match=r"values 280..310; expected 0..1"):
        io.to_unit(kelvin, "visible")
    with pytest.raises(InputError, match="NaN"):
        io.to_unit(np.array([[np.nan]], np.float32), "infrared")
    assert io.to_unit(np.zeros((0, 3), np.float32), "infrared").size == 0


def test_other_dtypes_are_refused():
    with pytest.raises(InputError, match="dtype int64; expected uint8"):
        io.to_unit(np.zeros((2, 2), np.int64), "infrared")


# --- writing ---------------------------------------------------------------------------------------------------------


def test_labels_survive_as_a_palette_picture(tmp_path):
    labels = np.array([[0, 1, 14, 255]], np.uint8)
    io.write_labels(tmp_path / "l.png", labels, FMB.palette)
    np.testing.assert_array_equal(io.read_labels(tmp_path / "l.png"), labels)
    with Image.open(tmp_path / "l.png") as image:
        assert image.mode == "P"
        shown = np.asarray(image.convert("RGB"))
    assert [tuple(c) for c in shown[0]] == [*(FMB.palette[i] for i in (0, 1, 14)), (255, 255, 255)]


def test_labels_from_grey_and_not_from_colour(tmp_path):
    io.write_image(tmp_path / "grey.png", GREY)
    np.testing.assert_array_equal(io.read_labels(tmp_path / "grey.png"), GREY)
    io.write_image(tmp_path / "rgb.png", RGB)
    with pytest.raises(InputError, match="not RGB; convert by palette"):
        io.read_labels(tmp_path / "rgb.png")
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(InputError, match="not a readable label picture"):
        io.read_labels(tmp_path / "text.png")


def test_folders_are_made_and_nothing_but_the_file_is_left(tmp_path):
    io.write_json(tmp_path / "a" / "b" / "c.json", {"ä": 1})
    assert (tmp_path / "a" / "b" / "c.json").read_text(encoding="utf-8") == '{\n  "ä": 1\n}\n'
    assert len(list((tmp_path / "a" / "b").iterdir())) == 1
    with pytest.raises(ValueError, match="not JSON compliant"):
        io.write_json(tmp_path / "nan.json", float("nan"))


def test_a_failure_keeps_the_old_file_and_leaves_no_half_one(tmp_path):
    path = tmp_path / "a.txt"
    io.write_text(path, "old")

    def write_half() -> None:
        with io.atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_says_so_and_leaves_nothing(tmp_path, monkeypatch, call):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(InputError, match=r"a\.png: cannot be written \(No space left on device\); free space"):
        io.write_image(tmp_path / "a.png", GREY)
    assert list(tmp_path.iterdir()) == []


def test_an_error_without_a_number_is_not_dressed_up(tmp_path):
    with pytest.raises(OSError, match="strange"), io.atomic_path(tmp_path / "a"):
        raise OSError("strange")


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"a\.png: cannot be written"):
        io.write_image(tmp_path / "file" / "a.png", GREY)
    with pytest.raises(InputError, match="File name too long"):
        io.write_image(tmp_path / ("x" * 300 + ".png"), GREY)
    with pytest.raises(InputError, match="choose another folder"):
        io.make_output_folder(tmp_path / "file" / "out")
    assert list(io.make_output_folder(tmp_path / "new" / "out").iterdir()) == []


def test_what_cannot_be_encoded():
    with pytest.raises(InputError, match="cannot write dtype float32"):
        io.encode_image(GREY.astype(np.float32))
    with pytest.raises(InputError, match=r"as '\.xyz': use \.png"):
        io.encode_image(GREY, ".xyz")


def test_threads_writing_one_file_do_not_meet(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: io.write_bytes(tmp_path / "a", bytes([i]) * 9), range(32)))
    data = (tmp_path / "a").read_bytes()
    assert len(data) == 9
    assert len(set(data)) == 1
    assert len(list(tmp_path.iterdir())) == 1
