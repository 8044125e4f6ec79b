"""``Variable``, the name that tensors with gradients had before PyTorch 0.4."""

from __future__ import annotations

from typing import Any

from dovetail.tensor import Tensor


class _IsTensor(type):
    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, Tensor)


class Variable(metaclass=_IsTensor):
    """Another name of Tensor, for old programs: ``Variable(tensor, requires_grad=False)`` is a leaf on its memory.

    Example::

        >>> import dovetail
        >>> dovetail.autograd.Variable(dovetail.ones(1), requires_grad=True)
        tensor([1.], requires_grad=True)
    """

    def __new__(cls, data: Tensor, requires_grad: bool = False) -> Any:
        return data.detach().requires_grad_(requires_grad)
