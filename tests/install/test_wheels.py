"""What is in the wheels."""

import zipfile

from workspace import packages

CORE_LIMIT = 1_000_000


def names(wheel) -> list[str]:
    """Paths inside a wheel, without its metadata."""
    return [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]


def test_wheels_fit_every_python_3(wheels):
    assert all(wheel.name.endswith("-py3-none-any.whl") for wheel in wheels.values()), wheels


def test_each_wheel_ships_its_part_and_nothing_else(wheels):
    for package in packages():
        shipped = names(wheels[package.name])
        if not package.source.is_dir():
            assert not shipped, package.name
            continue
        own = package.code.relative_to(package.source).as_posix() + "/"
        assert [name for name in shipped if not name.startswith(own)] in ([], ["dovetail_pytest.py"]), package.name
        assert {f"{own}__init__.py", f"{own}py.typed"} <= set(shipped), package.name


def test_every_source_file_is_shipped(wheels):
    for package in packages():
        sources = {file.relative_to(package.source).as_posix() for file in package.files()}
        assert sources <= set(names(wheels[package.name])), package.name


def test_only_core_ships_the_base_module(wheels):
    owners = [name for name, wheel in wheels.items() if "dovetail/__init__.py" in names(wheel)]
    assert owners == ["dovetail-core"]


def test_no_file_is_in_two_wheels(wheels):
    shipped = [name for wheel in wheels.values() for name in names(wheel)]
    assert len(shipped) == len(set(shipped))


def test_core_is_small(wheels):
    assert wheels["dovetail-core"].stat().st_size < CORE_LIMIT


def test_wheels_carry_the_license(wheels):
    for wheel in wheels.values():
        assert any(name.endswith(".dist-info/licenses/LICENSE") for name in zipfile.ZipFile(wheel).namelist()), wheel
