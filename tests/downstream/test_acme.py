"""A third party's repository as it would be: its wheel beside core's in a fresh environment, training and its tests.

Nothing of this repository's folders is on the path there, and no other package of ours is installed.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ACME = Path(__file__).parent / "acme"

pytestmark = pytest.mark.slow


def run(command, **options):
    """Return the output of a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def wheel(package, folder):
    """Build a package's wheel and return it."""
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=package)
    [built] = folder.glob(f"{'dovetail_acme' if package == ACME else 'dovetail_core'}-*.whl")
    return built


class Outside:
    """A copy of Acme's repository and an environment with its wheel, core's wheel and what these need."""

    def __init__(self, folder):
        self.repository = folder / "repository"
        shutil.copytree(ACME, self.repository, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")])
        self.scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DOVETAIL", "PYTEST"))
        }
        core, acme = wheel(ROOT / "packages/core", folder), wheel(ACME, folder)
        self.install(str(core), f"{acme}[test]")

    def install(self, *requirements):
        python = str(self.scripts / "python")
        run([sys.executable, "-m", "pip", "--python", python, "install", "--quiet", *requirements])

    def run(self, program, *arguments):
        """Return the output of one of the environment's programs, run in the repository's copy."""
        return run([str(self.scripts / program), *arguments], cwd=self.repository, env=self.environment)


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    return Outside(tmp_path_factory.mktemp("outside"))


def test_import_loads_no_plugin(outside):
    code = "import dovetail, sys; print([name for name in sys.modules if 'acme' in name or 'array_api_strict' in name])"
    assert outside.run("python", "-c", code) == "[]\n"


def test_a_net_learns_on_acme(outside):
    out = outside.run("python", "train.py")
    losses = [float(loss) for loss in re.findall(r"loss (\d+\.\d+)  on acme:0", out)]
    assert len(losses) == 5
    assert losses[-1] < 0.1 * losses[0]


def test_acme_learns_what_the_cpu_learns(outside):
    on_acme = outside.run("python", "-W", "error", "train.py")
    code = (outside.repository / "train.py").read_text().replace('"acme"', '"cpu"')
    on_cpu = outside.run("python", "-c", code)
    assert on_acme.replace("acme:0", "cpu") == on_cpu


def test_command_shows_the_backend(outside):
    assert re.search(r"acme +usable +1 device\n", outside.run("dovetail", "doctor"))
    assert re.search(r"^  acme +dovetail-acme 0\.3\.0 +dovetail_acme +loaded", outside.run("dovetail", "plugins"), re.M)
    assert re.search(r"^  matmul +reference$", outside.run("dovetail", "kernels", "acme"), re.M)


def test_conformance(outside):
    out = outside.run("pytest", "-p", "no:cacheprovider", "-q", "--dovetail-backend", "acme", "tests")
    assert "conformance of backend 'acme'" in out
    right, asked = map(int, re.search(r"score: (\d+) of (\d+)", out).groups())
    assert right == asked > 1000


def test_card_that_is_not_there_is_explained(outside):
    outside.run("python", "-c", "import array_api_strict")
    code = """
import sys
sys.modules["array_api_strict"] = None
import dovetail
try:
    dovetail.ones(2, device="acme")
except ImportError as error:
    print(error)
"""
    assert "array_api_strict" in outside.run("python", "-c", code)
