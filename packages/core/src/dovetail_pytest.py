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
_ORDER = ["def", *_SHORT.values(), "grad", "grad2", "gf16", "gbf16", "gf32", "gf64", *_ASPECTS.values()]


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
    return parameters["op_name"], _ASPECTS[function]


class _Score:
    """Counts, for each op and column, what passed, failed or was not asked for."""

    def __init__(self, config: pytest.Config) -> None:
        self.backend = config.getoption("dovetail_backend")
        self.outcomes: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.columns: list[str] = []

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        column = _column(item)
        if column is not None:
            item.user_properties.append((_SCORED, list(column)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.outcome == "passed":
            return
        for name, value in report.user_properties:
            if name == _SCORED and isinstance(value, list):
                op, column = value
                self.outcomes[op][column].add(report.outcome)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self.outcomes:
            return
        used = {column for found in self.outcomes.values() for column in found}
        self.columns = sorted(used, key=_ORDER.index)
        signs = {
            op: {column: _sign(found.get(column, set())) for column in self.columns}
            for op, found in self.outcomes.items()
        }
        terminalreporter.section(f"Dovetail conformance of backend '{self.backend}'")
        write = terminalreporter.write_line
        write("+ right   F wrong   . not asked for   g... gradient in that dtype")
        write(self._row("", {column: column for column in self.columns}))
        for op, of_op in signs.items():
            if terminalreporter.verbosity >= 0 or "F" in of_op.values():
                write(self._row(op, of_op))
        columns = {column: [of_op[column] for of_op in signs.values()] for column in self.columns}
        write(self._row("ops right", {column: str(found.count("+")) for column, found in columns.items()}))
        asked = {column: len(found) - found.count(".") for column, found in columns.items()}
        write(self._row("ops asked", {column: str(number) for column, number in asked.items()}))
        right, total = sum(found.count("+") for found in columns.values()), sum(asked.values())
        write(f"score: {right} of {total} ({100 * right / max(total, 1):.1f} %)")

    def _row(self, name: str, cells: dict[str, str]) -> str:
        width = max(9, *map(len, self.outcomes))
        return " ".join([f"{name:<{width}}", *(f"{cells[column]:>{max(len(column), 3)}}" for column in self.columns)])


def _sign(outcomes: set[str]) -> str:
    """Return one sign for what several tests gave: wrong if any is, right if any is."""
    return next((_SIGNS[outcome] for outcome in ("failed", "passed") if outcome in outcomes), ".")
