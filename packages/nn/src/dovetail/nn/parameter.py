"""Tensors that a module knows about: `Parameter` is trained, `Buffer` is only carried along."""

from __future__ import annotations

from typing import Any

import dovetail
from dovetail import Tensor
from dovetail.errors import DTypeError


def _adopt(cls: type[Any], data: Any) -> Any:
    """Return a tensor of type ``cls`` that shares ``data``'s memory and has no history."""
    if data is None:
        data = dovetail.empty(0)
    elif not isinstance(data, Tensor):
        raise TypeError(f"{cls.__name__} wraps a Tensor; got {type(data).__name__}; make one with dovetail.tensor(...)")
    made = object.__new__(cls)._set(data._memory(), data._device)
    made._alias = data.detach()._alias
    return made


class Parameter(Tensor):
    """A tensor that a module trains: assigned to an attribute of a `Module`, it is one of its ``parameters()``.

    Args:
        data: the values; the parameter shares their memory. None means an empty tensor.
        requires_grad: whether ``backward()`` fills its ``grad``.

    Raises:
        TypeError: ``data`` is not a tensor.
        DTypeError: ``data`` is neither floating-point nor complex and ``requires_grad`` is set.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import Parameter
        >>> Parameter(dovetail.tensor([1.0, 2.0]))
        Parameter containing:
        tensor([1., 2.], requires_grad=True)
    """

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        """Make a leaf over ``data``'s memory."""
        made = _adopt(cls, data)
        if requires_grad and not (made.is_floating_point() or made.is_complex()):
            raise DTypeError(
                f"a Parameter of dtype {made.dtype} cannot need a gradient; only floating-point and complex ones can: "
                "convert it with .float(), or pass requires_grad=False"
            )
        made.requires_grad = requires_grad
        return made

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        """Nothing is left to do after `__new__`."""

    def __repr__(self, **kwargs: Any) -> str:  # type: ignore[override]
        return "Parameter containing:\n" + super().__repr__(**kwargs)


class Buffer(Tensor):
    """A tensor that a module carries along without training it, such as a running mean.

    Args:
        data: the values; the buffer shares their memory. None means an empty tensor.
        persistent: whether it is part of the module's ``state_dict()``.

    Example::

        >>> import dovetail
        >>> from dovetail import nn
        >>> module = nn.Module()
        >>> module.steps = nn.Buffer(dovetail.tensor(0))
        >>> list(module.state_dict())
        ['steps']
    """

    persistent: bool

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Buffer:
        """Make a buffer over ``data``'s memory."""
        made = _adopt(cls, data)
        made.persistent = persistent
        return made

    def __init__(self, data: Tensor | None = None, *, persistent: bool = True) -> None:
        """Nothing is left to do after `__new__`."""
