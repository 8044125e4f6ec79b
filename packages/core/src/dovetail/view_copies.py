"""Views on backends that gave a copy: what is written to one array is carried over to the others."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dovetail import creation, ops
from dovetail.backends.base import Backend
from dovetail.modes import state
from dovetail.tensor import Tensor
from dovetail.views import Shared, Steps, View, replay


@contextmanager
def _unseen(backend: Backend | None = None) -> Iterator[None]:
    """Run ops that are no part of the program: nothing is recorded, no mode sees them.

    Inside a transform of ``backend`` what happens to the arrays' own tensors is recorded: these have no other history.
    """
    outer = state.grad, state.modes
    state.grad, state.modes = state.grad and backend is not None and backend.level > 0, ()
    try:
        yield
    finally:
        state.grad, state.modes = outer


def positions_of(steps: Steps, shape: tuple[int, ...]) -> Any:
    """Return as a NumPy array which elements, counted in the flattened base, a view shows."""
    with _unseen():
        counted = creation.arange(math.prod(shape), device="cpu").reshape(shape)
        return replay(steps, counted).numpy()


def without(g: Any, steps: Steps) -> Any:
    """Return ``g`` with 0 at the elements that the view to which ``steps`` lead shows."""
    positions = positions_of(steps, tuple(g.shape)).reshape(-1)
    return ops.put(g.reshape(-1), g.new_zeros(len(positions)), index=(positions,)).reshape(g.shape)


def bring_up_to_date(tensor: Any) -> None:
    """Carry what was written to ``tensor`` over to its base and to the other views."""
    alias = tensor._alias
    with _unseen(tensor._device.backend):
        if type(alias) is View:
            base = alias.base
            positions = positions_of(alias.steps, tuple(base.shape)).reshape(-1)
            flat, value = (Tensor(x._array, x._device).reshape(-1) for x in (base, tensor))
            changed = ops.put(flat, value, index=(positions,)).reshape(base.shape)
            base._array = base._device.backend.write(base._array, changed._array)
    refresh(alias.shared)


def refresh(shared: Shared) -> None:
    """Make all views anew of their bases, one of which has got another array."""
    for view in shared.alive():
        source = view._alias.base
        with _unseen(source._device.backend):
            view._array = view._alias.replay(Tensor(source._array, source._device))._array
