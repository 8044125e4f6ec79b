"""Mixed precision: ``autocast``, and the scaler that keeps small gradients from vanishing in float16."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial, wraps
from typing import Any

import dovetail
from dovetail.modes.casting import autocast, get_autocast_dtype, is_autocast_enabled
from dovetail.tensor import Tensor

__all__ = [
    "GradScaler", "autocast", "custom_bwd", "custom_fwd", "get_autocast_dtype", "is_autocast_available",
    "is_autocast_enabled",
]  # fmt: skip

UNSCALED, STEPPED = "unscaled", "stepped"


def is_autocast_available(device_type: str) -> bool:
    """Return whether a device type has a backend that can run here.

    Example::

        >>> import dovetail
        >>> dovetail.amp.is_autocast_available("cpu")
        True
    """
    try:
        get_autocast_dtype(device_type)
    except RuntimeError:
        return False
    return True


def custom_fwd(fwd: Any = None, *, device_type: str, cast_inputs: Any = None) -> Any:
    """Decorate the ``forward`` of an ``autograd.Function`` so that its ``backward`` can run under the same autocast.

    Args:
        device_type: whose autocast.
        cast_inputs: a dtype to cast floating-point tensors to where autocast is on; ``forward`` then runs without it.

    Example::

        >>> import dovetail
        >>> from types import SimpleNamespace
        >>> @dovetail.amp.custom_fwd(device_type="cpu", cast_inputs=dovetail.float32)
        ... def forward(ctx, x):
        ...     return x @ x
        >>> with dovetail.autocast("cpu"):
        ...     forward(SimpleNamespace(), dovetail.ones(2, 2).half()).dtype
        dovetail.float32
    """
    if fwd is None:
        return partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @wraps(fwd)
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        enabled = is_autocast_enabled(device_type)
        ctx._dtype, ctx._fwd_used_autocast = get_autocast_dtype(device_type), enabled and cast_inputs is None
        if not enabled or cast_inputs is None:
            return fwd(ctx, *args, **kwargs)
        with autocast(device_type, enabled=False):
            named = {name: _cast(value, cast_inputs) for name, value in kwargs.items()}
            return fwd(ctx, *[_cast(value, cast_inputs) for value in args], **named)

    return forward


def _cast(value: Any, dtype: Any) -> Any:
    return value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value


def custom_bwd(bwd: Any = None, *, device_type: str) -> Any:
    """Decorate the ``backward`` that belongs to a ``forward`` decorated by ``custom_fwd``."""
    if bwd is None:
        return partial(custom_bwd, device_type=device_type)

    @wraps(bwd)
    def backward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        with autocast(device_type, ctx._dtype, enabled=ctx._fwd_used_autocast):
            return bwd(ctx, *args, **kwargs)

    return backward


class GradScaler:
    """Multiply losses so that float16 gradients do not vanish, and skip the steps whose gradients are inf or nan.

    Args:
        device: kept for programs that give it; gradients are unscaled wherever they are.
        init_scale: the first factor.
        growth_factor: what it is multiplied by after ``growth_interval`` steps without inf or nan.
        backoff_factor: what it is multiplied by after a step with inf or nan, which is skipped.
        growth_interval: how many steps in a row let it grow.
        enabled: ``False`` makes every method pass on what it is given.

    Source: Micikevicius et al., "Mixed precision training" (2018).

    Raises:
        ValueError: the growth factor is not above 1, or the backoff factor not below.

    Example::

        >>> import dovetail
        >>> scaler = dovetail.amp.GradScaler("cpu", init_scale=4.0)
        >>> scaler.scale(dovetail.ones(1))
        tensor([4.])
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if enabled and not growth_factor > 1.0:
            raise ValueError(f"GradScaler: growth_factor must be above 1, got {growth_factor}")
        if enabled and not backoff_factor < 1.0:
            raise ValueError(f"GradScaler: backoff_factor must be below 1, got {backoff_factor}")
        self.device = device
        self.enabled = enabled
        self.factor = float(init_scale)
        self.growth_factor, self.backoff_factor = growth_factor, backoff_factor
        self.growth_interval = growth_interval
        self.tracker = 0
        self.stages: dict[int, tuple[str, bool]] = {}  # by optimizer: how far it is, and whether inf was found

    def scale(self, outputs: Any) -> Any:
        """Return a tensor, or tensors in lists and tuples, times the factor.

        Raises:
            TypeError: something else.
        """
        if not self.enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self.factor
        if isinstance(outputs, Iterable) and not isinstance(outputs, str):
            scaled = [self.scale(output) for output in outputs]
            return scaled if isinstance(outputs, list) else tuple(scaled)
        raise TypeError(f"GradScaler.scale takes a tensor or several of them, got {type(outputs).__name__}")

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of an optimizer's parameters by the factor, as for clipping them before ``step``.

        Raises:
            RuntimeError: it was done already since the last ``update``, or the step was.
        """
        if not self.enabled:
            return
        stage, _ = self.stages.get(id(optimizer), ("", False))
        if stage:
            raise RuntimeError(
                f"GradScaler.unscale_: this optimizer was already {stage} since the last update(); call unscale_ once, "
                "before step, and update() after it"
            )
        found = False
        with dovetail.no_grad():
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        found = not self._unscale(parameter) or found
        self.stages[id(optimizer)] = (UNSCALED, found)

    def _unscale(self, parameter: Tensor) -> bool:
        """Unscale one gradient, and return whether it is finite."""
        grad = parameter.grad
        assert grad is not None
        if grad.dtype is dovetail.float16:
            raise ValueError(
                "GradScaler.unscale_: a gradient is float16, which could overflow; keep parameters in float32 "
                "and let autocast cast them"
            )
        grad.mul_(1.0 / self.factor)
        return grad._device.backend.all_finite(grad._array)

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """Unscale the gradients unless that was done, and call ``optimizer.step`` unless one is inf or nan.

        Raises:
            RuntimeError: it was called already since the last ``update``, or is given a closure.
        """
        if not self.enabled:
            return optimizer.step(*args, **kwargs)
        if args or "closure" in kwargs:
            raise RuntimeError("GradScaler.step takes no closure; compute the loss and its gradients before")
        stage, found = self.stages.get(id(optimizer), ("", False))
        if stage == STEPPED:
            raise RuntimeError("GradScaler.step: called twice for an optimizer; call update() in between")
        if not stage:
            self.unscale_(optimizer)
            _, found = self.stages[id(optimizer)]
        result = None if found else optimizer.step(**kwargs)
        self.stages[id(optimizer)] = (STEPPED, found)
        return result

    def update(self, new_scale: Any = None) -> None:
        """Choose the factor of the next iteration: a smaller one after inf or nan, a greater one after many without.

        Raises:
            RuntimeError: no optimizer was stepped since the last time.
        """
        if not self.enabled:
            return
        if new_scale is not None:
            self.factor = float(new_scale)
        elif not self.stages:
            raise RuntimeError(
                "GradScaler.update: no gradients were unscaled since the last update(); call step before"
            )
        elif any(found for _, found in self.stages.values()):
            self.factor, self.tracker = self.factor * self.backoff_factor, 0
        else:
            self.tracker += 1
            if self.tracker == self.growth_interval:
                self.factor, self.tracker = self.factor * self.growth_factor, 0
        self.stages = {}

    def get_scale(self) -> float:
        """Return the factor, 1.0 when the scaler is not enabled."""
        return self.factor if self.enabled else 1.0

    def is_enabled(self) -> bool:
        """Return whether the scaler does anything."""
        return self.enabled

    def state_dict(self) -> dict[str, Any]:
        """Return what ``load_state_dict`` takes, under PyTorch's names; empty when the scaler is not enabled."""
        if not self.enabled:
            return {}
        return {
            "scale": self.factor,
            "growth_factor": self.growth_factor,
            "backoff_factor": self.backoff_factor,
            "growth_interval": self.growth_interval,
            "_growth_tracker": self.tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what ``state_dict`` gave.

        Raises:
            RuntimeError: it is empty, of a scaler that was not enabled.
        """
        if not self.enabled:
            return
        if not state_dict:
            raise RuntimeError("GradScaler.load_state_dict: the state is empty, from a scaler that was not enabled")
        self.factor = float(state_dict["scale"])
        self.growth_factor, self.backoff_factor = state_dict["growth_factor"], state_dict["backoff_factor"]
        self.growth_interval, self.tracker = state_dict["growth_interval"], state_dict["_growth_tracker"]
