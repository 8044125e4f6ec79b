"""Modules that hold other modules, and lists of parameters."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from dovetail import Tensor
from dovetail.nn.module import Module
from dovetail.nn.parameter import Parameter


def _position(container: Any, index: Any) -> int:
    """Return a non-negative position for ``index``, which may count from the end."""
    index, size = operator.index(index), len(container)
    if not -size <= index < size:
        raise IndexError(f"index {index} is out of range for {type(container).__name__} of length {size}")
    return index % size


class _Ordered(Module):
    """Submodules named by their positions, with the operations of a list."""

    def _renumber(self, modules: Iterable[Module | None]) -> None:
        modules = list(modules)
        self._modules.clear()
        self._modules.update((str(index), module) for index, module in enumerate(modules))

    def _name_at(self, index: int) -> str:
        return list(self._modules)[_position(self, index)]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())  # type: ignore[arg-type]

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._name_at(index), module)

    def __delitem__(self, index: int | slice) -> None:
        names = list(self._modules)
        dropped = set(names[index]) if isinstance(index, slice) else {self._name_at(index)}
        self._renumber(module for name, module in self._modules.items() if name not in dropped)

    def append(self, module: Module) -> Self:
        """Add a module at the end, and return the container."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end, and return the container."""
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Put a module before position ``index``, and return the container."""
        if not isinstance(module, Module):
            raise TypeError(f"{type(self).__name__} holds modules; got {type(module).__name__}")
        modules = list(self)
        modules.insert(index, module)
        self._renumber(modules)
        return self

    def pop(self, key: int | slice) -> Module:
        """Take out the module at a position and return it."""
        module = self[key]  # type: ignore[index]
        del self[key]
        return module


class Sequential(_Ordered):
    """Modules run one after another, each on the output of the one before.

    Args:
        *args: modules in order, or one ordered dict of modules by name.

    Example::

        >>> from collections import OrderedDict
        >>> from dovetail import nn
        >>> nn.Sequential(OrderedDict(fc=nn.Linear(2, 3), act=nn.ReLU()))
        Sequential(
          (fc): Linear(in_features=2, out_features=3, bias=True)
          (act): ReLU()
        )
    """

    def __init__(self, *args: Any) -> None:
        """Register the modules."""
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            named: Iterable[tuple[str, Any]] = args[0].items()
        else:
            named = ((str(index), module) for index, module in enumerate(args))
        for name, module in named:
            self.add_module(name, module)

    def forward(self, input: Any) -> Any:
        """Run ``input`` through every module in turn."""
        for module in self._modules.values():
            input = module(input)  # type: ignore[misc]
        return input

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(OrderedDict(list(self._modules.items())[index]))
        return self._modules[self._name_at(index)]

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            raise TypeError(f"only a Sequential can be added to a Sequential; got {type(other).__name__}")
        return Sequential(*self, *other)


class ModuleList(_Ordered):
    """A list of modules, registered, without a ``forward`` of its own.

    Args:
        modules: what the list starts with.

    Example::

        >>> from dovetail import nn
        >>> nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
        ModuleList(
          (0-2): 3 x Linear(in_features=2, out_features=2, bias=True)
        )
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        """Register the modules."""
        super().__init__()
        self.extend(modules or ())

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return self._modules[self._name_at(index)]

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __repr__(self) -> str:
        # neighbours that print alike share one line
        runs: list[list[Any]] = []
        for index, text in enumerate(map(repr, self)):
            if runs and runs[-1][2] == text:
                runs[-1][1] = index
            else:
                runs.append([index, index, text])
        if not runs:
            return f"{self._get_name()}()"
        lines = []
        for first, last, text in runs:
            label = f"({first}): " if first == last else f"({first}-{last}): {last - first + 1} x "
            lines.append("  " + (label + text).replace("\n", "\n  "))
        return "\n".join([f"{self._get_name()}(", *lines, ")"])


class ModuleDict(Module):
    """A dict of modules, registered, without a ``forward`` of its own.

    Args:
        modules: a mapping or pairs of name and module.

    Example::

        >>> from dovetail import nn
        >>> heads = nn.ModuleDict({"small": nn.Linear(4, 2), "large": nn.Linear(4, 8)})
        >>> heads["small"].out_features
        2
    """

    def __init__(self, modules: Any = None) -> None:
        """Register the modules."""
        super().__init__()
        self.update(modules or {})

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Take out every module."""
        self._modules.clear()

    def pop(self, key: str) -> Any:
        """Take out the module under ``key`` and return it."""
        return self._modules.pop(key)

    def keys(self) -> Iterable[str]:
        """Return the names."""
        return self._modules.keys()

    def items(self) -> Iterable[tuple[str, Any]]:
        """Return pairs of name and module."""
        return self._modules.items()

    def values(self) -> Iterable[Any]:
        """Return the modules."""
        return self._modules.values()

    def update(self, modules: Any) -> None:
        """Add or replace modules from a mapping or from pairs."""
        pairs = modules.items() if hasattr(modules, "items") else modules
        for name, module in pairs:
            self[name] = module


class ParameterList(Module):
    """A list of parameters, registered; plain tensors become parameters.

    Args:
        values: what the list starts with.

    Example::

        >>> import dovetail
        >>> from dovetail import nn
        >>> len(list(nn.ParameterList([dovetail.zeros(2), dovetail.zeros(3)]).parameters()))
        2
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        """Register the parameters."""
        super().__init__()
        self.extend(values or ())

    def append(self, value: Any) -> Self:
        """Add a parameter at the end, and return the list."""
        self.register_parameter(str(len(self)), _as_parameter(value))
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Add parameters at the end, and return the list."""
        for value in list(values):
            self.append(value)
        return self

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return self._parameters[str(_position(self, index))]

    def __setitem__(self, index: int, value: Any) -> None:
        self._parameters[str(_position(self, index))] = _as_parameter(value)

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._parameters.values()))

    def __iadd__(self, values: Iterable[Any]) -> Self:
        return self.extend(values)

    def extra_repr(self) -> str:
        """Return one line per parameter with its dtype and size."""
        return "\n".join(
            f"  ({name}): Parameter containing: [{value.dtype} of size {'x'.join(map(str, value.shape))}]"
            for name, value in self._parameters.items()
            if value is not None
        )


def _as_parameter(value: Any) -> Parameter:
    return value if isinstance(value, Parameter) or not isinstance(value, Tensor) else Parameter(value)
