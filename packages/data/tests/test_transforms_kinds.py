"""Arrays and tensors come out as Pillow's images do, at every size and number of channels."""

import numpy as np
import PIL
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import dovetail
import dovetail.data.transforms.functional as F
from dovetail.data.transforms import InterpolationMode, on_arrays, on_pillow

SIZES = [(1, 1), (1, 7), (5, 3), (33, 17), (40, 60)]
CHANNELS = [1, 3, 4]
WARPS = [InterpolationMode.NEAREST, InterpolationMode.BILINEAR, InterpolationMode.BICUBIC]
FILTERS = [mode for mode in InterpolationMode if mode is not InterpolationMode.NEAREST_EXACT]
PADDINGS = ["constant", "edge", "reflect", "symmetric"]
DOWN_FIRST = int(PIL.__version__.split(".")[0]) >= 13  # before, Pillow always resized across first


def moved(x, mode):
    """Perspective with corners that move by parts of the size."""
    _, h, w = F.get_dimensions(x)
    corners = [(0, 0), (w, 0), (w, h), (0, h)]
    ends = [(0.1 * w, 0.2 * h), (0.9 * w, 0.1 * h), (0.8 * w, 0.9 * h), (0, 0.8 * h)]
    return F.perspective(x, corners, ends, mode, 7)


EXACT = {
    "hflip": F.hflip,
    "vflip": F.vflip,
    "crop inside": lambda x: F.crop(x, 0, 0, 1, 1),
    "crop beyond": lambda x: F.crop(x, -2, -1, 10, 8),
    "crop outside": lambda x: F.crop(x, 100, 100, 4, 5),
    "center_crop": lambda x: F.center_crop(x, (20, 9)),
    "pad with 0": lambda x: F.pad(x, 2),
    "pad less": lambda x: F.pad(x, (3, 4, 0, 0), fill=9),
    "pad negative": lambda x: F.pad(F.pad(x, 4), (-1, 2, -2, 0), fill=9),
    "invert": F.invert,
    "autocontrast": F.autocontrast,
    "equalize": F.equalize,
    "gamma": lambda x: F.adjust_gamma(x, 0.7, 1.2),
    "grey": lambda x: F.rgb_to_grayscale(x),
    "grey in three": lambda x: F.rgb_to_grayscale(x, 3),
    "blur": lambda x: F.gaussian_blur(x, (5, 3), (1.1, 0.4)),
    **{f"pad {mode}": lambda x, mode=mode: F.pad(x, (1, 2, 3, 0), 5, mode) for mode in PADDINGS},
    **{f"posterize {bits}": lambda x, bits=bits: F.posterize(x, bits) for bits in (0, 1, 3, 8)},
    **{f"solarize {level}": lambda x, level=level: F.solarize(x, level) for level in (0, 100.5, 128, 256)},
    **{f"resize {mode.name}": lambda x, mode=mode: F.resize(x, (19, 41), mode) for mode in FILTERS if DOWN_FIRST},
    **{f"resize square {mode.name}": lambda x, mode=mode: F.resize(x, (55, 23), mode) for mode in FILTERS},
    **{f"resize to few rows {mode.name}": lambda x, mode=mode: F.resize(x, (5, 47), mode)
       for mode in FILTERS if DOWN_FIRST},
    "resize smaller edge": lambda x: F.resize(x, 9, max_size=70),
    "resize larger": lambda x: F.resize(x, (150, 133), InterpolationMode.BICUBIC),
    **{f"rotate {a} {mode.name}": lambda x, a=a, mode=mode: F.rotate(x, a, mode, fill=9)
       for a in (0, 90, 180, -90, 45, 37.3, -120, 359) for mode in WARPS[:2]},
    **{f"rotate around {mode.name}": lambda x, mode=mode: F.rotate(x, 33, mode, center=(3, 4)) for mode in WARPS[:2]},
    **{f"rotate whole {a} {mode.name}": lambda x, a=a, mode=mode: F.rotate(x, a, mode, expand=True)
       for a in (90, 10) for mode in WARPS[:2]},
    **{f"affine {mode.name}": lambda x, mode=mode: F.affine(x, 20, (3, -2), 1.3, (10, 5), mode, 3)
       for mode in WARPS[:2]},
    **{f"translate {mode.name}": lambda x, mode=mode: F.affine(x, 0, (3, -2), 1, 0, mode) for mode in WARPS[:2]},
    **{f"scale {mode.name}": lambda x, mode=mode: F.affine(x, 0, (3.5, -2.25), 0.7, 0, mode) for mode in WARPS[:2]},
    **{f"perspective {mode.name}": lambda x, mode=mode: moved(x, mode) for mode in WARPS[:2]},
    **{f"{name} {factor}": lambda x, name=name, factor=factor: getattr(F, f"adjust_{name}")(x, factor)
       for name in ("brightness", "contrast", "saturation", "sharpness") for factor in (0, 0.3, 1, 1.7)},
    **{f"hue {factor}": lambda x, factor=factor: F.adjust_hue(x, factor) for factor in (-0.5, -0.2, 0, 0.1, 0.37)},
}  # fmt: skip
WITHIN_ONE_LEVEL = {
    "rotate BILINEAR": lambda x: F.rotate(x, 200.5, WARPS[1], expand=True),
    "rotate BICUBIC": lambda x: F.rotate(x, 10, WARPS[2], expand=True),
    "affine BICUBIC": lambda x: F.affine(x, 20, (3, -2), 1.3, (10, 5), WARPS[2]),
    "perspective BICUBIC": lambda x: moved(x, WARPS[2]),
}


