"""How tensors print, without PyTorch; test_printing_parity.py compares with it."""

import pytest

import dovetail
from dovetail.printing import printoptions, set_printoptions


@pytest.fixture(autouse=True)
def _default_options():
    yield
    set_printoptions(profile="default")


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (lambda: dovetail.tensor([1.0, 2.5]), "tensor([1.0000, 2.5000])"),
        (lambda: dovetail.tensor([[1, -20], [3, 4]]), "tensor([[  1, -20],\n        [  3,   4]])"),
        (lambda: dovetail.tensor([True, False]), "tensor([ True, False])"),
        (lambda: dovetail.tensor(3.0), "tensor(3.)"),
        (lambda: dovetail.tensor([1e-5, 1.0]), "tensor([1.0000e-05, 1.0000e+00])"),
        (lambda: dovetail.tensor([float("nan"), float("-inf"), 1.0]), "tensor([nan, -inf, 1.])"),
        (lambda: dovetail.tensor([1 + 2j, -1.5 - 1j]), "tensor([ 1.0000+2.j, -1.5000-1.j])"),
        (lambda: dovetail.zeros(0, 3), "tensor([], size=(0, 3))"),
        (lambda: dovetail.zeros(0, dtype=dovetail.int64), "tensor([], dtype=dovetail.int64)"),
        (lambda: dovetail.ones(2, dtype=dovetail.bfloat16), "tensor([1., 1.], dtype=dovetail.bfloat16)"),
        (lambda: dovetail.ones(1, requires_grad=True), "tensor([1.], requires_grad=True)"),
        (lambda: dovetail.ones(1, requires_grad=True) + 1, "tensor([2.], grad_fn=<AddBackward0>)"),
        (lambda: dovetail.arange(1001), "tensor([   0,    1,    2,  ...,  998,  999, 1000])"),
        (lambda: dovetail.zeros(2, 1, 1), "tensor([[[0.]],\n\n        [[0.]]])"),
    ],
)
def test_tensors_print_as_pytorchs(tensor, text):
    assert repr(tensor()) == str(tensor()) == text


def test_long_lines_break_below_the_first_number():
    assert repr(dovetail.arange(30)).split("\n") == [
        "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,",
        "        18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29])",
    ]


def test_a_suffix_that_does_not_fit_goes_to_a_line_of_its_own():
    assert repr(dovetail.arange(18, dtype=dovetail.int32)).endswith("17],\n       dtype=dovetail.int32)")


def test_the_default_dtype_is_not_told():
    dovetail.set_default_dtype(dovetail.float64)
    try:
        assert repr(dovetail.tensor([1.0])) == "tensor([1.])"
        assert repr(dovetail.ones(1, dtype=dovetail.float32)) == "tensor([1.], dtype=dovetail.float32)"
    finally:
        dovetail.set_default_dtype(dovetail.float32)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"precision": 2}, "tensor([0.50, 1.00, 2.00, 3.00])"),
        ({"threshold": 3, "edgeitems": 1}, "tensor([0.5000,  ..., 3.0000])"),
        ({"linewidth": 25}, "tensor([0.5000, 1.0000,\n        2.0000, 3.0000])"),
        ({"sci_mode": True, "precision": 1}, "tensor([5.0e-01, 1.0e+00, 2.0e+00, 3.0e+00])"),
        ({"profile": "short"}, "tensor([0.50, 1.00, 2.00, 3.00])"),
    ],
)
def test_options_change_the_text_within_their_block_only(options, text):
    tensor = dovetail.tensor([0.5, 1.0, 2.0, 3.0])
    with printoptions(**options):
        assert repr(tensor) == text
    assert repr(tensor) == "tensor([0.5000, 1.0000, 2.0000, 3.0000])"


def test_the_full_profile_shows_every_element():
    set_printoptions(profile="full")
    assert "..." not in repr(dovetail.zeros(2000))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"profile": "long"}, "profile must be one of 'default', 'short', 'full', got 'long'"),
        ({"precision": -1}, "precision must be 0 or more, got -1"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        set_printoptions(**options)
