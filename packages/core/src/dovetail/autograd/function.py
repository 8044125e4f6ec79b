"""``autograd.Function``: an operation with a backward written by hand, on tensors."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar

from dovetail.autograd.function_node import FunctionNode
from dovetail.autograd.grad_mode import no_grad
from dovetail.errors import GradError
from dovetail.modes import state
from dovetail.tensor import Tensor
from dovetail.views import Sealed, View, check_writable, shared_of


class Function:
    """The base of operations whose backward is written by hand: subclass it, and call ``apply``.

    ``forward(ctx, *args)`` computes, and nothing of it is recorded; ``backward(ctx, *grads)`` gets one gradient for
    each result and gives one for each argument, None where there is none. Both are static methods. With
    ``setup_context(ctx, inputs, output)`` forward goes without ``ctx``. ``ctx`` is the result's ``grad_fn``; it has
    ``save_for_backward``, ``saved_tensors``, ``needs_input_grad``, ``mark_dirty``, ``mark_non_differentiable``,
    ``set_materialize_grads``, and any attribute that is set on it. New operations are better made with ``dovetail.op``.

    Example::

        >>> import dovetail
        >>> class Exp(dovetail.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         out = x.exp()
        ...         ctx.save_for_backward(out)
        ...         return out
        ...     @staticmethod
        ...     def backward(ctx, grad):
        ...         (out,) = ctx.saved_tensors
        ...         return grad * out
        >>> x = dovetail.tensor([0.0, 1.0], requires_grad=True)
        >>> Exp.apply(x).sum().backward(); x.grad
        tensor([1.0000, 2.7183])
    """

    _ops: dict[int, FunctionOp]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._ops = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Warn: there is nothing to make an object for."""
        warnings.warn(
            f"{type(self).__name__} is not to be instantiated; its methods are static: call "
            f"{type(self).__name__}.apply(...)",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse to be called.

        Raises:
            GradError: always.
        """
        name = type(self).__name__
        raise GradError(f"an autograd.Function is not called as an object; call {name}.apply(...) on the class")

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the results; every subclass defines it.

        Raises:
            NotImplementedError: the class does not define it.
        """
        raise NotImplementedError(
            "an autograd.Function needs a static method forward(ctx, ...); define it in the class"
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
        """Save what backward needs, where ``forward`` goes without ``ctx``; a subclass may define it."""

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Compute the gradients of the arguments; a subclass that is differentiated defines it (or ``vjp``).

        Raises:
            NotImplementedError: the class defines neither.
        """
        raise NotImplementedError(
            "an autograd.Function that is differentiated needs a static method backward(ctx, *grads) or vjp; define it "
            "in the class"
        )

    vjp = backward

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward`` and record the function in the graph if an argument requires a gradient; returns the results.

        Raises:
            GradError: a leaf that needs a gradient, or a tensor that is not returned, was marked as dirty.
        """
        separate = cls.setup_context is not Function.setup_context
        if kwargs or separate:
            args = _positional(cls.forward, args, kwargs, separate)
        node = FunctionNode(args)
        recorded = state.grad and any(node.needs_input_grad)
        with no_grad():
            results = cls.forward(*args) if separate else cls.forward(node, *args)
            if separate:
                cls.setup_context(node, args, results)
        outputs = _settled(node, results if isinstance(results, tuple) else (results,), args, recorded)
        node.op = cls._ops.get(len(outputs)) or cls._ops.setdefault(len(outputs), FunctionOp(cls, len(outputs)))
        if recorded:
            node.begin(outputs)
        return outputs if isinstance(results, tuple) else outputs[0]


class FunctionOp:
    """What the engine needs to know of a ``Function`` with a certain number of results."""

    joint = keeps_tensors = True
    keeps_outputs = variadic = False
    kept: tuple = ()
    plain: ClassVar[dict] = {}
    inputs = ("input",)
    evaluators = (lambda g, saved: saved[0].run(g),)

    def __init__(self, function: Any, count: int) -> None:
        self.function = function
        self.name = function.__name__
        self.grad_name = f"{function.__name__}Backward"
        self.outputs = tuple(f"out{index}" for index in range(count))
        own = function.backward is not Function.backward
        self.backward = function.backward if own else function.vjp


def _positional(forward: Any, args: tuple, kwargs: dict[str, Any], separate: bool) -> tuple:
    """Return all arguments by position, with defaults where ``setup_context`` is to see them."""
    signature = inspect.signature(forward)
    bound = signature.bind(*args, **kwargs) if separate else signature.bind(None, *args, **kwargs)
    if separate:
        bound.apply_defaults()
    if bound.kwargs:
        raise TypeError(f"apply() gives arguments by position, and forward takes {sorted(bound.kwargs)} by name only")
    return bound.args if separate else bound.args[1:]


def _settled(node: FunctionNode, outputs: tuple, args: tuple, recorded: bool) -> tuple:
    """Return the results as tensors of their own, but for those that forward says it wrote to."""
    for dirty in node.dirty:
        if not any(dirty is output for output in outputs):
            raise GradError(
                f"mark_dirty: a tensor of sizes {tuple(dirty.shape)} that was marked as written to is not returned; "
                "forward returns every input that it writes to"
            )
        if recorded:
            check_writable(dirty, "mark_dirty")
    return tuple([_apart(output, node, args, recorded) for output in outputs])


def _apart(output: Any, node: FunctionNode, args: tuple, recorded: bool) -> Any:
    """Return a result as a tensor that no in-place operation can mix up with an input's memory."""
    if not isinstance(output, Tensor) or any(output is dirty for dirty in node.dirty):
        return output
    given = any(output is arg for arg in args)
    if not recorded:
        return output.view_as(output) if given else output
    if not given and type(output._alias) is not View:
        return output
    apart = Tensor(output._array, output._device)
    apart._alias = Sealed(shared_of(output))
    return apart


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a ``backward`` whose own computation is not to be differentiated; doing so is an error."""

    @wraps(backward)
    def wrapped(ctx: Any, *grads: Any) -> Any:
        with no_grad():
            results = backward(ctx, *grads)
        needed = any(isinstance(grad, Tensor) and grad.requires_grad for grad in grads)
        if not state.grad or not needed:
            return results
        outputs = results if isinstance(results, tuple) else (results,)
        sealed = tuple([_Once.apply(out.requires_grad_()) if isinstance(out, Tensor) else out for out in outputs])
        return sealed if isinstance(results, tuple) else sealed[0]

    return wrapped


class _Once(Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x.detach()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise GradError(
            "a function marked with once_differentiable is being differentiated twice; write its backward in "
            "operations that record, and take the mark off"
        )
