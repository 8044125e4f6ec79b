"""Sums of products by Einstein's notation; imported when first asked for."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from dovetail import ops
from dovetail.errors import ShapeError
from dovetail.methods.pieces import diagonal
from dovetail.tensor import Tensor

# A label is a letter's code; the dimensions of an ellipsis are -1 (the last), -2, ...
Labels = tuple[int, ...]


def einsum(equation: Any, *operands: Any) -> Tensor:
    """Return the sum of products that ``equation`` names: dimensions of one letter go together.

    What stands behind ``->`` is kept, in this order; without it the letters that occur once, in alphabetical order.
    ``...`` stands for any further dimensions, which broadcast. Also called with lists of numbers for the letters:
    ``einsum(x, [0, 1], y, [1, 2], [0, 2])``. Several operands are multiplied from left to right.

    Raises:
        ShapeError: letters, dimensions and sizes that do not fit together; the text says which.

    Example::

        >>> import dovetail
        >>> dovetail.einsum("ij,kj->ik", dovetail.ones(2, 3), dovetail.ones(1, 3))
        tensor([[3.],
                [3.]])
    """
    if isinstance(equation, str):
        tensors = operands[0] if len(operands) == 1 and isinstance(operands[0], (list, tuple)) else operands
    else:
        equation, tensors = _from_lists((equation, *operands))
    if not tensors:
        raise ShapeError("einsum: takes at least one operand")
    inputs, output, wanted = _parsed(equation, tuple([x._array.shape for x in tensors]))
    found, labels = _without_repeats(tensors[0], inputs[0])
    for x, own, later in zip(tensors[1:], inputs[1:], wanted, strict=True):
        x, own = _without_repeats(x, own)
        first, second, contracts, shape, made = _plan(found._array.shape, labels, x._array.shape, own, later)
        found, x = _arranged(found, first), _arranged(x, second)
        found, labels = _arranged(ops.matmul(found, x) if contracts else found * x, (None, None, None, shape)), made
    found, labels = _summed(found, labels, output)
    return found if labels == output else ops.permute(found, dims=[labels.index(label) for label in output])


def _from_lists(arguments: tuple) -> tuple[str, tuple]:
    """Return the equation and the operands of the form with lists of numbers."""

    def text(sublist: Any) -> str:
        if any(part is not Ellipsis and not (isinstance(part, int) and 0 <= part < 52) for part in sublist):
            raise ShapeError(f"einsum: subscripts in a list are integers from 0 to 51 or ..., got {list(sublist)}")
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        return "".join("..." if part is Ellipsis else letters[part] for part in sublist)

    pairs = len(arguments) // 2
    equation = ",".join(text(arguments[2 * pair + 1]) for pair in range(pairs))
    if len(arguments) % 2:
        equation += "->" + text(arguments[-1])
    return equation, arguments[: 2 * pairs : 2]


@lru_cache(maxsize=256)
def _parsed(equation: str, shapes: tuple) -> tuple[tuple[Labels, ...], Labels, list[frozenset[int]]]:
    """Return the labels of each operand and of the result, and what is still needed after each product."""
    inputs, output = _labelled(equation, tuple(map(len, shapes)))
    _check_sizes(inputs, shapes)
    wanted = [
        frozenset([*output, *(label for labels in inputs[position:] for label in labels)])
        for position in range(2, len(inputs) + 1)
    ]
    return inputs, output, wanted


def _labelled(equation: str, dimensions: tuple[int, ...]) -> tuple[tuple[Labels, ...], Labels]:
    """Return the labels of each operand and of the result."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(dimensions):
        raise ShapeError(f"einsum: {equation!r} has {len(terms)} terms, but there are {len(dimensions)} operands")
    inputs = tuple(
        _labels(equation, term, ndim, position)
        for position, (term, ndim) in enumerate(zip(terms, dimensions, strict=True))
    )
    widest = max((-min(labels, default=0) for labels in inputs), default=0)
    rest = tuple(range(-max(widest, 0), 0))
    everything = [label for labels in inputs for label in labels]
    if not arrow:
        return inputs, rest + tuple(
            sorted({label for label in everything if label > 0 and everything.count(label) == 1})
        )
    output = _labels(equation, right, len(right) - 3 + len(rest) if "..." in right else len(right), None)
    for label in output:
        if output.count(label) > 1:
            raise ShapeError(f"einsum: output subscript {chr(label)!r} of {equation!r} is there more than once")
        if label not in everything:
            raise ShapeError(f"einsum: output subscript {chr(label)!r} of {equation!r} is in no operand")
    return inputs, output


