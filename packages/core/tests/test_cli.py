"""The ``dovetail`` command: its reports, exit codes, help, and subcommands of plug-ins."""

import os
import re
import subprocess
import sys
from types import MappingProxyType

import pytest

import dovetail
from dovetail import plugins, report
from dovetail.backends.base import Backend
from dovetail.cli import BUILT_IN, Command, main


@pytest.fixture(autouse=True)
def no_other_plugins(monkeypatch):
    """Leave out the plug-ins that happen to be installed."""
    plugins.reset()
    monkeypatch.setenv(plugins.ENVIRONMENT, "")
    yield
    plugins.reset()


def with_hook(hook, result):
    """Return a plug-in object that implements one hook."""

    def implementation(self):
        return result

    implementation.__name__ = hook
    return type("Plugin", (), {hook: plugins.hookimpl(implementation)})()


def run(*words, **environment):
    return subprocess.run(
        [sys.executable, "-m", "dovetail", *words],
        capture_output=True,
        text=True,
        env={**os.environ, plugins.ENVIRONMENT: "", **environment},
    )


class Loopback(Backend):
    name = "loopback"
    kernels = MappingProxyType({"tanh": lambda xp, x: xp.tanh(x)})

    def owns(self, array):
        return False

    def missing(self):
        return "no loop here; try: pip install loops"


def test_doctor_reports_versions_backends_and_plugins(capsys):
    plugins.register(with_hook("dovetail_register_backends", [Loopback()]), "loops")
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert re.search(rf"^  python +{sys.version_info.major}\.{sys.version_info.minor}", out, re.M)
    assert re.search(r"^  numpy +\d", out, re.M)
    assert re.search(rf"^  dovetail-core +{re.escape(dovetail.__version__)}$", out, re.M)
    assert re.search(r"^  cpu +usable +1 device$", out, re.M)
    assert re.search(r"^  loopback +not usable +no loop here; try: pip install loops$", out, re.M)
    assert re.search(r"^  loops +\(this process\) +Plugin +loaded +register_backends$", out, re.M)
    assert out.endswith("no problems found\n")


def test_doctor_fails_when_something_is_broken(capsys):
    plugins.register(with_hook("dovetail_register_backends", "loopback"), "loops")
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    problem = "dovetail_register_backends returned str; it must return a list"
    assert out.endswith(f"1 problem found:\n  plug-in 'loops': {problem}\n")
    assert f"\n    {problem}\n" in out


def test_doctor_tells_of_a_missing_that_raises(capsys):
    class Raising(Loopback):
        def missing(self):
            raise OSError("card fell out")

    plugins.register(with_hook("dovetail_register_backends", [Raising()]), "loops")
    main(["doctor"])
    assert re.search(r"loopback +not usable +its missing\(\) raised OSError: card fell out", capsys.readouterr().out)


def test_doctor_tells_of_limits_that_name_nothing(capsys, monkeypatch):
    monkeypatch.setenv(plugins.ENVIRONMENT, "acmee")
    assert main(["doctor"]) == 1
    assert "  DOVETAIL_PLUGINS names 'acmee', which is not installed\n" in capsys.readouterr().out


def test_doctor_tells_of_a_part_that_does_not_import(capsys, monkeypatch, tmp_path):
    part = tmp_path / "robots"
    part.mkdir()
    (part / "__init__.py").write_text("raise RuntimeError('rusty')")
    (part / "hookspecs.py").write_text("@hookspec\ndef dovetail_register_robots():\n    pass\n")
    monkeypatch.setattr(dovetail, "__path__", [*dovetail.__path__, str(tmp_path)])
    assert main(["doctor"]) == 1
    assert "  dovetail.robots does not import: RuntimeError: rusty\n" in capsys.readouterr().out


