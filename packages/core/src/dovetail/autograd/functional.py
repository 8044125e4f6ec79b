"""Jacobians, Hessians and their products with vectors, of functions of tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.autograd import enable_grad, grad
from dovetail.creation import zeros, zeros_like
from dovetail.errors import GradError
from dovetail.methods.shape import stack
from dovetail.tensor import Tensor

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return ``func(*inputs)`` and the product of the vector ``v`` with its Jacobian.

    Args:
        func: takes tensors, and gives a tensor or a tuple of them.
        inputs: a tensor or a tuple of them.
        v: a tensor like each output; may be None for one output of one element.
        create_graph: let the results be differentiated.
        strict: raise for an output that does not depend on an input, instead of giving zeros.

    Returns:
        The outputs, and for each input the product, of its shape; a single tensor where a single one was given.

    Raises:
        TypeError: inputs, outputs or ``v`` are no tensors. GradError: ``v`` does not fit; what ``strict`` finds.

    Example::

        >>> import dovetail
        >>> from dovetail.autograd.functional import vjp
        >>> vjp(lambda x: x ** 2, dovetail.tensor([1.0, 2.0]), dovetail.tensor([1.0, 10.0]))
        (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    with enable_grad():
        call = _Call("vjp", func, inputs, create_graph, strict)
        v = call.vector(v, call.outputs, "the user-provided function returns")
        found = call.back(call.outputs, call.inputs, v, create_graph)
    return call.settled(call.outputs, call.one_output), call.settled(found, call.one_input)


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return ``func(*inputs)`` and the product of its Jacobian with the vector ``v``.

    It goes backward twice: what ``vjp`` gives is linear in its vector, and the transpose of that is what is sought.

    Args:
        func, inputs, create_graph, strict: as for ``vjp``.
        v: a tensor like each input; may be None for one input of one element.

    Returns:
        The outputs, and for each output the product, of its shape.

    Raises:
        TypeError: inputs, outputs or ``v`` are no tensors. GradError: ``v`` does not fit; what ``strict`` finds.

    Example::

        >>> import dovetail
        >>> from dovetail.autograd.functional import jvp
        >>> jvp(lambda x: x ** 2, dovetail.tensor([1.0, 2.0]), dovetail.tensor([1.0, 10.0]))
        (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    with enable_grad():
        call = _Call("jvp", func, inputs, create_graph, strict)
        v = call.vector(v, call.inputs, "the input to the user-provided function is")
        starts = [zeros_like(output).requires_grad_() for output in call.outputs]
        reverse = call.back(call.outputs, call.inputs, starts, True)
        found = call.back(reverse, starts, v, create_graph)
    return call.settled(call.outputs, call.one_output), call.settled(found, call.one_output)


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """Return the Jacobian of ``func`` at ``inputs``.

    Args:
        func, inputs, create_graph, strict: as for ``vjp``.
        vectorize: accepted for PyTorch's programs; it changes nothing but that it excludes ``strict``.
        strategy: ``"reverse-mode"`` or ``"forward-mode"``, which give the same in the same way.

    Returns:
        For one output and one input a tensor of the output's sizes and then the input's; a tuple over the inputs
        where these are a tuple, in a tuple over the outputs where these are one.

    Raises:
        TypeError: inputs or outputs are no tensors. GradError: what ``strict`` finds. ValueError: an unknown strategy.

    Example::

        >>> import dovetail
        >>> from dovetail.autograd.functional import jacobian
        >>> jacobian(lambda x: x ** 2, dovetail.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    _check_strategy("jacobian", strict, vectorize, strategy)
    with enable_grad():
        call = _Call("jacobian", func, inputs, create_graph, strict)
        rows = [call.rows(position) for position in range(len(call.outputs))]
    settled = tuple(call.settled(of_output, call.one_input) for of_output in rows)
    return settled[0] if call.one_output else settled


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """Return the Hessian of ``func``, which gives one element, at ``inputs``.

    Args:
        func, inputs, create_graph, strict, vectorize: as for ``jacobian``.
        outer_jacobian_strategy: as ``jacobian``'s ``strategy``.

    Returns:
        For one input a tensor of its sizes twice; otherwise a tuple over the inputs of tuples over the inputs.

    Raises:
        TypeError: inputs or outputs are no tensors. GradError: ``func`` gives several elements; what ``strict`` finds.

    Example::

        >>> import dovetail
        >>> from dovetail.autograd.functional import hessian
        >>> hessian(lambda x: (x ** 3).sum(), dovetail.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    _check_strategy("hessian", strict, vectorize, outer_jacobian_strategy)

    def gradient(*values: Tensor) -> tuple:
        call = _Call("hessian", func, values, True, strict, keep=True)
        call.expect_scalar()
        return tuple(call.back(call.outputs, call.inputs, [None], True, again=True))

    one = isinstance(inputs, Tensor)
    found = jacobian(gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)
    return found[0] if one else found


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return ``func(*inputs)``, one element, and the product of the vector ``v`` with its Hessian.

    Args:
        func, inputs, create_graph, strict: as for ``vjp``.
        v: a tensor like each input; may be None for one input of one element.

    Raises:
        TypeError: inputs, outputs or ``v`` are no tensors. GradError: ``v`` does not fit; what ``strict`` finds.

    Example::

        >>> import dovetail
        >>> from dovetail.autograd.functional import vhp
        >>> vhp(lambda x: (x ** 3).sum(), dovetail.tensor([1.0, 2.0]), dovetail.ones(2))
        (tensor(9.), tensor([ 6., 12.]))
    """
    return _second("vhp", func, inputs, v, create_graph, strict)


def _second(name: str, func: Any, inputs: Any, v: Any, create_graph: bool, strict: bool) -> tuple[Any, Any]:
    with enable_grad():
        call = _Call(name, func, inputs, create_graph, strict)
        v = call.vector(v, call.inputs, "the input to the user-provided function is")
        call.expect_scalar()
        first = call.back(call.outputs, call.inputs, [None], True, again=True)
        found = call.back(first, call.inputs, v, create_graph, linear=True)
    return call.settled(call.outputs, call.one_output), call.settled(found, call.one_input)


def hvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return ``func(*inputs)``, one element, and the product of its Hessian with the vector ``v``.

    The Hessian is symmetric, so this is ``vhp``, which needs one pass less than PyTorch's ``hvp``.

    Args:
        func, inputs, v, create_graph, strict: as for ``vhp``.

    Raises:
        TypeError: inputs, outputs or ``v`` are no tensors. GradError: ``v`` does not fit; what ``strict`` finds.
    """
    return _second("hvp", func, inputs, v, create_graph, strict)


def _check_strategy(name: str, strict: bool, vectorize: bool, strategy: str) -> None:
    if strategy not in ("forward-mode", "reverse-mode"):
        raise ValueError(f"{name}: the strategy is 'forward-mode' or 'reverse-mode', got {strategy!r}")
    if strict and vectorize:
        raise GradError(f"{name}: strict=True and vectorize=True do not go together; leave one of them out")


class _Call:
    """One call of a user's function on inputs of its own, and what may go wrong around it."""

    def __init__(
        self, name: str, func: Callable[..., Any], inputs: Any, create: bool, strict: bool, keep: bool = False
    ) -> None:
        self.name, self.create, self.strict = name, create, strict
        self.one_input = isinstance(inputs, Tensor)
        given = self.tensors(inputs, "inputs given to")
        self.inputs = given if keep else tuple([_own(tensor, create) for tensor in given])
        results = func(*self.inputs)
        self.one_output = isinstance(results, Tensor)
        self.outputs = self.tensors(results, "outputs of the user-provided function given to")
        if strict:
            self.expect_differentiable()

    def tensors(self, values: Any, what: str) -> tuple:
        """Return a tensor or a tuple of them as a tuple."""
        for value in values if isinstance(values, tuple) else (values,):
            if not isinstance(value, Tensor):
                inside = " with elements" if isinstance(values, tuple) else ""
                raise TypeError(
                    f"{self.name}: the {what} {self.name} must be a tensor or a tuple of tensors, got "
                    f"{type(values if not inside else value).__name__}"
                )
        return values if isinstance(values, tuple) else (values,)

    def vector(self, v: Any, like: tuple, what: str) -> tuple:
        """Return the vector of a product, checked."""
        if v is None:
            if len(like) != 1 or like[0].numel() != 1:
                raise GradError(f"{self.name}: v can only be None if {what} a single tensor with a single element")
            return (zeros_like(like[0]) + 1,)
        values = self.tensors(v, "v given to")
        if len(values) != len(like):
            raise GradError(f"{self.name}: v has {len(values)} tensors, where {len(like)} are needed")
        for value, other in zip(values, like, strict=True):
            if value.shape != other.shape:
                raise GradError(
                    f"{self.name}: v has invalid sizes: they should be {tuple(other.shape)}, got {tuple(value.shape)}"
                )
        return tuple([_own(value, self.create) for value in values]) if not self.create else values

    def back(self, outputs: Any, inputs: Any, v: Any, create: bool, again: bool = False, linear: bool = False) -> list:
        """Return the gradient for each input, zeros where there is none.

        Args:
            outputs, inputs: of what, and with respect to what. v: the gradients of the outputs.
            create: let the results be differentiated. again: they will be.
            linear: outputs are gradients already, so that there is none where the function is linear.
        """
        pairs = [(out, start) for out, start in zip(outputs, v, strict=True) if out.requires_grad]
        found: tuple = (None,) * len(inputs)
        if pairs:
            starts = [start for _, start in pairs]
            found = grad([out for out, _ in pairs], inputs, starts, None, create, allow_unused=True)
        again = again or (self.create and create)
        return [
            self.filled(part, tensor, position, again, linear)
            for position, (part, tensor) in enumerate(zip(found, inputs, strict=True))
        ]

    def filled(self, part: Any, tensor: Tensor, position: int, again: bool, linear: bool = False) -> Tensor:
        """Return a gradient, or zeros in its place, which ``strict`` refuses."""
        if not self.strict:
            return zeros_like(tensor) if part is None else part
        if part is not None and (part.requires_grad or not again):
            return part
        if part is None and not linear:
            raise GradError(
                f"{self.name}: the output of the user-provided function is independent of input {position}, which "
                "strict=True refuses"
            )
        raise GradError(
            f"{self.name}: the jacobian of the user-provided function is independent of input {position}, which "
            "strict=True refuses when it is to be differentiated again; is the function linear in it?"
        )

    def rows(self, position: int) -> list:
        """Return the Jacobian of one output, for each input."""
        output = self.outputs[position]
        elements = output.reshape(-1)
        rows = []
        for number in range(output.numel()):
            rows.append(self.row(elements[number], position))
        if not rows:
            return [
                zeros((*output.shape, *tensor.shape), dtype=output.dtype, device=output.device)
                for tensor in self.inputs
            ]
        return [
            stack([row[place] for row in rows]).reshape((*output.shape, *tensor.shape))
            for place, tensor in enumerate(self.inputs)
        ]

    def row(self, element: Tensor, position: int) -> list:
        found: tuple = (None,) * len(self.inputs)
        if element.requires_grad:
            found = grad(element, self.inputs, None, True, self.create, allow_unused=True)
        if self.strict and any(part is None for part in found):
            missing = [place for place, part in enumerate(found) if part is None]
            raise GradError(
                f"{self.name}: output {position} of the user-provided function is independent of input {missing[0]}, "
                "which strict=True refuses"
            )
        return [
            self.filled(part, tensor, place, self.create)
            for place, (part, tensor) in enumerate(zip(found, self.inputs, strict=True))
        ]

    def expect_differentiable(self) -> None:
        for position, output in enumerate(self.outputs):
            if not output.requires_grad:
                raise GradError(
                    f"{self.name}: output {position} of the user-provided function does not require gradients; in "
                    "strict mode outputs must be computed from the inputs in a differentiable manner"
                )

    def expect_scalar(self) -> None:
        if not self.one_output:
            raise GradError(f"{self.name}: the function should return a single tensor, got {len(self.outputs)}")
        if self.outputs[0].numel() != 1:
            raise GradError(
                f"{self.name}: the tensor returned by the function should contain a single element, got sizes "
                f"{tuple(self.outputs[0].shape)}; reduce it by .sum()"
            )

    def settled(self, values: Any, single: bool) -> Any:
        """Return results as they were asked for."""
        values = tuple(values) if self.create else tuple([value.detach() for value in values])
        return values[0] if single else values


def _own(tensor: Tensor, create: bool) -> Tensor:
    """Return an input for the function: part of the given one's graph, or a leaf."""
    return tensor.view_as(tensor) if create and tensor.requires_grad else tensor.detach().requires_grad_()
