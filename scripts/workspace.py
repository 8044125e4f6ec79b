"""The packages of this repository, read from packages/*/pyproject.toml: nothing else may list them."""

import subprocess
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, order=True)
class Package:
    """One folder of packages/."""

    path: Path

    @property
    def part(self) -> str:
        """Folder name, which is also the name below `dovetail` ("nn" for `dovetail.nn`)."""
        return self.path.name

    @cached_property
    def project(self) -> dict[str, Any]:
        """The [project] table."""
        return tomllib.loads((self.path / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    @property
    def name(self) -> str:
        """Name of the distribution ("dovetail-nn")."""
        return self.project["name"]

    @property
    def version(self) -> str:
        """Version of the distribution ("0.1.0")."""
        return self.project["version"]

    @property
    def source(self) -> Path:
        """Folder that goes on the import path; the package without code has none."""
        return self.path / "src"

    @property
    def code(self) -> Path:
        """Folder of the part's own modules."""
        here = self.source / "dovetail"
        return here / self.part if (here / self.part).is_dir() else here

    @property
    def import_name(self) -> str:
        """What users import ("dovetail.nn"; "dovetail" for the base)."""
        return ".".join(self.code.relative_to(self.source).parts)

    @property
    def is_plugin(self) -> bool:
        """Whether core finds the package by an entry point."""
        return "dovetail" in self.project.get("entry-points", {})

    def files(self) -> list[Path]:
        """Its Python sources."""
        return sorted(self.source.rglob("*.py"))

    def siblings(self) -> dict[str, str]:
        """Distribution name and version range of each required package of this repository."""
        split = [_split(requirement) for requirement in self.project["dependencies"]]
        return {name: versions for name, versions in split if name in _names()}

    def requirements(self) -> set[str]:
        """Names of all that it requires, extras included."""
        lists = [self.project["dependencies"], *self.project.get("optional-dependencies", {}).values()]
        return {_split(requirement)[0] for requirements in lists for requirement in requirements}


def _split(requirement: str) -> tuple[str, str]:
    end = next((i for i, letter in enumerate(requirement) if letter in "<>=!~[; "), len(requirement))
    return requirement[:end], requirement[end:].strip()


def _names() -> set[str]:
    return {package.name for package in packages()}


def packages() -> list[Package]:
    """All packages, by folder name."""
    return [Package(file.parent) for file in sorted(ROOT.glob("packages/*/pyproject.toml"))]


def in_dependency_order() -> list[Package]:
    """All packages, each after what it requires; a ring of requirements is a ValueError."""
    waiting, done = packages(), []
    while waiting:
        ready = [p for p in waiting if p.siblings().keys() <= {other.name for other in done}]
        if not ready:
            raise ValueError(f"these packages require each other: {[p.name for p in waiting]}")
        done += ready
        waiting = [p for p in waiting if p not in ready]
    return done


def tracked_files(*suffixes: str) -> list[Path]:
    """Files that git tracks or would add, with one of the suffixes; all files when no suffix is given."""
    # the checkout may belong to another user, as in a container
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [ROOT / name for name in sorted(set(listing.split("\0"))) if name]
    return [file for file in files if file.is_file() and (not suffixes or file.suffix in suffixes)]
