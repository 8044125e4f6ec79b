"""Freed memory is reused, not mapped anew at each op; and the way out of that."""

import subprocess
import sys

import pytest

from dovetail import memory

pytestmark = pytest.mark.skipif(memory._library() is None, reason="the C library is not glibc")

FAULTS = """
import resource
import dovetail
{before}
x = dovetail.ones(10_000_000)

def chain():
    return ((x * 2.0 + 1.0) - x) * x

def faults(runs):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(runs):
        chain()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

chain()
chain()
{after}
print(faults(5))
"""


def page_faults(before="", after="", **environment):
    """Return how many pages a chain of ops on 40 MB needs anew once it has run."""
    code = FAULTS.format(before=before, after=after)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120, env=environment
    )
    return int(done.stdout)


def test_a_chain_on_large_tensors_needs_no_new_pages():
    assert page_faults() < 50  # mapped anew they would be thousands, also where pages are huge


@pytest.mark.parametrize(
    "way", [{"DOVETAIL_KEEP_MEMORY": "0"}, {"after": "dovetail.memory.keep(False)"}], ids=["environment", "call"]
)
def test_there_is_a_way_out(way):
    assert page_faults(**way) > 150


def test_memory_goes_back_on_demand():
    code = """
import dovetail
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
x = dovetail.ones(2_000_000) + 1
x = (x * 2, x * 3, x * 4, x * 5)
del x
before = resident()
dovetail.memory.give_back()
print(before - resident())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) > 20_000_000
