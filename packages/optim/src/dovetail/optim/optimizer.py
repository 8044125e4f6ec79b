"""`Optimizer`, the base of every optimizer: which tensors it changes, with what settings, and what it remembers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import dovetail
from dovetail import Tensor
from dovetail.errors import LoadError

#: PyTorch's choices of implementation in a saved state; they say nothing about the numbers.
_FOREIGN = frozenset({"foreach", "fused", "capturable", "differentiable"})


class _Required:
    """Marks a setting without a default."""

    def __repr__(self) -> str:
        return "<required>"


required = _Required()


class Optimizer:
    """The base of every optimizer; a subclass passes its settings on and defines ``step``.

    Args:
        params: tensors, pairs of name and tensor, or dicts (groups) with ``params`` and settings of their own.
        defaults: the settings of groups that do not state them.

    Attributes:
        param_groups: dicts with ``params`` and every setting.
        state: what is remembered, a dict by parameter.
        defaults: the settings that groups start from.

    Raises:
        TypeError: ``params`` holds something else than tensors.
        ValueError: ``params`` is empty, holds a tensor twice or one that was computed from others.

    Example::

        >>> import dovetail
        >>> from dovetail import optim
        >>> class SignDescent(optim.Optimizer):
        ...     def __init__(self, params, lr=0.1):
        ...         super().__init__(params, {"lr": lr})
        ...     @dovetail.no_grad()
        ...     def step(self, closure=None):
        ...         for group in self.param_groups:
        ...             for parameter in group["params"]:
        ...                 parameter -= group["lr"] * parameter.grad.sign()
        >>> weight = dovetail.tensor([1.0, -1.0], requires_grad=True)
        >>> optimizer = SignDescent([weight])
        >>> (weight * weight).sum().backward()
        >>> optimizer.step()
        >>> weight
        tensor([ 0.9000, -0.9000], requires_grad=True)
    """

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        """Make the groups."""
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        if isinstance(params, Tensor):
            raise TypeError(
                f"{type(self).__name__} takes a list of tensors, such as model.parameters(); "
                "got one tensor: put it in a list"
            )
        groups = list(params)
        if not groups:
            raise ValueError(
                f"{type(self).__name__} got an empty parameter list; pass model.parameters() of a model with "
                "parameters (a generator that was used before is empty)"
            )
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add tensors, with settings of their own where the dict has them.

        Args:
            param_group: ``params`` (a tensor, tensors, or pairs of name and tensor) and any of the settings.

        Raises:
            TypeError: the group is no dict, its params are a set, or one is no tensor.
            ValueError: a setting without a default is missing, or a tensor is given twice or has a history.
        """
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise TypeError(f"a parameter group is a dict with 'params' and settings; got {param_group!r:.80}")
        group = dict(param_group)
        given = group["params"]
        if isinstance(given, (set, frozenset)):
            raise TypeError("parameters come in a list, since a saved state goes by their order; got a set")
        given = [given] if isinstance(given, Tensor) else list(given)
        if given and isinstance(given[0], tuple):
            group["param_names"] = [name for name, _ in given]
            given = [parameter for _, parameter in given]
        group["params"] = given
        if self.param_groups and ("param_names" in group) != ("param_names" in self.param_groups[0]):
            raise ValueError("either every parameter group has names (model.named_parameters()) or none has")
        self._check_parameters(group)
        for name, default in self.defaults.items():
            if default is required and name not in group:
                raise ValueError(
                    f"a parameter group states no {name!r}, and {type(self).__name__} has no default for it"
                )
            group.setdefault(name, default)
        self.param_groups.append(group)

    def _check_parameters(self, group: dict[str, Any]) -> None:
        seen = {id(parameter): "another group" for other in self.param_groups for parameter in other["params"]}
        names = group.get("param_names")
        for index, parameter in enumerate(group["params"]):
            label = f"parameter {names[index]!r}" if names else f"parameter {index}"
            if not isinstance(parameter, Tensor):
                raise TypeError(f"an optimizer changes tensors; {label} is a {type(parameter).__name__}")
            if not parameter.is_leaf:
                raise ValueError(
                    f"{label}, shape {tuple(parameter.shape)}, was computed from other tensors, so changing it has no "
                    "effect on the model; pass the tensors it was computed from, or use .detach().requires_grad_()"
                )
            if id(parameter) in seen:
                raise ValueError(
                    f"{label}, shape {tuple(parameter.shape)}, is also in {seen[id(parameter)]}; "
                    "an optimizer takes each tensor once"
                )
            seen[id(parameter)] = "this group"

    # Steps

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or fill them with zeros where ``set_to_none`` is False."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if set_to_none:
                    parameter.grad = None
                elif parameter.grad is not None:
                    parameter.grad = dovetail.zeros_like(parameter.grad)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change the parameters once by their gradients; every subclass defines it.

        Args:
            closure: computes the loss and its gradients again; what it returns is returned.

        Raises:
            TypeError: the class does not define it.
        """
        raise TypeError(f"{type(self).__name__} has no step(); define step(self, closure=None) in the class")

    @staticmethod
    def _run(closure: Callable[[], Any] | None) -> Any:
        """Return the closure's loss, computed with gradients on."""
        if closure is None:
            return None
        with dovetail.enable_grad():
            return closure()

    # Saving

    def state_dict(self) -> dict[str, Any]:
        """Return ``state`` by the parameters' positions, and ``param_groups`` with positions for parameters."""
        order = {
            id(parameter): index
            for index, parameter in enumerate(parameter for group in self.param_groups for parameter in group["params"])
        }
        groups = [
            {**group, "params": [order[id(parameter)] for parameter in group["params"]]} for group in self.param_groups
        ]
        # settings first, as they are easier to read there
        groups = [
            {**{key: group[key] for key in group if key != "params"}, "params": group["params"]} for group in groups
        ]
        state = {order.get(id(parameter), parameter): dict(kept) for parameter, kept in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a saved state, this optimizer's or one that PyTorch's optimizer of that name saved.

        Where both were given named parameters, values go by name; otherwise by position. Tensors are copied.

        Args:
            state_dict: what `state_dict` returned.

        Raises:
            LoadError: the groups or names are not those of this optimizer; nothing is changed then.
        """
        saved = state_dict["param_groups"]
        pairs = self._match(saved)
        for group, given in zip(self.param_groups, saved, strict=True):
            kept = {"params": group["params"]} | (
                {"param_names": group["param_names"]} if "param_names" in group else {}
            )
            settings = {
                name: value for name, value in given.items() if name not in _FOREIGN | {"params", "param_names"}
            }
            group.update(settings | kept)
        state = state_dict["state"]
        # files keep the keys of a dict as strings
        state = {int(key) if isinstance(key, str) and key.isdigit() else key: value for key, value in state.items()}
        self.state.clear()
        for position, parameter in pairs:
            if position in state:
                self.state[parameter] = {
                    name: _taken(name, value, parameter) for name, value in state[position].items()
                }

    def _match(self, saved: list[dict[str, Any]]) -> list[tuple[int, Tensor]]:
        """Return saved positions and the parameters that they stand for."""
        kind = type(self).__name__
        if len(saved) != len(self.param_groups):
            raise LoadError(
                f"the saved state has {len(saved)} parameter groups and this {kind} {len(self.param_groups)}; "
                "build the optimizer with the groups that it was saved with"
            )
        pairs: list[tuple[int, Tensor]] = []
        for number, (group, given) in enumerate(zip(self.param_groups, saved, strict=True)):
            if len(given["params"]) != len(group["params"]):
                raise LoadError(
                    f"group {number} of the saved state has {len(given['params'])} parameters and that of this {kind} "
                    f"{len(group['params'])}; build the model and the optimizer as they were saved"
                )
            names, saved_names = group.get("param_names"), given.get("param_names")
            if names and saved_names:
                if set(names) != set(saved_names):
                    missing = sorted(set(names) - set(saved_names))
                    extra = sorted(set(saved_names) - set(names))
                    raise LoadError(
                        f"group {number} of the saved state has other names: missing {missing}, "
                        f"unexpected {extra}; build the model as it was saved"
                    )
                places = dict(zip(saved_names, given["params"], strict=True))
                pairs += [(places[name], parameter) for name, parameter in zip(names, group["params"], strict=True)]
            else:
                pairs += list(zip(given["params"], group["params"], strict=True))
        return pairs

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for index, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {index}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])


def _taken(name: str, value: Any, parameter: Tensor) -> Any:
    """Return a saved value as the optimizer keeps it for ``parameter``: a copy, on its device and of its dtype."""
    if not isinstance(value, Tensor):
        return value
    if name == "step":
        return value.item()
    if value.is_floating_point() and parameter.is_floating_point():
        return value.detach().to(device=parameter.device, dtype=parameter.dtype, copy=True)
    return value.detach().to(device=parameter.device, copy=True)


def check_range(name: str, value: Any, low: float, high: float | None = None) -> None:
    """Raise a ValueError unless ``low <= value`` and, where ``high`` is given, ``value < high``."""
    if not low <= value or (high is not None and not value < high):
        allowed = f"{low} or more" if high is None else f"at least {low} and below {high}"
        raise ValueError(f"{name} is {allowed}; got {value}")