def pixels(height, width, channels, seed=0):
    """Noise and smooth colours, opaque."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (height, width, channels), dtype=np.uint8)
    slopes = np.linspace(0, 255, height * width * channels).reshape(height, width, channels)
    values = np.where(np.arange(width)[:, None] % 8 < 4, noise, slopes.astype(np.uint8))
    if channels == 4:
        values[..., 3] = 255
    return values if channels > 1 else values[..., 0]


def channels_first(array):
    return dovetail.from_numpy(np.ascontiguousarray(array[None] if array.ndim == 2 else array.transpose(2, 0, 1)))


def channels_last(tensor):
    array = tensor.numpy().transpose(1, 2, 0)
    return array[..., 0] if array.shape[2] == 1 else array


def differences(op, array):
    """Levels between Pillow's result and ours on the array; that on the tensor must be ours."""
    expected, found = np.asarray(op(Image.fromarray(array))), op(array)
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.uint8
    found = found[..., 0] if found.ndim == 3 and found.shape[2] == 1 else found
    assert found.shape == expected.shape
    assert np.array_equal(channels_last(op(channels_first(array))), found)
    distance = np.abs(found.astype(int) - expected)
    if expected.ndim == 3 and expected.shape[2] == 4:  # Pillow weighs colours by alpha, which warps make less than 255
        distance = distance[expected[..., 3] == 255]
    return distance.max(initial=0)


@pytest.mark.parametrize("name", EXACT)
def test_arrays_and_tensors_equal_pillow(name):
    for height, width in SIZES:
        for channels in CHANNELS:
            array = pixels(height, width, channels)
            assert differences(EXACT[name], array) == 0, f"{height}x{width}, {channels} channels"


@pytest.mark.parametrize("name", WITHIN_ONE_LEVEL)
def test_warps_are_within_one_level(name):
    """Values between pixels are truncated, so that a difference in the last bit of 64 may show."""
    for height, width in SIZES:
        for channels in CHANNELS:
            array = pixels(height, width, channels)
            assert differences(WITHIN_ONE_LEVEL[name], array) <= 1, f"{height}x{width}, {channels} channels"


sides = st.integers(1, 40)


@settings(max_examples=60, deadline=None)
@given(sides, sides, sides, sides, st.sampled_from(CHANNELS), st.sampled_from(FILTERS))
def test_resize_from_any_size_to_any_other(height, width, rows, columns, channels, mode):
    down_first = height - rows > max(0, 2 * (width - columns))
    if not down_first or DOWN_FIRST or mode is InterpolationMode.NEAREST:
        assert differences(lambda x: F.resize(x, (rows, columns), mode), pixels(height, width, channels)) == 0


