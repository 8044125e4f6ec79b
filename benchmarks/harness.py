"""How one statement is timed in Dovetail and in PyTorch, in turns, and how the times are shown."""

import platform
import statistics
import timeit
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# Long enough that the clock's own error and one interruption do not matter, short enough for many rounds.
SECONDS_PER_ROUND = 0.02
WARM_ROUNDS = 2

Timing = Callable[[int], float]


@dataclass(frozen=True)
class Case:
    """One benchmark: how to time `number` runs of it with a library ("dovetail", "torch").

    Where `beside` is given, it is what Dovetail is timed with in place of PyTorch, as the name must say.
    """

    name: str
    timing: Callable[[Any], Timing]
    beside: Callable[[Any], Timing] | None = None


@dataclass(frozen=True)
class Result:
    """Seconds per run, round by round; `theirs` is empty where PyTorch is absent."""

    name: str
    ours: list[float]
    theirs: list[float]

    @property
    def ratio(self) -> float | None:
        """Median over the rounds of Dovetail's time divided by PyTorch's of the same round."""
        return statistics.median(self.ratios()) if self.theirs else None

    def ratios(self) -> list[float]:
        """Ratio of each round."""
        return [mine / other for mine, other in zip(self.ours, self.theirs, strict=True)]


def statement(name: str, code: str, setup: Callable[[Any], dict[str, Any]]) -> Case:
    """A case that runs the same line of code with the names that `setup(library)` gives."""
    return Case(name, lambda library: timeit.Timer(code, "import gc; gc.enable()", globals=setup(library)).timeit)


def runs_per_round(timing: Timing) -> int:
    """How many runs take about SECONDS_PER_ROUND."""
    timing(1)  # the first run loads modules and prepares kernels
    number = 1
    while (seconds := min(timing(number), timing(number))) < SECONDS_PER_ROUND / 4:
        number *= 4
    return max(1, round(number * SECONDS_PER_ROUND / seconds))


def measure(case: Case, ours: Any, theirs: Any | None, rounds: int) -> Result:
    """Time a case in turns: each round runs both, and the one that begins changes from round to round."""
    if case.beside is not None:
        sides = [case.timing(ours), case.beside(ours)]
    else:
        sides = [case.timing(library) for library in (ours, theirs) if library is not None]
    numbers = [runs_per_round(timing) for timing in sides]
    times: list[list[float]] = [[], []]
    for turn in range(WARM_ROUNDS + rounds):
        for side in sorted(range(len(sides)), reverse=bool(turn % 2)):
            seconds = sides[side](numbers[side]) / numbers[side]
            if turn >= WARM_ROUNDS:
                times[side].append(seconds)
    return Result(case.name, *times)


def show(seconds: float) -> str:
    """A time with three digits and its unit."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def rows(results: list[Result]) -> Iterator[tuple[str, str, str, str, str]]:
    """Name, Dovetail's time, PyTorch's time, the ratio and the middle half of the rounds' ratios."""
    for result in results:
        mine = show(statistics.median(result.ours))
        if not result.theirs:
            yield result.name, mine, "–", "–", "–"
            continue
        low, _, high = statistics.quantiles(result.ratios(), n=4)
        theirs = show(statistics.median(result.theirs))
        yield result.name, mine, theirs, f"{result.ratio:.2f}", f"{low:.2f} to {high:.2f}"


def table(results: list[Result]) -> str:
    """The results as a Markdown table that can be read as it is."""
    lines = [("benchmark", "Dovetail", "PyTorch", "ratio", "middle half"), *rows(results)]
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    padded.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(cells) + " |" for cells in padded) + "\n"


def machine() -> str:
    """The processor's name, or its kind where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def versions(*distributions: str) -> dict[str, str]:
    """Versions of Python and of those of the distributions that are installed."""
    found = {"python": platform.python_version()}
    for name in distributions:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
