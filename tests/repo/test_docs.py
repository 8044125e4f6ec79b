"""Code in the documentation is code that tests run, and the commands that it gives are the ones that are used."""

import re

import pytest

from sync_docs import blocks, code_of, synced
from workspace import ROOT, packages, tracked_files

PAGES = tracked_files(".md")


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_code_equals_its_source(page):
    text = page.read_text(encoding="utf-8")
    assert synced(text) == text, "run: python scripts/sync_docs.py"


@pytest.mark.parametrize("name", ["README.md", "docs/add-an-op.md", "docs/write-a-backend.md"])
def test_page_includes_tested_code(name):
    """Each source is a test, a part of a package that tests run, or an example that a test names."""
    found = blocks((ROOT / name).read_text(encoding="utf-8"))
    assert found
    tests = "".join(file.read_text() for file in tracked_files(".py") if file.name.startswith("test_"))
    for source, _ in found:
        in_tests = source.startswith(("tests/", "packages/"))
        assert in_tests or source in tests or source.rsplit("/", 1)[-1] in tests, f"no test runs {source}"


@pytest.mark.parametrize("name", ["docs/add-an-op.md", "docs/write-a-backend.md", "CONTRIBUTING.md"])
def test_page_is_one_page(name):
    assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) <= 120


def test_links_lead_somewhere():
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8")):
            if not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert not broken


def commands() -> list[list[str]]:
    """The README's shell blocks, as lists of lines."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return [block.strip().splitlines() for block in re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)]


def test_readme_has_two_commands():
    """Each with its set-up: one for the main job, one for the tests."""
    [[job, tests]] = commands()
    assert job.split(" && ")[:-1] == tests.split(" && ")[:-1]
    assert job.endswith(" && hatch run demo")
    assert tests.endswith(" && hatch run test")


def test_ci_runs_the_readme_command():
    [[_, tests]] = commands()
    assert tests in (ROOT / ".ci/run").read_text().splitlines()
    assert (ROOT / ".ci/run").stat().st_mode & 0o111, ".ci/run must be executable"


def test_readme_lists_every_package():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [package.name for package in packages() if f"[{package.name}](packages/{package.part})" not in text]
    assert not missing


def test_sync_copies_files_and_parts(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\nif x:\n    # region: body\n    y = 2\n    z = 3\n    # endregion\n")
    page = "<!-- code: a.py#body -->\n```python\nold\n```\n<!-- code: a.py -->\n```python\n```\n"
    whole = (tmp_path / "a.py").read_text()
    assert synced(page, tmp_path) == (
        f"<!-- code: a.py#body -->\n```python\ny = 2\nz = 3\n```\n<!-- code: a.py -->\n```python\n{whole}```\n"
    )


def test_sync_names_a_missing_part(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n")
    with pytest.raises(LookupError, match=r"a\.py has no part '# region: body'"):
        code_of(tmp_path / "a.py", "body")
