"""Files and functions stay small enough to be read at once."""

import ast

from workspace import ROOT, packages, tracked_files

FILE_LINES = 400
FUNCTION_LINES = 40


def functions_over(source: str, limit: int) -> list[tuple[str, int]]:
    """Name and length of each function of more lines than the limit; docstrings and functions inside do not count."""
    long = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inside = [inner for inner in node.body if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)]
            lines = node.end_lineno - node.lineno + 1 - sum(inner.end_lineno - inner.lineno + 1 for inner in inside)
            if ast.get_docstring(node, clean=False) is not None:
                docstring = node.body[0]
                lines -= docstring.end_lineno - docstring.lineno + 1
            if lines > limit:
                long.append((node.name, lines))
    return long


def test_files_are_short():
    long = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in tracked_files(".py")}
    long = {name: lines for name, lines in long.items() if lines > FILE_LINES}
    assert not long, f"files of more than {FILE_LINES} lines: {long}"


def test_functions_are_short():
    long = {
        f"{file.relative_to(ROOT)}: {name}": lines
        for package in packages()
        for file in package.files()
        for name, lines in functions_over(file.read_text(), FUNCTION_LINES)
    }
    assert not long, f"functions of more than {FUNCTION_LINES} lines: {long}"


def test_the_rule_sees_a_long_function():
    body = "\n".join("    x = 1" for _ in range(5))
    assert functions_over(f"def f():\n{body}\n", 5) == [("f", 6)]
    assert functions_over(f'def f():\n    """One.\n\n    Two.\n    """\n{body}\n', 6) == []
    assert functions_over(f"def f():\n    def g():\n        pass\n{body}\n", 6) == []
