"""``profile``: where the time of a program goes, by op and by module."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from enum import Enum
from functools import wraps
from typing import Any

from dovetail.modes import places
from dovetail.modes.base import BlockMode, active, amid, state
from dovetail.modes.flops import operations, tensors_in
from dovetail.modes.places import names_of
from dovetail.modes.profile_tables import Averages, averages_by_module, averages_by_op


class ProfilerAction(Enum):
    """What a profiler does during a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


class ProfilerActivity(Enum):
    """Names that PyTorch's programs give; the ops of every device are always seen."""

    CPU = 0
    CUDA = 2


class Event:
    """One op, node, module or range that ran: its time in nanoseconds, and the ones inside."""

    __slots__ = (
        "backward", "bytes", "end", "flops", "inside", "kind", "modules", "name", "owner", "shapes", "start",
    )  # fmt: skip

    def __init__(self, name: str, kind: str, modules: tuple[Any, ...], owner: Event | None) -> None:
        self.name = name
        self.kind = kind  # "op", "backward", "module" or "range"
        self.modules = modules
        self.owner = owner
        self.backward = state.node is not None
        self.flops = self.bytes = self.inside = 0
        self.shapes: tuple = ()
        self.start = self.end = time.perf_counter_ns()

    @property
    def total(self) -> int:
        """The time from begin to end."""
        return self.end - self.start

    @property
    def own(self) -> int:
        """The time apart from the events inside."""
        return self.total - self.inside


class profile(BlockMode):
    """Measure every op, module and backward node of this thread; a context manager.

    Time is what the clock says, with devices waited for after each op. Bytes are those that ops read and write, and
    FLOP counts a multiplication and an addition as 2, elementwise ops and reductions as 1 for each element.

    Args:
        activities: as for ``torch.profiler.profile``; all devices are seen in any case.
        schedule: a function of the step's number that gives a ``ProfilerAction``; see ``dovetail.profiler.schedule``.
        on_trace_ready: called with the profiler when a cycle of the schedule, or the block, ends.
        record_shapes: keep the sizes of inputs, for ``key_averages(group_by_input_shape=True)`` and the trace file.

    Example::

        >>> import dovetail
        >>> with dovetail.profiler.profile() as prof:
        ...     _ = dovetail.ones(2, 3) @ dovetail.ones(3, 4)
        >>> [(row.key, row.count, row.flops) for row in prof.key_averages()]
        [('matmul', 1, 48)]
    """

    def __init__(
        self,
        activities: Iterable[Any] | None = None,
        *,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None,
        record_shapes: bool = False,
    ) -> None:
        self.activities = activities
        self.schedule = schedule
        self.on_trace_ready = on_trace_ready
        self.record_shapes = record_shapes
        self.events: list[Event] = []
        self.open: list[Event] = []
        self.step_num = 0
        self.action = ProfilerAction.RECORD
        self.range: Any = None

    @property
    def recording(self) -> bool:
        """Whether events are kept in this step."""
        return self.action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)

    def __enter__(self) -> profile:
        super().__enter__()
        self._begin_step()
        return self

    def __exit__(self, *error: Any) -> None:
        self._end_step()
        super().__exit__(*error)
        self.open.clear()
        if self.on_trace_ready is not None and self.schedule is None:
            self.on_trace_ready(self)

    def start(self) -> None:
        """Begin, for use without ``with``."""
        self.__enter__()

    def stop(self) -> None:
        """End what ``start`` began."""
        self.__exit__(None, None, None)

    def step(self) -> None:
        """Say that the next step of the schedule begins."""
        self._end_step()
        self.step_num += 1
        self._begin_step()

    def _begin_step(self) -> None:
        if self.schedule is None:
            return
        before, self.action = self.recording and self.step_num, self.schedule(self.step_num)
        if self.recording and not before:
            self.events = []
        if self.recording:
            self.range = f"ProfilerStep#{self.step_num}"
            self.begins(self.range)

    def _end_step(self) -> None:
        if self.range is not None:
            self.ends(self.range, None)
            self.range = None
        if self.action is ProfilerAction.RECORD_AND_SAVE:
            self.action = ProfilerAction.NONE
            if self.on_trace_ready is not None:
                self.on_trace_ready(self)

    # What modes are told

    def see(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the op and measure it."""
        if not self.recording:
            return op(*args, **kwargs)
        event = self._opened(op.definition.name, "op", _modules())
        try:
            out = op(*args, **kwargs)
            for tensor in tensors_in((out,))[:1]:
                tensor._device.backend.synchronize(tensor._device.index or 0)
        finally:
            self._closed(event)
        event.flops = operations(op.definition, out, args, kwargs)
        tensors = tensors_in((*args, out))
        event.bytes = 0 if op.definition.view else sum(tensor.nbytes for tensor in tensors)
        if self.record_shapes:
            event.shapes = tuple(tuple(tensor.shape) for tensor in tensors_in(args))
        if state.grad:
            places.note(op, out, ())
        return out

    def begins(self, what: Any) -> None:
        """Open an event for a module, a node or a range."""
        if not self.recording:
            return
        if hasattr(what, "edges"):
            self._opened(what.name(), "backward", places.origin_of(what).modules)
        elif isinstance(what, str):
            self._opened(what, "range", _modules())
        else:
            self._opened(type(what).__name__, "module", state.modules)

    def ends(self, what: Any, error: BaseException | None) -> None:
        """Close it."""
        if self.open:
            self._closed(self.open[-1])

    def _opened(self, name: str, kind: str, modules: tuple[Any, ...]) -> Event:
        event = Event(name, kind, modules, self.open[-1] if self.open else None)
        self.open.append(event)
        return event

    def _closed(self, event: Event) -> None:
        event.end = time.perf_counter_ns()
        self.open.pop()
        if event.owner is not None:
            event.owner.inside += event.total
        self.events.append(event)

    # What came out

    def key_averages(self, group_by_input_shape: bool = False) -> Averages:
        """Return one row for each op, backward node and range, the longest first."""
        return averages_by_op(self.events, group_by_input_shape)

    def table(self, sort_by: str = "self_cpu_time_total", by: str = "op", row_limit: int = 100) -> str:
        """Return the measurements as a table of text.

        Args:
            sort_by: a column's name, PyTorch's ones too: ``self_cpu_time_total``, ``cpu_time_total``, ``cpu_time``,
                ``count``, ``bytes``, ``flops``, ``name``; those with ``cuda`` or ``device`` mean the same.
            by: ``"op"`` or ``"module"``.
            row_limit: how many rows.

        Raises:
            ValueError: another word.
        """
        if by not in ("op", "module"):
            raise ValueError(f"profile.table: by is 'op' or 'module', got {by!r}")
        rows = self.key_averages() if by == "op" else averages_by_module(self.events)
        return rows.table(sort_by=sort_by, row_limit=row_limit)

    def export_chrome_trace(self, path: str | os.PathLike) -> None:
        """Write the events as a file that chrome://tracing and ui.perfetto.dev open."""
        import json

        process, thread = os.getpid(), threading.get_ident()
        begin = min((event.start for event in self.events), default=0)
        place = {"pid": process, "tid": thread}
        entries: list[dict[str, Any]] = [
            {"name": "process_name", "ph": "M", **place, "args": {"name": "dovetail"}},
            {"name": "thread_name", "ph": "M", **place, "args": {"name": f"thread {thread}"}},
        ]
        for event in sorted(self.events, key=lambda event: event.start):
            facts = {"FLOP": event.flops, "bytes": event.bytes, "module": ".".join(names_of(event.modules))}
            if event.shapes:
                facts["Input Dims"] = [list(shape) for shape in event.shapes]
            times = {"ts": (event.start - begin) / 1000, "dur": event.total / 1000}
            shown = {name: fact for name, fact in facts.items() if fact}
            entries.append({"name": event.name, "cat": event.kind, "ph": "X", **times, **place, "args": shown})
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"traceEvents": entries, "displayTimeUnit": "ms"}, file)


