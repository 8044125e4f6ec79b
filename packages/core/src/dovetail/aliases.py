"""What a tensor knows of its memory: ``Tensor._alias``.

It is None until a tensor is written to, viewed or detached. Then it is a ``Shared``, which counts the writes to the
memory, or, on a view, a ``View``, which also knows how the view was made of its base.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

from dovetail.op import Op


class Shared:
    """What all tensors on the same memory share: how often it was written to, and which views there are.

    Attributes:
        guarded: a write needs more than the numbers: a view shows one element several times, or stands for an array
            of its own (``copies``), or would lose its history (``View.origin``).
        copies: the backend gave a view as a copy, which every write brings up to date.
    """

    # in the class, so that making one sets nothing
    version = 0
    views: Any = ()  # a list of weak references from the first one on
    limit = 0  # from how many on ``add`` looks which are gone
    guarded = copies = False

    @property
    def shared(self) -> Shared:
        return self

    def add(self, view: Any) -> None:
        """Remember a view, and forget the ones that are gone once in a while."""
        if len(self.views) >= self.limit:
            self.forget()
        self.views.append(weakref.ref(view))

    def add_all(self, views: Iterable[Any]) -> None:
        """Remember several views."""
        self.views = [*self.views, *map(weakref.ref, views)]
        if len(self.views) > self.limit:
            self.forget()

    def forget(self) -> None:
        """Forget the views that are gone."""
        self.views = [reference for reference in self.views if reference() is not None]
        self.limit = 2 * len(self.views) + 32

    def alive(self) -> list[Any]:
        """Return the views that are still there."""
        found = [reference() for reference in self.views]
        return [view for view in found if view is not None and type(view._alias) is View]

    def views_of(self, base: Any) -> list[Any]:
        """Return those of the views that were made of ``base``."""
        return [view for view in self.alive() if view._alias.base is base]


Steps = tuple[tuple[Any, dict[str, Any]], ...]


class View:
    """How a view was made: the op that led to it, from its base or from a view of that, its ``source``.

    It has no ``__init__``, since indexing makes one each time and a call costs. ``options`` are those of ``op``, or
    for ``slice_view`` the index alone. ``origin`` is None for most; otherwise it says why a recorded write would have
    no clear gradient: the view was made under ``no_grad``, or together with others by the function named. ``own``: it
    was no view before ``become_view``, and its base is what it was then.
    """

    __slots__ = ("__dict__", "base", "op", "options", "shared", "source")
    base: Any
    op: Op
    options: Any
    shared: Shared
    source: View | None
    origin: str | None = None  # this and the next are in the class, since few views have others
    own: bool = False

    @property
    def steps(self) -> Steps:
        """The ops that lead from the base to the view, each with its options."""
        steps: list[Any] = []
        view: View | None = self
        while view is not None:
            options = view.options
            steps.append((view.op, options if options.__class__ is dict else {"index": options}))
            view = view.source
        return tuple(reversed(steps))

    @property
    def version(self) -> int:
        return self.shared.version

    def replay(self, tensor: Any) -> Any:
        """Make of ``tensor`` the view that was made of the base."""
        return replay(self.steps, tensor)


class Sealed:
    """Marks a result of an ``autograd.Function`` on an input's memory: a write would lose the function's gradient."""

    __slots__ = ("shared",)

    def __init__(self, shared: Shared) -> None:
        self.shared = shared

    @property
    def version(self) -> int:
        return self.shared.version


def replay(steps: Steps, tensor: Any) -> Any:
    """Make of ``tensor`` the view to which ``steps`` lead."""
    for op, options in steps:
        tensor = op.call(tensor, **options)
    return tensor


def shared_of(tensor: Any) -> Shared:
    """Return the tensor's ``Shared``, made now if it has none."""
    if tensor._alias is None:
        tensor._alias = Shared()
    return tensor._alias.shared
