"""The words for how memory is laid out; there is one layout, and arrays are what the backend has."""

from __future__ import annotations


class Layout:
    """How a tensor's elements are kept, ``dovetail.strided``: a name that prints as itself."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"dovetail.{self.name}"

    def __reduce__(self) -> str:
        return self.name


layout = Layout
strided = Layout("strided")
