"""How a module's values go into a ``state_dict`` and come back out of one."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

import dovetail
from dovetail import Tensor
from dovetail.errors import LoadError
from dovetail.nn._registry import Registry
from dovetail.nn.parameter import Buffer, Parameter


class _Names(NamedTuple):
    missing_keys: list[str]
    unexpected_keys: list[str]


class IncompatibleKeys(_Names):
    """The names that a state_dict and a module do not share."""

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


class State(Registry):
    """The part of `Module` that saves and restores values."""

    #: Raised by a layer whose names in the state_dict change; `_load_from_state_dict` is given the saved one.
    _version: int = 1

    def get_extra_state(self) -> Any:
        """Return what else belongs in the state_dict; override it together with `set_extra_state`."""
        return None

    def set_extra_state(self, state: Any) -> None:
        """Take back what `get_extra_state` returned."""

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        """Write this module's own values, without those of its submodules."""
        for name, value in self._own_state().items():
            destination[prefix + name] = value if keep_vars else value.detach()
        if type(self).get_extra_state is not State.get_extra_state:
            destination[prefix + "_extra_state"] = self.get_extra_state()

    def _own_state(self) -> dict[str, Tensor]:
        """Return this module's own parameters and persistent buffers by name."""
        hidden = self._non_persistent_buffers_set
        pairs = itertools.chain(
            self._parameters.items(), (pair for pair in self._buffers.items() if pair[0] not in hidden)
        )
        return {name: value for name, value in pairs if value is not None}

    def state_dict(
        self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> OrderedDict[str, Any]:
        """Return every parameter and persistent buffer by its dotted name.

        Args:
            destination: an ordered dict to add to, instead of a new one.
            prefix: what the names start with.
            keep_vars: whether the tensors are the module's own, with history; otherwise they are detached. Both share
                the module's memory.

        Example::

            >>> from dovetail import nn
            >>> {name: tuple(value.shape) for name, value in nn.Linear(3, 2).state_dict().items()}
            {'weight': (2, 3), 'bias': (2,)}
        """
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = {"version": self._version}
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        return destination

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy values by name into this module and those below it; nothing is changed when it raises for a shape.

        Args:
            state_dict: tensors by dotted name, as `state_dict` returns them.
            strict: whether names that are missing or left over are an error.
            assign: whether the module takes the given tensors themselves instead of copying their values.

        Returns:
            The missing and the unexpected names.

        Raises:
            LoadError: names (when ``strict``) or shapes do not agree; the message lists all of them.
            TypeError: ``state_dict`` is not a mapping.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"load_state_dict takes a dict of tensors by name; got {type(state_dict).__name__}")
        versions = getattr(state_dict, "_metadata", None) or {}
        missing: list[str] = []
        unexpected: list[str] = []
        problems: list[str] = []
        # two walks: the first only compares, so that a checkpoint which does not fit leaves the module as it was
        given = dict(state_dict)
        for path, module in self.named_modules(remove_duplicate=False):
            prefix = path + "." if path else ""
            found = dict(versions.get(path, {}), assign_to_params_buffers=assign)
            module._load_from_state_dict(given, prefix, found, strict, missing, unexpected, problems)
        if problems or (strict and (missing or unexpected)):
            raise LoadError(_explain(type(self).__name__, problems, missing, unexpected, strict))
        for path, module in self.named_modules(remove_duplicate=False):
            module._take_state(given, path + "." if path else "", assign)
        return IncompatibleKeys(missing, unexpected)

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Compare this module's own values with the given ones; an override may first rename keys of an old version."""
        own = self._own_state()
        for name, value in own.items():
            key = prefix + name
            if key not in state_dict:
                missing_keys.append(key)
            elif not isinstance(state_dict[key], Tensor):
                error_msgs.append(f"{key} is a {type(state_dict[key]).__name__}, not a Tensor")
            elif state_dict[key].shape != value.shape:
                got, wanted = tuple(state_dict[key].shape), tuple(value.shape)
                error_msgs.append(f"{key} has shape {got} in the state_dict and {wanted} in the module")
        extra = "_extra_state"
        if type(self).get_extra_state is not State.get_extra_state and prefix + extra not in state_dict:
            missing_keys.append(prefix + extra)
        for key in state_dict:
            if not key.startswith(prefix):
                continue
            name, _, rest = key[len(prefix) :].partition(".")
            if not (name in self._modules if rest else name in own or name == extra):
                unexpected_keys.append(key)

    def _take_state(self, state_dict: Mapping[str, Any], prefix: str, assign: bool) -> None:
        """Take over the values that are there, after they were found to fit."""
        for name, value in self._own_state().items():
            given = state_dict.get(prefix + name)
            if given is None:
                continue
            if not assign:
                with dovetail.no_grad():
                    value.copy_(given)
            elif isinstance(value, Parameter):
                self._parameters[name] = Parameter(given, value.requires_grad)
            elif isinstance(value, Buffer):
                self._buffers[name] = Buffer(given)
            else:
                self._buffers[name] = given
        if prefix + "_extra_state" in state_dict:
            self.set_extra_state(state_dict[prefix + "_extra_state"])


def _explain(module: str, problems: list[str], missing: list[str], unexpected: list[str], strict: bool) -> str:
    """Say everything that does not fit, and what to do about it."""
    lines = [f"the state_dict does not fit {module}:"]
    if strict and missing:
        lines.append("Missing key(s): " + ", ".join(f'"{key}"' for key in missing))
    if strict and unexpected:
        lines.append("Unexpected key(s): " + ", ".join(f'"{key}"' for key in unexpected))
    lines += [f"size mismatch: {problem}" if "has shape" in problem else problem for problem in problems]
    prefix = unexpected[0].partition(".")[0] + "." if unexpected else ""
    added = bool(prefix) and all(key.startswith(prefix) for key in unexpected)
    if strict and added and unexpected[0].removeprefix(prefix) in missing:
        lines.append(f"next: the names fit without {prefix!r} in front; strip it from them")
    elif not problems:
        lines.append("next: build the module as it was saved, or pass strict=False to load only the names that agree")
    else:
        lines.append("next: build the module with the sizes that it was saved with")
    return "\n    ".join(lines)
