"""Who may import whom: core from nobody, a part from what its pyproject.toml requires, nobody from a plug-in."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from workspace import ROOT, Package, in_dependency_order, packages

# Distributions whose import name is not their own name with "_" for "-".
IMPORT_NAMES = {"cupy-cuda12x": "cupy", "cupy-cuda13x": "cupy", "ipython": "IPython", "pillow": "PIL"}


def imported(source: str) -> Iterator[str]:
    """Every absolute name that the source imports; `from a import b` gives "a.b", `dovetail.nn` in code counts too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "dovetail":
            yield f"dovetail.{node.attr}"


def imported_parts(files: list[Path]) -> set[str]:
    """Names of the repository's packages that the files import."""
    owners = {other.import_name: other.name for other in packages() if other.source.is_dir()}
    found = set()
    for file in files:
        for name in imported(file.read_text(encoding="utf-8")):
            top = ".".join(name.split(".")[:2])
            if name.split(".")[0] == "dovetail":
                found.add(owners.get(top, owners["dovetail"]))
    return found


def test_packages_import_what_they_require_and_require_what_they_import():
    wrong = {}
    for package in packages():
        found = imported_parts(package.files()) - {package.name}
        if package.source.is_dir() and found != package.siblings().keys():
            wrong[package.name] = {"imports": sorted(found), "requires": sorted(package.siblings())}
    assert not wrong


def closure(package: Package) -> set[str]:
    """Names of the package and of all packages of the repository that it requires, directly or not."""
    by_name = {other.name: other for other in packages()}
    return {package.name}.union(*(closure(by_name[name]) for name in package.siblings()))


def test_own_tests_need_only_the_package_and_what_it_requires():
    """Tests that join packages belong into tests/."""
    for package in packages():
        tests = sorted((package.path / "tests").rglob("*.py"))
        assert imported_parts(tests) <= closure(package), package.name


def test_core_requires_no_other_part():
    assert in_dependency_order()[0].import_name == "dovetail"
    assert not in_dependency_order()[0].siblings()


def test_nothing_requires_a_plugin():
    plugins = {package.name for package in packages() if package.is_plugin}
    assert plugins, "the repository has at least the CUDA plug-in"
    wrong = {package.name: plugins & package.siblings().keys() for package in packages()}
    assert not any(wrong.values()), wrong


def test_backend_packages_require_only_core():
    """A backend knows arrays, not layers: what calls `dovetail_register_backends` must do with core alone."""
    core = in_dependency_order()[0]
    for package in packages():
        if package is not core and any("def dovetail_register_backends" in f.read_text() for f in package.files()):
            assert set(package.siblings()) <= {core.name}, package.name


def test_other_imports_are_required_too():
    wrong = []
    for package in packages():
        allowed = {IMPORT_NAMES.get(name, name.replace("-", "_")) for name in package.requirements()}
        allowed |= sys.stdlib_module_names | {"dovetail", "dovetail_pytest"}
        for file in package.files():
            tops = {name.split(".")[0] for name in imported(file.read_text(encoding="utf-8"))}
            wrong += [f"{file.relative_to(ROOT)} imports {top}" for top in sorted(tops - allowed)]
    assert not wrong, f"add it to the package's pyproject.toml or do without: {wrong}"


def test_the_rule_sees_each_form_of_import():
    source = "import a.b\nfrom c import d\nfrom . import e\nimport dovetail\ndovetail.nn.Linear\n"
    assert set(imported(source)) == {"a.b", "c.d", "dovetail", "dovetail.nn"}
