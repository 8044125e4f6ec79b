"""Random numbers inside ``vmap``: refused, the same for all samples, or different ones for each."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.errors import VmapError
from dovetail.func.batched import batched, levels
from dovetail.modes import state
from dovetail.tensor import Tensor


class Draw(np.ndarray):
    """Numbers drawn for each sample: the batches of the levels ``depths`` come first, outermost first."""

    depths: tuple[int, ...] = ()

    def __array_finalize__(self, source: Any) -> None:
        self.depths = getattr(source, "depths", ())


def drawing(draw: Callable[..., np.ndarray], args: tuple, kwargs: dict[str, Any]) -> np.ndarray:
    """Call a function that draws random numbers, for one sample or for all, as the levels that are running say.

    Raises:
        VmapError: one of them says "error".
    """
    if any(level.randomness == "error" for level in levels.running):
        raise VmapError(
            f"vmap: random numbers are drawn ({draw.__name__}) inside a function that is vmapped with "
            "randomness='error'; say randomness='different' for numbers of each sample's own, randomness='same' for "
            "the same ones, or draw them outside"
        )
    different = [level for level in levels.running if level.randomness == "different"]
    outer, state.draw = state.draw, None
    try:
        if not different:
            return draw(*args, **kwargs)
        sizes = [level.size for level in different]
        call = inspect.signature(draw).bind(*args, **kwargs)
        if "shape" in call.arguments:
            call.arguments["shape"] = (*sizes, *call.arguments["shape"])
            found = draw(*call.args, **call.kwargs)
        else:
            found = np.stack([draw(*args, **kwargs) for _ in range(math.prod(sizes))])
            found = found.reshape(*sizes, *found.shape[1:])
    finally:
        state.draw = outer
    drawn = found.view(Draw)
    drawn.depths = tuple(level.depth for level in different)
    return drawn


def spread_draw(array: Any, device: Any, requires_grad: bool) -> Tensor:
    """Return numbers that were drawn for each sample as a tensor of the levels that they were drawn for."""
    from dovetail.creation import from_array

    place = levels.running[0].place if getattr(device, "backend", None) is None or device.backend.level else device
    out = from_array(np.array(array, subok=False), place)
    for depth in array.depths:
        out = batched(out, levels.running[depth - 1].device)
    return out.requires_grad_() if requires_grad else out
