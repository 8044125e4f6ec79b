"""Backends: the array libraries and chips that tensors live on."""

from dovetail.backends.base import Backend

__all__ = ["Backend"]
