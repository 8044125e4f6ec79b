"""Modes see, change or replace every op that runs: ``base`` has their base, every other file one of them.

All but the base are imported when they are first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dovetail.modes.base import (
    BlockMode,
    Mode,
    State,
    active,
    paused,
    set_recording,
    state,
    tell,
    through_modes,
    through_module,
    through_node,
    unrecorded,
)

__all__ = [
    "BlockMode",
    "Mode",
    "State",
    "active",
    "paused",
    "set_recording",
    "state",
    "tell",
    "through_modes",
    "through_module",
    "through_node",
    "unrecorded",
]  # fmt: skip

LATE = {
    "FlopCounter": "dovetail.modes.flops",
    "Graph": "dovetail.modes.graph",
    "TraceError": "dovetail.modes.tracing",
    "autocast": "dovetail.modes.casting",
    "detect_anomaly": "dovetail.modes.guard",
    "deterministic": "dovetail.modes.determinism",
    "nan_guard": "dovetail.modes.guard",
    "profile": "dovetail.modes.profiling",
    "trace": "dovetail.modes.tracing",
}

if TYPE_CHECKING:
    from dovetail.modes.casting import autocast as autocast
    from dovetail.modes.determinism import deterministic as deterministic
    from dovetail.modes.flops import FlopCounter as FlopCounter
    from dovetail.modes.graph import Graph as Graph
    from dovetail.modes.guard import detect_anomaly as detect_anomaly
    from dovetail.modes.guard import nan_guard as nan_guard
    from dovetail.modes.profiling import profile as profile
    from dovetail.modes.tracing import TraceError as TraceError
    from dovetail.modes.tracing import trace as trace


def __getattr__(name: str) -> Any:
    """Import a mode when it is first used."""
    if name not in LATE:
        raise AttributeError(f"module 'dovetail.modes' has no attribute {name!r}; it has {sorted(LATE)}")
    return getattr(importlib.import_module(LATE[name]), name)
