"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dovetail
from dovetail import ops
from dovetail.dispatch import update
from dovetail.optim.optimizer import Optimizer, check_range


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if asked for.

    Args:
        params: tensors, pairs of name and tensor, or groups of them with settings of their own.
        lr: the learning rate.
        momentum: how much of the last change goes on.
        dampening: how much of the gradient is left out of the momentum.
        weight_decay: how much of the parameter is added to its gradient.
        nesterov: whether the gradient is taken as if the momentum had been applied; needs momentum, no dampening.
        maximize: whether to go up instead of down.

    Source: Sutskever et al., "On the importance of initialization and momentum in deep learning" (2013).

    Raises:
        ValueError: a setting is out of range, or ``params`` is empty.

    Example::

        >>> import dovetail
        >>> from dovetail import optim
        >>> weight = dovetail.tensor([1.0], requires_grad=True)
        >>> optimizer = optim.SGD([weight], lr=0.1)
        >>> (weight * 2).sum().backward()
        >>> optimizer.step()
        >>> weight
        tensor([0.8000], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        """Check and keep the settings."""
        check_range("SGD's lr", lr, 0)
        check_range("SGD's momentum", momentum, 0)
        check_range("SGD's weight_decay", weight_decay, 0)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(
                f"nesterov needs momentum above 0 and dampening 0; got momentum={momentum}, dampening={dampening}"
            )
        settings = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        super().__init__(params, {**settings, "nesterov": nesterov, "maximize": maximize})

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient once.

        Args:
            closure: computes the loss and its gradients again; what it returns is returned.
        """
        loss = self._run(closure)
        with dovetail.no_grad():
            for group in self.param_groups:
                options = {name: group[name] for name in self.defaults}
                rows: dict[bool, list[tuple]] = {False: [], True: []}  # by whether the buffer is a new one
                for parameter in group["params"]:
                    gradient = parameter.grad
                    if gradient is not None:
                        buffer, first = self._buffer(parameter) if options["momentum"] else (None, False)
                        rows[first].append((parameter, gradient, buffer))
                for first, some in rows.items():
                    if some:
                        update(ops.sgd_step.definition, some, {**options, "first": first})
        return loss

    def _buffer(self, parameter: dovetail.Tensor) -> tuple[dovetail.Tensor, bool]:
        """Return the parameter's momentum buffer, and whether it is a new one."""
        state = self.state[parameter]
        buffer = state.get("momentum_buffer")
        if buffer is not None:
            return buffer, False
        state["momentum_buffer"] = dovetail.zeros_like(parameter)
        return state["momentum_buffer"], True
