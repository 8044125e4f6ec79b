"""What transforms do, one by one and together."""

import pickle

import numpy as np
import pytest
from PIL import Image

import dovetail
import dovetail.data.transforms as T
import dovetail.data.transforms.functional as F
from dovetail.data import DataLoader, Dataset
from dovetail.data.transforms.interpolation import weights

COLORS = np.random.default_rng(0).integers(5, 250, (20, 30, 3), dtype=np.uint8)
KINDS = {
    "pillow": Image.fromarray(COLORS),
    "array": COLORS,
    "tensor": dovetail.from_numpy(COLORS.transpose(2, 0, 1).copy()),
}
WITH_PROBABILITY = [
    T.RandomHorizontalFlip, T.RandomVerticalFlip, T.RandomInvert, T.RandomAutocontrast, T.RandomEqualize,
    T.RandomGrayscale, lambda p: T.RandomPosterize(2, p), lambda p: T.RandomSolarize(99, p),
    lambda p: T.RandomAdjustSharpness(3, p), lambda p: T.RandomPerspective(0.5, p),
    lambda p: T.RandomApply([T.RandomInvert(1.0)], p),
]  # fmt: skip
RANDOM = [
    T.RandomCrop(8, padding=2), T.RandomCrop(40, pad_if_needed=True), T.RandomResizedCrop((9, 7)), T.RandomRotation(20),
    T.RandomAffine(20, (0.1, 0.1), (0.8, 1.2), 5), T.RandomPerspective(p=0.9), T.ColorJitter(0.3, 0.3, 0.3, 0.1),
    T.GaussianBlur(5), T.AutoAugment(), T.RandAugment(), T.TrivialAugmentWide(), T.AugMix(), T.RandomGrayscale(0.5),
    T.RandomChoice([T.RandomInvert(1.0), T.RandomRotation(90)]), T.RandomOrder([T.RandomInvert(), T.RandomRotation(9)]),
]  # fmt: skip


def numbers(image):
    """Height, width and channels of any kind of image."""
    return image.numpy().transpose(1, 2, 0) if isinstance(image, dovetail.Tensor) else np.asarray(image)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", range(len(WITH_PROBABILITY)))
def test_probability_0_never_and_1_always(kind, place):
    image = KINDS[kind]
    for _ in range(5):
        assert WITH_PROBABILITY[place](0)(image) is image
        assert not np.array_equal(numbers(WITH_PROBABILITY[place](1)(image)), COLORS)


def test_the_number_drawn_decides():
    """As in PyTorch: below p for one transform, at most p for several."""
    for seed in range(40):
        drawn = dovetail.manual_seed(seed) and dovetail.rand(1).item()
        for transform in (T.RandomInvert(0.3), T.RandomApply([T.RandomInvert(1.0)], 0.3)):
            dovetail.manual_seed(seed)
            assert (transform(COLORS) is COLORS) == (drawn > 0.3)


def test_half_is_half():
    dovetail.manual_seed(0)
    flip = T.RandomHorizontalFlip()
    assert 160 < sum(flip(COLORS) is COLORS for _ in range(400)) < 240


@pytest.mark.parametrize("place", range(len(RANDOM)))
def test_all_kinds_get_the_same_for_the_same_seed(place):
    for seed in range(3):
        results = []
        for image in KINDS.values():
            dovetail.manual_seed(seed)
            results.append(numbers(RANDOM[place](image)).astype(int))
        assert np.abs(results[0] - results[1]).max() <= 1
        assert np.array_equal(results[1], results[2])


@pytest.mark.parametrize("place", range(len(RANDOM)))
def test_another_seed_gives_another_image(place):
    results = []
    for seed in range(8):
        dovetail.manual_seed(seed)
        results.append(RANDOM[place](COLORS).tobytes())
    assert len(set(results)) > 1