@settings(max_examples=60, deadline=None)
@given(sides, sides, st.sampled_from(CHANNELS), st.floats(-360, 360), st.booleans(), st.sampled_from(WARPS[:2]))
def test_rotate_by_any_angle(height, width, channels, angle, expand, mode):
    limit = 0 if mode is InterpolationMode.NEAREST else 1
    assert differences(lambda x: F.rotate(x, angle, mode, expand), pixels(height, width, channels)) <= limit


@settings(max_examples=60, deadline=None)
@given(st.integers(-5, 45), st.integers(-5, 45), sides, sides, st.sampled_from(CHANNELS))
def test_crop_anywhere(top, left, height, width, channels):
    assert differences(lambda x: F.crop(x, top, left, height, width), pixels(33, 17, channels)) == 0


@pytest.mark.parametrize("mode", WARPS)
def test_a_horizon_in_the_image_is_filled(mode):
    """Where the divisor is 0, coordinates are infinite or nan."""
    array = pixels(6, 9, 1)
    coefficients = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, -1 / 4.5, 0.0)
    expected = on_pillow.perspective(Image.fromarray(array), coefficients, mode, 7)
    assert np.array_equal(on_arrays.perspective(array[None], coefficients, mode, 7)[0], np.asarray(expected))


def test_hues_of_all_colors_equal_pillow():
    steps = np.arange(0, 256, 3, dtype=np.uint8)
    colors = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(len(steps), -1, 3)
    assert differences(lambda x: F.adjust_hue(x, 0.3), colors) == 0


@pytest.mark.parametrize("name", ["hflip", "crop beyond", "pad edge", "resize square BILINEAR", "brightness 0.3",
                                  "rotate 45 BILINEAR", "blur", "contrast 1.7"])  # fmt: skip
def test_a_batch_is_done_image_by_image(name):
    images = [channels_first(pixels(12, 16, 3, seed)) for seed in range(3)]
    batch = EXACT[name](dovetail.stack(images))
    for image, done in zip(images, batch, strict=True):
        assert dovetail.equal(EXACT[name](image), done)


BYTES_ONLY = ("posterize", "equalize", "solarize", "gamma")
ALIKE = [
    name for name in EXACT if not name.startswith(BYTES_ONLY) and not name.endswith(("BICUBIC", "LANCZOS", "larger"))
]


@pytest.mark.parametrize("name", ALIKE)
def test_floats_are_as_bytes_without_their_rounding(name):
    """Values in [0, 1]; what is filled in is a level for bytes, so it is compared only where it is 0."""
    array = pixels(33, 17, 3)
    found = np.asarray(EXACT[name](array.astype(np.float32) / np.float32(255)))
    assert found.dtype == np.float32
    expected = EXACT[name](array).astype(int)
    same_fill = ~np.isin(found, (3, 5, 7, 9)) & (found <= 1)
    levels = 15 if "hue" in name else 2.5  # of the 256 steps of hue, bytes lose up to two and a half
    assert np.abs(found * 255 - expected)[same_fill].max() <= levels


def test_alpha_stays_as_it_is():
    array = pixels(10, 12, 4)
    array[..., 3] = np.arange(12) * 20
    for op in (F.invert, F.equalize, F.autocontrast, lambda x: F.solarize(x, 9), lambda x: F.posterize(x, 2),
               lambda x: F.adjust_hue(x, 0.2), lambda x: F.adjust_gamma(x, 2), lambda x: F.adjust_brightness(x, 0.5),
               lambda x: F.adjust_contrast(x, 0.5), lambda x: F.adjust_saturation(x, 0.5)):  # fmt: skip
        found, expected = op(array), np.asarray(op(Image.fromarray(array)))
        assert np.array_equal(found[..., 3], array[..., 3])
        assert np.array_equal(found, expected)


