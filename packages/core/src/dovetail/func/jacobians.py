"""Whole matrices of derivatives: ``jacrev`` row by row, ``jacfwd`` column by column, both by ``vmap``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from dovetail.creation import zeros
from dovetail.errors import DTypeError, VmapError
from dovetail.func.gradients import linearized, vjp
from dovetail.func.mapping import vmap
from dovetail.func.transforms import picked, placed, tensors_of
from dovetail.func.tree import flatten, unflatten
from dovetail.tensor import Tensor


def jacrev(
    func: Callable[..., Any], argnums: Any = 0, *, has_aux: bool = False, chunk_size: int | None = None
) -> Callable[..., Any]:
    """Return a function that gives the Jacobian of ``func``, computed backward: best for few outputs of many inputs.

    Args:
        func: takes and returns tensors, in nested containers if need be; with ``has_aux`` a pair of these and anything
            else, which becomes a second result.
        argnums: for which arguments, an integer or a tuple of them.
        chunk_size: how many outputs' rows to compute at a time, all by default.

    Returns:
        For each output of sizes ``o`` and each input of sizes ``i`` a tensor ``(*o, *i)``, nested as the outputs, and
        inside as the inputs.

    Example::

        >>> import dovetail
        >>> from dovetail.func import jacrev
        >>> jacrev(lambda x: x ** 2)(dovetail.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    if chunk_size is not None and not chunk_size > 0:
        raise ValueError(f"jacrev: chunk_size is None or greater than 0, got {chunk_size}")

    @functools.wraps(func)
    def call(*args: Any, **kwargs: Any) -> Any:
        places = picked("jacrev", argnums, args)
        out, pull, *aux = vjp(
            lambda *chosen: func(*placed(args, places, chosen), **kwargs),
            *[args[place] for place in places],
            has_aux=has_aux,
        )
        outputs, structure = tensors_of("jacrev", out)
        for output in outputs:
            if not output.dtype.is_floating_point:
                raise DTypeError(f"jacrev: all outputs must be floating-point tensors, got dtype {output.dtype}")
        rows = _basis(outputs)
        (inputs, in_structure), count = flatten(tuple(args[place] for place in places)), _count(outputs)

        def flat_pull(*cotangents: Tensor) -> tuple:
            return tuple(flatten(pull(unflatten(list(cotangents), structure)))[0])

        if count:
            found = _each(flat_pull, rows, count, chunk_size)
        else:
            found = tuple(zeros(0, *x.shape, dtype=x.dtype) for x in inputs)
        blocks = []
        for output, start in zip(outputs, _starts(outputs), strict=True):
            parts = [
                whole.narrow(0, start, output.numel()).reshape((*output.shape, *x.shape))
                for whole, x in zip(found, inputs, strict=True)
            ]
            block = unflatten(parts, in_structure)
            blocks.append(block if isinstance(argnums, tuple) else block[0])
        jacobian = unflatten(blocks, structure)
        return (jacobian, *aux) if has_aux else jacobian

    return call


def jacfwd(
    func: Callable[..., Any], argnums: Any = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable[..., Any]:
    """Return a function that gives the Jacobian of ``func``, computed forward: best for few inputs of many outputs.

    Args:
        func, argnums, has_aux: as for ``jacrev``, and so is the result.
        randomness: as for ``vmap``; ``func`` itself runs once, and may draw.

    Example::

        >>> import dovetail
        >>> from dovetail.func import jacfwd
        >>> jacfwd(lambda x: x ** 2)(dovetail.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """

    @functools.wraps(func)
    def call(*args: Any, **kwargs: Any) -> Any:
        places = picked("jacfwd", argnums, args)
        chosen = tuple(args[place] for place in places)
        inputs, in_structure = flatten(chosen)
        out, push, aux = linearized(
            "jacfwd", lambda *values: func(*placed(args, places, values), **kwargs), chosen, has_aux
        )
        outputs, structure = tensors_of("jacfwd", out)

        def flat_push(*tangents: Tensor) -> tuple:
            return tuple(flatten(push(*unflatten(list(tangents), in_structure)))[0])

        count = _count(inputs)
        found = _each(flat_push, _basis(inputs), count, None, randomness)
        pairs = zip(outputs, found, strict=True)
        blocks = [_columns(output, whole, inputs, in_structure, argnums) for output, whole in pairs]
        jacobian = unflatten(blocks, structure)
        return (jacobian, aux) if has_aux else jacobian

    return call


def hessian(func: Callable[..., Any], argnums: Any = 0) -> Callable[..., Any]:
    """Return a function that gives the matrix of second derivatives of ``func``: ``jacfwd(jacrev(func))``.

    Example::

        >>> import dovetail
        >>> from dovetail.func import hessian
        >>> hessian(lambda x: (x ** 3).sum())(dovetail.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)


def _columns(output: Tensor, whole: Tensor, inputs: list[Tensor], structure: Any, argnums: Any) -> Any:
    """Return an output's derivatives for each input, from its changes (column, ...) for all of them."""
    parts = []
    for x, start in zip(inputs, _starts(inputs), strict=True):
        part = whole.narrow(0, start, x.numel()).movedim(0, -1)
        parts.append(part.reshape((*output.shape, *x.shape)))
    block = unflatten(parts, structure)
    return block if isinstance(argnums, tuple) else block[0]


def _count(tensors: list[Tensor]) -> int:
    return sum(x.numel() for x in tensors)


def _starts(tensors: list[Tensor]) -> list[int]:
    return [_count(tensors[:place]) for place in range(len(tensors))]


def _basis(tensors: list[Tensor]) -> list[Tensor]:
    """Return for each tensor (rows, *its sizes): all tensors together have one 1 in each row."""
    from dovetail.creation import eye

    count, found = _count(tensors), []
    for x, start in zip(tensors, _starts(tensors), strict=True):
        rows = eye(count, dtype=x.dtype, device=x.device).narrow(1, start, x.numel())
        found.append(rows.reshape((count, *x.shape)))
    return found


def _each(
    call: Callable[..., tuple], rows: list[Tensor], count: int, chunk_size: int | None, randomness: str = "error"
) -> tuple:
    """Return what ``call`` gives for each row, all rows at once where ``vmap`` can."""
    try:
        return vmap(call, randomness=randomness, chunk_size=chunk_size)(*rows)
    except VmapError:
        from dovetail.methods.shape import stack

        found = [call(*[row[place] for row in rows]) for place in range(count)]
        return tuple(stack(parts) for parts in zip(*found, strict=True))