def test_transforms_can_be_sent_to_other_processes():
    transform = T.Compose([*RANDOM, T.ToTensor(), T.Normalize([0.5], [0.5]), T.RandomErasing(), T.MixUp(num_classes=2)])
    copy = pickle.loads(pickle.dumps(transform))
    assert repr(copy) == repr(transform)
    dovetail.manual_seed(0)
    first = T.Compose(transform.transforms[:-1])(COLORS)
    dovetail.manual_seed(0)
    assert dovetail.equal(T.Compose(copy.transforms[:-1])(COLORS), first)


def test_random_order_does_all_in_every_order():
    seen = set()
    for seed in range(30):
        dovetail.manual_seed(seed)
        seen.add(T.RandomOrder([lambda x, n=n: (*x, n) for n in range(3)])(()))
    assert len(seen) == 6
    assert all(sorted(order) == [0, 1, 2] for order in seen)


def test_random_choice_follows_its_probabilities():
    dovetail.manual_seed(0)
    choice = T.RandomChoice([lambda _: 0, lambda _: 1, lambda _: 2], p=[3, 0, 1])
    counts = np.bincount([choice(None) for _ in range(400)], minlength=3)
    assert counts[1] == 0
    assert 260 < counts[0] < 340


@pytest.mark.parametrize("kind", ["pillow", "array"])
def test_to_tensor_divides_bytes(kind):
    tensor = T.ToTensor()(KINDS[kind])
    assert tensor.dtype == dovetail.float32
    assert tensor.is_contiguous()
    assert np.array_equal(tensor.numpy(), COLORS.transpose(2, 0, 1) / np.float32(255))


def test_to_tensor_keeps_other_numbers():
    assert F.to_tensor(np.array([[1.5, 2.5]])).tolist() == [[[1.5, 2.5]]]
    assert F.to_tensor(Image.new("I", (2, 1), 70000)).tolist() == [[[70000, 70000]]]
    assert F.to_tensor(Image.new("F", (1, 1), 0.25)).dtype == dovetail.float32
    assert F.to_tensor(Image.new("I;16", (1, 1), 300)).dtype == dovetail.int16
    assert F.to_tensor(Image.new("1", (2, 1), 1)).tolist() == [[[1.0, 1.0]]]


def test_to_tensor_follows_the_default_dtype():
    dovetail.set_default_dtype(dovetail.float64)
    try:
        tensor = F.to_tensor(COLORS)
    finally:
        dovetail.set_default_dtype(dovetail.float32)
    assert tensor.dtype == dovetail.float64
    assert np.array_equal(tensor.numpy(), COLORS.transpose(2, 0, 1) / 255)


def test_to_tensor_copies():
    array = COLORS.astype(np.float32)
    F.to_tensor(array)[0, 0, 0] = -1
    assert array[0, 0, 0] == COLORS[0, 0, 0]


def test_pil_to_tensor_and_back():
    for mode in ("L", "LA", "RGB", "RGBA"):
        image = KINDS["pillow"].convert(mode)
        tensor = T.PILToTensor()(image)
        assert tensor.dtype == dovetail.uint8
        assert tensor.shape[0] == len(mode)
        back = T.ToPILImage()(tensor)
        assert back.mode == mode
        assert back.tobytes() == image.tobytes()


def test_to_pil_image_takes_floats_arrays_and_modes():
    assert np.array_equal(np.asarray(F.to_pil_image(F.to_tensor(COLORS))), COLORS)
    assert F.to_pil_image(COLORS).mode == "RGB"
    assert F.to_pil_image(COLORS[..., :1]).mode == F.to_pil_image(COLORS[..., 0]).mode == "L"
    assert F.to_pil_image(COLORS, "HSV").mode == "HSV"
    assert F.to_pil_image(COLORS, "HSV").tobytes() == COLORS.tobytes()
    assert F.to_pil_image(COLORS[..., 0].astype(np.int16)).mode == "I;16"
    assert F.to_pil_image(COLORS[..., 0].astype(np.int32)).mode == "I"
    assert F.to_pil_image(np.float32([[0.25]]), "F").getpixel((0, 0)) == 0.25


