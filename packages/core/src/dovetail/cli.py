"""The ``dovetail`` command; plug-ins add subcommands by the hook ``dovetail_register_commands``.

A part of Dovetail adds them by its module ``commands``, a tuple ``COMMANDS``, imported when one of them may be meant.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dovetail import plugins
from dovetail.errors import DovetailError


def _no_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the default for commands that take no arguments."""


@dataclass(frozen=True)
class Command:
    """A subcommand of ``dovetail``.

    Attributes:
        name: what stands after ``dovetail``.
        help: one line for ``dovetail --help``.
        run: does the work on the parsed arguments; returns the exit code, None for 0.
        configure: adds the arguments to the command's parser.
        example: a command line, and what comes of it, for ``--help``.

    Example::

        >>> from dovetail.cli import Command, main
        >>> Command("hello", "say hello", lambda arguments: print("hello")).run(None)
        hello
    """

    name: str
    help: str
    run: Callable[[argparse.Namespace], int | None]
    configure: Callable[[argparse.ArgumentParser], None] = _no_arguments
    example: str = ""


def _run_plugins(arguments: argparse.Namespace) -> int:
    from dovetail import report

    report.examine()
    _print(report.plugin_lines())
    return 0


def _run_kernels(arguments: argparse.Namespace) -> int:
    from dovetail import report

    _print(report.kernel_lines(arguments.backend) if arguments.backend else report.kernel_counts())
    return 0


def _run_doctor(arguments: argparse.Namespace) -> int:
    from dovetail import report

    found = report.problems(report.examine())
    _print(["versions", *report.version_lines(), "", "backends", *report.backend_lines()])
    _print(["", "plug-ins", *report.plugin_lines(), ""])
    _print(_problem_lines(found))
    return 1 if found else 0


def _run_inspect(arguments: argparse.Namespace) -> int:
    from dovetail import inspection

    try:
        lines, found = inspection.describe(arguments.file, verify=not arguments.no_verify)
    except OSError as error:
        print(f"dovetail: error: cannot read {arguments.file}: {error.strerror}", file=sys.stderr)
        return 1
    _print([*lines, ""])
    _print(_problem_lines(found))
    return 1 if found else 0


def _problem_lines(found: list[str]) -> list[str]:
    if not found:
        return ["no problems found"]
    return [f"{len(found)} problem{'s' if len(found) > 1 else ''} found:", *(f"  {problem}" for problem in found)]


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a file of dovetail.save, any safetensors file or one of PyTorch")
    parser.add_argument("--no-verify", action="store_true", help="do not read the data to compare its checksums")


def _add_backend(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("backend", nargs="?", metavar="BACKEND", help="a backend's name; without it, one line for each")


BUILT_IN = (
    Command(
        "plugins",
        "list the plug-ins with their state, hooks, errors and what they printed",
        _run_plugins,
        example="dovetail plugins",
    ),
    Command(
        "kernels",
        "show which kernel serves each op: a plug-in's, the backend's own or the reference kernel",
        _run_kernels,
        _add_backend,
        "dovetail kernels cpu",
    ),
    Command(
        "doctor",
        "report versions, backends and plug-ins, and why what does not work does not",
        _run_doctor,
        example="dovetail doctor   # exit code 0 when all is well, 1 when something is broken",
    ),
    Command(
        "inspect",
        "show what a file of tensors holds and whether its checksums hold; nothing in it is run",
        _run_inspect,
        _add_file,
        "dovetail inspect best.safetensors   # exit code 1 when the file is damaged",
    ),
)


def _from_parts() -> list[tuple[str, Command]]:
    """Return what the installed parts add, each with the package that it comes in."""
    from importlib import import_module
    from pathlib import Path

    import dovetail

    parts = sorted({file.parent.name for root in dovetail.__path__ for file in Path(root).glob("*/commands.py")})
    modules = [(part, import_module(f"dovetail.{part}.commands")) for part in parts]
    return [(f"dovetail-{part}", command) for part, module in modules for command in module.COMMANDS]


def commands() -> dict[str, Command]:
    """Return every subcommand by name: those of Dovetail, and those of the plug-ins that clash with no other."""
    offers: dict[str, list] = {command.name: [("dovetail-core", command)] for command in BUILT_IN}
    offers |= {command.name: [(package, command)] for package, command in _from_parts()}
    for record, results in plugins.call("dovetail_register_commands"):
        for command in results:
            if isinstance(command, Command):
                offers.setdefault(command.name, []).append((record, command))
            else:
                wanted = "it must give dovetail.cli.Command objects"
                plugins.fail(record, f"dovetail_register_commands gave {command!r}; {wanted}")
    chosen = {}
    for name, offered in offers.items():
        if isinstance(offered[0][0], str) or len(offered) == 1:
            chosen[name] = offered[0][1]
        if len(offered) > 1:
            _refuse(name, [owner for owner, _ in offered])
    return chosen


def _refuse(name: str, owners: list) -> None:
    """Keep in the records of plug-ins that others have a command of this name; a part of Dovetail is a text here."""
    both = " and ".join(map(str, owners))
    kept = f"that of {owners[0]} is used" if isinstance(owners[0], str) else "none of them is used"
    for owner in owners:
        if not isinstance(owner, str):
            plugins.fail(owner, f"command {name!r} is registered {len(owners)} times, by {both}; {kept}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Example::

        >>> from dovetail.cli import main
        >>> main(["kernels", "nowhere"])
        1
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # a plug-in's text in a pipe of a narrower encoding
    try:
        code = _dispatch(words)
        sys.stdout.flush()
    except BrokenPipeError:
        # the reader has what it wanted (dovetail kernels cpu | head); keep the interpreter's own flush from failing
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except DovetailError as error:
        print(f"dovetail: error: {error}", file=sys.stderr)
        return 1
    return code


def _dispatch(words: list[str]) -> int:
    built_in = {command.name: command for command in BUILT_IN}
    # the plug-ins are loaded for the sake of their commands only when one may be meant
    known = built_in if words and words[0] in built_in else commands()
    parser = argparse.ArgumentParser(
        prog="dovetail",
        description="Look into a Dovetail installation and its files.",
        epilog="example:\n  dovetail doctor",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    chosen = parser.add_subparsers(metavar="COMMAND", dest="command")
    for command in known.values():
        sub = chosen.add_parser(
            command.name,
            help=command.help,
            description=command.help[:1].upper() + command.help[1:] + ".",
            epilog=f"example:\n  {command.example}" if command.example else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.configure(sub)
    arguments = parser.parse_args(words)
    if arguments.command is None:
        parser.print_help()
        return 2
    return known[arguments.command].run(arguments) or 0


def _print(lines: list[str]) -> None:
    for line in lines:
        print(line)