def _modules() -> tuple[Any, ...]:
    """Return the modules that an op belongs to: in a backward pass those of the forward op."""
    return state.modules if state.node is None else places.origin_of(state.node).modules


class record_function:
    """Give a part of the program a name in profiles; a context manager and a decorator.

    Example::

        >>> import dovetail
        >>> with dovetail.profiler.profile() as prof, dovetail.profiler.record_function("twice"):
        ...     _ = dovetail.ones(2) * 2
        >>> sorted(row.key for row in prof.key_averages())
        ['mul', 'twice']
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.told: list[bool] = []

    def __enter__(self) -> record_function:
        self.told.append(bool(active and state.modes))
        if self.told[-1]:
            from dovetail.modes.base import tell

            tell("begins", self.name)
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if self.told.pop():
            from dovetail.modes.base import tell

            tell("ends", self.name, error)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if active and state.modes:
                return amid(self.name, function, *args, **kwargs)
            return function(*args, **kwargs)

        return wrapped


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0
) -> Callable[[int], ProfilerAction]:
    """Return a schedule that lets ``wait`` and ``warmup`` steps pass and then records ``active`` ones, again and again.

    Args:
        repeat: how many such cycles; 0 for no end.
        skip_first: how many steps to let pass before the first cycle.

    Example::

        >>> import dovetail
        >>> plan = dovetail.profiler.schedule(wait=1, warmup=0, active=2, repeat=1)
        >>> [plan(step).name for step in range(4)]
        ['NONE', 'RECORD', 'RECORD_AND_SAVE', 'NONE']
    """
    length = wait + warmup + active

    def action(step: int) -> ProfilerAction:
        cycle, position = divmod(step - skip_first, length)
        if step < skip_first or (repeat and cycle >= repeat) or position < wait:
            return ProfilerAction.NONE
        if position < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if position < length - 1 else ProfilerAction.RECORD_AND_SAVE

    return action
