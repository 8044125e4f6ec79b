"""Parts that are not installed, and names that are not there."""

import importlib

import pytest

import dovetail
from dovetail import errors


def test_an_unknown_attribute_names_the_closest_one():
    with pytest.raises(AttributeError, match=r"module 'dovetail' has no attribute 'tensr'; did you mean 'tensor'\?"):
        _ = dovetail.tensr


def test_an_unknown_part_says_what_to_install():
    with pytest.raises(AttributeError, match="if it is a part of Dovetail: pip install dovetail-qqqq"):
        _ = dovetail.qqqq
    with pytest.raises(
        errors.MissingPackageError, match=r"No module named 'dovetail.qqqq'; .*pip install dovetail-qqqq"
    ):
        importlib.import_module("dovetail.qqqq")
    assert not hasattr(dovetail, "_private")


def test_modules_inside_parts_are_missing_as_usual():
    with pytest.raises(ModuleNotFoundError) as caught:
        importlib.import_module("dovetail.testing.qqqq")
    assert "pip install" not in str(caught.value)


def test_a_backend_that_does_not_say_enough():
    class Empty(dovetail.Backend):
        name = "empty"

    with pytest.raises(errors.DeviceError, match="backend 'empty' does not say its array namespace; define"):
        _ = Empty().xp
    with pytest.raises(errors.DeviceError, match="does not say which arrays are its own; define"):
        Empty().owns(None)


def test_a_backend_without_a_dtype_names_those_it_has():
    class Small(dovetail.Backend):
        name = "small"

        class xp:
            import numpy

            float32, empty = numpy.float32, staticmethod(numpy.empty)

    with pytest.raises(errors.DTypeError, match="backend 'small' has no int64; it has float32"):
        Small().native_dtype(dovetail.int64)
