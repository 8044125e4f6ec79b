"""A list of samples becomes one batch."""

from collections import OrderedDict, namedtuple

import numpy as np
import pytest

import dovetail
from dovetail.data import default_collate, default_convert
from dovetail.errors import ShapeError

Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("batch", "dtype", "values"),
    [
        ([1, 2], dovetail.int64, [1, 2]),
        ([1.5, 2.0], dovetail.float64, [1.5, 2.0]),
        ([True, False], dovetail.bool, [True, False]),
        ([np.float32(1), np.float32(2)], dovetail.float32, [1.0, 2.0]),
        ([np.array([1, 2]), np.array([3, 4])], dovetail.int64, [[1, 2], [3, 4]]),
        ([dovetail.tensor(1.0), dovetail.tensor(2.0)], dovetail.float32, [1.0, 2.0]),
    ],
)
def test_numbers_arrays_and_tensors_are_stacked(batch, dtype, values):
    joined = default_collate(batch)
    assert joined.dtype == dtype
    assert joined.tolist() == values


def test_strings_stay_a_list():
    assert default_collate(["a", "b"]) == ["a", "b"]
    assert default_collate([b"a", b"b"]) == [b"a", b"b"]


def test_structure_is_kept():
    joined = default_collate(
        [{"image": (dovetail.zeros(2), 1), "name": "a"}, {"image": (dovetail.ones(2), 2), "name": "b"}]
    )
    assert joined["name"] == ["a", "b"]
    image, label = joined["image"]
    assert image.tolist() == [[0.0, 0.0], [1.0, 1.0]]
    assert label.tolist() == [1, 2]


def test_named_tuples_and_ordered_dicts_keep_their_class():
    point = default_collate([Point(1, 2.0), Point(3, 4.0)])
    assert type(point) is Point
    assert point.y.tolist() == [2.0, 4.0]
    assert type(default_collate([OrderedDict(a=1), OrderedDict(a=2)])) is OrderedDict


def test_a_class_that_cannot_be_rebuilt_becomes_plain():
    class Named(dict):
        def __init__(self, name, value):
            super().__init__({name: value})

    joined = default_collate([Named("a", 1), Named("a", 2)])
    assert type(joined) is dict
    assert joined["a"].tolist() == [1, 2]


def test_unequal_shapes_are_named_with_the_next_step():
    with pytest.raises(ShapeError, match=r"need one shape, got \(2,\), \(3,\); .*crop, resize, pad.*collate_fn"):
        default_collate([dovetail.zeros(2), dovetail.zeros(3), dovetail.zeros(2)])
    with pytest.raises(ShapeError, match=r"got \(1, 2\), \(2, 1\)"):
        default_collate([(np.zeros((1, 2)), 0), (np.zeros((2, 1)), 1)])
    with pytest.raises(ShapeError, match=r"same length, got lists of lengths 2, 1;"):
        default_collate([[1, 2], [1]])
    with pytest.raises(ShapeError, match=r"same keys, got \['a'\] and \['b'\]"):
        default_collate([{"a": 1}, {"b": 1}])


def test_kinds_without_a_batch_are_named():
    with pytest.raises(TypeError, match=r"joins tensors, arrays, numbers.*got object; .*collate_fn"):
        default_collate([object()])
    with pytest.raises(TypeError, match="got NoneType"):
        default_collate([(1, None)])
    with pytest.raises(TypeError, match="arrays of numbers, got one of dtype <U1"):
        default_collate([np.array(["a"])])
    with pytest.raises(ValueError, match="at least one sample"):
        default_collate([])


def test_convert_changes_arrays_only():
    point, rest = default_convert((Point(np.array([1]), "a"), {"b": np.float64(2.0), "c": None}))
    assert type(point) is Point
    assert isinstance(point.x, dovetail.Tensor)
    assert point.y == "a"
    assert rest["b"].item() == 2.0
    assert rest["c"] is None
