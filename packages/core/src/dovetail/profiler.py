"""``torch.profiler``'s names: ``profile``, ``record_function``, ``schedule``."""

from __future__ import annotations

from dovetail.modes.profiling import (
    ProfilerAction,
    ProfilerActivity,
    profile,
    record_function,
    schedule,
)

__all__ = ["ProfilerAction", "ProfilerActivity", "profile", "record_function", "schedule"]
