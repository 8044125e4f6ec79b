"""Devices: where a tensor's array lives."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from dovetail.dtypes import Categories, Natives
from dovetail.errors import DeviceError

if TYPE_CHECKING:
    from dovetail.backends.base import Backend

_devices: dict[tuple[str, int | None], Device] = {}


class Device:
    """A backend's name and, where it has several places, an index: ``dovetail.device("cuda:1")``.

    One object per name and index, so that ``is`` compares devices. Making one does not need the backend; using it does.

    Raises:
        DeviceError: the text is not ``name`` or ``name:index``.

    Example::

        >>> import dovetail
        >>> dovetail.device("cuda:1")
        device(type='cuda', index=1)
    """

    __slots__ = ("__weakref__", "_backend", "categories", "direct", "dtypes", "index", "type")
    type: str
    index: int | None
    _backend: Backend | None
    categories: Categories
    direct: bool  # whether arrays are indexed as NumPy's are; known once one was
    dtypes: Natives

    def __new__(cls, type: str | Device, index: int | None = None) -> Device:
        if isinstance(type, Device):
            return type
        if not isinstance(type, str):
            raise DeviceError(f"a device is a string such as 'cpu' or 'cuda:0', got {type!r}")
        name, colon, number = type.partition(":")
        if colon and (index is not None or not number.isdecimal()):
            raise DeviceError(f"a device is 'name' or 'name:index' with an index of 0 or more, got {type!r}")
        if not name.isidentifier():
            raise DeviceError(f"a device is 'name' or 'name:index', got {type!r}")
        index = int(number) if colon else index
        if index is not None and index < 0:
            raise DeviceError(f"a device's index is 0 or more, got {index} for {name!r}")
        found = _devices.get((name, index))
        if found is None:
            found = object.__new__(cls)
            found.type, found.index, found._backend = name, index, None
            found.categories, found.direct = Categories(), False
            found.dtypes = Natives()
            found = _devices.setdefault((name, index), found)
        return found

    @property
    def backend(self) -> Backend:
        """The backend that owns this device.

        Raises:
            DeviceError: no such backend is installed, or it cannot run here.
        """
        if self._backend is None:
            from dovetail.backends.registry import get_backend

            self._backend = get_backend(self.type)
        return self._backend

    def __repr__(self) -> str:
        if self.index is None:
            return f"device(type={self.type!r})"
        return f"device(type={self.type!r}, index={self.index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __reduce__(self):
        return (Device, (self.type, self.index))

    def __enter__(self) -> Device:
        _here.outer = (*_here.outer, _here.default)
        _choose(self)
        return self

    def __exit__(self, *error) -> None:
        *outer, default = _here.outer
        _here.outer = tuple(outer)
        _choose(default)


CPU = Device("cpu")


class _Here(threading.local):
    """What each thread has for itself: where new tensors are placed, and what that was outside of its contexts."""

    default = CPU
    outer: tuple[Device, ...] = ()


_here = _Here()
#: The other devices that were a default in some thread: a falsy test, which most programs never get beyond.
_chosen: set[Device] = set()


def _choose(device: Device) -> None:
    _here.default = device
    if device is not CPU:
        _chosen.add(device)


def resolve(device: str | Device | None) -> Device:
    """Return the device that a tensor is placed on: the default for None, and an index where the backend has places.

    Raises:
        DeviceError: the backend is unknown, cannot run here, or has no such index.
    """
    if device is CPU or (device is None and (not _chosen or _here.default is CPU)):
        return CPU
    placed = _here.default if device is None else Device(device)
    return placed.backend.place(placed)


def set_default_device(device: str | Device | None) -> None:
    """Place new tensors of this thread on ``device``, or for None on the CPU, when their call names none."""
    _choose(CPU if device is None else resolve(device))


def get_default_device() -> Device:
    """Return the device on which new tensors are placed."""
    return _here.default


def forget_backends() -> None:
    """Look every backend but the built-in one up again when it is next needed."""
    for device in _devices.values():
        if device is not CPU:
            device._backend, device.direct = None, False
