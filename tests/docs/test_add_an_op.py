"""The op of docs/add-an-op.md, from its definition to its tests."""

import numpy as np
import pytest

# region: define
import dovetail
from dovetail.op import Sample, op


@op(promote="float")
def squareplus(xp, x, *, b=4.0):
    """A smooth relu, (x + sqrt(x² + b)) / 2 (Barron, "Squareplus", 2021)."""
    return (x + xp.sqrt(x * x + b)) / 2


squareplus.vjp(x=lambda g, x, b: g * (1 + x / dovetail.sqrt(x * x + b)) / 2)
squareplus.sample(lambda make: [Sample(make(3, 4)), Sample(make(2, 5), b=0.5), Sample(make())])
# endregion


def test_use():
    # region: use
    x = dovetail.tensor([-3.0, 0.0, 3.0], requires_grad=True)
    y = squareplus(x)
    y.sum().backward()
    # endregion
    assert y.tolist() == pytest.approx([0.302776, 1.0, 3.302776], abs=1e-5)
    assert x.grad.tolist() == pytest.approx([0.083975, 0.5, 0.916025], abs=1e-5)


# region: check
def test_gradients():
    from dovetail.testing import gradcheck

    x = dovetail.tensor(np.linspace(-2, 2, 6), requires_grad=True)
    assert gradcheck(squareplus, (x,))


# endregion


def test_wrong_name_in_a_rule_is_refused_when_it_is_stated():
    with pytest.raises(TypeError, match=r"op 'squareplus': rule for 'x' asks for \['z'\]; it may ask for"):
        squareplus.vjp(x=lambda g, z: g)


def test_backend_may_bring_a_faster_kernel():
    # region: kernel
    def fast_squareplus(xp, x, *, b=4.0):
        if x.dtype != xp.float32:
            return NotImplemented  # the reference kernel runs
        return xp.multiply(xp.add(x, xp.sqrt(xp.add(xp.multiply(x, x), b))), np.float32(0.5))

    # endregion
    x = np.linspace(-1, 1, 5, dtype=np.float32)
    np.testing.assert_allclose(fast_squareplus(np, x), squareplus.definition.kernel(np, x), rtol=1e-6)
    assert fast_squareplus(np, x.astype(np.float64)) is NotImplemented
