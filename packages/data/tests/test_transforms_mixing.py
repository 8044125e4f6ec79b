"""MixUp and CutMix: what happens to images and labels, and what is refused."""

import re

import numpy as np
import pytest

import dovetail
from dovetail.data import DataLoader, TensorDataset, default_collate
from dovetail.data.transforms import CutMix, MixUp
from dovetail.errors import DTypeError, ShapeError

IMAGES = dovetail.from_numpy(np.random.default_rng(0).random((4, 3, 8, 10)).astype(np.float32))
LABELS = dovetail.tensor([0, 2, 1, 1])


def test_mixup_is_the_weighted_mean_with_the_one_before():
    mixup = MixUp(num_classes=3)
    dovetail.manual_seed(3)
    share = mixup._share()
    assert 0.05 < share < 0.95
    dovetail.manual_seed(3)
    images, labels = mixup(IMAGES, LABELS)
    before = np.roll(IMAGES.numpy(), 1, axis=0)
    assert np.allclose(images.numpy(), share * IMAGES.numpy() + (1 - share) * before, atol=1e-6)
    expected = [[share, 1 - share, 0], [1 - share, 0, share], [0, share, 1 - share], [0, 1, 0]]
    assert np.allclose(labels.numpy(), expected, atol=1e-6)


def test_cutmix_takes_one_part_from_the_one_before():
    dovetail.manual_seed(1)
    images, labels = CutMix(num_classes=3)(IMAGES, LABELS)
    own = (images == IMAGES).all(1).numpy()
    other = (images == IMAGES.roll(1, 0)).all(1).numpy()
    assert (own ^ other).all()
    assert (other == other[0]).all()
    rows, columns = np.flatnonzero(other[0].any(1)), np.flatnonzero(other[0].any(0))
    assert 0 < other[0].sum() == len(rows) * len(columns)
    assert labels[0].tolist() == pytest.approx([own[0].mean(), other[0].mean(), 0])


def test_labels_may_be_probabilities():
    probabilities = dovetail.eye(3)[LABELS]
    dovetail.manual_seed(0)
    _, first = MixUp(num_classes=3)(IMAGES, LABELS)
    dovetail.manual_seed(0)
    _, second = MixUp()(IMAGES, probabilities)
    assert dovetail.equal(first, second)


def test_batches_keep_their_form():
    assert type(MixUp(num_classes=3)([IMAGES, LABELS])) is list
    assert type(MixUp(num_classes=3)((IMAGES, LABELS))) is tuple
    mixed = CutMix(num_classes=3)({"label": LABELS, "image": IMAGES, "name": ["a", "b", "c", "d"]})
    assert list(mixed) == ["label", "image", "name"]
    assert tuple(mixed["label"].shape) == (4, 3)
    assert mixed["name"] == ["a", "b", "c", "d"]
    mixed = MixUp(num_classes=3, labels_getter=lambda batch: batch[0])([LABELS, IMAGES])
    assert tuple(mixed[0].shape) == (4, 3)


def test_the_batch_itself_stays():
    before = IMAGES.clone()
    for mixing in (MixUp(num_classes=3), CutMix(num_classes=3)):
        mixing(IMAGES, LABELS)
        assert dovetail.equal(IMAGES, before)
        assert LABELS.tolist() == [0, 2, 1, 1]


def test_cutmix_takes_bytes():
    images, _ = CutMix(num_classes=3)((IMAGES * 255).to(dovetail.uint8), LABELS)
    assert images.dtype == dovetail.uint8


def test_in_a_collate_function():
    cutmix = CutMix(num_classes=3)
    loader = DataLoader(TensorDataset(IMAGES, LABELS), 2, collate_fn=lambda samples: cutmix(default_collate(samples)))
    for images, labels in loader:
        assert tuple(images.shape) == (2, 3, 8, 10)
        assert labels.sum(1).tolist() == pytest.approx([1, 1])


REFUSED = [
    (
        lambda: MixUp()(IMAGES, LABELS),
        ValueError,
        "makes probabilities of labels of shape (batch,); give it num_classes",
    ),
    (lambda: MixUp(num_classes=3)([IMAGES]), ShapeError, "MixUp takes labels in a tensor of shape (batch,) or"),
    (lambda: MixUp(num_classes=3)(IMAGES, [0, 1]), ShapeError, "(batch, classes), got list"),
    (lambda: MixUp(num_classes=3)(IMAGES, IMAGES), ShapeError, "got a tensor of shape (4, 3, 8, 10)"),
    (
        lambda: CutMix(num_classes=2)(IMAGES, dovetail.eye(4)),
        ShapeError,
        "with num_classes=2 takes as many probabilities",
    ),
    (lambda: CutMix(num_classes=3)(IMAGES[0], LABELS), ShapeError, "got a tensor of shape (3, 8, 10), a tensor of"),
    (lambda: CutMix(num_classes=3)(IMAGES[:3], LABELS), ShapeError, "as many labels as images, got 4 and 3 (0)"),
    (lambda: MixUp(num_classes=3)(IMAGES.to(dovetail.uint8), LABELS), DTypeError, "MixUp takes floating-point images"),
    (
        lambda: MixUp(num_classes=2)(IMAGES, LABELS),
        ValueError,
        "MixUp with num_classes=2 takes labels from 0 to 1, got 2",
    ),
    (lambda: MixUp(num_classes=3)(IMAGES, LABELS.float()), DTypeError, "labels of shape (batch,) are whole numbers"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_refused_with_a_message(number):
    call, kind, text = REFUSED[number]
    with pytest.raises(kind, match=re.escape(text)):
        call()
