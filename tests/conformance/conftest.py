"""Makes the backend of tests/downstream/acme known in this process, without installing it."""

import importlib.util
from pathlib import Path

import pytest

ACME = Path(__file__).parents[1] / "downstream" / "acme" / "src" / "dovetail_acme.py"


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("dovetail_backend", "cpu") == "acme":
        from dovetail import plugins

        spec = importlib.util.spec_from_file_location("dovetail_acme", ACME)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        plugins.register(module, "acme")
