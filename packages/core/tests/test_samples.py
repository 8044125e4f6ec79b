"""What the conformance suite feeds to ops, and how it tells them apart."""

import numpy as np
import pytest

import dovetail
from dovetail.op import OPS, Sample
from dovetail.testing import Make, cases
from dovetail.testing.samples import samples_of


def test_the_same_seed_makes_the_same_arrays():
    assert (Make(1)(3, 4) == Make(1)(3, 4)).all()
    assert (Make(1)(3, 4) != Make(2)(3, 4)).any()


@pytest.mark.parametrize("shape", [(), (1,), (3, 4), (2, 3, 5)])
def test_numbers_lie_in_their_range_apart_from_each_other_and_from_zero(shape):
    array = Make(0)(*shape, low=-2.0, high=1.0)
    assert array.dtype == np.float64
    assert array.shape == shape
    assert ((array > -2) & (array < 1)).all()
    assert (np.abs(array) >= 0.02).all()
    assert np.diff(np.sort(array.reshape(-1))).min(initial=1.0) > 1e-3


def test_no_shape_is_too_small():
    assert Make(0)(0, 3).shape == (0, 3)


def test_truth_values_are_mixed_and_integers_below_their_limit():
    make = Make(0)
    assert 0 < make.booleans(3, 4).sum() < 12
    assert set(make.integers(100, high=3).tolist()) == {0, 1, 2}
    assert make.constant([1, -100]).tolist() == [1, -100]
    assert make.dtype("float16") is dovetail.float16


def test_an_ops_samples_are_the_same_each_time():
    first, second = samples_of(OPS["add"]), samples_of(OPS["add"])
    assert all((one.inputs[0] == other.inputs[0]).all() for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("name", ["add", "where", "exp", "clamp", "masked_fill", "logical_not", "eq", "relu"])
def test_ops_that_work_element_by_element_are_recognised(name):
    assert cases.elementwise_samples(OPS[name])


@pytest.mark.parametrize(
    "name", ["sum", "softmax", "cumsum", "flip", "roll", "matmul", "tril", "cat", "linear", "sgd_step"]
)
def test_ops_that_mix_elements_are_recognised(name):
    assert not cases.elementwise_samples(OPS[name])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bool", [[False, True, True]]),
        ("int32", [[-1, 2, 1]]),
        ("uint8", [[1, 2, 1]]),
        ("complex64", [[-0.6 + 0.2j, 1.2 - 0.6j, 0.2 + 1.2j]]),
    ],
)
def test_samples_are_converted_so_that_no_whole_number_is_zero(name, expected):
    sample = cases.in_dtype(
        Sample(np.array([[-0.6, 1.2, 0.2]]), 2.0, None, np.array([3]), dim=1), dovetail.dtypes.named(name)
    )
    np.testing.assert_allclose(sample.inputs[0], expected, rtol=1e-6)
    assert sample.inputs[0].dtype.name == name
    assert sample.inputs[1:3] == (2.0, None)
    assert sample.inputs[3].dtype == np.int64
    assert sample.options == {"dim": 1}


@pytest.mark.parametrize("shape", [(24,), (4, 6), (2, 3, 4)])
def test_strided_tensors_hold_the_same_numbers_out_of_line(shape):
    array = np.arange(24.0).reshape(shape)
    view = cases.strided(dovetail.tensor(array))
    assert view.tolist() == array.tolist()
    assert not view.numpy().flags.c_contiguous


def test_a_difference_names_place_and_numbers():
    with pytest.raises(
        AssertionError, match=r"x is 2 at element \(0, 1\), expected 1 \(tolerance 0.1\); 1 of 2 elements"
    ):
        cases.expect_close("x", np.array([[1.0, 2.0]]), np.array([[1.0, 1.0]]), 0.1)
    with pytest.raises(AssertionError, match=r"x has sizes \(2,\), expected \(\)"):
        cases.expect_close("x", np.ones(2), np.ones(()), 0.1)
    cases.expect_close("x", np.array([np.nan, np.inf]), np.array([np.nan, np.inf]), 0.1)
