"""What a transform refuses, and that the message says what it got, what it takes and what to do."""

import re
import subprocess
import sys

import numpy as np
import pytest

import dovetail
import dovetail.data.transforms as T
import dovetail.data.transforms.functional as F
from dovetail.errors import DTypeError, MissingPackageError, ShapeError

BYTES = np.zeros((4, 6, 3), np.uint8)
FLOATS = dovetail.rand(3, 4, 6)

REFUSED = [
    # arguments of transforms
    (lambda: T.RandomHorizontalFlip(1.5), ValueError, "RandomHorizontalFlip takes a probability p in [0, 1], got 1.5"),
    (lambda: T.RandomErasing(p=-1), ValueError, "RandomErasing takes a probability p in [0, 1], got -1"),
    (lambda: T.RandomApply([], p="x"), ValueError, "RandomApply takes a probability p in [0, 1], got 'x'"),
    (lambda: T.Resize("a"), TypeError, "Resize takes a size of one number or (height, width), got 'a'"),
    (lambda: T.Resize((1, 2, 3)), ValueError, "Resize takes a size of one number or (height, width), got 3 numbers"),
    (lambda: T.CenterCrop(0), ValueError, "CenterCrop takes a size of at least 1 pixel, got (0,)"),
    (lambda: T.Resize(3, 9), TypeError, "Pillow's number for one (0 to 5), got 9; try InterpolationMode.BILINEAR"),
    (lambda: T.Pad("a"), TypeError, "Pad takes padding as one number or a sequence of 1, 2 or 4, got 'a'"),
    (lambda: T.Pad((1, 2, 3)), ValueError, "Pad takes padding as one number or a sequence of 1, 2 or 4, got (1, 2, 3)"),
    (
        lambda: T.Pad(1, padding_mode="wrap"),
        ValueError,
        "takes padding_mode 'constant', 'edge', 'reflect', 'symmetric'",
    ),
    (lambda: T.Pad(1, fill="red"), TypeError, "Pad takes fill as a number or one number for each channel, got 'red'"),
    (lambda: T.RandomResizedCrop(3, scale=2), TypeError, "takes scale as two numbers (from, to), got 2"),
    (lambda: T.RandomResizedCrop(3, ratio=(0, 1)), ValueError, "takes ratio as two numbers (from, to) above 0"),
    (lambda: T.RandomErasing(scale=(0, 2)), ValueError, "takes scale as two numbers (from, to) between 0 and 1"),
    (lambda: T.RandomErasing(value="noise"), ValueError, "takes a value of numbers or 'random', got 'noise'"),
    (lambda: T.ColorJitter(brightness=-1), ValueError, "ColorJitter takes brightness of at least 0, or a range"),
    (lambda: T.ColorJitter(hue=0.7), ValueError, "takes hue as two numbers (from, to) between -0.5 and 0.5"),
    (lambda: T.ColorJitter(contrast="a"), TypeError, "ColorJitter takes contrast as two numbers (from, to), got 'a'"),
    (lambda: T.RandomRotation(-1), ValueError, "takes degrees as one number of at least 0 or a sequence of 2, got -1"),
    (lambda: T.RandomRotation("a"), TypeError, "takes degrees as one number of at least 0 or a sequence of 2, got 'a'"),
    (lambda: T.RandomRotation((2, 1)), ValueError, "the first not above the second, got (2, 1)"),
    (lambda: T.RandomRotation(1, center=3), ValueError, "RandomRotation takes a center (x, y) or None, got 3"),
    (lambda: T.RandomAffine(1, translate=(0, 2)), ValueError, "takes translate as two parts of the size in [0, 1]"),
    (lambda: T.RandomAffine(1, scale=(0, 1)), ValueError, "RandomAffine takes scale as two numbers (from, to) above 0"),
    (
        lambda: T.RandomAffine(1, shear=(1, 2, 3)),
        ValueError,
        "shear as one number of at least 0 or a sequence of 2 or 4",
    ),
    (lambda: T.RandomPerspective(2), ValueError, "RandomPerspective takes a distortion_scale in [0, 1], got 2"),
    (lambda: T.Grayscale(2), ValueError, "Grayscale takes num_output_channels of 1 or 3, got 2"),
    (lambda: T.GaussianBlur(4), ValueError, "GaussianBlur takes a kernel_size of odd numbers, so that it has a middle"),
    (lambda: T.GaussianBlur(3, sigma=-1.0), ValueError, "GaussianBlur takes sigma as two numbers (from, to) above 0"),
    (lambda: T.RandomPosterize(9), ValueError, "RandomPosterize takes bits from 0 to 8, got 9"),
    (lambda: T.RandomAdjustSharpness(-1), ValueError, "RandomAdjustSharpness takes a factor of at least 0, got -1"),
    (lambda: T.RandomChoice([abs], p=[1, 2]), ValueError, "one number of at least 0 for each of 1 transforms"),
    (lambda: T.Lambda(3), TypeError, "Lambda takes a function, got int"),
    (lambda: T.Normalize([0.5], [0.0]), ValueError, "Normalize divides by std, which must not be 0, got [0.0]"),
    (lambda: T.AutoAugment("mnist"), ValueError, "'mnist' is not a valid AutoAugmentPolicy"),
    (lambda: T.RandAugment(magnitude=31), ValueError, "from 0 to num_magnitude_bins - 1 = 30, got 31"),
    (lambda: T.TrivialAugmentWide(1), ValueError, "TrivialAugmentWide takes num_magnitude_bins of at least 2, got 1"),
    (lambda: T.AugMix(11), ValueError, "AugMix takes a severity from 1 to 10, got 11"),
    (lambda: T.MixUp(alpha=0), ValueError, "MixUp takes an alpha above 0, got 0"),
    (lambda: T.CutMix(labels_getter="x"), ValueError, "CutMix takes labels_getter 'default' or a function, got 'x'"),
    # images
    (lambda: F.hflip([1]), TypeError, "(..., channels, height, width); got list"),
    (lambda: F.get_dimensions("a"), TypeError, "a transform takes a Pillow image, a NumPy array of shape"),
    (lambda: F.hflip(np.zeros((1, 2, 3, 4))), ShapeError, "got (1, 2, 3, 4); for a batch, use a tensor"),
    (lambda: F.vflip(dovetail.rand(3)), ShapeError, "a tensor has shape (..., channels, height, width), got (3,)"),
    (lambda: F.invert(np.zeros((2, 2, 5))), ShapeError, "takes images of 1 or 3 channels, or 2 or 4 with alpha, got 5"),
    (
        lambda: F.equalize(FLOATS),
        DTypeError,
        "equalize takes images of dtype uint8, got float32; try convert_image_dtype",
    ),
    (lambda: F.posterize(FLOATS, 2), DTypeError, "posterize takes images of dtype uint8, got float32"),
    (
        lambda: T.RandomCrop(5)(BYTES),
        ValueError,
        "takes images of at least (5, 5), got one of (4, 6); use pad_if_needed=True",
    ),
    (lambda: T.FiveCrop(5)(BYTES), ValueError, "takes an image of at least (5, 5), got one of (4, 6); resize it"),
    (lambda: T.RandomErasing(1.0)(BYTES), TypeError, "takes a tensor, got ndarray; put ToTensor() before it"),
    (lambda: T.RandomErasing(1.0)(FLOATS[0]), ShapeError, "RandomErasing takes shape (..., channels, height, width)"),
    (lambda: T.RandomErasing(1.0, value=(1, 2))(FLOATS), ValueError, "one value or one for each of the 3 channels"),
    # arguments of functions
    (lambda: F.crop(BYTES, 0, 0, 0, 3), ValueError, "crop takes a height and width of at least 1, got 0 and 3"),
    (lambda: F.pad(BYTES, -2), ValueError, "pad: padding -2 leaves nothing of an image of (4, 6)"),
    (lambda: F.pad(BYTES, 1, fill=(1, 2)), ValueError, "one for each of the image's 3 channels, got (1, 2)"),
    (lambda: F.resize(BYTES, (2, 3), max_size=4), ValueError, "size=(2, 3), and max_size=4; leave max_size out"),
    (
        lambda: F.resize(BYTES, 3, max_size=2),
        ValueError,
        "must exceed size, the smaller edge, got max_size=2 and size=3",
    ),
    (lambda: F.rotate(BYTES, 3, 1), ValueError, "rotate takes interpolation NEAREST, BILINEAR or BICUBIC, got LANCZOS"),
    (lambda: F.affine(BYTES, 0, (0, 0), 0, 0), ValueError, "affine takes a scale above 0, got 0"),
    (lambda: F.affine(BYTES, 0, (0,), 1, 0), ValueError, "affine takes translate and shear as (x, y), got (0,) and 0"),
    (lambda: F.perspective(BYTES, [(0, 0)], [(0, 0)]), ValueError, "perspective takes four points (x, y) each"),
    (lambda: F.perspective(BYTES, [(0, 0)] * 4, [(0, 0)] * 4), ValueError, "four points of which no three are in line"),
    (lambda: F.adjust_brightness(BYTES, -1), ValueError, "adjust_brightness takes a factor of at least 0, got -1"),
    (lambda: F.adjust_hue(BYTES, 0.6), ValueError, "adjust_hue takes a factor in [-0.5, 0.5], got 0.6"),
    (lambda: F.adjust_gamma(BYTES, -1), ValueError, "adjust_gamma takes a gamma of at least 0, got -1"),
    (lambda: F.rgb_to_grayscale(BYTES, 2), ValueError, "rgb_to_grayscale takes num_output_channels of 1 or 3, got 2"),
    (lambda: F.posterize(BYTES, 9), ValueError, "posterize takes bits from 0 to 8, got 9"),
    (lambda: F.gaussian_blur(BYTES, 3, 0), ValueError, "gaussian_blur takes a sigma above 0, or two of them"),
    # conversions
    (lambda: F.to_tensor(FLOATS), TypeError, "to_tensor takes a Pillow image or a NumPy array, got Tensor"),
    (
        lambda: F.to_tensor(np.zeros(3)),
        ShapeError,
        "takes shape (height, width) or (height, width, channels), got (3,)",
    ),
    (
        lambda: F.pil_to_tensor(BYTES),
        TypeError,
        "pil_to_tensor takes a Pillow image, got ndarray; of arrays, use to_tensor",
    ),
    (lambda: F.to_pil_image([1]), TypeError, "to_pil_image takes a tensor or a NumPy array, got list"),
    (
        lambda: F.to_pil_image(dovetail.rand(5, 2, 2)),
        ShapeError,
        "one image of at most 4 channels, got shape (5, 2, 2)",
    ),
    (
        lambda: F.to_pil_image(BYTES.astype(np.int64)),
        DTypeError,
        "Pillow has no mode for 3 channels of int64; try convert",
    ),
    (lambda: F.to_pil_image(BYTES, "CMYK"), ValueError, "takes mode RGB or YCbCr or HSV, got 'CMYK'"),
    (lambda: F.convert_image_dtype(BYTES), TypeError, "takes a tensor, got ndarray; make one by to_tensor"),
    (lambda: F.convert_image_dtype(FLOATS, dovetail.int32), DTypeError, "float32 does not hold all numbers of int32"),
    (lambda: F.normalize(BYTES, [0], [1]), TypeError, "takes a tensor, got ndarray; put ToTensor() before it"),
    (lambda: F.normalize(dovetail.ones(3, 2, 2, dtype=dovetail.uint8), [0], [1]), DTypeError, "floating-point numbers"),
    (lambda: F.normalize(FLOATS[0], [0], [1]), ShapeError, "takes shape (..., channels, height, width), got (4, 6)"),
    (lambda: F.normalize(FLOATS, [0, 0], [1]), ShapeError, "one mean or one for each of the 3 channels, got 2"),
    (lambda: F.normalize(FLOATS, [0], [1, 0, 1]), ValueError, "divides by std, which must not be 0 in float32"),
    (lambda: F.erase(BYTES, 0, 0, 1, 1, 0), TypeError, "erase takes a tensor, got ndarray; put ToTensor() before it"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_refused_with_a_message(number):
    call, kind, text = REFUSED[number]
    with pytest.raises(kind, match=re.escape(text)):
        call()


def test_a_base_without_a_transform_says_so():
    from dovetail.data.transforms.base import WithProbability

    class Mine(WithProbability):
        pass

    with pytest.raises(NotImplementedError, match=r"Mine has no transform\(img\); write one"):
        Mine(p=1.0)(FLOATS)


def test_without_pillow_only_what_needs_it_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert F.hflip(BYTES).shape == BYTES.shape
    with pytest.raises(MissingPackageError, match=re.escape('pip install "dovetail-data[image]"')):
        F.to_pil_image(BYTES)


def test_importing_transforms_loads_no_pillow():
    code = (
        "import sys, dovetail.data, numpy as np; before = 'dovetail.data.transforms' in sys.modules;"
        "from dovetail.data import transforms as T; T.Compose([T.RandomCrop(2), T.ToTensor()])(np.zeros((4, 4)));"
        "print(before, 'PIL' in sys.modules, 'scipy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False"] * 3
