"""Names that are imported when first asked for: each table names what is there, and nothing comes early."""

import subprocess
import sys

import pytest

import dovetail
from dovetail import _parts, ops
from dovetail.methods import late


def test_every_late_name_is_there():
    for name in _parts.LATE:
        assert getattr(dovetail, name) is not None, name
    for table in (late.BOTH, late.METHODS_ONLY):
        for names in table.values():
            for entry in names.split():
                assert callable(getattr(dovetail.Tensor, entry.partition("=")[0])), entry
    for name in late.IN_PLACE.split():
        assert callable(getattr(dovetail.Tensor, f"{name}_")), name


def test_nothing_comes_before_it_is_asked_for():
    code = """
import sys, dovetail
late = {name for name in sys.modules if name.startswith("dovetail.")}
print(sorted(late & {f"dovetail.ops.{name}" for name in dovetail.ops.LATE_FAMILIES} | late & {
    f"dovetail.{name}" for name in dovetail.methods.late.BOTH | dovetail.methods.late.FUNCTIONS_ONLY} | late & {
    "dovetail.linalg", "dovetail.fft", "dovetail.special", "dovetail.autograd.complex_numbers"}))
print("numpy.fft" in sys.modules)
dovetail.ones(2, requires_grad=True).sinh().sum().backward()
print("dovetail.ops.angles" in sys.modules, "dovetail.ops.special" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines() == ["[]", "False", "True False"]


def test_a_late_method_is_found_once():
    x = dovetail.tensor([0.0, 1.0])
    assert x.sinh().tolist() == dovetail.sinh(x).tolist()
    assert dovetail.Tensor.__dict__["sinh"] is dovetail.sinh.__wrapped__
    assert x.clone().arcsinh_().tolist() == x.asinh().tolist()


def test_late_ops_are_ops_like_others():
    assert ops.lgamma is ops.every()["lgamma"].call
    with pytest.raises(AttributeError, match="there is no op 'lgama'"):
        _ = ops.lgama


def test_an_in_place_form_rebases_history():
    x = dovetail.tensor([0.5, 1.0], requires_grad=True)
    y = x * 1
    y.sinh_()
    y.sum().backward()
    assert x.grad.tolist() == dovetail.cosh(x).tolist()


def test_complex_gradients_leave_the_rules_of_real_numbers_alone():
    z = dovetail.tensor([1 + 1j], requires_grad=True)
    assert z.requires_grad
    x = dovetail.tensor([2.0], requires_grad=True)
    (x * x).sum().backward()
    assert x.grad.tolist() == [4.0]
