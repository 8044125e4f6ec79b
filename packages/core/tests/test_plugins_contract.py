"""What a plug-in must keep to: the interface's version, the names of hooks, their marks, arguments and results."""

import textwrap
import types

import pytest

from dovetail import plugins
from dovetail.errors import PluginError

BACKENDS = """
    from dovetail.hookspecs import hookimpl

    @hookimpl
    def dovetail_register_backends():
        return [{result}]
"""


def found(name):
    (record,) = [record for record in plugins.records() if record.name == name]
    return record


@pytest.mark.parametrize("stated", ["'1'", "'1.0'", "1", "'1.7'"])
def test_same_major_is_accepted(install, stated):
    install("dovetail-versioned", f"dovetail_api = {stated}\n")
    plugins.load("versioned")
    assert found("versioned").state == "loaded"


@pytest.mark.parametrize(
    ("stated", "error", "advice"),
    [
        ("'2'", "it is made for plug-in API 2; this dovetail-core has 1.0", "pip install --upgrade dovetail-core"),
        (
            "'0.9'",
            "it is made for plug-in API 0.9; this dovetail-core has 1.0",
            "pip install --upgrade dovetail-versioned",
        ),
        ("'one'", "dovetail_api is 'one'; it must be a version such as '1' or '1.0'", ""),
    ],
)
def test_another_major_is_refused(install, stated, error, advice):
    install("dovetail-versioned", f"dovetail_api = {stated}\n" + textwrap.dedent(BACKENDS.format(result="1")))
    plugins.load("versioned")
    assert (found("versioned").error, found("versioned").advice) == (error, advice)
    assert all(record.name != "versioned" for record, _ in plugins.call("dovetail_register_backends"))


def test_misspelled_hook(install):
    install("dovetail-typo", BACKENDS.format(result="").replace("_backends", "_backend"))
    plugins.load("typo")
    assert found("typo").error.startswith(
        "no installed package has a hook 'dovetail_register_backend'; did you mean 'dovetail_register_backends'?"
    )
    assert not plugins.manager().has_plugin("typo")


def test_hook_far_from_any(install):
    install("dovetail-typo", BACKENDS.format(result="").replace("register_backends", "add_chips"))
    plugins.load("typo")
    assert found("typo").error.startswith("no installed package has a hook 'dovetail_add_chips'; there are 'dovetail_")


def test_optional_hook_of_a_package_that_is_absent(install):
    source = (
        BACKENDS.format(result="")
        .replace("_backends", "_strange_things")
        .replace("@hookimpl", "@hookimpl(optionalhook=True)")
    )
    install("dovetail-optional", source)
    plugins.load("optional")
    assert found("optional").state == "loaded"


def test_hook_of_a_part_not_imported_yet(install, tmp_path, monkeypatch, own_specs):
    part = tmp_path / "dovetail" / "robots"
    part.mkdir(parents=True)
    (part / "__init__.py").write_text("raise AssertionError('this part must not be imported')")
    (part / "hookspecs.py").write_text("@hookspec\ndef dovetail_register_robots():\n    pass\n")
    import dovetail

    monkeypatch.setattr(dovetail, "__path__", [*dovetail.__path__, str(tmp_path / "dovetail")])
    install("dovetail-early", BACKENDS.format(result="'r2'").replace("_backends", "_robots"))
    install("dovetail-typo", BACKENDS.format(result="").replace("_backends", "_robot"))
    plugins.load()
    assert found("early").state == "loaded"
    assert "did you mean 'dovetail_register_robots'?" in found("typo").error

    owner = types.ModuleType("owner")
    exec("from dovetail.hookspecs import hookspec\n@hookspec\ndef dovetail_register_robots(): pass", owner.__dict__)
    plugins.add_hookspecs(owner)
    assert plugins.call("dovetail_register_robots") == [(found("early"), ["r2"])]


def test_specs_added_later_refuse_what_does_not_fit_them(own_specs):
    class Early:
        @plugins.hookimpl(optionalhook=True)
        def dovetail_configure_robot(self, robot, colour):
            pass

    class Fitting:
        @plugins.hookimpl(optionalhook=True)
        def dovetail_configure_robot(self, robot):
            robot.append("fitted")

    class Owner:
        @plugins.hookspec
        def dovetail_configure_robot(self, robot):
            pass

    plugins.register(Early(), "early")
    plugins.register(Fitting(), "fitting")
    plugins.add_hookspecs(Owner)
    plugins.add_hookspecs(Owner)
    assert "colour" in found("early").error
    robot = []
    plugins.call("dovetail_configure_robot", robot=robot)
    plugins.call("dovetail_configure_robot", robot=robot)
    assert robot == ["fitted", "fitted"]


def test_hook_without_its_mark(install):
    install("dovetail-bare", "def dovetail_register_backends():\n    return []")
    plugins.load("bare")
    assert found("bare").error == "dovetail_register_backends is not marked as a hook; put @dovetail.hookimpl above it"


def test_hook_wrapper(install):
    install(
        "dovetail-wraps",
        BACKENDS.format(result="").replace("@hookimpl", "@hookimpl(wrapper=True)").replace("return", "yield"),
    )
    plugins.load("wraps")
    assert found("wraps").error == (
        "dovetail_register_backends is a hook wrapper; a hook here is asked once, so return a list instead"
    )


def test_hook_with_an_argument_too_many(install):
    install("dovetail-greedy", BACKENDS.format(result="").replace("backends()", "backends(registry)"))
    plugins.load("greedy")
    assert "PluginValidationError" in found("greedy").error
    assert "'registry'" in found("greedy").error


def test_hook_that_raises_is_isolated(install, tmp_path):
    install("dovetail-raises", BACKENDS.format(result="1 / 0"))
    install("dovetail-works", BACKENDS.format(result="'fine'"))
    answers = {record.name: results for record, results in plugins.call("dovetail_register_backends")}
    assert (answers["raises"], answers["works"]) == ([], ["fine"])
    assert found("raises").problems == [
        "dovetail_register_backends raised ZeroDivisionError: division by zero "
        f"at {tmp_path / 'dovetail_raises.py'}:6, in dovetail_register_backends"
    ]
    assert "dovetail-raises 1.0: dovetail_register_backends raised" in plugins.explain_missing("backend", "x", ["cpu"])


def test_hook_that_returns_no_list(install):
    install("dovetail-single", BACKENDS.format(result="").replace("[]", "'backend'"))
    plugins.call("dovetail_register_backends")
    assert found("single").problems == ["dovetail_register_backends returned str; it must return a list"]


def test_call_of_an_unknown_hook():
    with pytest.raises(
        PluginError, match=r"no hook 'dovetail_register_kernel'; did you mean 'dovetail_register_kernels'\?"
    ):
        plugins.call("dovetail_register_kernel")
