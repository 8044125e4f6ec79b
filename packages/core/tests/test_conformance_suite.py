"""The conformance suite itself: it passes a right op, and fails each kind of wrong one and of wrong backend."""

import re
import subprocess
import sys
import textwrap
from importlib.metadata import entry_points

import pytest

# where the packages are on the path but not installed, pytest does not find the plug-in by itself
LOAD = [] if entry_points(group="pytest11", name="dovetail") else ["-p", "dovetail_pytest"]

OPS = {
    "right": """
        @op(promote="float")
        def right(xp, x, y, *, power=2):
            return x * y**power
        right.vjp(x=lambda g, y, power: g * y**power, y=lambda g, x, y, power: g * x * power * y**(power - 1))
        right.sample(lambda make: [Sample(make(3, 4, low=0.5), make(4, low=0.5)), Sample(make(2), make(2), power=3)])
    """,
    "no_sample": """
        @op
        def no_sample(xp, x):
            return x * 1
        no_sample.vjp(x=lambda g: g)
    """,
    "empty_sampler": """
        @op
        def empty_sampler(xp, x):
            return x * 1
        empty_sampler.vjp(x=lambda g: g)
        empty_sampler.sample(lambda make: [])
    """,
    "no_rule": """
        @op
        def no_rule(xp, x, y):
            return x * y
        no_rule.vjp(x=lambda g, y: g * y)
        no_rule.sample(lambda make: [Sample(make(3), make(3))])
    """,
    "wrong_gradient": """
        @op
        def wrong_gradient(xp, x):
            return x * x
        wrong_gradient.vjp(x=lambda g, x: g * x)
        wrong_gradient.sample(lambda make: [Sample(make(3))])
    """,
    "wrong_second": """
        @op
        def wrong_second(xp, x):
            return x * x * x
        wrong_second.vjp(x=lambda g, x: g * (3 * x * x).detach())
        wrong_second.sample(lambda make: [Sample(make(3))])
    """,
    "wrong_dtype": """
        @op
        def wrong_dtype(xp, x):
            return xp.astype(x, xp.float64)
        wrong_dtype.vjp(x=lambda g, x: g.to(x.dtype))
        wrong_dtype.sample(lambda make: [Sample(make(3))])
    """,
}

# of Dovetail's own ops only two stay, since collecting the tests of all takes seconds
PREAMBLE = """
import dovetail
from dovetail import ops
from dovetail.op import OPS, Sample, op
from dovetail.testing.conformance import *

for name in set(ops.every()) - {"exp", "tanh"}:
    del OPS[name]
"""


ALL_OPS = "from dovetail.testing.conformance import *"


def conform(folder, body, *arguments, backend="", preamble=PREAMBLE):
    """Run the suite on ops defined in ``body``, in a process of its own; return its exit status and what it printed."""
    (folder / "test_case.py").write_text(preamble + textwrap.dedent(body))
    (folder / "conftest.py").write_text(backend)
    command = [sys.executable, "-m", "pytest", *LOAD, "-p", "no:cacheprovider", "--color=no", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


def score(output):
    """Return the signs of each op in the printed score, by column."""
    lines = output.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("+ right"))
    columns = lines[start + 1].split()
    rows = [line.split() for line in lines[start + 2 :]]
    return {row[0]: dict(zip(columns, row[1:], strict=True)) for row in rows if len(row) == len(columns) + 1}


@pytest.fixture(scope="module")
def wrong(tmp_path_factory):
    """What the suite prints for all the wrong ops."""
    body = "".join(textwrap.dedent(text) for name, text in OPS.items() if name != "right")
    names = " or ".join(name for name in OPS if name != "right")
    status, output = conform(tmp_path_factory.mktemp("wrong"), body, "-k", names)
    assert status == pytest.ExitCode.TESTS_FAILED
    return output


@pytest.mark.parametrize(
    ("name", "failing", "text"),
    [
        ("no_sample", "test_defined", "op 'no_sample' has no sample; state one beside it: no_sample.sample("),
        ("empty_sampler", "test_defined", "op 'empty_sampler': its sampler gives no sample"),
        ("no_rule", "test_defined", "op 'no_rule' has no gradient rule for 'y'; state one, no_rule.vjp(y="),
        (
            "wrong_gradient",
            "test_gradient",
            "wrong_gradient: the gradient of output 0 with respect to input 0 ('x') is",
        ),
        ("wrong_second", "test_second_gradient", "the gradient of wrong_second: the gradient of output 0"),
        ("wrong_dtype", "test_forward", "result 0 has dtype dovetail.float64, its inputs dovetail.float32"),
    ],
)
def test_a_wrong_op_fails_and_is_named(wrong, name, failing, text):
    assert text in wrong
    assert f"::{failing}[{name}" in wrong


def test_the_score_shows_what_is_wrong(wrong):
    signs = score(wrong)
    assert signs["wrong_gradient"]["grad"] == signs["wrong_second"]["grad2"] == signs["wrong_dtype"]["f32"] == "F"
    assert signs["wrong_gradient"]["f32"] == signs["wrong_second"]["grad"] == signs["wrong_dtype"]["f64"] == "+"


