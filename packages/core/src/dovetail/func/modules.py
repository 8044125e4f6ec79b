"""Calling a module with other parameters, and stacking those of several modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from dovetail.tensor import Tensor


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Return what a module gives when its parameters and buffers are others for this one call.

    Args:
        module: a ``dovetail.nn.Module``.
        parameter_and_buffer_dicts: tensors by the names of ``named_parameters()`` and ``named_buffers()``, or several
            such dictionaries; those that are not named stay.
        args: the argument of the call, or a tuple of them; kwargs: those by name.
        tie_weights: whether a parameter with several names is replaced under all of them.
        strict: whether all parameters and buffers must be named, and no others.

    Raises:
        RuntimeError: with ``strict``, names are missing or unknown.
        ValueError: two dictionaries have the same name.

    Example, with the package dovetail-nn (docs/func.md has a whole program)::

        functional_call(nn.Linear(1, 1, bias=False), {"weight": weight}, x)
    """
    given = _merged(parameter_and_buffer_dicts)
    arguments = () if args is None else args if isinstance(args, tuple) else (args,)
    with _replaced(module, given, tie_weights, strict):
        return module(*arguments, **(kwargs or {}))


def _merged(dicts: Any) -> dict[str, Tensor]:
    if isinstance(dicts, Mapping):
        return dict(dicts)
    if not isinstance(dicts, Sequence) or not all(isinstance(one, Mapping) for one in dicts):
        raise ValueError(f"functional_call: takes a dictionary or a sequence of them, got {type(dicts).__name__}")
    found: dict[str, Tensor] = {}
    for one in dicts:
        twice = sorted(set(found) & set(one))
        if twice:
            raise ValueError(f"functional_call: {twice} appear in more than one dictionary; give each name once")
        found.update(one)
    return found


@contextmanager
def _replaced(module: Any, given: dict[str, Tensor], tie_weights: bool, strict: bool) -> Iterator[None]:
    """Put other tensors into a module's registries for a block."""
    places = _places(module)
    wanted = {name: value for name, value in given.items() if name in places}
    if tie_weights:
        for name, value in tuple(wanted.items()):
            own = _held(places[name])
            for other, place in places.items():
                if other not in given and _held(place) is own:
                    wanted[other] = value
    if strict and (set(places) != set(wanted) or set(given) - set(places)):
        missing, unknown = sorted(set(places) - set(wanted)), sorted(set(given) - set(places))
        raise RuntimeError(
            "functional_call: with strict=True the names must be those of the module's parameters and buffers; "
            f"missing: {missing}, unknown: {unknown}"
        )
    before = {name: _held(places[name]) for name in wanted}
    try:
        for name, value in wanted.items():
            registry, key = places[name]
            registry[key] = value
        yield
    finally:
        for name, value in before.items():
            registry, key = places[name]
            registry[key] = value


def _held(place: tuple[dict[str, Any], str]) -> Any:
    return place[0][place[1]]


def _places(module: Any) -> dict[str, tuple[dict[str, Any], str]]:
    """Return by name the registry and key where each parameter and buffer of a module is, under all its names."""
    found = {}
    for prefix, part in module.named_modules(remove_duplicate=False):
        for registry in (part._parameters, part._buffers):
            for key, value in registry.items():
                if value is not None:
                    found[f"{prefix}.{key}" if prefix else key] = (registry, key)
    return found


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the parameters and the buffers of several modules of one kind, each stacked, for ``vmap`` over them.

    Args:
        models: modules with the same parameters and buffers, all training or all evaluating.

    Raises:
        ValueError: no modules, or of several kinds or modes.

    Example, with the package dovetail-nn (docs/func.md has a whole program)::

        parameters, buffers = stack_module_state([nn.Linear(2, 3) for _ in range(4)])
    """
    from dovetail.methods.shape import stack

    models = list(models)
    if not models:
        raise ValueError("stack_module_state: expected at least one model, got none")
    if len({model.training for model in models}) > 1:
        raise ValueError("stack_module_state: expected all models to be in one mode; call .train() or .eval() on all")
    kinds = sorted({type(model).__name__ for model in models})
    if len({type(model) for model in models}) > 1:
        raise ValueError(f"stack_module_state: expected all models to be of one class, got {', '.join(kinds)}")

    def stacked(states: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        found = {}
        for name, first in states[0].items():
            every = [state[name] for state in states]
            if len({value.requires_grad for value in every}) > 1:
                raise ValueError(f"stack_module_state: {name!r} requires a gradient in some models and not in others")
            found[name] = stack([value.detach() for value in every]).requires_grad_(first.requires_grad)
        return found

    return stacked([dict(m.named_parameters()) for m in models]), stacked([dict(m.named_buffers()) for m in models])
