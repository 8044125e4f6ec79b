"""``grad``, ``vjp``, ``jvp``: functions that compute derivatives of functions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from dovetail import autograd
from dovetail.errors import GradError
from dovetail.func.transforms import (
    Transform,
    gradients,
    picked,
    placed,
    recorded,
    tensors_of,
    transforms,
    with_aux,
)
from dovetail.func.tree import Structure, flatten, unflatten
from dovetail.modes import state
from dovetail.tensor import Tensor


def grad_and_value(func: Callable[..., Any], argnums: Any = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return a function that gives the gradient of ``func`` and its value.

    Args:
        func: returns a tensor of one number, or with ``has_aux`` a pair of it and anything else.
        argnums: for which arguments, an integer or a tuple of them; an argument may be nested containers of tensors.
        has_aux: whether ``func`` gives something besides; the result is then ``(gradient, (value, aux))``.

    Raises:
        GradError: the output is not one number, or there is no such argument.

    Example::

        >>> import dovetail
        >>> from dovetail.func import grad_and_value
        >>> grad_and_value(lambda x: x ** 2)(dovetail.tensor(3.0))
        (tensor(6.), tensor(9.))
    """
    return _gradient_function("grad_and_value", func, argnums, has_aux, with_value=True)


def grad(func: Callable[..., Any], argnums: Any = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return a function that gives the gradient of ``func``.

    Args:
        func: returns a tensor of one number, or with ``has_aux`` a pair of it and anything else.
        argnums: for which arguments, an integer or a tuple of them; an argument may be nested containers of tensors.
        has_aux: whether ``func`` gives something besides; the result is then ``(gradient, aux)``.

    Raises:
        GradError: the output is not one number, or there is no such argument.

    Example::

        >>> import dovetail
        >>> from dovetail.func import grad, vmap
        >>> vmap(grad(dovetail.sin))(dovetail.zeros(2))
        tensor([1., 1.])
    """
    return _gradient_function("grad", func, argnums, has_aux, with_value=False)


def value_and_grad(func: Callable[..., Any], argnums: Any = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return a function that gives the value of ``func`` and its gradient; ``grad_and_value`` the other way round.

    Example::

        >>> import dovetail
        >>> from dovetail.func import value_and_grad
        >>> value_and_grad(lambda x: x ** 2)(dovetail.tensor(3.0))
        (tensor(9.), tensor(6.))
    """
    both = _gradient_function("value_and_grad", func, argnums, has_aux, with_value=True)

    @functools.wraps(func)
    def call(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[::-1]

    return call


def _gradient_function(
    what: str, func: Callable[..., Any], argnums: Any, has_aux: bool, with_value: bool
) -> Callable[..., Any]:
    @functools.wraps(func)
    def call(*args: Any, **kwargs: Any) -> Any:
        places = picked(what, argnums, args)
        with Transform(what) as transform:
            leaves, structure = flatten(tuple(args[place] for place in places))
            fresh = [transform.fresh(leaf) for leaf in leaves]
            out, aux = with_aux(what, func(*placed(args, places, unflatten(fresh, structure)), **kwargs), has_aux)
            _expect_one_number(what, out)
        create = transform.outer and recorded((out,))
        found = unflatten(gradients([out], fresh, None, create, create or has_aux), structure)
        found = transform.result(found if isinstance(argnums, tuple) else found[0])
        out, aux = transform.result(out), transform.result(aux)
        if with_value:
            return (found, (out, aux)) if has_aux else (found, out)
        return (found, aux) if has_aux else found

    return call


def _expect_one_number(what: str, out: Any) -> None:
    if not isinstance(out, Tensor):
        raise GradError(f"{what}: expected the function to return a tensor, got type {type(out).__name__}")
    if out.ndim:
        raise GradError(
            f"{what}: expected the function to return a scalar tensor, got a tensor with {out.ndim} dims; reduce it by "
            ".sum() or .mean(), or use dovetail.func.vjp or jacrev"
        )


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple:
    """Return ``func(*primals)``, and a function of a gradient of it that gives the gradients for the primals.

    Args:
        func: takes the primals and returns tensors, in nested containers if need be; with ``has_aux`` a pair of them
            and anything else, which becomes a third result.
        primals: tensors, or nested containers of them.

    Raises:
        GradError: the output is not tensors, or the gradient is not nested as it.

    Example::

        >>> import dovetail
        >>> from dovetail.func import vjp
        >>> out, pull = vjp(dovetail.exp, dovetail.zeros(2))
        >>> pull(dovetail.tensor([1.0, 2.0]))
        (tensor([1., 2.]),)
    """
    with Transform("vjp") as transform:
        leaves, structure = flatten(primals)
        fresh = [transform.fresh(leaf) for leaf in leaves]
        out, aux = with_aux("vjp", func(*unflatten(fresh, structure)), has_aux)
        outputs, out_structure = tensors_of("vjp", out)

    def pull(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        given, given_structure = flatten(cotangents)
        if given_structure != out_structure:
            raise GradError(
                f"vjp: expected the structure of the cotangents to be that of the outputs, {out_structure!r}, got "
                f"{given_structure!r}"
            )
        create = state.grad and recorded([*outputs, *given]) if create_graph is None else create_graph
        return unflatten(gradients(outputs, fresh, given, create, retain_graph or create), structure)

    results = (transform.result(out), pull)
    return (*results, transform.result(aux)) if has_aux else results


def jvp(func: Callable[..., Any], primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> tuple:
    """Return ``func(*primals)``, and how it changes when the primals change by ``tangents``.

    Args:
        func: takes the primals and returns tensors, in nested containers if need be; with ``has_aux`` a pair of them
            and anything else, which becomes a third result.
        primals, tangents: tuples of as many tensors, or nested containers of them, of the same sizes.
        strict: whether an output that does not depend on a primal is an error instead of zeros.

    Raises:
        GradError: the tangents do not fit the primals, or the output is not tensors.

    The derivative is taken backward twice: what ``vjp`` gives is linear in its argument, and its gradient is the
    forward derivative (Townsend, "A new trick for calculating Jacobian vector products", 2017).

    Example::

        >>> import dovetail
        >>> from dovetail.func import jvp
        >>> jvp(dovetail.exp, (dovetail.zeros(2),), (dovetail.ones(2),))
        (tensor([1., 1.]), tensor([1., 1.]))
    """
    given, structure = _tangents(primals, tangents)
    with Transform("jvp") as transform:
        fresh = [transform.fresh(leaf) for leaf in flatten(primals)[0]]
        out, aux = with_aux("jvp", func(*unflatten(fresh, structure)), has_aux)
        outputs, out_structure = tensors_of("jvp", out)
        push = _pushed(outputs, fresh, strict)
    create = transform.outer and recorded([*outputs, *given])
    results = (transform.result(out), unflatten([transform.result(t) for t in push(given, create)], out_structure))
    return (*results, transform.result(aux)) if has_aux else results


def linearize(func: Callable[..., Any], *primals: Any) -> tuple:
    """Return ``func(*primals)``, and the function of tangents that ``jvp`` would give, computed once for many of them.

    Example::

        >>> import dovetail
        >>> from dovetail.func import linearize
        >>> out, push = linearize(dovetail.exp, dovetail.zeros(2))
        >>> push(dovetail.tensor([1.0, 2.0]))
        tensor([1., 2.])
    """
    return linearized("linearize", func, primals, False)[:2]


def linearized(
    what: str, func: Callable[..., Any], primals: tuple, has_aux: bool
) -> tuple[Any, Callable[..., Any], Any]:
    """Return a function's output, its function of tangents, and what it gives besides."""
    with Transform(what) as transform:
        leaves, structure = flatten(primals)
        fresh = [transform.fresh(leaf) for leaf in leaves]
        out, aux = with_aux(what, func(*unflatten(fresh, structure)), has_aux)
        outputs, out_structure = tensors_of(what, out)
        push = _pushed(outputs, fresh, False)

    def pushed(*tangents: Any) -> Any:
        given, _ = _tangents(primals, tangents)
        create = state.grad and recorded([*outputs, *given])
        return unflatten([transform.result(t) for t in push(given, create)], out_structure)

    return transform.result(out), pushed, transform.result(aux)


def _tangents(primals: Any, tangents: Any) -> tuple[list[Tensor], Structure]:
    if not isinstance(primals, tuple) or not primals:
        raise GradError(f"jvp: expected primals to be a non-empty tuple, got {type(primals).__name__}; write (x,)")
    leaves, structure = flatten(primals)
    given, given_structure = flatten(tangents)
    if structure != given_structure:
        raise GradError(
            f"jvp: expected primals and tangents to have the same structure, got {structure!r} and {given_structure!r}"
        )
    for primal, tangent in zip(leaves, given, strict=True):
        if not isinstance(tangent, Tensor):
            raise GradError(f"jvp: expected tangents to be tensors, got type {type(tangent).__name__}")
        if isinstance(primal, Tensor) and tuple(primal.shape) != tuple(tangent.shape):
            raise GradError(
                f"jvp: a tangent has sizes {tuple(tangent.shape)}, its primal {tuple(primal.shape)}; they must agree"
            )
    return given, structure


def _pushed(outputs: list[Tensor], fresh: list[Tensor], strict: bool) -> Callable[[list[Tensor], bool], list[Tensor]]:
    """Return the function of tangents that gives the outputs' changes."""
    from dovetail.creation import zeros_like

    moving = [out for out in outputs if out._node is not None]
    if strict and len(moving) < len(outputs):
        raise GradError("jvp: with strict=True every output must depend on the primals, and one does not")
    dual = Transform("jvp")
    starts = [dual.fresh(zeros_like(out)) for out in moving]
    found: Any = [None] * len(fresh)
    if moving:
        found = autograd.grad(moving, fresh, starts, True, True, allow_unused=True)
    if strict and any(g is None for g in found):
        raise GradError("jvp: with strict=True the outputs must depend on every primal, and on one they do not")
    transforms.fresh.difference_update(dual.mine)

    def push(tangents: list[Tensor], create: bool) -> list[Tensor]:
        pairs = [(g, t) for g, t in zip(found, tangents, strict=True) if g is not None and g._node is not None]
        changes: Any = [None] * len(starts)
        if pairs:
            changes = autograd.grad([g for g, _ in pairs], starts, [t for _, t in pairs], True, create, True)
        by_output = iter(changes)
        kept = [next(by_output) if out._node is not None else None for out in outputs]
        return [zeros_like(out) if change is None else change for out, change in zip(outputs, kept, strict=True)]

    return push
