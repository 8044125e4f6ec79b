"""Collection rules for the whole tree."""

from pathlib import Path


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Examples in docstrings are run for the packages' sources; a test's helper files are not imported for them."""
    if collection_path.suffix != ".py" or collection_path.name.startswith(("test_", "conftest")):
        return None
    return True if "src" not in collection_path.parts else None
