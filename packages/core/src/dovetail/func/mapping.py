"""``vmap``: a function of one sample becomes one of a whole batch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from dovetail.errors import VmapError
from dovetail.func.batched import Level, batched, level_of
from dovetail.func.tree import Structure, flatten, spread, unflatten
from dovetail.tensor import Tensor


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Return a function that does for a whole batch what ``func`` does for one sample.

    Args:
        func: takes and returns tensors, or nested dictionaries, lists and tuples of them; it sees one sample.
        in_dims: the dimension of each argument that counts the samples, None for one that is the same for all; one
            number for all arguments, or a tuple, nested as the arguments are.
        out_dims: where that dimension goes in the results; None for one that does not depend on the sample.
        randomness: whether drawing random numbers in ``func`` is an ``"error"``, gives each sample ``"different"``
            ones, or all the ``"same"``.
        chunk_size: how many samples to do at a time, all by default.

    Raises:
        ValueError: ``in_dims``, ``out_dims`` or sizes that do not fit. VmapError: ``randomness`` is something else, or
            ``func`` asks for what the samples do not have in common, such as the value of ``x.item()``.

    Source: Bradbury et al., "JAX: composable transformations of Python+NumPy programs", 2018.

    Example::

        >>> import dovetail
        >>> from dovetail.func import vmap
        >>> vmap(dovetail.dot)(dovetail.ones(3, 2), dovetail.ones(3, 2))
        tensor([2., 2., 2.])
    """
    if randomness not in ("error", "different", "same"):
        raise VmapError(f"vmap: randomness is 'error', 'different' or 'same', got {randomness!r}")
    if chunk_size is not None and not chunk_size > 0:
        raise ValueError(f"vmap: chunk_size is None or greater than 0, got {chunk_size}")
    name = getattr(func, "__name__", type(func).__name__)

    @functools.wraps(func)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = flatten(args)
        dims = _in_dims(name, in_dims, args, leaves, structure)
        size = _size(name, leaves, dims)
        if chunk_size is None or size <= chunk_size:
            return _run(name, func, leaves, dims, structure, size, out_dims, randomness, kwargs)
        parts = []
        for start in range(0, size, chunk_size):
            length = min(chunk_size, size - start)
            some = [x if dim is None else x.narrow(dim, start, length) for x, dim in zip(leaves, dims, strict=True)]
            parts.append(_run(name, func, some, dims, structure, length, out_dims, randomness, kwargs))
        return _joined(name, parts, out_dims)

    return mapped


def _in_dims(name: str, in_dims: Any, args: tuple, leaves: list[Any], structure: Structure) -> list[int | None]:
    """Return the dimension of each leaf of the arguments that counts the samples, 0 or more, or None."""
    what = f"vmap({name}, in_dims={in_dims!r})"
    if isinstance(in_dims, bool) or not isinstance(in_dims, (int, tuple)):
        raise ValueError(
            f"{what}: expected in_dims to be an integer or a tuple, nested as the inputs are, got "
            f"{type(in_dims).__name__}"
        )
    if not leaves:
        raise ValueError(f"{what}: got no inputs; give the function at least one tensor to map over")
    found = spread(in_dims, structure)
    if found is None:
        raise ValueError(
            f"{what}: in_dims is not compatible with the structure of the inputs, which is {structure!r}; give one "
            "entry for each argument, or one number for all"
        )
    return [_in_dim(what, dim, leaf) for dim, leaf in zip(found, leaves, strict=True)]


def _in_dim(what: str, dim: Any, leaf: Any) -> int | None:
    if dim is None:
        return None
    if not isinstance(dim, int) or isinstance(dim, bool):
        raise ValueError(f"{what}: got in_dim={dim!r} for an input, but it must be an integer or None")
    if not isinstance(leaf, Tensor):
        raise ValueError(
            f"{what}: got in_dim={dim} for an input of type {type(leaf).__name__}; only tensors can be mapped over, "
            "use None as its in_dim"
        )
    if not -leaf.ndim <= dim < leaf.ndim:
        raise ValueError(
            f"{what}: got in_dim={dim} for an input that is a tensor of dimensionality {leaf.ndim}, so that expected "
            f"is -{leaf.ndim} <= in_dim < {leaf.ndim}"
        )
    return dim + leaf.ndim if dim < 0 else dim