def test_convert_image_dtype_between_all_ranges():
    byte = dovetail.tensor([0, 1, 128, 255], dtype=dovetail.uint8)
    for dtype in (dovetail.int16, dovetail.int32, dovetail.int64, dovetail.float32, dovetail.float64):
        there = F.convert_image_dtype(byte, dtype)
        assert there.dtype == dtype
        assert dovetail.equal(F.convert_image_dtype(there, dovetail.uint8), byte)
    assert F.convert_image_dtype(byte, dovetail.uint8) is byte
    assert F.convert_image_dtype(dovetail.tensor([0.5]), dovetail.float64).dtype == dovetail.float64


def test_normalize_and_inplace():
    image = dovetail.from_numpy(COLORS.transpose(2, 0, 1) / np.float32(255))
    mean, std = [0.4, 0.5, 0.6], [0.2, 0.3, 0.1]
    expected = (image.numpy() - np.float32(mean).reshape(3, 1, 1)) / np.float32(std).reshape(3, 1, 1)
    before = image.clone()
    assert np.array_equal(F.normalize(image, mean, std).numpy(), expected)
    assert dovetail.equal(image, before)
    assert F.normalize(image, mean, std, inplace=True) is image
    assert np.array_equal(image.numpy(), expected)


def test_erase_and_inplace():
    image = dovetail.ones(3, 4, 4)
    erased = F.erase(image, 1, 2, 2, 1, dovetail.tensor([1.0, 2.0, 3.0])[:, None, None])
    assert erased[:, 1:3, 2].tolist() == [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]
    assert image.sum().item() == 48
    assert F.erase(image, 0, 0, 4, 4, 0, inplace=True) is image
    assert image.sum().item() == 0


def test_random_erasing_never_takes_all():
    image = dovetail.ones(3, 6, 6)
    assert dovetail.equal(T.RandomErasing(1.0, scale=(1, 1), ratio=(1, 1))(image), image)
    image = dovetail.ones(3, 6, 12)
    assert dovetail.equal(T.RandomErasing(1.0, scale=(0.5, 0.5), ratio=(1, 1))(image), image)


def test_random_erasing_leaves_the_rest():
    dovetail.manual_seed(0)
    image = dovetail.rand(3, 32, 32)
    for value in (0, (1, 2, 3), "random"):
        erased = T.RandomErasing(1.0, value=value)(image)
        changed = (erased != image).any(0).numpy()
        rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
        assert changed.sum() == len(rows) * len(columns)
        assert 0.015 < changed.mean() < 0.34


def test_five_and_ten_crops_are_where_they_belong():
    crops = T.FiveCrop((5, 7))(COLORS)
    assert np.array_equal(crops[1], COLORS[:5, -7:])
    assert np.array_equal(crops[2], COLORS[-5:, :7])
    assert np.array_equal(crops[4], T.CenterCrop((5, 7))(COLORS))
    ten = T.TenCrop((5, 7), vertical_flip=True)(COLORS)
    assert np.array_equal(ten[5], COLORS[::-1][:5, :7])


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"size": 10}, (10, 15)),
        ({"size": [40]}, (40, 60)),
        ({"size": (3, 4)}, (3, 4)),
        ({"size": 10, "max_size": 12}, (8, 12)),
    ],
)
def test_resize_follows_the_smaller_edge(options, size):
    assert T.Resize(**options)(COLORS).shape == (*size, 3)
    turned = size if options["size"] == (3, 4) else size[::-1]
    assert T.Resize(**options)(COLORS.transpose(1, 0, 2)).shape == (*turned, 3)


def test_resize_to_the_same_size_is_the_same_image():
    assert T.Resize((20, 30))(COLORS) is COLORS
    assert T.Resize(1)(np.zeros((1, 50), np.uint8)).shape == (1, 50)


