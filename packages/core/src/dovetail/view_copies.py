"""What few writes to views need.

On backends that gave copies, what is written to one array is carried over to the others; and where a view would lose
its gradient, asking for that becomes an error.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dovetail import ops, ranges
from dovetail.autograd.grad_mode import set_grad_enabled
from dovetail.backends.base import Backend
from dovetail.dispatch import record
from dovetail.errors import GradError
from dovetail.modes import state
from dovetail.op import Op
from dovetail.tensor import Tensor
from dovetail.views import ADVICE, NO_GRAD, Shared, Steps, View, replay, unclear


@contextmanager
def _unseen(backend: Backend | None = None) -> Iterator[None]:
    """Run ops that are no part of the program: nothing is recorded, no mode sees them.

    Inside a transform of ``backend`` what happens to the arrays' own tensors is recorded: these have no other history.
    """
    below = state.grad and backend is not None and backend.level > 0
    outer = state.modes
    state.modes = ()
    try:
        with set_grad_enabled(below):
            yield
    finally:
        state.modes = outer


def positions_of(steps: Steps, shape: tuple[int, ...]) -> Any:
    """Return as a NumPy array which elements, counted in the flattened base, a view shows."""
    with _unseen():
        counted = ranges.arange(math.prod(shape), device="cpu").reshape(shape)
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


# Views whose gradient a write leaves unclear


def cut_off(shared: Shared) -> None:
    """After a write, make it an error to ask for the gradient of a view for which it would be unclear."""
    for view in shared.alive():
        alias = view._alias
        if alias.origin is not None and alias.base._node is not None:
            problem = f"{unclear(alias)} and its base or another view of its base has been modified inplace; "
            with_advice = problem + ADVICE[alias.origin == NO_GRAD]
            with set_grad_enabled(True):  # what is lost under no_grad is lost
                record(LOST_VIEW, (alias.base,), {"message": with_advice}, (view,))


def _lost_view(xp: Any, base: Any, *, message: str) -> Any:
    """Stand for the history of a view that a write to its base has cut off."""
    raise AssertionError("this op is only recorded, never run")


def _refuse(g: Any, message: str) -> Any:
    raise GradError(message)


LOST_VIEW = Op(_lost_view, promote=None, view=False, mutates=(), outputs=("out",), no_grad_outputs=())
LOST_VIEW.vjp(base=_refuse)
