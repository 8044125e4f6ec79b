"""Time Dovetail beside PyTorch in one process and write down the ratios: `hatch run bench`.

Each file bench_*.py of this folder holds a list CASES; a new file needs no entry anywhere. A ratio below 1 means that
Dovetail is faster.
"""

import argparse
import datetime
import importlib
import importlib.util
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from harness import Case, Result, machine, measure, table, versions

HERE = Path(__file__).resolve().parent
PAGE = """# {date}, {machine}, {cores} cores

{versions}; {threads} threads each. Times are medians of {rounds} rounds, in turns.

{table}"""


def cases(pattern: str = "") -> list[Case]:
    """The cases of all families whose name matches the pattern."""
    modules = [importlib.import_module(file.stem) for file in sorted(HERE.glob("bench_*.py"))]
    return [case for module in modules for case in module.CASES if re.search(pattern, case.name)]


def pytorch() -> Any | None:
    """PyTorch, or None where it is not installed."""
    return importlib.import_module("torch") if importlib.util.find_spec("torch") else None


def limit_threads(number: int) -> None:
    """Give both libraries the same number of threads; works only before NumPy is imported."""
    if number:
        os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(number)


def report(results: list[Result], rounds: int) -> dict[str, Any]:
    """All that is written down."""
    now = datetime.datetime.now(datetime.UTC)
    return {
        "date": now.date().isoformat(),
        "machine": machine(),
        "cores": os.cpu_count(),
        "threads": int(os.environ.get("OPENBLAS_NUM_THREADS", os.cpu_count() or 1)),
        "versions": versions("dovetail-core", "numpy", "torch"),
        "rounds": rounds,
        "results": [
            {"name": r.name, "ratio": r.ratio, "dovetail_seconds": r.ours, "torch_seconds": r.theirs} for r in results
        ],
    }


def kept(record: dict[str, Any], numbers: Path) -> list[Result]:
    """The results already in a file, of cases that were not measured again; of another kind of run, none."""
    if not numbers.exists():
        return []
    before = json.loads(numbers.read_text(encoding="utf-8"))
    if any(before[key] != record[key] for key in ("versions", "rounds")):
        return []
    again = {result["name"] for result in record["results"]}
    fresh = [result for result in before["results"] if result["name"] not in again]
    return [Result(result["name"], result["dovetail_seconds"], result["torch_seconds"]) for result in fresh]


def write(results: list[Result], rounds: int, folder: Path, part: bool = False) -> Path:
    """Write <date>-<machine>-<threads>-threads.json and .md; gives the path of the latter.

    A `part` of the cases takes the place of these cases alone where the files are there already.
    """
    record = report(results, rounds)
    slug = re.sub(r"[^a-z0-9]+", "-", record["machine"].lower()).strip("-")
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / f"{record['date']}-{slug}-{record['threads']}-threads.md"
    if part:
        results = kept(record, page.with_suffix(".json")) + results
        record = report(results, rounds)
    page.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    shown = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    page.write_text(PAGE.format_map({**record, "versions": shown, "table": table(results)}), encoding="utf-8")
    return page


def main(arguments: list[str]) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pattern", nargs="?", default="", help="only cases whose name matches this pattern")
    parser.add_argument("--rounds", type=int, default=25, help="rounds per case (default: 25)")
    parser.add_argument("--threads", type=int, default=0, help="threads for each library (default: as many as cores)")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder to write to")
    options = parser.parse_args(arguments)

    limit_threads(options.threads)

    import dovetail

    other = pytorch()
    if other is None:
        print("PyTorch is not installed: its columns stay empty")
    results = []
    for case in cases(options.pattern):
        results.append(measure(case, dovetail, other, options.rounds))
        print(".", end="", flush=True)
    print("\n" + table(results))
    print("written to", write(results, options.rounds, options.results, part=bool(options.pattern)))


if __name__ == "__main__":
    main(sys.argv[1:])