def _labels(equation: str, term: str, ndim: int, position: int | None) -> Labels:
    what = "the output" if position is None else f"operand {position}"
    before, dots, after = term.partition("...")
    for letter in before + after:
        if not (letter.isascii() and letter.isalpha()):
            raise ShapeError(
                f"einsum: invalid subscript {letter!r} in {equation!r}; subscripts are letters from a to Z"
            )
    named = len(before) + len(after)
    if ndim < named or (ndim != named and not dots):
        raise ShapeError(
            f"einsum: {term!r} names {named} dimensions, but {what} has {ndim}; name each, or write ... for the rest"
        )
    middle = range(-(ndim - named), 0) if dots else ()
    return (*map(ord, before), *middle, *map(ord, after))


def _check_sizes(inputs: tuple[Labels, ...], shapes: tuple) -> None:
    sizes: dict[int, int] = {}
    for position, (labels, shape) in enumerate(zip(inputs, shapes, strict=True)):
        for label, size in zip(labels, shape, strict=True):
            known = sizes.setdefault(label, size)
            if size != known and labels.count(label) > 1:
                raise ShapeError(
                    f"einsum: subscript {chr(label)!r} is there twice, for sizes {known} and {size} of one operand; "
                    "they must be equal"
                )
            if size != known and 1 not in (size, known):
                what = f"subscript {chr(label)!r}" if label > 0 else "a dimension of ..."
                raise ShapeError(f"einsum: {what} has size {size} in operand {position}, but {known} before")
            sizes[label] = max(size, known) if known else known


def _without_repeats(x: Tensor, labels: Labels) -> tuple[Tensor, Labels]:
    """Take the diagonal where a letter stands twice."""
    while len(set(labels)) < len(labels):
        first = next(place for place, label in enumerate(labels) if label in labels[place + 1 :])
        second = labels.index(labels[first], first + 1)
        x = diagonal(x, 0, first, second)
        labels = (*(label for place, label in enumerate(labels) if place not in (first, second)), labels[first])
    return x, labels


def _summed(x: Tensor, labels: Labels, wanted: Labels) -> tuple[Tensor, Labels]:
    """Sum over what is not wanted any more."""
    dims = [place for place, label in enumerate(labels) if label not in wanted]
    if not dims:
        return x, labels
    return ops.sum(x, dim=dims, dtype=x.dtype), tuple(label for label in labels if label in wanted)


@lru_cache(maxsize=1024)
def _plan(x_shape: tuple, x_labels: Labels, y_shape: tuple, y_labels: Labels, wanted: frozenset[int]) -> tuple:
    """Return how to bring two operands into order for one product, whether that contracts, and what comes out."""
    x_size, y_size = dict(zip(x_labels, x_shape, strict=True)), dict(zip(y_labels, y_shape, strict=True))
    # a dimension of 1 that broadcasts counts as not there
    x_kept = [label for label in x_labels if not x_size[label] == 1 != y_size.get(label, 1)]
    y_kept = [label for label in y_labels if not y_size[label] == 1 != x_size.get(label, 1)]
    x_left = [label for label in x_kept if label in wanted or label in y_kept]
    y_left = [label for label in y_kept if label in wanted or label in x_kept]
    shared = [label for label in x_left if label in y_left]
    batch, contracted = [a for a in shared if a in wanted], [a for a in shared if a not in wanted]
    left, right = [a for a in x_left if a not in shared], [a for a in y_left if a not in shared]
    size = {**x_size, **{label: y_size[label] for label in y_kept}}
    lead, rows, columns = ([size[label] for label in labels] for labels in (batch, left, right))
    if contracted:
        inner = math.prod(size[label] for label in contracted)
        x_form, y_form = [*lead, math.prod(rows), inner], [*lead, inner, math.prod(columns)]
    else:
        x_form, y_form = [*lead, *rows, *[1] * len(right)], [*lead, *[1] * len(left), *columns]
    first = _steps(x_labels, x_kept, x_left, [*batch, *left, *contracted], x_form)
    second = _steps(y_labels, y_kept, y_left, [*batch, *contracted, *right], y_form)
    return first, second, bool(contracted), (*lead, *rows, *columns), (*batch, *left, *right)


def _steps(labels: Labels, kept: list[int], left: list[int], order: list[int], form: list[int]) -> tuple:
    """Return the dimensions to drop, those to sum over, the order and the sizes that lead to an operand's form."""
    dropped = [place for place, label in enumerate(labels) if label not in kept] or None
    summed = [place for place, label in enumerate(kept) if label not in left] or None
    return dropped, summed, None if left == order else [left.index(label) for label in order], tuple(form)


def _arranged(x: Tensor, steps: tuple) -> Tensor:
    dropped, summed, order, form = steps
    if dropped is not None:
        x = ops.squeeze(x, dim=dropped)
    if summed is not None:
        x = ops.sum(x, dim=summed, dtype=x.dtype)
    if order is not None:
        x = ops.permute(x, dims=order)
    return x if x._array.shape == form else ops.reshape(x, shape=form)
