"""Random transforms draw torchvision's numbers, in its order: those in torchvision_draws.json.

make_torchvision_draws.py wrote the file and says with which versions; it makes it again where torchvision is installed.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import dovetail
import dovetail.data.transforms as T
from dovetail.data.transforms import automatic, drawing

FOUND = json.loads(Path(__file__).with_name("torchvision_draws.json").read_text(encoding="utf-8"))
HEIGHT, WIDTH = 40, 60
IMAGE = dovetail.zeros(3, HEIGHT, WIDTH, dtype=dovetail.uint8)


def erased(value):
    *place, values = T.RandomErasing.get_params(IMAGE, (0.02, 0.33), (0.3, 3.3), value)
    return [*place, values.double().sum().item()]


def taken_by(transform):
    """What a transform does to an image, from its list of ops."""

    def draw():
        taken = []

        def recorder(name):
            return lambda img, magnitude, mode, fill: (taken.append([name, magnitude]), img)[1]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(automatic, "_OPS", {name: recorder(name) for name in automatic._OPS})
            transform(IMAGE)
        return taken

    return draw


def cut_box():
    images = dovetail.zeros(2, 1, HEIGHT, WIDTH)
    images[0] = 1.0
    mixed, labels = T.CutMix(alpha=0.7, num_classes=2)(images, dovetail.tensor([0, 1]))
    rows, columns = np.nonzero(mixed[1, 0].numpy())
    box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] if len(rows) else None
    return [box, labels[0, 0].item()]


DRAWS = {
    "RandomCrop": lambda: T.RandomCrop.get_params(IMAGE, (32, 32)),
    "RandomResizedCrop": lambda: T.RandomResizedCrop.get_params(IMAGE, (0.08, 1.0), (3 / 4, 4 / 3)),
    "RandomResizedCrop, never fits": lambda: T.RandomResizedCrop.get_params(IMAGE, (0.9, 1.0), (3.0, 4.0)),
    "RandomRotation": lambda: T.RandomRotation.get_params((-30.0, 30.0)),
    "RandomAffine": lambda: T.RandomAffine.get_params(
        (-30.0, 30.0), (0.1, 0.2), (0.8, 1.2), (-5.0, 5.0, -3.0, 3.0), (WIDTH, HEIGHT)
    ),
    "RandomPerspective": lambda: T.RandomPerspective.get_params(WIDTH, HEIGHT, 0.5),
    "ColorJitter": lambda: T.ColorJitter.get_params((0.8, 1.2), (0.5, 1.5), None, (-0.1, 0.1)),
    "GaussianBlur": lambda: T.GaussianBlur.get_params(0.1, 2.0),
    "RandomErasing": lambda: erased([0.0]),
    "RandomErasing, random": lambda: erased(None),
    "AutoAugment, imagenet": taken_by(T.AutoAugment(T.AutoAugmentPolicy.IMAGENET)),
    "AutoAugment, cifar10": taken_by(T.AutoAugment(T.AutoAugmentPolicy.CIFAR10)),
    "AutoAugment, svhn": taken_by(T.AutoAugment(T.AutoAugmentPolicy.SVHN)),
    "RandAugment": taken_by(T.RandAugment(num_ops=3, magnitude=17)),
    "TrivialAugmentWide": taken_by(T.TrivialAugmentWide()),
    "AugMix": taken_by(T.AugMix()),
    "AugMix, other": taken_by(T.AugMix(5, 2, 2, 0.3, False)),
    "RandomChoice": lambda: T.RandomChoice([lambda _: 0, lambda _: 1, lambda _: 2], p=[1, 2, 3])(IMAGE),
    "MixUp": lambda: T.MixUp(alpha=0.2, num_classes=2)._share(),
    "CutMix": cut_box,
}


def flat(value):
    """The numbers and names in nested lists and tuples, one after the other."""
    if isinstance(value, (list, tuple)):
        return [part for inside in value for part in flat(inside)]
    return [value]


def same(first, second):
    """Whether names and counts are equal, and numbers within the last bits of float32."""
    first, second = flat(first), flat(second)
    return len(first) == len(second) and all(
        a == b if a is None or isinstance(a, str) else a == pytest.approx(b, rel=1e-5, abs=1e-4)
        for a, b in zip(first, second, strict=True)
    )


def test_the_file_has_all_draws_and_nothing_else():
    assert FOUND["draws"].keys() == DRAWS.keys()


@pytest.mark.parametrize("name", DRAWS)
def test_draws_are_those_of_torchvision(name):
    for seed, (expected, following) in enumerate(FOUND["draws"][name]):
        dovetail.manual_seed(seed)
        drawn = DRAWS[name]()
        if name == "CutMix" and drawn[0] is None:  # nothing was cut, so the box does not show
            drawn, expected = drawn[1], expected[1]
        assert same(drawn, expected), f"seed {seed}: {drawn} instead of {expected}"
        assert dovetail.rand(1).item() == following, f"seed {seed}: more or fewer numbers were drawn"


@pytest.mark.parametrize("text", FOUND["printed"])
def test_printed_as_torchvision_prints(text):
    assert repr(eval(text, vars(T))) == FOUND["printed"][text]


def test_single_draws_are_those_of_tensors():
    for seed in range(50):
        dovetail.manual_seed(seed)
        drawn = [drawing.unit(), drawing.uniform(-2.5, 0.1), drawing.integer(3, 17), drawing.order(5)]
        drawn.append(drawing.choice([1.0, 5.0, 2.0]))
        dovetail.manual_seed(seed)
        expected = [dovetail.rand(1).item(), dovetail.empty(1).uniform_(-2.5, 0.1).item()]
        expected += [dovetail.randint(3, 17, (1,)).item(), dovetail.randperm(5).tolist()]
        expected.append(dovetail.multinomial(dovetail.tensor([0.125, 0.625, 0.25]), 1).item())
        assert drawn == expected


def test_uniform_never_gives_the_upper_end():
    class Largest:
        def words(self, count):
            return np.full(count, 2**32 - 1, np.uint64)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "chosen", Largest)
        assert drawing.uniform(1.0, 1.0 + 2.0**-20) == 1.0
        assert drawing.uniform(0.0, 1.0) == 1.0 - 2.0**-24


def test_transforms_draw_from_the_generator_that_stands_in():
    """As the loader seeds it for each sample."""
    transform = T.Compose([T.RandomCrop(8), T.RandomHorizontalFlip(), T.ColorJitter(0.5, hue=0.1)])
    image = dovetail.rand(3, 20, 20)
    with dovetail.random.counter_based(7):
        first = transform(image)
    with dovetail.random.counter_based(7):
        assert dovetail.equal(transform(image), first)
    with dovetail.random.counter_based(8):
        assert not dovetail.equal(transform(image), first)


@pytest.mark.parity
@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0, 4.0])
def test_shares_are_those_of_pytorch(alpha):
    torch = pytest.importorskip("torch")
    for seed in range(100):
        torch.manual_seed(seed)
        dovetail.manual_seed(seed)
        expected = torch._sample_dirichlet(torch.full((3,), alpha)).tolist()
        assert drawing.dirichlet([alpha] * 3) == pytest.approx(expected, rel=1e-5, abs=1e-30)
        assert dovetail.rand(1).item() == torch.rand(1).item()
