"""Writes torchvision_draws.json, what torchvision draws and prints: run this with torchvision installed.

The numbers in the repository are those of torchvision 0.28 with PyTorch 2.13.
"""

import json
from pathlib import Path

import torch
import torchvision.transforms as T
from torchvision.transforms import autoaugment, v2

SEEDS = range(20)
HEIGHT, WIDTH = 40, 60
IMAGE = torch.zeros(3, HEIGHT, WIDTH, dtype=torch.uint8)


def plain(value):
    """Return lists and numbers only."""
    if isinstance(value, torch.Tensor):
        return value.tolist()
    return [plain(part) for part in value] if isinstance(value, (list, tuple)) else value


def drawn(draw):
    """Return what is drawn after each seed, and one number more, which shows how many were drawn."""
    found = []
    for seed in SEEDS:
        torch.manual_seed(seed)
        found.append([plain(draw()), torch.rand(1).item()])
    return found


def ops_of(transform):
    """Return the ops and magnitudes that a transform takes from its list."""

    def draw():
        taken = []

        def record(img, name, magnitude, **options):
            taken.append([name, magnitude])
            return img

        real, autoaugment._apply_op = autoaugment._apply_op, record
        transform(IMAGE)
        autoaugment._apply_op = real
        return taken

    return draw


def erased(value):
    """Return what random erasing draws, the values only by their sum."""
    *place, values = T.RandomErasing.get_params(IMAGE, [0.02, 0.33], [0.3, 3.3], value)
    return [*place, values.double().sum().item()]


def cut_box():
    transform = v2.CutMix(alpha=0.7, num_classes=2)
    params = transform.make_params([torch.zeros(2, 3, HEIGHT, WIDTH)])
    return [list(params["box"]), params["lam_adjusted"]]


DRAWS = {
    "RandomCrop": lambda: T.RandomCrop.get_params(IMAGE, (32, 32)),
    "RandomResizedCrop": lambda: T.RandomResizedCrop.get_params(IMAGE, [0.08, 1.0], [3 / 4, 4 / 3]),
    "RandomResizedCrop, never fits": lambda: T.RandomResizedCrop.get_params(IMAGE, [0.9, 1.0], [3.0, 4.0]),
    "RandomRotation": lambda: T.RandomRotation.get_params([-30.0, 30.0]),
    "RandomAffine": lambda: T.RandomAffine.get_params(
        [-30.0, 30.0], [0.1, 0.2], [0.8, 1.2], [-5.0, 5.0, -3.0, 3.0], [WIDTH, HEIGHT]
    ),
    "RandomPerspective": lambda: T.RandomPerspective.get_params(WIDTH, HEIGHT, 0.5),
    "ColorJitter": lambda: T.ColorJitter.get_params((0.8, 1.2), (0.5, 1.5), None, (-0.1, 0.1)),
    "GaussianBlur": lambda: T.GaussianBlur.get_params(0.1, 2.0),
    "RandomErasing": lambda: erased([0.0]),
    "RandomErasing, random": lambda: erased(None),
    "AutoAugment, imagenet": ops_of(T.AutoAugment(T.AutoAugmentPolicy.IMAGENET)),
    "AutoAugment, cifar10": ops_of(T.AutoAugment(T.AutoAugmentPolicy.CIFAR10)),
    "AutoAugment, svhn": ops_of(T.AutoAugment(T.AutoAugmentPolicy.SVHN)),
    "RandAugment": ops_of(T.RandAugment(num_ops=3, magnitude=17)),
    "TrivialAugmentWide": ops_of(T.TrivialAugmentWide()),
    "AugMix": ops_of(T.AugMix()),
    "AugMix, other": ops_of(T.AugMix(5, 2, 2, 0.3, False)),
    "RandomChoice": lambda: v2.RandomChoice([lambda _: 0, lambda _: 1, lambda _: 2], p=[1, 2, 3])(IMAGE),
    "MixUp": lambda: v2.MixUp(alpha=0.2, num_classes=2).make_params([])["lam"],
    "CutMix": cut_box,
}
PRINTED = [
    "Compose([ToTensor(), Normalize((0.5,), (0.5,))])",
    "PILToTensor()",
    "ToPILImage()",
    "ToPILImage('RGB')",
    "Normalize(mean=[0.5], std=[0.25])",
    "Resize(256)",
    "Resize((2, 3), InterpolationMode.BICUBIC, antialias=False)",
    "Resize(4, max_size=9)",
    "CenterCrop(224)",
    "FiveCrop((3, 4))",
    "TenCrop(5)",
    "Pad((1, 2), fill=3, padding_mode='edge')",
    "Lambda(len)",
    "RandomApply([ToTensor()], p=0.3)",
    "RandomChoice([ToTensor(), PILToTensor()])",
    "RandomChoice([ToTensor()], p=[1.0])",
    "RandomOrder([ToTensor()])",
    "RandomCrop(32, padding=4)",
    "RandomHorizontalFlip()",
    "RandomVerticalFlip(0.25)",
    "RandomPerspective(0.3, 0.7)",
    "RandomResizedCrop(224)",
    "ColorJitter(0.1, (0.5, 1.5), 0, 0.2)",
    "ColorJitter(2)",
    "RandomRotation(30)",
    "RandomRotation((1, 2), InterpolationMode.BILINEAR, True, (3, 4), (5, 6, 7))",
    "RandomAffine(10)",
    "RandomAffine(10, (0.1, 0.2), (0.5, 2), 3, InterpolationMode.BILINEAR, 4, (5, 6))",
    "Grayscale(3)",
    "RandomGrayscale()",
    "RandomErasing()",
    "RandomErasing(value='random', inplace=True)",
    "GaussianBlur(3)",
    "GaussianBlur((3, 5), 1.5)",
    "RandomInvert()",
    "RandomPosterize(3)",
    "RandomSolarize(100)",
    "RandomAdjustSharpness(2)",
    "RandomAutocontrast()",
    "RandomEqualize(0.1)",
    "AutoAugment()",
    "RandAugment()",
    "TrivialAugmentWide()",
    "AugMix()",
]


def main():
    """Write the file beside this one."""
    names = {name: getattr(T, name) for name in dir(T) if name[0].isupper()}
    found = {
        "draws": {name: drawn(draw) for name, draw in DRAWS.items()},
        "printed": {text: repr(eval(text, names)) for text in PRINTED},
    }
    lines = json.dumps(found).replace('], "', '],\n"').replace('{"', '{\n"')
    Path(__file__).with_name("torchvision_draws.json").write_text(lines + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
