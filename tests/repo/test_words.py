"""What must not stand in the repository: places of one machine, hosts, lists of packages, names of devices."""

import ast
import re
from pathlib import Path

from workspace import ROOT, packages, tracked_files

TEXT = ("", ".cfg", ".ini", ".json", ".md", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml")
MACHINE = re.compile(r"(?<![\w.<])/(?:home|root|work|opt|Users|mnt)/\w")
HOSTS = re.compile(r"\b(?:pypi\.org|pythonhosted\.org|download\.pytorch\.org|conda\.anaconda\.org|localhost:\d+)")
DEVICES = {"cpu", "cuda", "gpu", "mps", "tpu", "xpu"}


def hits(pattern: re.Pattern[str]) -> list[str]:
    """File and line of each match in the tracked text files but this one."""
    found = []
    for file in tracked_files(*TEXT):
        if file == Path(__file__):
            continue
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{file.relative_to(ROOT)}:{number}: {line.strip()}")
    return found


def test_no_path_of_a_machine():
    assert not hits(MACHINE)


def test_no_registry_host():
    assert not hits(HOSTS)


def named_devices(source: str) -> list[int]:
    """Lines that compare something with the name of a device type, `==`, `in (...)` or `case` alike.

    PyTorch's properties such as `is_cuda` answer just that, so they may.
    """
    lines = []
    tree = ast.parse(source)
    questions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name.removeprefix("is_") in DEVICES]
    allowed = {inner for question in questions for inner in ast.walk(question)}
    for node in ast.walk(tree):
        if node in allowed:
            continue
        if isinstance(node, ast.Compare):
            inside = [part for operand in (node.left, *node.comparators) for part in ast.walk(operand)]
        elif isinstance(node, ast.match_case):
            inside = list(ast.walk(node.pattern))
        else:
            continue
        if any(isinstance(part, ast.Constant) and part.value in DEVICES for part in inside):
            lines.append(node.lineno if isinstance(node, ast.Compare) else node.pattern.lineno)
    return lines


def test_no_condition_on_a_device_name():
    """A device that the code knows by name can never be a plug-in; only backends may know their own."""
    found = []
    for package in packages():
        for file in package.files():
            if not package.is_plugin and file.parent.name != "backends":
                found += [f"{file.relative_to(ROOT)}:{line}" for line in named_devices(file.read_text())]
    assert not found


def test_the_rule_sees_each_form_of_condition():
    source = "a == 'cuda'\nb in ('x', 'cpu')\nmatch c:\n    case 'gpu':\n        pass\nd == 'other'\n"
    assert named_devices(source) == [1, 2, 4]
    assert named_devices("def is_cuda(a):\n    return a == 'cuda'\ndef f(a):\n    return a == 'cuda'\n") == [4]


def listed_packages(source: str) -> list[int]:
    """Lines of literals that name three or more of the repository's packages."""
    names = {name for package in packages() for name in (package.part, package.name, package.import_name)}
    lines = []
    for node in ast.walk(ast.parse(source)):
        items = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", [])
        values = {item.value for item in items if isinstance(item, ast.Constant)}
        if len({str(value).removeprefix("packages/") for value in values} & names) >= 3:
            lines.append(node.lineno)
    return lines


def test_no_list_of_packages():
    """A new folder in packages/ is all that a new package needs."""
    python = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in tracked_files(".py")
        for line in listed_packages(file.read_text())
    ]
    named = re.compile(r"packages/(?:" + "|".join(package.part for package in packages()) + r")\b")
    settings = [name for name in ("hatch.toml", "pyproject.toml", ".ci/run") if named.search((ROOT / name).read_text())]
    assert not python + settings


def test_the_rule_sees_a_list_of_packages():
    assert listed_packages("x = ['core', 'nn', 'optim']\ny = {'core': 1, 'nn': 2}\n") == [1]