def test_weights_add_up_and_stay_small():
    for before, after in [(1, 1), (500, 341), (3, 200), (4000, 7)]:
        for mode in T.InterpolationMode:
            if "NEAREST" not in mode.name:
                blocks = weights(before, after, mode, True, False)
                assert np.allclose(np.concatenate([matrix.sum(1) for _, matrix in blocks]), 1)
                assert sum(len(matrix) for _, matrix in blocks) == after
    assert sum(matrix.nbytes for _, matrix in weights(4000, 3000, T.InterpolationMode.BILINEAR, True, True)) < 2e6


@pytest.mark.parametrize("size", [(25, 28), (10, 40), (30, 31)])
def test_pad_if_needed_pads_what_is_too_small(size):
    crop = T.RandomCrop(size, pad_if_needed=True, fill=(1, 2, 3))
    for image in KINDS.values():
        assert numbers(crop(image)).shape == (*size, 3)


def test_center_crop_pads_evenly_and_more_at_the_end():
    assert F.center_crop(np.array([[1, 2]]), (2, 5)).tolist() == [[0, 1, 2, 0, 0], [0] * 5]
    assert F.center_crop(np.array([[1, 2, 3, 4]]), (1, 1)).tolist() == [[3]]
    assert F.center_crop(np.array([[1, 2, 3, 4, 5, 6]]), (1, 1)).tolist() == [[3]]  # 2.5 is rounded to even


def test_affine_center_is_the_middle_unless_given():
    turned = F.affine(COLORS, 180, (0, 0), 1.0, 0.0)
    assert np.array_equal(turned, COLORS[::-1, ::-1])
    moved = F.affine(COLORS, 180, (0, 0), 1.0, 0.0, center=(0, 0))
    assert not moved.any()


def test_blur_is_a_weighted_mean_of_the_mirrored_image():
    ndimage = pytest.importorskip("scipy.ndimage")
    image = COLORS[..., 0].astype(np.float64)
    kernel = np.outer(*(np.exp(-0.5 * (np.arange(-n, n + 1) / s) ** 2) for n, s in ((1, 0.7), (2, 1.5))))
    expected = ndimage.convolve(image, kernel / kernel.sum(), mode="mirror")
    assert np.allclose(F.gaussian_blur(image, (5, 3), (1.5, 0.7)), expected)
    assert np.abs(F.gaussian_blur(COLORS[..., 0], (5, 3), (1.5, 0.7)) - expected).max() <= 0.5


def test_blur_of_a_size_has_a_width_of_its_own():
    assert np.array_equal(F.gaussian_blur(COLORS, (5, 3)), F.gaussian_blur(COLORS, (5, 3), (1.1, 0.8)))


def test_sharpness_is_pillows_smoothing_without_the_border():
    flat = np.full((5, 5), 130, np.uint8)
    assert np.array_equal(F.adjust_sharpness(flat, 0.5), flat)
    assert np.array_equal(F.adjust_sharpness(COLORS[:2], 0.0), COLORS[:2])


class Photographs(Dataset):
    """One picture again and again, changed at random."""

    def __init__(self):
        steps = [T.RandomResizedCrop(8), T.RandomHorizontalFlip(), T.ToTensor(), T.Normalize([0.5] * 3, [0.25] * 3)]
        self.transform = T.Compose(steps)

    def __getitem__(self, index):
        return self.transform(KINDS["pillow"]), index % 2

    def __len__(self):
        return 12


def test_a_loader_makes_batches_of_transformed_images():
    images, labels = next(iter(DataLoader(Photographs(), batch_size=4)))
    assert tuple(images.shape) == (4, 3, 8, 8)
    assert labels.tolist() == [0, 1, 0, 1]
    assert len({image.numpy().tobytes() for image in images}) == 4
