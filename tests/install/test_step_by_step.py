"""Install core alone in a fresh environment, use it, then the next package, up to all of them."""

import re

import pytest

from workspace import in_dependency_order

ORDER = in_dependency_order()


@pytest.fixture(params=ORDER, ids=[package.name for package in ORDER])
def package(request, environment, wheels):
    """Each package in turn, installed together with those before it and nothing after it."""
    for candidate in ORDER:
        if candidate not in environment.installed:
            environment.install(candidate, wheels[candidate.name])
        if candidate == request.param:
            return candidate
    raise AssertionError(f"{request.param.name} is not in the dependency order")


def test_readme_example_runs(package, environment):
    """The example of the package's own README works with what is installed so far."""
    examples = re.findall(r"^```python\n(.*?)^```$", (package.path / "README.md").read_text(), re.M | re.S)
    assert examples, f"{package.name}'s README shows no example"
    for example in examples:
        environment.run("python", "-c", example)


def test_absent_parts_say_what_to_install(package, environment):
    absent = [other for other in ORDER if other not in environment.installed and other.source.is_dir()]
    for other in absent:
        imports = f"import {other.import_name}", "ModuleNotFoundError"
        uses = f"import dovetail; {other.import_name}", "AttributeError"  # what hasattr() expects
        for statement, error in (imports, uses):
            code = f"try:\n    exec({statement!r})\nexcept {error} as error:\n    print(error)\n"
            assert f"pip install {other.name}" in environment.run("python", "-c", code), statement


def test_parts_come_from_the_environment(package, environment):
    present = [other.import_name for other in environment.installed if other.source.is_dir()]
    code = "import importlib, sys; print(*[importlib.import_module(name).__file__ for name in sys.argv[1:]], sep='\\n')"
    files = environment.run("python", "-c", code, *present).split()
    assert len(files) == len(present)
    assert all(file.startswith(str(environment.folder)) for file in files), files


def test_doctor_finds_nothing_wrong_with_the_installation(package, environment):
    report = environment.run("dovetail", "doctor")
    assert "dovetail-core" in report
    assert "cpu" in report
