"""How an op runs on a whole batch: one call on the physical tensors where that gives every sample its own result.

A rule is called with the op, the size of the batch, the arrays (batched ones, numbers and None) and the options; it
returns the physical results, the batch in front, or NotImplemented for a case to be run sample by sample. Ops that
treat each element by itself, and ops of one tensor that work along a dimension, need no rule of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail import ops
from dovetail.func.batched import BatchedArray, aligned, physical, refuse_numbers
from dovetail.op import Op

Rule = Callable[[Op, int, tuple, dict[str, Any]], Any]

RULES: dict[str, Rule] = {}
_found: dict[Op, Rule | None] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """State a function as the rule of the ops of these names."""

    def state(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return state


def rule_of(op: Op) -> Rule | None:
    """Return an op's rule, or None for one that runs sample by sample."""
    from dovetail.func import rules_layers  # noqa: F401 - adds its own

    if op.name in RULES:
        return RULES[op.name]
    if op not in _found:
        _found[op] = _by_kind(op)
    return _found[op]


def _by_kind(op: Op) -> Rule | None:
    if "dim" in op.options and len(op.inputs) == 1 and not op.variadic:
        return _along_dim
    return _elementwise if _works_by_element(op) else None


def _works_by_element(op: Op) -> bool:
    """Return whether an op treats each element by itself, found by trying its samples."""
    from dovetail.testing.cases import is_elementwise
    from dovetail.testing.samples import samples_of

    if op.variadic or op.sampler is None or {"dim", "dims", "shape", "index"} & set(op.options):
        return False
    return all(is_elementwise(op, sample) for sample in samples_of(op))


