"""A crowd of broken plug-ins beside a good one: importing goes on as if they were not there, and each is explained.

The packages are real ones, metadata and module, in a folder on ``PYTHONPATH``; all sit in it at once, so that every
test also shows that one does not disturb another.
"""

import os
import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass

import pytest

REGISTER = """
import dovetail

@dovetail.hookimpl
def dovetail_register_backends():
    return [{backend}]
"""
LOOPBACK = """
import dovetail
import numpy

class Loopback(dovetail.Backend):
    name = "{name}"
    xp = numpy
    def owns(self, array):
        return type(array) is numpy.ndarray
"""


@dataclass
class Broken:
    """A plug-in, and the lines that ``dovetail doctor`` prints below its name."""

    name: str
    source: str
    state: str
    told: str
    entry: str = ""
    version: str = "1.0"

    @property
    def module(self):
        return f"dovetail_{self.name}"


def loopback(name):
    return LOOPBACK.format(name=name) + REGISTER.format(backend="Loopback()")


PLUGINS = [
    Broken("good", loopback("good"), "loaded", ""),
    Broken(
        "raises",
        "def open_card():\n    raise OSError('no card in slot 3')\n\nopen_card()\n",
        "failed",
        "OSError: no card in slot 3\nat {folder}/dovetail_raises.py:2, in open_card",
    ),
    Broken(
        "leaver",
        "import sys\nsys.exit('leaving')\n",
        "failed",
        "SystemExit: leaving (it called sys.exit)\nat {folder}/dovetail_leaver.py:2, in <module>",
    ),
    Broken(
        "syntax",
        "x = = 1\n",
        "failed",
        "SyntaxError: invalid syntax (dovetail_syntax.py, line 1)\nat {folder}/dovetail_syntax.py:1",
    ),
    Broken(
        "future",
        "dovetail_api = '2.0'\n" + loopback("future"),
        "failed",
        "it is made for plug-in API 2.0; this dovetail-core has 1.0\ntry: pip install --upgrade dovetail-core",
    ),
    Broken(
        "past",
        "dovetail_api = '0'\n" + loopback("past"),
        "failed",
        "it is made for plug-in API 0; this dovetail-core has 1.0\ntry: pip install --upgrade dovetail-past",
    ),
    *(
        Broken(
            twin,
            "raise AssertionError('never imported')\n",
            "failed",
            "2 plug-ins are called 'twin': dovetail-castor 1.0 (dovetail_castor) and "
            "dovetail-pollux 1.0 (dovetail_pollux); none of them is loaded\n"
            "try: pip uninstall dovetail-castor or pip uninstall dovetail-pollux",
            entry="twin",
        )
        for twin in ("castor", "pollux")
    ),
    Broken(
        "typo",
        REGISTER.format(backend="").replace("_backends", "_bakends"),
        "failed",
        "no installed package has a hook 'dovetail_register_bakends'; did you mean 'dovetail_register_backends'?; "
        "where its package is an optional one, mark it @dovetail.hookimpl(optionalhook=True)",
    ),
    Broken(
        "bare",
        "def dovetail_register_backends():\n    return []\n",
        "failed",
        "dovetail_register_backends is not marked as a hook; put @dovetail.hookimpl above it",
    ),
    Broken(
        "loud",
        "import sys\nprint('warming up')\nprint('card is cold', file=sys.stderr)\n" + loopback("loud"),
        "loaded",
        "it printed:\n  warming up\n  card is cold",
    ),
    Broken(
        "hookraises",
        REGISTER.format(backend="open_card()"),
        "loaded",
        "dovetail_register_backends raised NameError: name 'open_card' is not defined "
        "at {folder}/dovetail_hookraises.py:6, in dovetail_register_backends",
    ),
    Broken(
        "hookexits",
        REGISTER.format(backend="exit(4)"),
        "loaded",
        "dovetail_register_backends raised SystemExit: 4 (it called sys.exit) "
        "at {folder}/dovetail_hookexits.py:6, in dovetail_register_backends",
    ),
    Broken(
        "nolist",
        REGISTER.format(backend="").replace("[]", "7"),
        "loaded",
        "dovetail_register_backends returned int; it must return a list",
    ),
    Broken(
        "nobackend",
        REGISTER.format(backend="'card'"),
        "loaded",
        "dovetail_register_backends gave 'card'; it must give objects of a subclass of dovetail.Backend",
    ),
    Broken(
        "nameless",
        loopback(""),
        "loaded",
        "Loopback.name is ''; it must be an identifier such as 'acme'",
    ),
    Broken(
        "takescpu",
        loopback("cpu"),
        "loaded",
        "backend 'cpu' is built in; give it another name",
    ),
    Broken(
        "nosuchop",
        loopback("nosuchop").replace("xp = numpy", "xp = numpy\n    kernels = {'conv2dd': len}"),
        "loaded",
        "backend 'nosuchop' has a kernel for 'conv2dd', but there is no such op",
    ),
    Broken(
        "overstates",
        loopback("overstates").replace("xp = numpy", "xp = numpy\n    capabilities = {'views', 'float46'}"),
        "loaded",
        "backend 'overstates' states capabilities ['float46']; "
        "there are bfloat16, complex, float16, float64, views, writes",
    ),
    *(
        Broken(
            rival,
            loopback("shared"),
            "loaded",
            "backend 'shared' is registered 2 times, by dovetail-romulus 1.0 and dovetail-remus 1.0; "
            "none of them is used",
        )
        for rival in ("remus", "romulus")
    ),
    Broken(
        "acme",
        "import acme_arrays\n" + loopback("acme"),
        "failed",
        "ModuleNotFoundError: No module named 'acme_arrays'\nat {folder}/dovetail_acme.py:1, in <module>\n"
        "try: pip install acme-arrays",
        version="0.3",
    ),
    Broken("empty", "", "loaded", "it has no hooks: mark its functions with @dovetail.hookimpl"),
]
NAMES = [plugin.name for plugin in PLUGINS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with every plug-in installed."""
    folder = tmp_path_factory.mktemp("site")
    for plugin in PLUGINS:
        (folder / f"{plugin.module}.py").write_text(plugin.source)
        info = folder / f"{plugin.module}-{plugin.version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: dovetail-{plugin.name}\nVersion: {plugin.version}\n"
        )
        (info / "entry_points.txt").write_text(f"[dovetail]\n{plugin.entry or plugin.name} = {plugin.module}\n")
    return folder


def run(folder, *command, **environment):
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    limits = ",".join(plugin.entry or plugin.name for plugin in PLUGINS)  # whatever else is installed stays out
    environment = {**os.environ, "PYTHONPATH": path, "DOVETAIL_PLUGINS": limits, **environment}
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, env=environment)


def run_code(folder, code, **environment):
    result = run(folder, "-c", textwrap.dedent(code), **environment)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


@pytest.fixture(scope="module")
def doctor(folder):
    return run(folder, "-m", "dovetail", "doctor")


def test_import_loads_none_and_looks_for_none(folder):
    out = run_code(
        folder,
        f"""
        import sys
        import dovetail
        from dovetail import plugins
        print([name for name in {NAMES} if "dovetail_" + name in sys.modules], plugins._records, plugins._manager)
        """,
    )
    assert out == "[] None None\n"


def test_tensors_work_all_the_same_and_nothing_is_printed(folder):
    out = run_code(folder, "import dovetail\nprint((dovetail.tensor([1.0, 2.0]) * 3).tolist())")
    assert out == "[3.0, 6.0]\n"


def test_the_good_one_works(folder):
    out = run_code(
        folder,
        """
        import dovetail
        x = dovetail.tensor([1.0, 2.0], device="good", requires_grad=True)
        (x * x).sum().backward()
        print(x.grad.tolist(), x.device)
        """,
    )
    assert out == "[2.0, 4.0] good:0\n"


@pytest.mark.parametrize("plugin", PLUGINS, ids=NAMES)
def test_doctor_explains_each(doctor, folder, plugin):
    lines = doctor.stdout.splitlines()
    package = f"dovetail-{plugin.name} {plugin.version}"
    (start,) = [number for number, line in enumerate(lines) if f" {package} " in line and f" {plugin.module} " in line]
    assert lines[start].split()[:5] == [plugin.entry or plugin.name, *package.split(), plugin.module, plugin.state]
    told = []
    for line in lines[start + 1 :]:
        if not line.startswith("    "):
            break
        told.append(line[4:])
    assert "\n".join(told) == plugin.told.format(folder=folder)


def test_doctor_fails_and_prints_nothing_else(doctor):
    assert (doctor.returncode, doctor.stderr) == (1, "")
    problems = doctor.stdout[doctor.stdout.index("problems found") :]
    for plugin in PLUGINS:
        harmless = plugin.name in ("good", "loud", "empty")
        assert (f"  dovetail-{plugin.name} {plugin.version}" in problems) == (not harmless)


def test_doctor_lists_the_backends_that_are_left(doctor):
    section = doctor.stdout.split("backends\n")[1].split("\n\n")[0]
    left = ["cpu", "good", "loud", "nosuchop", "overstates"]
    assert [line.split()[:2] for line in section.splitlines()] == [[name, "usable"] for name in left]


def test_failed_look_up_tells_what_to_install(folder):
    out = run_code(
        folder,
        """
        import dovetail
        try:
            dovetail.tensor([1.0], device="acme")
        except RuntimeError as error:
            print(error)
        """,
        DOVETAIL_PLUGINS="good,acme",
    )
    told, left_out = out.rsplit("; ", 1)
    assert told == (
        "no backend 'acme'; there are 'cpu', 'good'; dovetail-acme 0.3 did not load: "
        "ModuleNotFoundError: No module named 'acme_arrays'; try: pip install acme-arrays"
    )
    assert re.fullmatch(r"\d+ plug-ins are left out by DOVETAIL_PLUGINS='good,acme'\n", left_out)


def test_limits_leave_the_others_unimported(folder):
    out = run_code(
        folder,
        """
        import sys
        import dovetail
        print(dovetail.ones(2, device="good").sum().item(), "dovetail_raises" in sys.modules)
        print({record.state for record in dovetail.plugins.records() if record.name != "good"})
        """,
        DOVETAIL_PLUGINS="good",
    )
    assert out == "2.0 False\n{'disabled'}\n"


def test_a_backend_named_twice_is_explained_at_the_look_up(folder):
    out = run_code(
        folder,
        """
        import dovetail
        try:
            dovetail.tensor([1.0], device="shared")
        except RuntimeError as error:
            print(error)
        """,
        DOVETAIL_PLUGINS="remus,romulus",
    )
    assert out.startswith(
        "no backend 'shared'; there is only 'cpu'; dovetail-remus 1.0: backend 'shared' is registered 2"
    )
