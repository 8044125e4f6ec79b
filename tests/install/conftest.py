"""Wheels of all packages, built once, and a virtual environment that they are installed into one after another."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workspace import Package, packages


def run(command: list[str | Path], **options) -> str:
    """Output of a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def wheels(tmp_path_factory) -> dict[str, Path]:
    """The wheel of each package, by distribution name."""
    built = {}
    for package in packages():
        folder = tmp_path_factory.mktemp(package.name)
        run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=package.path)
        [built[package.name]] = folder.glob("*.whl")
    return built


class Environment:
    """A fresh virtual environment without pip of its own, which knows nothing of this repository's folders."""

    def __init__(self, folder: Path) -> None:
        run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"])
        self.scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        self.folder = folder
        self.installed: list[Package] = []

    def run(self, *command: str) -> str:
        """Output of one of the environment's programs, in a folder away from the repository."""
        program, *arguments = command
        isolated = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DOVETAIL"))}
        return run([self.scripts / program, *arguments], cwd=self.folder, env=isolated)

    def install(self, package: Package, wheel: Path) -> None:
        """Install a wheel and, from the index, what it requires beyond this repository."""
        assert package.siblings().keys() <= {other.name for other in self.installed}
        run([sys.executable, "-m", "pip", "--python", self.scripts / "python", "install", "--quiet", wheel])
        self.installed.append(package)


@pytest.fixture(scope="session")
def environment(tmp_path_factory) -> Environment:
    """The one environment of this folder's tests."""
    return Environment(tmp_path_factory.mktemp("environment"))
