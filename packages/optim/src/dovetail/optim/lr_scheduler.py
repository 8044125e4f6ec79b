"""Learning rates that change while training; call ``scheduler.step()`` after an epoch's ``optimizer.step()`` calls."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

from dovetail.optim.optimizer import Optimizer


class LRScheduler:
    """The base of the schedulers that know the learning rates from the number of steps; a subclass defines `get_lr`.

    Args:
        optimizer: whose learning rates are set.
        last_epoch: the steps already done; -1 starts anew, from the rates that the optimizer has.

    Raises:
        TypeError: ``optimizer`` is not an `Optimizer`.
        KeyError: ``last_epoch`` is not -1 and the optimizer's groups have no ``initial_lr``.

    Example::

        >>> import dovetail
        >>> from dovetail import optim
        >>> optimizer = optim.SGD([dovetail.zeros(1, requires_grad=True)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
        >>> for epoch in range(4):
        ...     optimizer.step()
        ...     scheduler.step()
        >>> scheduler.get_last_lr()
        [0.25]
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        """Note the first rates and do the first step."""
        _check_optimizer(self, optimizer)
        self.optimizer = optimizer
        for index, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group["initial_lr"] = group.get("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"parameter group {index} has no 'initial_lr', which last_epoch={last_epoch} needs; "
                    "load the optimizer's state_dict first, or start with last_epoch=-1"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self._last_lr: list[float] = []
        self.step()

    def get_lr(self) -> list[float]:
        """Return the next learning rate of each group; every subclass defines it.

        Raises:
            TypeError: the class does not define it.
        """
        raise TypeError(f"{type(self).__name__} has no get_lr(); define get_lr(self) in the class")

    def get_last_lr(self) -> list[float]:
        """Return the learning rates that were last set, one per group."""
        return self._last_lr

    def step(self) -> None:
        """Set the next learning rates."""
        self._step_count += 1
        self.last_epoch += 1
        for group, rate in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = rate
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer."""
        return {name: value for name, value in self.__dict__.items() if name != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned; the optimizer has a state of its own to load."""
        self.__dict__.update({name: value for name, value in state_dict.items() if name != "optimizer"})

    def _rates(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]


def _check_optimizer(scheduler: Any, optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(scheduler).__name__} takes an Optimizer; got {type(optimizer).__name__}")


class StepLR(LRScheduler):
    """The rate times ``gamma`` every ``step_size`` steps.

    Args:
        optimizer: whose learning rates are set.
        step_size: the steps between two changes.
        gamma: the factor.
        last_epoch: the steps already done.
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        """Keep the settings."""
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the next learning rate of each group."""
        if self.last_epoch == 0 or self.last_epoch % self.step_size:
            return self._rates()
        return [rate * self.gamma for rate in self._rates()]


class MultiStepLR(LRScheduler):
    """The rate times ``gamma`` at each of some steps.

    Args:
        optimizer: whose learning rates are set.
        milestones: the steps, ascending.
        gamma: the factor.
        last_epoch: the steps already done.
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        """Keep the settings."""
        self.milestones = dict(Counter(milestones))
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the next learning rate of each group."""
        times = self.milestones.get(self.last_epoch, 0)
        return [rate * self.gamma**times for rate in self._rates()] if times else self._rates()


class ExponentialLR(LRScheduler):
    """The rate times ``gamma`` every step.

    Args:
        optimizer: whose learning rates are set.
        gamma: the factor.
        last_epoch: the steps already done.
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        """Keep the setting."""
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the next learning rate of each group."""
        return self._rates() if self.last_epoch == 0 else [rate * self.gamma for rate in self._rates()]


class LambdaLR(LRScheduler):
    """The first rate times a function of the number of steps.

    Args:
        optimizer: whose learning rates are set.
        lr_lambda: the function, or one per group.
        last_epoch: the steps already done.

    Raises:
        ValueError: there are not as many functions as groups.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        """Keep the functions."""
        _check_optimizer(self, optimizer)
        groups = len(optimizer.param_groups)
        self.lr_lambdas = list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * groups
        if len(self.lr_lambdas) != groups:
            raise ValueError(f"LambdaLR takes one function or one per group ({groups}); got {len(self.lr_lambdas)}")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the next learning rate of each group."""
        return [base * function(self.last_epoch) for base, function in zip(self.base_lrs, self.lr_lambdas, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer; of ``lr_lambdas`` None for functions and others' attributes."""
        plain = [
            None if isinstance(each, FunctionType) else dict(getattr(each, "__dict__", {})) for each in self.lr_lambdas
        ]
        return {**super().state_dict(), "lr_lambdas": plain}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned; functions stay as they are, other callables get their attributes."""
        for each, attributes in zip(self.lr_lambdas, state_dict.get("lr_lambdas", ()), strict=False):
            if attributes:
                vars(each).update(attributes)
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "lr_lambdas"})


class LinearLR(LRScheduler):
    """A factor that goes in equal steps from ``start_factor`` to ``end_factor``, then stays.

    Args:
        optimizer: whose learning rates are set.
        start_factor: the first factor, above 0 and at most 1.
        end_factor: the last factor, from 0 to 1.
        total_iters: the steps between them.
        last_epoch: the steps already done.

    Raises:
        ValueError: a factor is out of range.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        """Keep the settings."""
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise ValueError(
                f"LinearLR's factors are from 0 to 1, the first above 0; got {start_factor} and {end_factor}"
            )
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the next learning rate of each group."""
        if self.last_epoch == 0:
            return [rate * self.start_factor for rate in self._rates()]
        if self.last_epoch > self.total_iters:
            return self._rates()
        change = self.end_factor - self.start_factor
        now = self.total_iters * self.start_factor + (self.last_epoch - 1) * change
        return [rate * (1.0 + change / now) for rate in self._rates()]


class CosineAnnealingLR(LRScheduler):
    """The rate along half a cosine, from the first one down to ``eta_min`` in ``T_max`` steps, then up again.

    Args:
        optimizer: whose learning rates are set.
        T_max: the steps of the half cosine.
        eta_min: the lowest rate.
        last_epoch: the steps already done.

    Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts" (2017), without restarts.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:  # noqa: N803
        """Keep the settings."""
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the next learning rate of each group."""
        step, low, rates = self.last_epoch, self.eta_min, self._rates()
        if step == 0:
            return rates
        if self._step_count == 1:
            height = self._height(step) / 2
            return [low + (base - low) * height for base in self.base_lrs]
        if (step - 1 - self.T_max) % (2 * self.T_max) == 0:
            # at the lowest point the rate itself no longer tells how high the cosine goes
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            return [rate + (base - low) * rise for base, rate in zip(self.base_lrs, rates, strict=True)]
        ratio = self._height(step) / self._height(step - 1)
        return [ratio * (rate - low) + low for rate in rates]

    def _height(self, step: int) -> float:
        return 1 + math.cos(math.pi * step / self.T_max)


class ReduceLROnPlateau(LRScheduler):
    """The rate times ``factor`` when a metric has stopped getting better.

    Args:
        optimizer: whose learning rates are set.
        mode: "min" when lower is better, "max" when higher is.
        factor: below 1.
        patience: the steps without a better value that are allowed.
        threshold: how much better counts.
        threshold_mode: "rel" when ``threshold`` is a share of the best value, "abs" when it is a difference.
        cooldown: steps after a change during which nothing is counted.
        min_lr: the lowest rate, or one per group.
        eps: a change smaller than this is not made.

    Raises:
        ValueError: ``factor``, ``mode``, ``threshold_mode`` or the number of ``min_lr`` is out of range.

    Example::

        >>> import dovetail
        >>> from dovetail import optim
        >>> optimizer = optim.SGD([dovetail.zeros(1, requires_grad=True)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1)
        >>> for loss in (3.0, 2.0, 2.0, 2.0):
        ...     scheduler.step(loss)
        >>> scheduler.get_last_lr()
        [0.1]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        """Keep the settings."""
        _check_optimizer(self, optimizer)
        if factor >= 1.0:
            raise ValueError(f"ReduceLROnPlateau's factor is below 1; got {factor}")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(
                f"mode is 'min' or 'max' and threshold_mode 'rel' or 'abs'; got {mode!r}, {threshold_mode!r}"
            )
        groups = len(optimizer.param_groups)
        self.min_lrs = list(min_lr) if isinstance(min_lr, (list, tuple)) else [min_lr] * groups
        if len(self.min_lrs) != groups:
            raise ValueError(f"min_lr is one number or one per group ({groups}); got {len(self.min_lrs)}")
        self.optimizer = optimizer
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.factor, self.patience, self.cooldown, self.eps = factor, patience, cooldown, eps
        self.last_epoch = 0
        self._last_lr = self._rates()
        self._reset()

    def _reset(self) -> None:
        """Forget the best value and the counts."""
        self.best = math.inf if self.mode == "min" else -math.inf
        self.cooldown_counter = 0
        self.num_bad_epochs = 0

    def step(self, metrics: Any) -> None:  # type: ignore[override]
        """Note the metric, a number or a tensor of one, and lower the rates if it is time."""
        value = float(metrics)
        self.last_epoch += 1
        if self.is_better(value, self.best):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, lowest in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                lowered = max(group["lr"] * self.factor, lowest)
                if group["lr"] - lowered > self.eps:
                    group["lr"] = lowered
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self._rates()

    @property
    def in_cooldown(self) -> bool:
        """Whether a change is so recent that nothing is counted."""
        return self.cooldown_counter > 0

    def is_better(self, a: float, best: float) -> bool:
        """Return whether ``a`` is better than ``best`` by more than the threshold."""
        sign = -1.0 if self.mode == "min" else 1.0
        if self.threshold_mode == "rel":
            return a * sign > best * (1.0 + sign * self.threshold) * sign
        return a * sign > (best + sign * self.threshold) * sign


__all__ = [
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "ReduceLROnPlateau",
    "StepLR",
]