def test_palettes_are_kept():
    image = Image.fromarray(pixels(8, 9, 3)).quantize(16)
    for mode in ("constant", "edge"):
        padded = F.pad(image, 2, fill=1, padding_mode=mode)
        assert padded.mode == "P"
        assert padded.getpalette() == image.getpalette()
        assert np.array_equal(np.asarray(padded)[2:-2, 2:-2], np.asarray(image))


ANY_DTYPE = {
    "hflip": F.hflip,
    "pad": lambda x: F.pad(x, 2),
    "resize": lambda x: F.resize(x, (5, 30)),
    "rotate": lambda x: F.rotate(x, 20, InterpolationMode.BILINEAR),
    "blur": lambda x: F.gaussian_blur(x, 3),
    "invert": F.invert,
    "solarize": lambda x: F.solarize(x, 0.5 if x.dtype.is_floating_point else dovetail.iinfo(x.dtype).max // 2),
    "autocontrast": F.autocontrast,
    "contrast": lambda x: F.adjust_contrast(x, 3),
    "saturation": lambda x: F.adjust_saturation(x, 0.5),
    "sharpness": lambda x: F.adjust_sharpness(x, 2),
    "hue": lambda x: F.adjust_hue(x, 0.2),
    "gamma": lambda x: F.adjust_gamma(x, 0.5),
}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "int16", "int32", "int64"])
@pytest.mark.parametrize("name", ANY_DTYPE)
def test_other_dtypes_come_out_as_float32_does(name, dtype):
    exact = F.to_tensor(pixels(12, 20, 3))
    image = F.convert_image_dtype(F.convert_image_dtype(exact, dovetail.uint8), getattr(dovetail, dtype))
    found = ANY_DTYPE[name](image)
    assert found.dtype == image.dtype
    levels = 255 * (F.convert_image_dtype(found, dovetail.float32) - ANY_DTYPE[name](exact)).numpy()
    assert np.abs(levels).max() < (6 if dtype == "bfloat16" else 3)


def test_both_tables_have_the_same_ops():
    ops = {name for name, value in vars(on_pillow).items() if getattr(value, "__module__", "") == on_pillow.__name__}
    assert {name for name in ops if not name.startswith("_")} == set(on_arrays.__all__)


def test_each_kind_comes_back():
    array = pixels(9, 8, 3)
    assert isinstance(F.rotate(Image.fromarray(array), 20), Image.Image)
    assert F.rotate(array[..., 0], 20).shape == (9, 8)
    assert F.rotate(array[..., :1], 20).shape == (9, 8, 1)
    assert F.rotate(channels_first(array), 20).shape == (3, 9, 8)
    assert F.rotate(channels_first(array)[0], 20).shape == (9, 8)
    assert F.rotate(channels_first(array)[None, None], 20).shape == (1, 1, 3, 9, 8)
    assert F.hflip(channels_first(array).to(dovetail.int16)).dtype == dovetail.int16


def test_crops_are_views_and_flips_are_not():
    array = pixels(9, 8, 3)
    assert np.shares_memory(F.crop(array, 1, 1, 3, 3), array)
    assert not np.shares_memory(F.hflip(array), array)


def test_gradients_stop():
    image = dovetail.rand(1, 4, 4, requires_grad=True)
    assert not F.hflip(image).requires_grad


@pytest.mark.parity
@pytest.mark.parametrize(("mode", "antialias"), [("bilinear", True), ("bicubic", True), ("bilinear", False)])
@pytest.mark.parametrize("size", [(20, 20), (7, 100), (90, 5), (64, 33)])
def test_resized_floats_equal_pytorch(mode, antialias, size):
    torch = pytest.importorskip("torch")
    image = np.random.default_rng(0).random((2, 3, 33, 64)).astype(np.float32)
    expected = torch.nn.functional.interpolate(torch.from_numpy(image), size, mode=mode, antialias=antialias)
    found = F.resize(dovetail.from_numpy(image), size, InterpolationMode(mode), antialias=antialias)
    assert np.abs(found.numpy() - expected.numpy()).max() < 1e-5
