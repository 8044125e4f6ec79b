"""Import time, each in a fresh interpreter."""

import subprocess
import sys
from typing import Any

from harness import Case, Timing

TIMED = """
import sys, time
{first}
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
"""


def importing(first: str) -> Any:
    """How to time the import of a library after the line `first`."""

    def timing(library: Any) -> Timing:
        command = [sys.executable, "-c", TIMED.format(first=first, module=library.__name__)]

        def seconds(number: int) -> float:
            done = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(number)]
            return sum(float(process.stdout) for process in done)

        return seconds

    return timing


CASES = [
    Case("import", importing("")),
    Case("import, NumPy already there", importing("import numpy")),
]
