"""``deterministic``: the same numbers each time, on backends some of whose kernels do not give them."""

from __future__ import annotations

import copy
import warnings
from typing import Any

from dovetail.errors import DeterminismError
from dovetail.modes.base import BlockMode, active, state
from dovetail.op import Op
from dovetail.tensor import Tensor

_reference_calls: dict[tuple[str, Any], Any] = {}


class deterministic(BlockMode):
    """Run ops by kernels that give the same numbers each time; a context manager and a decorator.

    A backend names the kernels that do not in ``nondeterministic_kernels``. The reference kernel runs in place of its
    own one; where it has none of its own, the op is an error. NumPy, the backend ``cpu``, has no such kernel.

    Args:
        warn_only: warn, and run the op all the same, instead of raising.

    Raises:
        DeterminismError: an op that has no deterministic kernel on its device.

    Example::

        >>> import dovetail
        >>> with dovetail.modes.deterministic():
        ...     dovetail.ones(3).sum()
        tensor(3.)
    """

    def __init__(self, warn_only: bool = False) -> None:
        self.warn_only = warn_only

    def see(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the op, by the reference kernel where the backend's own is not deterministic."""
        definition = op.definition
        device = next((value._device for value in _flat(args) if isinstance(value, Tensor)), None)
        if device is None or definition.name not in device.backend.nondeterministic_kernels:
            return op(*args, **kwargs)
        if definition.name in device.backend.kernels:
            return _by_reference(definition, device)(*args, **kwargs)
        text = (
            f"{definition.name}: backend {device.backend.name!r} has no deterministic kernel for it; "
            "run it on the CPU, or use warn_only=True"
        )
        if not self.warn_only:
            raise DeterminismError(text)
        warnings.warn(text, stacklevel=3)
        return op(*args, **kwargs)


def _by_reference(definition: Op, device: Any) -> Any:
    """Return the call of an op that has the same rules but runs the reference kernel on ``device``."""
    from dovetail.dispatch import make_call

    key = (definition.name, device)
    found = _reference_calls.get(key)
    if found is None or found.definition.kernel is not definition.kernel:
        twin = copy.copy(definition)
        plain = not twin.options and not twin.variadic and not twin.optional
        arity = len(twin.inputs) if plain and len(twin.inputs) <= 2 else None
        twin.kernels = {device: device.backend.prepare(device.backend.suited(definition.kernel, definition), arity)}
        found = twin.call = _reference_calls[key] = make_call(twin)
        found.definition = twin
    return found


def _flat(values: Any) -> list[Any]:
    return [inner for value in values for inner in (value if isinstance(value, (list, tuple)) else (value,))]


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Switch ``deterministic`` on or off in this thread, from here on.

    Example::

        >>> import dovetail
        >>> dovetail.use_deterministic_algorithms(True)
        >>> dovetail.are_deterministic_algorithms_enabled()
        True
        >>> dovetail.use_deterministic_algorithms(False)
    """
    standing = next((found for found in state.modes if isinstance(found, _Standing)), None)
    if standing is not None:
        state.modes = tuple(found for found in state.modes if found is not standing)
        active.remove(standing)
    if mode:
        made = _Standing(warn_only)
        state.modes = (made, *state.modes)
        active.append(made)


class _Standing(deterministic):
    """The one that ``use_deterministic_algorithms`` put beneath all others."""


def are_deterministic_algorithms_enabled() -> bool:
    """Return whether ``deterministic`` is on in this thread."""
    return any(isinstance(mode, deterministic) for mode in state.modes)


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Return whether it is on and only warns."""
    return any(isinstance(mode, deterministic) and mode.warn_only for mode in state.modes)
