"""Moving a tensor to another device, through NumPy, with a gradient that moves back."""

from __future__ import annotations

from typing import Any

from dovetail.device import Device
from dovetail.dispatch import record
from dovetail.modes import active as active_modes
from dovetail.modes import state, tell
from dovetail.op import Op
from dovetail.tensor import Tensor


def transfer(x: Tensor, device: Device) -> Tensor:
    """Return a copy of ``x`` on ``device``; a tensor inside a transform stays inside."""
    level, own = device.backend.level, x._device.backend.level
    if level != own:
        return device.backend.join(x, device) if level > own else x._device.backend.moved(x, device)
    array = device.backend.from_numpy(x._device.backend.to_numpy(x._array), device.index or 0)
    out = Tensor(array, device)
    if state.grad:
        record(TRANSFER, (x,), {"source": x._device}, (out,))
    if active_modes and state.modes:
        tell("moved", x, out)
    return out


def _transferred(xp: Any, x: Any, *, source: Device) -> Any:
    """Stand for the move in the graph."""
    raise AssertionError("this op is only recorded, never run")


TRANSFER = Op(_transferred, promote=None, view=False, mutates=(), outputs=("out",), no_grad_outputs=())
TRANSFER.vjp(x=lambda g, source: g.to(source))
