"""Sums with a factor, and memory order."""

import pytest

import dovetail


def test_sums_with_a_factor():
    x, y = dovetail.tensor([1.0, 2.0]), dovetail.tensor([3.0, 5.0])
    assert dovetail.add(x, y, alpha=2).tolist() == [7.0, 12.0]
    assert x.sub(y, alpha=2).tolist() == [-5.0, -8.0]
    assert dovetail.subtract(x, 1, alpha=2).tolist() == [-1.0, 0.0]
    assert dovetail.add(x, y).tolist() == [4.0, 7.0]
    assert x.addcmul(x, y, value=10).tolist() == [31.0, 102.0]
    assert dovetail.addcdiv(x, y, x, value=-1).tolist() == [-2.0, -0.5]
    assert x.lerp(y, 0.5).tolist() == [2.0, 3.5]


def test_sums_with_a_factor_in_place():
    for name, arguments, options, wanted in (
        ("add_", (2.0,), {"alpha": 3}, 7.0),
        ("sub_", (2.0,), {"alpha": 3}, -5.0),
        ("addcmul_", (2.0, 3.0), {"value": 2}, 13.0),
        ("addcdiv_", (3.0, 2.0), {"value": 2}, 4.0),
        ("lerp_", (3.0, 0.25), {}, 1.5),
    ):
        x = dovetail.tensor([1.0])
        tensors = [dovetail.tensor([value]) for value in arguments]
        assert getattr(x, name)(*tensors, **options) is x
        assert x.item() == wanted


def test_sums_with_a_factor_have_gradients():
    x, y = (dovetail.tensor([value], requires_grad=True) for value in (2.0, 3.0))
    (x.add(y, alpha=5) + x.addcmul(x, y, value=2) + x.addcdiv(y, x) + x.lerp(y, 0.25)).sum().backward()
    assert x.grad.item() == pytest.approx(1 + 1 + 6 + 1 - 3 / 4 + 0.75)
    assert y.grad.item() == pytest.approx(5 + 4 + 1 / 2 + 0.25)


def test_contiguous_puts_the_elements_in_order():
    x = dovetail.arange(24.0).reshape(2, 3, 4).requires_grad_()
    turned = x.transpose(1, 2).contiguous()
    assert turned.is_contiguous()
    assert turned.view(2, 12)[0].tolist() == [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]
    turned.sum().backward()
    assert x.grad.sum().item() == 24.0
    assert dovetail.arange(6)[::2].contiguous().stride() == (1,)
    assert x.contiguous() is x
