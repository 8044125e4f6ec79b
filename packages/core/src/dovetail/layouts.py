"""The words for how memory is laid out; there is one layout, and arrays are what the backend has."""

from __future__ import annotations


class _Word:
    """A name that prints as itself and is the same object after pickling."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"dovetail.{self.name}"

    def __reduce__(self) -> str:
        return self.name


class Layout(_Word):
    """How a tensor's elements are kept: ``dovetail.strided``."""


class MemoryFormat(_Word):
    """The order of a new tensor's elements in memory; taken where PyTorch takes one, for the sake of its programs."""


layout, memory_format = Layout, MemoryFormat
strided = Layout("strided")
contiguous_format, preserve_format, channels_last, channels_last_3d = (
    MemoryFormat(name) for name in ("contiguous_format", "preserve_format", "channels_last", "channels_last_3d")
)