def _size(name: str, leaves: list[Any], dims: list[int | None]) -> int:
    sizes = [leaf._array.shape[dim] for leaf, dim in zip(leaves, dims, strict=True) if dim is not None]
    if not sizes:
        raise ValueError(f"vmap({name}): at least one tensor must be mapped over, but every in_dim is None")
    if len(set(sizes)) > 1:
        raise ValueError(
            f"vmap({name}): expected all tensors to have the same size in the mapped dimension, got sizes {sizes}"
        )
    return sizes[0]


def _run(
    name: str, func: Callable[..., Any], leaves: list[Any], dims: list[int | None], structure: Structure, size: int,
    out_dims: Any, randomness: str, kwargs: dict[str, Any],
) -> Any:  # fmt: skip
    """Call the function on views of one sample, and return its results with the samples in ``out_dims``."""
    place = next(leaf.device for leaf, dim in zip(leaves, dims, strict=True) if dim is not None)
    with level_of(size, randomness, place) as level:
        inputs = [
            leaf if dim is None else batched(leaf if dim == 0 else leaf.movedim(dim, 0), level.device)
            for leaf, dim in zip(leaves, dims, strict=True)
        ]
        results = func(*unflatten(inputs, structure), **kwargs)
    found, out_structure = flatten(results)
    places = _out_dims(name, out_dims, results, out_structure)
    outputs = [_output(name, out, dim, level) for out, dim in zip(found, places, strict=True)]
    return unflatten(outputs, out_structure)


def _out_dims(name: str, out_dims: Any, results: Any, structure: Structure) -> list[Any]:
    what = f"vmap({name}, out_dims={out_dims!r})"
    if isinstance(results, Tensor) and isinstance(out_dims, (tuple, list)) and len(out_dims) == 1:
        out_dims = out_dims[0]
    given = flatten(out_dims)[0]
    if any(dim is not None and (not isinstance(dim, int) or isinstance(dim, bool)) for dim in given):
        raise ValueError(f"{what}: out_dims must be an integer, None, or these nested as the outputs are")
    found = spread(out_dims, structure)
    if found is None:
        raise ValueError(
            f"{what}: out_dims is not compatible with the structure of the outputs, which is {structure!r}"
        )
    return found


def _output(name: str, out: Any, dim: int | None, level: Level) -> Any:
    """Return a result with the samples in dimension ``dim``."""
    if not isinstance(out, Tensor):
        if dim is None:
            return out
        raise ValueError(
            f"vmap({name}): the function must only return tensors, got type {type(out).__name__}; return a tensor, or "
            "say out_dims=None for this output"
        )
    inside = out._device is level.device
    if inside and out._array.batched:
        if dim is None:
            raise ValueError(
                f"vmap({name}): an output with out_dims=None depends on the sample; give the dimension for its samples"
            )
        tensor = out._array.tensor
    else:
        tensor = out._array.tensor if inside else out
        if dim is None:
            return tensor
        tensor = tensor.unsqueeze(0).expand((level.size, *tensor.shape))
    if not -tensor.ndim <= dim < tensor.ndim:
        raise IndexError(
            f"vmap({name}): out_dims={dim} is out of range for an output that has {tensor.ndim} dimensions with that "
            "of the samples"
        )
    return tensor if dim == 0 else tensor.movedim(0, dim)


def _joined(name: str, parts: list[Any], out_dims: Any) -> Any:
    """Join the results of the chunks."""
    from dovetail.methods.shape import cat

    flat = [flatten(part)[0] for part in parts]
    structure = flatten(parts[0])[1]
    dims = _out_dims(name, out_dims, parts[0], structure)
    pairs = zip(zip(*flat, strict=True), dims, strict=True)
    joined = [pieces[0] if dim is None else cat(pieces, dim) for pieces, dim in pairs]
    return unflatten(joined, structure)
