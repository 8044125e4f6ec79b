"""Run every check that is not a unit test: lint, format, types, the rules on ourselves. `hatch run check`."""

import os
import subprocess
import sys

from workspace import ROOT, packages

# Python, so that the tools of this environment run whatever else is on the path.
LINT = ["ruff", "check", "."]
FORMAT = ["ruff", "format", "--check", "."]
RULES = ["pytest", "-q", "tests/repo"]


def types() -> list[str]:
    """Type check of the public API."""
    return ["mypy", *(str(package.code) for package in packages() if package.source.is_dir())]


def main() -> int:
    """Run all, even after a failure, and say at the end what failed."""
    path = os.pathsep.join(str(package.source) for package in packages() if package.source.is_dir())
    environment = {**os.environ, "MYPYPATH": path}
    failed = []
    for command in (LINT, FORMAT, types(), RULES):
        print("$", " ".join(command[:3]), flush=True)
        if subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=environment, check=False).returncode:
            failed.append(command[0] if command is not FORMAT else "ruff format")
    print("failed: " + ", ".join(failed) if failed else "all checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
