"""make_grid lays images out, save_image writes them whole or not at all."""

import io
import re
import sys

import numpy as np
import pytest
from PIL import Image

import dovetail
from dovetail.data import make_grid, save_image
from dovetail.errors import MissingPackageError, ShapeError


def numbered(count, channels=3, height=2, width=3):
    """Images of which each is filled with its number, from 1."""
    return dovetail.arange(1.0, count + 1)[:, None, None, None].expand(count, channels, height, width)


@pytest.mark.parametrize(("count", "nrow", "padding"), [(5, 3, 2), (8, 8, 0), (9, 2, 1), (2, 8, 5)])
def test_images_lie_in_rows_with_padding_around(count, nrow, padding):
    grid = make_grid(numbered(count), nrow=nrow, padding=padding, pad_value=-1.0).numpy()
    columns = min(nrow, count)
    rows = -(-count // columns)
    expected = np.full((3, rows * (2 + padding) + padding, columns * (3 + padding) + padding), -1.0, np.float32)
    for place in range(count):
        y, x = padding + place // columns * (2 + padding), padding + place % columns * (3 + padding)
        expected[:, y : y + 2, x : x + 3] = place + 1
    assert np.array_equal(grid, expected)


def test_one_image_is_returned_without_padding():
    assert make_grid(numbered(1)).shape == (3, 2, 3)
    assert make_grid(dovetail.ones(4, 5)).shape == (3, 4, 5)
    assert make_grid(dovetail.ones(1, 4, 5)).shape == (3, 4, 5)
    assert make_grid(dovetail.ones(4, 4, 5)).shape == (4, 4, 5)


def test_grey_becomes_three_channels():
    grid = make_grid(dovetail.rand(4, 1, 5, 5))
    assert grid.shape[0] == 3
    assert dovetail.equal(grid[0], grid[2])


def test_a_list_is_a_batch():
    images = [dovetail.rand(3, 4, 4) for _ in range(3)]
    assert dovetail.equal(make_grid(images), make_grid(dovetail.stack(images)))


def test_the_batch_stays_as_it_is():
    batch = dovetail.rand(3, 3, 4, 4)
    before = batch.clone()
    make_grid(batch, normalize=True)[:] = 7
    make_grid(batch[:1])[:] = 7
    assert dovetail.equal(batch, before)


def test_normalize_by_all_by_each_and_by_a_range():
    batch = dovetail.stack([dovetail.tensor([[[0.0, 2.0]]]), dovetail.tensor([[[4.0, 8.0]]])])
    for options, expected in [
        ({}, [0, 0.25, 0.5, 1]),
        ({"scale_each": True}, [0, 1, 0, 1]),
        ({"value_range": (2, 6)}, [0, 0, 0.5, 1]),
        ({"value_range": (2, 6), "scale_each": True}, [0, 0, 0.5, 1]),
    ]:
        assert make_grid(batch, padding=0, normalize=True, **options)[0, 0].tolist() == expected
    flat = make_grid(dovetail.full((2, 1, 1, 1), 7.0), padding=0, normalize=True)
    assert flat.sum().item() == 0


def test_bytes_are_normalized_to_floats():
    grid = make_grid(dovetail.tensor([[[[0, 255]]]], dtype=dovetail.uint8), normalize=True)
    assert grid[0].tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize("suffix", ["png", "PNG", "bmp", "tiff", "gif"])
def test_saved_pixels_are_rounded(tmp_path, suffix):
    path = tmp_path / f"picture.{suffix}"
    save_image(dovetail.tensor([[-1.0, 0.0, 0.499, 0.5, 1.0, 2.0]]), path)
    with Image.open(path) as image:
        found = np.asarray(image.convert("RGB"))
    assert found.tolist() == [[[level] * 3 for level in (0, 0, 127, 128, 255, 255)]]


def test_save_lays_a_batch_out(tmp_path):
    save_image(dovetail.rand(6, 3, 8, 8), str(tmp_path / "batch.jpg"), nrow=3, padding=1)
    with Image.open(tmp_path / "batch.jpg") as image:
        assert image.size == (28, 19)


def test_save_to_an_open_file_needs_a_format():
    file = io.BytesIO()
    save_image(dovetail.rand(4, 5, 6), file, format="PNG")
    assert Image.open(file).mode == "RGBA"
    with pytest.raises(ValueError, match=re.escape("<BytesIO>: no format that Pillow writes has the suffix ''")):
        save_image(dovetail.rand(3, 5, 6), io.BytesIO())


def test_a_failed_save_leaves_what_was_there(tmp_path):
    path = tmp_path / "picture.jpg"
    path.write_bytes(b"before")
    with pytest.raises(OSError, match="RGBA"):  # Pillow cannot write these as JPEG
        save_image(dovetail.rand(4, 5, 6), path)
    assert path.read_bytes() == b"before"
    assert [file.name for file in tmp_path.iterdir()] == ["picture.jpg"]


REFUSED = [
    (lambda: make_grid("a"), TypeError, "make_grid takes a tensor or a list of tensors, got str"),
    (lambda: make_grid([]), TypeError, "make_grid takes a tensor or a list of tensors, got list"),
    (lambda: make_grid([dovetail.ones(3, 2, 2), np.ones(3)]), TypeError, "a tensor or a list of tensors, got list"),
    (
        lambda: make_grid([dovetail.ones(3, 2, 2), dovetail.ones(3, 2, 1)]),
        ShapeError,
        "one shape, got (3, 2, 1), (3, 2, 2)",
    ),
    (lambda: make_grid(dovetail.ones(3)), ShapeError, "or less for one image, none of them 0, got (3,)"),
    (lambda: make_grid(dovetail.ones(0, 3, 2, 2)), ShapeError, "none of them 0, got (0, 3, 2, 2)"),
    (lambda: make_grid(numbered(2), nrow=0), ValueError, "nrow of at least 1 and padding of at least 0, got 0 and 2"),
    (lambda: make_grid(numbered(2), normalize=True, value_range=(2, 1)), ValueError, "(smallest, largest), got (2, 1)"),
    (lambda: save_image(dovetail.ones(5, 2, 2), "a.png"), ShapeError, "images of 1, 3 or 4 channels, got 5"),
    (lambda: save_image(numbered(2), "a.xyz"), ValueError, "a.xyz: no format that Pillow writes has the suffix '.xyz'"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_refused_with_a_message(number):
    call, kind, text = REFUSED[number]
    with pytest.raises(kind, match=re.escape(text)):
        call()


def test_without_pillow_saving_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingPackageError, match=re.escape('pip install "dovetail-data[image]"')):
        save_image(dovetail.rand(3, 2, 2), tmp_path / "a.png")
