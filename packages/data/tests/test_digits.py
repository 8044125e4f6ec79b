"""The bundled digits: the right bytes, the split, the samples, and where they come from."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dovetail
from dovetail.data import DataLoader, Digits, Subset, default_collate
from dovetail.data.digits import PATH, notice


def test_the_file_is_the_one_that_was_made_and_small():
    content = Path(PATH).read_bytes()
    assert len(content) < 200_000
    assert hashlib.sha256(content).hexdigest() == "72d90fa852bfc7c5e595d873a4380a9ae428edccb4139ce226d87ebc426da135"


def test_the_file_carries_its_attribution_and_the_text_beside_it_agrees():
    assert "E. Alpaydin and C. Kaynak" in notice()
    assert "Creative Commons Attribution 4.0" in notice()
    assert Path(PATH).with_name("digits-NOTICE.txt").read_text(encoding="utf-8") == notice()


def test_loading_needs_no_pickle():
    with np.load(PATH, allow_pickle=False) as file:
        assert sorted(file.files) == ["images", "notice", "targets"]
        assert file["images"].shape == (1797, 8, 8)
        assert file["images"].dtype == np.uint8


def test_the_split_is_fixed_whole_and_balanced():
    train, test, everything = Digits(), Digits(train=False), Digits(split="all")
    assert (len(train), len(test), len(everything)) == (1442, 355, 1797)
    assert np.bincount(test.targets.numpy()).tolist() == [35, 36, 35, 36, 36, 36, 36, 35, 34, 36]
    parts = np.concatenate([train.images.numpy(), test.images.numpy()]).reshape(1797, 64)
    whole = everything.images.numpy().reshape(1797, 64)
    assert sorted(image.tobytes() for image in parts) == sorted(image.tobytes() for image in whole)
    assert test.targets[:10].tolist() == [5, 0, 9, 8, 7, 1, 2, 6, 3, 4]


def test_samples_are_images_in_0_to_1_and_plain_labels():
    digits = Digits()
    image, label = digits[0]
    assert image.dtype == dovetail.float32
    assert tuple(image.shape) == (1, 8, 8)
    assert type(label) is int
    assert (digits.images.min().item(), digits.images.max().item()) == (0.0, 1.0)
    assert digits.targets.dtype == dovetail.int64
    assert digits.classes == tuple("0123456789")


def test_transform_sees_each_image_once():
    digits = Digits(train=False, transform=lambda image: image + 1)
    assert digits[3][0].min().item() == 1.0
    images, labels = next(iter(DataLoader(digits, batch_size=4)))
    assert images.min().item() == 1.0
    assert labels.tolist() == digits.targets[:4].tolist()


def test_a_batch_equals_collated_samples():
    digits = Digits()
    images, labels = next(iter(DataLoader(Subset(digits, [5, 0, 9]), batch_size=3)))
    expected_images, expected_labels = default_collate([digits[5], digits[0], digits[9]])
    assert images.tolist() == expected_images.tolist()
    assert labels.tolist() == expected_labels.tolist()
    assert labels.dtype == expected_labels.dtype


def test_an_unknown_split_is_named():
    with pytest.raises(ValueError, match="splits 'train', 'test' and 'all', got 'val'"):
        Digits(split="val")


def test_repr_says_what_it_is():
    assert repr(Digits(train=False)) == "Digits(split='test'): 355 images of 8x8 in 10 classes"


def test_importing_data_reads_no_file_and_no_plugin():
    code = (
        "import dovetail.data; from dovetail.data import digits;"
        "from dovetail import plugins; assert not digits._arrays.cache_info().currsize; assert plugins._records is None"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
