"""The words for how memory is laid out; there is one layout, and arrays are what the backend has."""

from __future__ import annotations


class Constant:
    """A name in ``dovetail`` that prints as itself, and is itself again after copies and pickles."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"dovetail.{self.name}"

    def __reduce__(self) -> str:
        return self.name


class Layout(Constant):
    """How a tensor's elements are kept: ``dovetail.strided``."""

    __slots__ = ()


layout = Layout
strided = Layout("strided")
