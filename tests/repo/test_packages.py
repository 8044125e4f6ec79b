"""What every package must have, and that versions, pins, changelogs and licenses agree."""

import re

from workspace import ROOT, packages


def test_pins_of_siblings_follow_their_versions():
    versions = {package.name: package.version for package in packages()}
    for package in packages():
        for name, pinned in package.siblings().items():
            major, minor, *_ = versions[name].split(".")
            assert pinned == f">={major}.{minor},<{major}.{int(minor) + 1}", f"{package.name} requires {name}{pinned}"


def test_versions_are_plain():
    wrong = {p.name: p.version for p in packages() if not re.fullmatch(r"\d+\.\d+\.\d+", p.version)}
    assert not wrong


def test_version_in_the_code_is_the_packages():
    for package in packages():
        for file in package.files():
            if found := re.search(r'^__version__ = "(.*)"$', file.read_text(), re.M):
                assert found[1] == package.version, file


def test_changelog_begins_with_the_version():
    for package in packages():
        headings = re.findall(r"^## (\S+)", (package.path / "CHANGELOG.md").read_text(), re.M)
        assert headings[0] == package.version, package.name


def test_names_and_folders_agree():
    for package in packages():
        assert package.name in {"dovetail", f"dovetail-{package.part}"}
        assert (package.path / "README.md").read_text().startswith(f"# {package.name}\n")


def test_license_is_the_same_everywhere():
    text = (ROOT / "LICENSE").read_text()
    assert text.lstrip().startswith("Apache License")
    for package in packages():
        assert (package.path / "LICENSE").read_text() == text, package.name
        assert package.project["license"] == "Apache-2.0"


def test_python_versions_agree():
    """Without requires-python a wheel is tagged for Python 2 as well."""
    assert {package.project["requires-python"] for package in packages()} == {">=3.11"}


def test_packages_with_code_are_typed_and_tested():
    for package in packages():
        if package.source.is_dir():
            assert (package.code / "py.typed").is_file(), package.name
            assert list((package.path / "tests").glob("test_*.py")), f"{package.name} has no tests"


def test_only_core_owns_the_base_module():
    owners = [package.part for package in packages() if (package.source / "dovetail/__init__.py").exists()]
    assert owners == ["core"]


def test_usual_set_holds_every_part_that_is_no_plugin():
    [usual] = [package for package in packages() if not package.source.is_dir()]
    expected = {package.name for package in packages() if package.source.is_dir() and not package.is_plugin}
    assert usual.siblings().keys() == expected
