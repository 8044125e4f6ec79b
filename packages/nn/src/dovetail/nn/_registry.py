"""How a module keeps its parameters, buffers and submodules, and walks over them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dovetail import Tensor
from dovetail.nn.parameter import Buffer, Parameter

if TYPE_CHECKING:
    from dovetail.nn.module import Module

_KINDS = ("_parameters", "_modules", "_buffers")


class Registry:
    """The part of `Module` that registers what is assigned to it and finds it again."""

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _non_persistent_buffers_set: set[str]

    # Attributes

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        if "_modules" in own:
            found = own["_parameters"]
            if name in found:
                return found[name]
            found = own["_modules"]
            if name in found:
                return found[name]
            found = own["_buffers"]
            if name in found:
                return found[name]
        kind = type(self).__name__
        if hasattr(type(self), name):
            raise AttributeError(f"the property {name!r} of {kind} raised an AttributeError of its own")
        raise AttributeError(f"{kind!r} object has no attribute {name!r}", name=name, obj=self)

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        if isinstance(value, Parameter):
            self._forget(name, "_parameters")
            self.register_parameter(name, value)
        elif isinstance(value, Registry):
            self._forget(name, "_modules")
            self._registry("_modules", name)[name] = value
        elif isinstance(value, Buffer):
            self._forget(name, "_buffers")
            self.register_buffer(name, value, value.persistent)
        elif "_modules" not in own:
            object.__setattr__(self, name, value)
        elif name in own["_parameters"]:
            self._replace("_parameters", name, value, "a Parameter")
        elif name in own["_modules"]:
            self._replace("_modules", name, value, "a Module")
        elif name in own["_buffers"]:
            self._replace("_buffers", name, value, "a Tensor", Tensor)
        else:
            object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        for kind in _KINDS:
            if name in self.__dict__.get(kind, ()):
                del self.__dict__[kind][name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = set(object.__dir__(self))
        for kind in _KINDS:
            names.update(self.__dict__.get(kind, ()))
        return sorted(names)

    def _registry(self, kind: str, name: str) -> dict[str, Any]:
        """Return one of the three registries, or say that `__init__` has not made it yet."""
        try:
            return self.__dict__[kind]
        except KeyError:
            raise AttributeError(
                f"{type(self).__name__}: {name!r} is assigned before the registries exist; "
                "call super().__init__() first in __init__"
            ) from None

    def _replace(self, kind: str, name: str, value: Any, wanted: str, allowed: type | None = None) -> None:
        if value is not None and (allowed is None or not isinstance(value, allowed)):
            hint = f"; wrap it: nn.Parameter({name})" if kind == "_parameters" and isinstance(value, Tensor) else ""
            raise TypeError(
                f"{type(self).__name__}.{name} holds {wanted}; it can be set to {wanted} or None, "
                f"not to {type(value).__name__}{hint}"
            )
        self.__dict__[kind][name] = value

    def _forget(self, name: str, kept: str) -> None:
        """Drop what ``name`` stood for except in registry ``kept``, so that one name never means two things."""
        self.__dict__.pop(name, None)
        for kind in _KINDS:
            if kind != kept:
                self.__dict__.get(kind, {}).pop(name, None)

    def _check_name(self, what: str, name: str, registry: dict[str, Any]) -> None:
        if not isinstance(name, str):
            raise TypeError(f"the name of a {what} is a string; got {type(name).__name__}")
        if "." in name or not name:
            raise KeyError(f"the name of a {what} must not be empty or contain '.', got {name!r}")
        if name not in registry and hasattr(self, name):
            raise KeyError(f"{type(self).__name__} already has an attribute {name!r}; choose another name")

    # Registration

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under ``name``; None keeps the name for a parameter that is absent.

        Raises:
            KeyError: the name is taken, empty or contains a dot.
            TypeError: ``param`` is neither a `Parameter` nor None.
        """
        registry = self._registry("_parameters", name)
        self._check_name("parameter", name, registry)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"parameter {name!r} must be an nn.Parameter or None; got {type(param).__name__}")
        if param is not None and not param.is_leaf:
            raise ValueError(
                f"parameter {name!r} was computed from other tensors; a parameter starts a graph: "
                "register nn.Parameter(value.detach()), or compute the value in forward()"
            )
        registry[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that moves with the module but is not trained.

        Args:
            name: the attribute's name.
            tensor: the values, of any shape and dtype, or None to keep the name for an absent one.
            persistent: whether ``state_dict()`` holds it.

        Raises:
            KeyError: the name is taken, empty or contains a dot.
            TypeError: ``tensor`` is neither a tensor nor None.
        """
        registry = self._registry("_buffers", name)
        self._check_name("buffer", name, registry)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"buffer {name!r} must be a Tensor or None; got {type(tensor).__name__}")
        registry[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a submodule under ``name``, which need not be a Python identifier.

        Raises:
            KeyError: the name is taken, empty or contains a dot.
            TypeError: ``module`` is neither a `Module` nor None.
        """
        registry = self._registry("_modules", name)
        self._check_name("submodule", name, registry)
        if module is not None and not isinstance(module, Registry):
            raise TypeError(f"submodule {name!r} must be an nn.Module or None; got {type(module).__name__}")
        registry[name] = module

    register_module = add_module

    # Walks

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield the direct submodules with their names, each once."""
        seen: set[int] = set()
        for name, module in self._modules.items():
            if module is not None and id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self) -> Iterator[Module]:
        """Yield the direct submodules, each once."""
        for _, module in self.named_children():
            yield module

    def named_modules(
        self, memo: set[Any] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Yield this module and all below it with their dotted names, parents first.

        Args:
            memo: modules already seen, which are left out.
            prefix: what the names start with.
            remove_duplicate: whether a module reached by two names is given once.
        """
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self  # type: ignore[misc]
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """Yield this module and all below it, parents first."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def _named_members(self, kind: str, prefix: str, recurse: bool, unique: bool) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        walk = self.named_modules(prefix=prefix, remove_duplicate=unique) if recurse else [(prefix, self)]
        for path, module in walk:
            for name, value in module.__dict__[kind].items():
                if value is None or id(value) in seen:
                    continue
                if unique:
                    seen.add(id(value))
                yield f"{path}.{name}" if path else name, value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yield the parameters with their dotted names, in the order of registration.

        Args:
            prefix: what the names start with.
            recurse: whether those of submodules come too.
            remove_duplicate: whether a parameter reached by two names is given once.
        """
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield the parameters, each once, in the order of registration; what an optimizer is given."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the buffers with their dotted names, in the order of registration."""
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yield the buffers, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    # Look-ups by dotted name

    def get_submodule(self, target: str) -> Module:
        """Return the submodule at a dotted name such as ``"encoder.0"``; ``""`` is the module itself.

        Raises:
            AttributeError: there is no module at that name; the message lists those that there are.
        """
        module: Any = self
        for depth, name in enumerate(target.split(".") if target else []):
            found = getattr(module, name, None)
            if not isinstance(found, Registry):
                path = ".".join(target.split(".")[:depth]) or type(self).__name__
                known = ", ".join(module._modules) or "none"
                raise AttributeError(f"no submodule {name!r} in {path} (looking for {target!r}); it has {known}")
            module = found
        return module

    def set_submodule(self, target: str, module: Module) -> None:
        """Put ``module`` in the place of the submodule at a dotted name.

        Raises:
            AttributeError: there is no module at that name.
            ValueError: ``target`` is empty.
        """
        if not target:
            raise ValueError("set_submodule needs the name of a submodule; got an empty one")
        self.get_submodule(target)
        path, _, name = target.rpartition(".")
        self.get_submodule(path)._modules[name] = module

    def get_parameter(self, target: str) -> Parameter:
        """Return the parameter at a dotted name.

        Raises:
            AttributeError: there is no parameter at that name.
        """
        return self._get_member(target, "_parameters", "parameter")

    def get_buffer(self, target: str) -> Tensor:
        """Return the buffer at a dotted name.

        Raises:
            AttributeError: there is no buffer at that name.
        """
        return self._get_member(target, "_buffers", "buffer")

    def _get_member(self, target: str, kind: str, what: str) -> Any:
        path, _, name = target.rpartition(".")
        members = self.get_submodule(path).__dict__[kind]
        if members.get(name) is None:
            known = ", ".join(name for name, value in members.items() if value is not None) or "none"
            raise AttributeError(f"no {what} {name!r} in {path or type(self).__name__}; it has {known}")
        return members[name]
