"""Fixtures for core's tests."""

import sys
import textwrap

import pytest

from dovetail import plugins


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that installs a package of one module, as pip would, into a folder on the path."""
    monkeypatch.delenv(plugins.ENVIRONMENT, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def add(package, source, name=None, version="1.0", requires=()):
        module = package.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(source))
        info = tmp_path / f"{module}-{version}.dist-info"
        info.mkdir()
        needs = "".join(f"Requires-Dist: {line}\n" for line in requires)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n{needs}")
        name = name or package.removeprefix("dovetail-")
        (info / "entry_points.txt").write_text(f"[dovetail]\n{name} = {module}\n")
        return info

    plugins.reset()
    yield add
    plugins.reset()
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def own_specs(monkeypatch):
    """Let a test add hook specs without leaving them behind."""
    monkeypatch.setattr(plugins, "_owners", list(plugins._owners))
    plugins.reset()
    yield
    plugins.reset()
