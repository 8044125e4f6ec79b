"""Dovetail's pytest plug-in: the option of the conformance suite, and its score.

pytest loads it at every start where Dovetail is installed, so it imports Dovetail only once a conformance test runs.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

_SCORED = "dovetail_score"
_SIGNS = {"passed": "+", "failed": "F", "skipped": "."}
_SHORT = {
    "bool": "b", "uint8": "u8", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64", "float16": "f16",
    "bfloat16": "bf16", "float32": "f32", "float64": "f64", "complex64": "c64", "complex128": "c128",
}  # fmt: skip
_ASPECTS = {
    "test_defined": "def", "test_gradient": "grad", "test_second_gradient": "grad2", "test_strided": "strided",
    "test_empty": "empty", "test_zero_dim": "0-d", "test_broadcast": "broadcast",
}  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--dovetail-backend``."""
    group = parser.getgroup("dovetail")
    group.addoption(
        "--dovetail-backend",
        default="cpu",
        metavar="NAME",
        help="the backend that dovetail.testing.conformance tests (default: cpu)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begin a score."""
    config.pluginmanager.register(_Score(config), "dovetail-score")


def _column(item: Any) -> tuple[str, str] | None:
    """Return the op that a conformance test is about, and the column of the score that it counts in."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    function = getattr(item, "originalname", "")
    if "op_name" not in parameters or not getattr(item.function, "__module__", "").startswith("dovetail.testing"):
        return None
    if "dtype_name" in parameters:
        return parameters["op_name"], _SHORT[parameters["dtype_name"]]
    if "float_name" in parameters:
        return parameters["op_name"], "g" + _SHORT[parameters["float_name"]]
    return parameters["op_name"], _ASPECTS.get(function, function)


class _Score:
    """Counts, for each op and column, what passed, failed or was not asked for."""

    def __init__(self, config: pytest.Config) -> None:
        self.backend = config.getoption("dovetail_backend")
        self.outcomes: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.columns: dict[str, None] = {}

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        column = _column(item)
        if column is not None:
            item.user_properties.append((_SCORED, list(column)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.outcome == "passed":
            return
        for name, value in report.user_properties:
            if name == _SCORED:
                op, column = value
                self.outcomes[op][column].add(report.outcome)
                self.columns[column] = None

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self.outcomes:
            return
        columns = list(self.columns)
        width = max(map(len, self.outcomes))
        write = terminalreporter.write_line
        terminalreporter.section(f"Dovetail conformance of backend '{self.backend}'")
        write(f"{'+ right, F wrong, . not asked for':<{width}}")
        write(" ".join([" " * width, *columns]))
        for op, found in self.outcomes.items():
            signs = [_sign(found.get(column, set())) for column in columns]
            if terminalreporter.verbosity >= 0 or "F" in signs:
                cells = [f"{sign:^{len(column)}}" for sign, column in zip(signs, columns, strict=True)]
                write(" ".join([f"{op:<{width}}", *cells]).rstrip())
        for column in columns:
            signs = [_sign(found.get(column, set())) for found in self.outcomes.values()]
            asked = len(signs) - signs.count(".")
            write(f"{column:<10}{signs.count('+'):>5} of {asked} ops")
        total = [_sign(outcomes) for found in self.outcomes.values() for outcomes in found.values()]
        asked = len(total) - total.count(".")
        write(f"score: {total.count('+')} of {asked} ({100 * total.count('+') / max(asked, 1):.1f} %)")


def _sign(outcomes: set[str]) -> str:
    """Return one sign for what several tests gave: wrong if any is, right if any is."""
    return next((_SIGNS[outcome] for outcome in ("failed", "passed") if outcome in outcomes), ".")
