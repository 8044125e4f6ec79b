"""PyTorch's files changed by chance, with right checksums: they are read, or refused with LoadError."""

import io
import zipfile

import pytest

import dovetail
from dovetail.errors import LoadError

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies


def written():
    """Return a file that holds every kind of value, as its members."""
    base = dovetail.arange(6.0).reshape(2, 3)
    state = {"w": base, "row": base[1], "half": dovetail.ones(2, dtype=dovetail.bfloat16), "list": [1, 2.5, "x", None]}
    file = io.BytesIO()
    dovetail.save({**state, "tuple": (True, dovetail.float32), "size": base.shape, 3: 2**70}, file, format="torch")
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


MEMBERS = written()
PICKLE = MEMBERS["archive/data.pkl"]

#: Where in the pickle, how many bytes go, and what comes in their place; opcodes are likelier than other bytes.
OPCODES = st.sampled_from(
    [bytes([code]) for code in b"}](uteaqrhjcR0.Q\x80\x85\x86\x87\x88\x8a\x8c\x93\x94\x95bKMJGXN"]
)
CHANGE = st.tuples(
    st.integers(0, len(PICKLE)), st.integers(0, 4), st.one_of(OPCODES, st.binary(max_size=4), st.just(PICKLE[40:80]))
)


def zipped(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    file.seek(0)
    return file


@hypothesis.given(st.lists(CHANGE, max_size=4), st.sampled_from(sorted(MEMBERS)), st.integers(0, 3))
@hypothesis.settings(max_examples=1500, deadline=None)
def test_changed_pickles_and_records(changes, name, fewer):
    content = bytearray(PICKLE)
    for place, gone, instead in changes:
        content[place : place + gone] = instead
    members = MEMBERS | {"archive/data.pkl": bytes(content)}
    if fewer and name != "archive/data.pkl":
        members[name] = members[name][:-fewer]
    refusal = "<BytesIO>: "
    try:
        dovetail.load(zipped(members))
    except LoadError as error:
        refusal = str(error)
    assert refusal.startswith("<BytesIO>: ")
    assert "not foreseen" not in refusal


def test_what_is_not_changed_is_read():
    assert dovetail.load(zipped(MEMBERS))["list"] == [1, 2.5, "x", None]