def test_plugins_lists_state_error_and_output(capsys, install, monkeypatch, tmp_path):
    install("dovetail-acme", "print('warming \\x1b[31mup')\nimport acme_arrays", version="0.3")
    monkeypatch.setenv(plugins.ENVIRONMENT, "acme")
    assert main(["plugins"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^  acme +dovetail-acme 0.3 +dovetail_acme +failed +-$", out, re.M)
    lines = out[out.index("    ModuleNotFoundError") :].splitlines()[:5]
    assert lines == [
        "    ModuleNotFoundError: No module named 'acme_arrays'",
        f"    at {tmp_path / 'dovetail_acme.py'}:2, in <module>",
        "    try: pip install acme-arrays",
        "    it printed:",
        "      warming \\x1b[31mup",
    ]


def test_long_output_is_cut(capsys, install, monkeypatch):
    install("dovetail-talks", "for line in range(50):\n    print('line', line)")
    monkeypatch.setenv(plugins.ENVIRONMENT, "talks")
    main(["plugins"])
    out = capsys.readouterr().out
    assert "      line 19\n      ... and 30 lines more\n" in out
    assert "it has no hooks: mark its functions with @dovetail.hookimpl" in out


def test_plugins_says_when_there_are_none(capsys, monkeypatch):
    monkeypatch.setattr(plugins, "discover", list)
    main(["plugins"])
    assert (
        capsys.readouterr().out == "  none found; a plug-in is a package with an entry point in the group 'dovetail'\n"
    )


def test_kernels_says_who_serves_which_op(capsys):
    plugins.register(with_hook("dovetail_register_backends", [Loopback()]), "loops")
    plugins.register(with_hook("dovetail_register_kernels", [("loopback", {"exp": lambda xp, x: xp.exp(x)})]), "jit")
    assert main(["kernels", "loopback"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^  mul +reference$", out, re.M)
    assert re.search(r"^  tanh +backend loopback, then reference$", out, re.M)
    assert re.search(r"^  exp +plug-in 'jit', then reference$", out, re.M)
    assert main(["kernels"]) == 0
    assert re.search(
        r"^  loopback +\d+ +backend loopback: 1, plug-in 'jit': 1, reference: \d+$", capsys.readouterr().out, re.M
    )


def test_kernels_of_an_unknown_backend(capsys):
    assert main(["kernels", "cpuu"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("dovetail: error: no backend 'cpuu'; there is only 'cpu'")


@pytest.mark.parametrize("command", [command.name for command in BUILT_IN])
def test_each_command_has_help_with_an_example(capsys, command):
    with pytest.raises(SystemExit) as exit_info:
        main([command, "--help"])
    assert exit_info.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: dovetail {command}")
    assert f"example:\n  dovetail {command}" in out


def test_without_a_command_help_is_printed(capsys):
    assert main([]) == 2
    out = capsys.readouterr().out
    for command in BUILT_IN:
        assert command.help in " ".join(out.split())


def test_unknown_command(capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["dokter"])
    assert exit_info.value.code == 2
    assert "invalid choice: 'dokter'" in capsys.readouterr().err


def test_plugins_add_commands(capsys):
    hello = Command(
        "hello",
        "greet",
        lambda arguments: print(arguments.name),
        lambda parser: parser.add_argument("name"),
        "dovetail hello you",
    )
    plugins.register(with_hook("dovetail_register_commands", [hello]), "greeter")
    assert main(["hello", "world"]) == 0
    assert capsys.readouterr().out == "world\n"


def test_a_command_that_is_none_is_refused():
    plugins.register(with_hook("dovetail_register_commands", ["hello"]), "greeter")
    main([])
    assert "dovetail_register_commands gave 'hello'; it must give dovetail.cli.Command objects" in problems("greeter")


def test_two_commands_of_one_name(capsys):
    hello = Command("hello", "greet", lambda arguments: None)
    plugins.register(with_hook("dovetail_register_commands", [hello]), "one")
    plugins.register(with_hook("dovetail_register_commands", [hello]), "two")
    with pytest.raises(SystemExit):
        main(["hello"])
    text = "command 'hello' is registered 2 times, by plug-in 'two' and plug-in 'one'; none of them is used"
    assert problems("one") == problems("two") == [text]


def test_a_built_in_command_cannot_be_replaced(capsys):
    plugins.register(with_hook("dovetail_register_commands", [Command("doctor", "mine", lambda arguments: 7)]), "quack")
    main([])
    text = "command 'doctor' is registered 2 times, by dovetail-core and plug-in 'quack'; that of dovetail-core is used"
    assert problems("quack") == [text]
    assert main(["kernels"]) == 0


@pytest.fixture
def part(tmp_path, monkeypatch):
    """An installed part, dovetail.greetings, with a command."""
    (tmp_path / "greetings").mkdir()
    (tmp_path / "greetings" / "commands.py").write_text(
        "from dovetail.cli import Command\nCOMMANDS = (Command('hello', 'greet', lambda arguments: print('hello')),)\n"
    )
    monkeypatch.setattr(dovetail, "__path__", [*dovetail.__path__, str(tmp_path)])
    yield
    for name in ("greetings.commands", "greetings"):
        sys.modules.pop(f"dovetail.{name}", None)
    vars(dovetail).pop("greetings", None)


def test_a_part_adds_commands(part, capsys):
    assert main(["hello"]) == 0
    assert capsys.readouterr().out == "hello\n"


def test_a_command_of_a_part_cannot_be_replaced(part, capsys):
    plugins.register(with_hook("dovetail_register_commands", [Command("hello", "mine", lambda arguments: 7)]), "quack")
    assert main(["hello"]) == 0
    text = (
        "command 'hello' is registered 2 times, by dovetail-greetings and plug-in 'quack'; "
        "that of dovetail-greetings is used"
    )
    assert problems("quack") == [text]


def problems(name):
    (record,) = [record for record in plugins.records() if record.name == name]
    return record.problems


def test_table_is_aligned():
    assert report.table([("a", "b"), ("long", "c"), ("x", "")]) == ["  a     b", "  long  c", "  x"]


def test_as_a_module_in_a_pipe():
    result = run("doctor")
    assert (result.returncode, result.stderr) == (0, "")
    assert "\x1b" not in result.stdout
    assert result.stdout.splitlines()[-1] == "no problems found"


def test_a_reader_that_leaves_early_is_no_error():
    command = [sys.executable, "-m", "dovetail", "doctor"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""


def test_narrow_encoding(install, tmp_path):
    install("dovetail-wide", "print('größer')")
    result = run("plugins", DOVETAIL_PLUGINS="wide", PYTHONIOENCODING="ascii", PYTHONPATH=str(tmp_path))
    assert (result.returncode, result.stderr) == (0, "")
    assert "gr\\xf6\\xdfer" in result.stdout
