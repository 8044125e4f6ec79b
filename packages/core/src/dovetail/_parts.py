"""What ``dovetail`` imports on first use: its parts that are packages of their own, and names that few need."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any

from dovetail.errors import MissingPackageError

#: Names of ``dovetail`` that are imported when they are first asked for, so that ``import dovetail`` stays fast: their
#: module, and after a colon what they are called there. ``methods.late`` adds those that are methods too.
LATE = {
    **dict.fromkeys(("from_dlpack", "frombuffer", "to_dlpack"), "dovetail.exchange"),
    **dict.fromkeys(("Layout", "layout", "strided"), "dovetail.layouts"),
    **dict.fromkeys(
        (
            "BFloat16Tensor",
            "BoolTensor",
            "ByteTensor",
            "CharTensor",
            "DoubleTensor",
            "FloatTensor",
            "HalfTensor",
            "IntTensor",
            "LongTensor",
            "ShortTensor",
            "set_default_tensor_type",
        ),
        "dovetail.legacy",
    ),
    "logspace": "dovetail.ranges",
    "range": "dovetail.ranges",
    "are_deterministic_algorithms_enabled": "dovetail.modes.determinism",
    "autocast": "dovetail.modes.casting",
    "bernoulli": "dovetail.sampling",
    "binomial": "dovetail.sampling",
    "get_autocast_dtype": "dovetail.modes.casting",
    "is_autocast_enabled": "dovetail.modes.casting",
    "is_deterministic_algorithms_warn_only_enabled": "dovetail.modes.determinism",
    "load": "dovetail.serialization",
    "multinomial": "dovetail.sampling",
    "nan_guard": "dovetail.modes.guard",
    "normal": "dovetail.sampling",
    "poisson": "dovetail.sampling",
    "use_deterministic_algorithms": "dovetail.modes.determinism",
    "save": "dovetail.serialization",
    "set_printoptions": "dovetail.printing",
    "vmap": "dovetail.func",
}


class _Missing:
    """Comes last among the finders, so that it is asked only for what no installed package has."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        parent, _, part = name.rpartition(".")
        # a tool that asks every finder about a file of its own gives another path
        importing = path is getattr(sys.modules.get("dovetail"), "__path__", None)
        if importing and parent == "dovetail" and part.isidentifier() and not part.startswith("_"):
            raise MissingPackageError(
                f"No module named {name!r}; if it is a part of Dovetail, install it: pip install dovetail-{part}",
                name=name,
            )


def watch_imports() -> None:
    """Have ``import dovetail.nn`` say what to install when dovetail-nn is missing."""
    if not any(isinstance(finder, _Missing) for finder in sys.meta_path):
        sys.meta_path.append(_Missing())


def late_attribute(name: str) -> Any:
    """Return the part or the late name called ``name``, imported now.

    Raises:
        AttributeError: no installed part or module has this name; the text says which name may be meant.
    """
    import dovetail

    if name in LATE:
        module, _, attribute = LATE[name].partition(":")
        value = getattr(importlib.import_module(module), attribute or name)
        if hasattr(value, "definition"):
            from dovetail.writes import lacks_out, with_out

            value = with_out(value) if lacks_out(value) else value
        setattr(dovetail, name, value)
        return value
    if not name.startswith("_"):
        try:
            found = importlib.util.find_spec(f"dovetail.{name}") is not None
        except ModuleNotFoundError:
            found = False
        if found:
            return importlib.import_module(f"dovetail.{name}")
    import difflib

    known = [known for known in (*vars(dovetail), *LATE) if not known.startswith("_")]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    advice = f"did you mean {close[0]!r}?" if close else f"if it is a part of Dovetail: pip install dovetail-{name}"
    raise AttributeError(f"module 'dovetail' has no attribute {name!r}; {advice}", name=name, obj=dovetail)
