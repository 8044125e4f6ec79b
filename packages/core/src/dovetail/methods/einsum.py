"""Sums of products by Einstein's notation; imported when first asked for."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from dovetail import ops
from dovetail.errors import ShapeError
from dovetail.methods.more import diagonal
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
    inputs, output = _parsed(equation, tuple([x.ndim for x in tensors]))
    _check_sizes(inputs, tensors)
    parts = [_without_repeats(x, labels) for x, labels in zip(tensors, inputs, strict=True)]
    found, labels = parts[0]
    for position, (x, others) in enumerate(parts[1:], 2):
        wanted = {*output, *(label for _, later in parts[position:] for label in later)}
        found, labels = _multiplied(found, labels, x, others, wanted)
    found, labels = _summed(found, labels, set(output))
    return _ordered(found, labels, output)


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
def _parsed(equation: str, dimensions: tuple[int, ...]) -> tuple[tuple[Labels, ...], Labels]:
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


def _check_sizes(inputs: tuple[Labels, ...], tensors: Any) -> None:
    sizes: dict[int, int] = {}
    for position, (labels, x) in enumerate(zip(inputs, tensors, strict=True)):
        for label, size in zip(labels, x._array.shape, strict=True):
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


def _summed(x: Tensor, labels: Labels, wanted: set[int]) -> tuple[Tensor, Labels]:
    """Sum over what is not wanted any more."""
    dims = [place for place, label in enumerate(labels) if label not in wanted]
    if not dims:
        return x, labels
    return ops.sum(x, dim=dims, dtype=x.dtype), tuple(label for label in labels if label in wanted)


def _multiplied(x: Tensor, x_labels: Labels, y: Tensor, y_labels: Labels, wanted: set[int]) -> tuple[Tensor, Labels]:
    """Return the product of two operands, summed over what is not wanted: a product of matrices, or of elements."""
    x_size, y_size = dict(zip(x_labels, x._array.shape, strict=True)), dict(zip(y_labels, y._array.shape, strict=True))
    # a dimension of 1 that broadcasts counts as not there
    x, x_labels = _narrowed(x, x_labels, [label for label in x_labels if x_size[label] == 1 != y_size.get(label, 1)])
    y, y_labels = _narrowed(y, y_labels, [label for label in y_labels if y_size[label] == 1 != x_size.get(label, 1)])
    x, x_labels = _summed(x, x_labels, wanted | set(y_labels))
    y, y_labels = _summed(y, y_labels, wanted | set(x_labels))
    shared = [label for label in x_labels if label in y_labels]
    batch, contracted = [a for a in shared if a in wanted], [a for a in shared if a not in wanted]
    left, right = [a for a in x_labels if a not in shared], [a for a in y_labels if a not in shared]
    sizes = {**x_size, **{label: y_size[label] for label in y_labels}}
    x = _ordered(x, x_labels, (*batch, *left, *contracted))
    y = _ordered(y, y_labels, (*batch, *contracted, *right))
    lead, rows, columns = ([sizes[label] for label in labels] for labels in (batch, left, right))
    if not contracted:
        product = _shaped(x, [*lead, *rows, *[1] * len(right)]) * _shaped(y, [*lead, *[1] * len(left), *columns])
    else:
        inner = math.prod(sizes[label] for label in contracted)
        first, second = (_shaped(x, [*lead, math.prod(rows), inner]), _shaped(y, [*lead, inner, math.prod(columns)]))
        product = _shaped(ops.matmul(first, second), [*lead, *rows, *columns])
    return product, (*batch, *left, *right)


def _ordered(x: Tensor, labels: Labels, wanted: Labels) -> Tensor:
    return x if labels == wanted else ops.permute(x, dims=[labels.index(label) for label in wanted])


def _shaped(x: Tensor, shape: list[int]) -> Tensor:
    return x if x._array.shape == tuple(shape) else ops.reshape(x, shape=tuple(shape))


def _narrowed(x: Tensor, labels: Labels, dropped: list[int]) -> tuple[Tensor, Labels]:
    if not dropped:
        return x, labels
    x = ops.squeeze(x, dim=[labels.index(label) for label in dropped])
    return x, tuple(label for label in labels if label not in dropped)