def test_a_right_op_passes_and_is_scored(tmp_path):
    status, output = conform(tmp_path, OPS["right"], "-k", "right")
    assert status == pytest.ExitCode.OK
    signs = score(output)["right"]
    for column in ("def", "f16", "bf16", "f32", "f64", "i64", "grad", "grad2", "gf32", "strided", "0-d", "broadcast"):
        assert signs[column] == "+", column
    assert "F" not in signs.values()
    assert re.search(r"^score: (\d+) of \1 \(100\.0 %\)$", output, re.MULTILINE)


BACKEND = """
import numpy
from dovetail import plugins
import dovetail

class Bad(dovetail.Backend):
    name = "bad"
    xp = numpy
    capabilities = frozenset({capabilities})
    kernels = {kernels}
    def owns(self, array):
        return isinstance(array, (numpy.ndarray, numpy.generic))
    def missing(self):
        return {missing}

class Plugin:
    @dovetail.hookimpl
    def dovetail_register_backends(self):
        return [Bad()]

plugins.register(Plugin(), "bad")
"""


def backend(missing="None", kernels="{}", capabilities="{'float64', 'writes', 'views'}"):
    return BACKEND.format(missing=missing, kernels=kernels, capabilities=capabilities)


def test_a_backends_wrong_kernel_is_found(tmp_path):
    given = backend(kernels="{'exp': lambda xp, x: xp.exp(x) + 0.01}")
    arguments = ["-k", "test_forward and exp-float32", "--dovetail-backend", "bad"]
    status, output = conform(tmp_path, "", *arguments, backend=given)
    assert status == pytest.ExitCode.TESTS_FAILED
    assert re.search(r"exp on Sample\(\(3, 4\)\): result 0 is \S+ at element \(0, 0\), expected ", output)


def test_what_a_backend_does_not_state_is_not_asked(tmp_path):
    arguments = ["-k", "(test_forward or test_gradient) and tanh", "--dovetail-backend", "bad"]
    status, output = conform(tmp_path, "", *arguments, backend=backend(capabilities="{'writes', 'views'}"))
    assert status == pytest.ExitCode.OK
    signs = score(output)["tanh"]
    assert signs["f32"] == signs["grad"] == "+"
    assert not {"f64", "f16", "bf16", "c64"} & set(signs)


WITHOUT_EXTENSIONS = """
class Namespace:
    def __getattr__(self, name):
        if name in ("linalg", "fft"):
            raise AttributeError(name)
        return getattr(numpy, name)

Bad.xp = Namespace()
Bad.kernels = {"det": lambda xp, x: numpy.linalg.det(x)}
"""


def test_ops_on_an_extension_that_the_library_lacks_are_not_asked(tmp_path):
    given = backend() + WITHOUT_EXTENSIONS
    arguments = ["-k", "test_forward and float32", "--dovetail-backend", "bad"]
    status, output = conform(tmp_path, "", *arguments, backend=given, preamble=ALL_OPS)
    assert status == pytest.ExitCode.OK, output
    lacking = {"inv", "solve", "slogdet", "cholesky", "eigh", "svd", "qr", "pinv"}
    lacking |= {"fourier", "real_fourier", "fourier_to_real"}
    signs = score(output)
    assert {name for name in signs if signs[name]["f32"] == "."} >= lacking
    assert signs["det"]["f32"] == signs["matmul"]["f32"] == "+"  # det by the backend's own kernel


def test_an_op_on_an_extension_that_the_library_lacks_says_so(tmp_path):
    body = """
        import pytest
        def test_text():
            x = dovetail.ones(2, 2, device="bad")
            with pytest.raises(dovetail.errors.DeviceError) as caught:
                dovetail.linalg.inv(x)
            assert str(caught.value) == (
                "inv: the array library of backend 'bad' has no 'linalg', an extension of the array standard; compute "
                "on the CPU, x.cpu(), or give the backend a kernel for 'inv'"
            )
    """
    arguments = ["-k", "test_text", "--dovetail-backend", "bad"]
    status, output = conform(tmp_path, body, *arguments, backend=backend() + WITHOUT_EXTENSIONS)
    assert status == pytest.ExitCode.OK, output


def test_a_backend_that_cannot_run_says_why(tmp_path):
    given = backend(missing="'no card in this machine'")
    status, output = conform(tmp_path, "", "--dovetail-backend", "bad", backend=given)
    assert status != pytest.ExitCode.OK
    assert "--dovetail-backend: backend 'bad' cannot run here: no card in this machine" in output


def test_an_unknown_backend_is_named(tmp_path):
    status, output = conform(tmp_path, "", "--dovetail-backend", "nowhere")
    assert status != pytest.ExitCode.OK
    assert "--dovetail-backend: no backend 'nowhere'" in output


def test_pytest_starts_without_importing_dovetail(tmp_path):
    (tmp_path / "test_it.py").write_text("import sys\n\ndef test_it():\n    assert 'dovetail' not in sys.modules\n")
    command = [sys.executable, "-m", "pytest", *LOAD, "-p", "no:cacheprovider", "test_it.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == pytest.ExitCode.OK, done.stdout
    assert "Dovetail conformance" not in done.stdout