def _elementwise(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    ndim = max([len(value.shape) for value in arrays if value.__class__ is BatchedArray])
    return op.call(*[aligned(value, ndim) for value in arrays], **options)


def shifted(dim: int, ndim: int) -> int:
    """Return a sample's dimension as that of the physical tensor."""
    return dim + ndim + 1 if dim < 0 else dim + 1


def _along_dim(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    """Run an op of one tensor along a dimension, or over several or all where it reduces them."""
    (value,) = arrays
    ndim, dim, x = len(value.shape), options["dim"], value.tensor
    several = dim is None or isinstance(dim, (tuple, list))
    if op.outputs != ("out",) or (several and op.name not in REDUCTIONS):
        return NotImplemented
    if several:
        dims: Any = tuple(shifted(one, ndim) for one in (dim or range(ndim)))
    else:
        dims = shifted(dim, ndim)
    if not ndim:  # along the only element there is
        found = op.call(x.reshape(size, 1), **{**options, "dim": 1})
        return found.reshape(size)
    return op.call(x, **{**options, "dim": dims})


REDUCTIONS = frozenset(("sum", "mean", "prod", "amax", "amin", "all", "any", "var", "std", "logsumexp"))


@rule("argmax", "argmin")
def _arg(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    if options["dim"] is not None:
        return _along_dim(op, size, arrays, options)
    (value,) = arrays
    found = op.call(value.tensor.reshape(size, -1), dim=1)
    return found.reshape((size, *(1,) * len(value.shape))) if options["keepdim"] else found


# Sizes and order


@rule("clone", "cast", "fill", "tril", "triu")
def _as_it_is(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    return op.call(arrays[0].tensor, **options)


@rule("reshape")
def _reshape(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    shape = list(options["shape"])
    if -1 in shape:  # all sizes are given, as an empty batch leaves nothing to work one out from
        count = 1
        for length in arrays[0].shape:
            count *= length
        known = 1
        for length in shape:
            known *= 1 if length == -1 else length
        shape[shape.index(-1)] = count // (known or 1)
    return op.call(arrays[0].tensor, shape=(size, *shape))


@rule("permute")
def _permute(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    dims = options["dims"]
    return op.call(arrays[0].tensor, dims=(0, *[shifted(dim, len(dims)) for dim in dims]))


@rule("transpose")
def _transpose(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    value = arrays[0]
    if not value.shape:
        return value.tensor
    first, second = (shifted(options[name], len(value.shape)) for name in ("dim0", "dim1"))
    return op.call(value.tensor, dim0=first, dim1=second)


@rule("expand")
def _expand(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    shape = options["shape"]
    return op.call(aligned(arrays[0], len(shape)), shape=(size, *shape))


@rule("squeeze")
def _squeeze(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    value, dim = arrays[0], options["dim"]
    ndim = len(value.shape)
    wanted = range(ndim) if dim is None else dim if isinstance(dim, (tuple, list)) else (dim,)
    return op.call(value.tensor, dim=tuple([shifted(one, ndim) for one in wanted] if ndim else ()))


@rule("unsqueeze")
def _unsqueeze(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    return op.call(arrays[0].tensor, dim=shifted(options["dim"], len(arrays[0].shape) + 1))


@rule("cat")
def _cat(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    kept = [value for value in arrays if value.shape != (0,)] or arrays[:1]
    return op.call(*[physical(value, size) for value in kept], dim=shifted(options["dim"], len(kept[0].shape)))


@rule("stack")
def _stack(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    dim = shifted(options["dim"], len(arrays[0].shape) + 1)
    return op.call(*[physical(value, size) for value in arrays], dim=dim)


@rule("repeat")
def _repeat(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    sizes = options["sizes"]
    return op.call(aligned(arrays[0], len(sizes)), sizes=(1, *sizes))


@rule("flip")
def _flip(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    value, dims = arrays[0], options["dims"]
    dims = dims if isinstance(dims, (tuple, list)) else (dims,)
    if not value.shape or not dims:
        return value.tensor.clone()
    return op.call(value.tensor, dims=tuple(shifted(dim, len(value.shape)) for dim in dims))


@rule("roll")
def _roll(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    (value,), dims = arrays, options["dims"]
    if dims is None or not value.shape:
        return op.call(value.tensor.reshape(size, -1), shifts=options["shifts"], dims=1).reshape(value.tensor.shape)
    ndim = len(value.shape)
    dims = tuple(shifted(dim, ndim) for dim in dims) if isinstance(dims, (tuple, list)) else shifted(dims, ndim)
    return op.call(value.tensor, shifts=options["shifts"], dims=dims)


@rule("arranged")
def _arranged(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    return op.call(arrays[0].tensor, order=(0, *[dim + 1 for dim in options["order"]]))


@rule("diagonal")
def _diagonal(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    return op.call(arrays[0].tensor, offset=options["offset"], dim1=options["dim1"] + 1, dim2=options["dim2"] + 1)


@rule("unfold")
def _unfold(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    if not arrays[0].shape:
        return NotImplemented
    return op.call(arrays[0].tensor, **{**options, "dimension": options["dimension"] + 1})


# Indices


@rule("nonzero")
def _nonzero(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    refuse_numbers()  # how many there are is a number too


@rule("slice_view")
def _slice_view(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    return op.call(arrays[0].tensor, index=(slice(None), *options["index"]))


@rule("unslice")
def _unslice(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    return op.call(arrays[0].tensor, index=(slice(None), *options["index"]), shape=(size, *options["shape"]))


def _batch_last(index: tuple) -> bool:
    """Return whether the batch cannot simply come first: integer arrays apart from each other go before it."""
    places = [place for place, part in enumerate(index) if hasattr(part, "shape") or part.__class__ in (int, bool)]
    return bool(places) and places[-1] - places[0] >= len(places)


@rule("take")
def _take(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    index = options["index"]
    if _batch_last(index):
        return op.call(arrays[0].tensor.movedim(0, -1), index=(*index, *_rest(index))).movedim(-1, 0)
    return op.call(arrays[0].tensor, index=(slice(None), *index))


def _rest(index: tuple) -> tuple:
    """Return what to add to an index so that it says nothing of the last dimension."""
    return () if any(part is Ellipsis for part in index) else (Ellipsis,)


@rule("untake")
def _untake(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    index, shape = options["index"], options["shape"]
    if _batch_last(index):
        if _rest(index) == ():
            return NotImplemented
        g = arrays[0].tensor.movedim(0, -1)
        return op.call(g, index=(*index, Ellipsis), shape=(*shape, size)).movedim(-1, 0)
    return op.call(arrays[0].tensor, index=(slice(None), *index), shape=(size, *shape))


@rule("put", "put_add")
def _put(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    index, x = options["index"], physical(arrays[0], size)
    if _batch_last(index):
        return NotImplemented
    value = arrays[1]
    if value.__class__ is BatchedArray and value.batched:
        ndim = ops.take(x, index=(slice(None), *index)).ndim - 1
        value = aligned(value, ndim)
    elif value.__class__ is BatchedArray:
        value = value.tensor
    return op.call(x, value, index=(slice(None), *index))


@rule("gather", "scatter", "scatter_add", "scatter_reduce")
def _gather(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    tensors = [physical(value, size) for value in arrays]
    ndim = len(arrays[0].shape)
    if not ndim or len(arrays[1].shape) != ndim:
        return NotImplemented
    if len(arrays[-1].shape) != ndim:  # one number to write
        tensors[-1] = tensors[-1].reshape((-1, *(1,) * ndim)).expand((size, *arrays[1].shape))
    return op.call(*tensors, **{**options, "dim": shifted(options["dim"], ndim)})


@rule("index_select")
def _index_select(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    x, index = arrays
    ndim = len(x.shape)
    if not index.batched and ndim:
        return op.call(x.tensor, index.tensor, dim=shifted(options["dim"], ndim))
    if not ndim or len(index.shape) != 1:
        return NotImplemented
    dim = shifted(options["dim"], ndim)
    tensor = physical(x, size)
    sides = [length if axis == 0 else 1 for axis, length in enumerate(tensor.shape)]
    sides[dim] = index.shape[0]
    wide = [*tensor.shape[:dim], index.shape[0], *tensor.shape[dim + 1 :]]
    return ops.gather(tensor, index.tensor.reshape(sides).expand(wide), dim=dim)
