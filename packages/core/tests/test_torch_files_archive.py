"""PyTorch's files that are damaged or forged below the pickle: zip archives and the older form, every bit and cut."""

import io
import pickle
import struct
import zipfile

import pytest

from dovetail.errors import LoadError
from dovetail.torch_files import reading

FLOATS = struct.pack("<2f", 1.5, -2)


PART = b"(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\x000X\3\0\0\0cpuK\2tQ"


def tensor_pickle(older=False):
    """A dict of a number and a tensor, as PyTorch pickles it."""
    part = PART.replace(b"tQ", b"NtQ") if older else PART
    made = b"ctorch._utils\n_rebuild_tensor_v2\n(" + part + b"K\0K\2\x85K\1\x85\x89ccollections\nOrderedDict\n)RtR"
    return b"\x80\2}q\0(X\4\0\0\0stepK\3X\6\0\0\0weight" + made + b"u."


MEMBERS = {
    "archive/data.pkl": tensor_pickle(),
    "archive/.format_version": b"1",
    "archive/.storage_alignment": b"64",
    "archive/byteorder": b"little",
    "archive/data/0": FLOATS,
    "archive/version": b"3\n",
    "archive/.data/serialization_id": b"0" * 40,
}


class OneWay(io.RawIOBase):
    """A file that cannot be sought in, so that sizes follow the data, as in PyTorch's."""

    def __init__(self):
        self.content = bytearray()

    def writable(self):
        return True

    def write(self, data):
        self.content += data
        return len(data)


def archive(members=None, compression=zipfile.ZIP_STORED, streamed=False):
    content = OneWay() if streamed else io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, data in (MEMBERS if members is None else members).items():
            file.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, compression)
    return bytes(content.content) if streamed else content.getvalue()


def older():
    magic = (0x1950A86A20F9469CFC6C).to_bytes(10, "little")
    start = b"\x80\2\x8a\n" + magic + b"." + b"\x80\2M\xe9\3." + b"\x80\2}X\r\0\0\0little_endian\x88s."
    return start + tensor_pickle(older=True) + b"\x80\2]X\1\0\0\x000a." + struct.pack("<q", 2) + FLOATS


def read(content, **options):
    return reading.read("file.pt", io.BytesIO(content), **options)


def refused(content, text, **options):
    with pytest.raises(LoadError, match=text) as caught:
        read(content, **options)
    assert str(caught.value).startswith("file.pt: ")
    assert "not foreseen" not in str(caught.value)


def attempt(content):
    """The object, or None when it is refused; nothing else may come of damage."""
    message = ""
    try:
        return read(content)
    except LoadError as error:
        message = str(error)
    assert message.startswith("file.pt: ")
    assert "not foreseen" not in message
    return None


def flipped(content):
    """The content with one bit changed, for each bit."""
    for position in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[position] ^= 1 << bit
            yield bytes(damaged)


def equal(value):
    return type(value) is dict and value["step"] == 3 and value["weight"].tolist() == [1.5, -2] and len(value) == 2


OLDER_DATA = len(older()) - len(FLOATS)
FORMS = {"archive": archive(), "streamed": archive(streamed=True), "older": older()}


@pytest.mark.parametrize("form", FORMS)
def test_the_files_that_are_damaged_below_load_as_they_are(form):
    assert equal(read(FORMS[form]))


@pytest.mark.parametrize("form", ["archive", "streamed"])
def test_a_changed_bit_is_found_or_changes_nothing(form):
    content = FORMS[form]
    results = [attempt(damaged) for damaged in flipped(content)]
    assert all(equal(result) for result in results if result is not None)
    assert results.count(None) > 4 * len(content)  # the rest is times, versions, permissions and what follows the data


@pytest.mark.parametrize("form", FORMS)
def test_every_cut_and_added_byte_is_found(form):
    content = FORMS[form]
    for length in range(len(content)):
        assert attempt(content[:length]) is None, length
    refused(content + b"\0", "not the end of an archive|1 bytes at its end belong to no storage")
    refused(b"\0" + content, "no file of PyTorch's, or damaged: it begins with")


def test_a_changed_bit_of_the_older_form_gives_an_object_or_load_error():
    """It has no checksums, so that changed numbers cannot be found."""
    assert any(attempt(damaged) is None for damaged in flipped(FORMS["older"]))


def test_damage_names_the_member_and_both_checksums():
    damaged = archive().replace(FLOATS, FLOATS[:-1] + b"\0")
    refused(damaged, r"member 'data/0' is damaged: its checksum is \w{8}, that of its data \w{8}; get the file again")
    assert read(damaged, verify=False)["weight"].tolist() != [1.5, -2]
    unused = archive({**MEMBERS, "archive/data/7": b"unused"})
    refused(unused.replace(b"unused", b"Unused"), "member 'data/7' is damaged")


# Forged archives


def renamed(name):
    return archive({**MEMBERS, name: b"x"})


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (renamed("archive/../../etc/passwd"), "a member 'archive/../../etc/passwd', which leads out of it; do not"),
        (renamed("/etc/passwd"), "a member '/etc/passwd', which leads out of it"),
        (renamed("../data.pkl"), "a member '../data.pkl', which leads out of it"),
        (renamed("archive//x"), "a member 'archive//x', which leads out of it"),
        (renamed("archive/./x"), "which leads out of it"),
        (renamed("C:/x"), "a member 'C:/x', which leads out of it"),
        (renamed("archive/x/"), "which leads out of it"),
        (renamed("archive/a").replace(b"archive/a", rb"archive\a"), r"which leads out of it"),
        (renamed("archive/a").replace(b"archive/a", b"archive/\0"), r"which leads out of it"),
        (renamed("archive/a").replace(b"archive/a", b"archive/\xff"), r"which leads out of it"),
        (renamed("other/data.pkl"), "holds 'other/data.pkl' outside of the folder 'archive'"),
        (renamed("data.pkl"), "holds 'data.pkl' outside of the folder 'archive'"),
        (renamed("archive/byteordeR").replace(b"byteordeR", b"byteorder"), "holds 'archive/byteorder' twice"),
        (renamed("archive/data.pkL").replace(b"data.pkL", b"data.pkl"), "holds 'archive/data.pkl' twice; do not trust"),
        (archive(compression=zipfile.ZIP_DEFLATED), r"of its zip archive is compressed \(method 8\)"),
        (archive({**MEMBERS, "archive/data/0": bytes(10**6)}, zipfile.ZIP_DEFLATED), "is compressed"),
        (archive({**MEMBERS, "archive/data/0": bytes(10**6)}, zipfile.ZIP_BZIP2), r"is compressed \(method 12\)"),
        (archive({"archive/x.npy": b""}), r"a zip archive without data\.pkl, so not PyTorch's; NumPy's \.npz"),
        (archive({}), r"a zip archive without data\.pkl"),
        (archive({**MEMBERS, "archive/constants.pkl": b""}), r"a TorchScript program, .* save its \.state_dict\(\)"),
        (archive({**MEMBERS, "archive/code/a.py": b""}), "a TorchScript program"),
        (archive({**MEMBERS, "archive/version": b"11\n"}), r"in version b'11\\n' of PyTorch's format; .* 1 to 10"),
        (archive({**MEMBERS, "archive/version": b"x"}), "written in version b'x'"),
        (archive({**MEMBERS, "archive/byteorder": b"middle"}), "byte order is 'middle'; there are 'little' and 'big'"),
        (archive({**MEMBERS, "archive/data/0": FLOATS[:4]}), "'0' has 4 bytes, but 2 elements of float32 take 8"),
        (b"PK\5\6" + bytes(17), "its zip archive is damaged or cut off: 21 bytes are too few"),
        (b"PK\3\4" + bytes(40), "the last 22 bytes are not the end of an archive"),
        (archive()[:-22] + b"PK\5\6" + bytes(18), "does not end where the archive's end begins"),
    ],
)  # fmt: skip
def test_forged_archives_are_refused(content, text):
    refused(content, text)


def field(content, name, place, value, form="<H"):
    """Change a field of a member's entry in the directory."""
    entry = content.rindex(name) - 46
    assert content[entry : entry + 4] == b"PK\1\2"
    return content[: entry + place] + struct.pack(form, value) + content[entry + place + struct.calcsize(form) :]


@pytest.mark.parametrize(
    ("place", "value", "form", "text"),
    [
        (8, 1, "<H", "is encrypted or of an unknown kind"),
        (10, 8, "<H", "is compressed"),
        (24, 2**31, "<L", "is compressed"),
        (34, 1, "<H", "holds what is no entry"),
        (32, 1, "<H", "holds what is no entry|ends too early"),
        (28, 2**16 - 1, "<H", "which leads out of it|holds what is no entry"),
        (42, 0, "<L", "the header of member 'archive/data/0' contradicts the directory"),
        (42, 2**32 - 2, "<L", "cut off or damaged: bytes"),
        (42, 2**32 - 1, "<L", "cut off or damaged: bytes"),
    ],
)
def test_entries_that_contradict_are_refused(place, value, form, text):
    refused(field(archive(), b"archive/data/0", place, value, form), text)


def test_a_name_that_is_damaged_in_one_place_is_found():
    """Else a file of another byte order could lose the member that says so, and give wrong numbers."""
    content = archive({**MEMBERS, "archive/byteorder": b"big"})
    for place in (content.index(b"byteorder"), content.rindex(b"byteorder")):
        damaged = content[:place] + b"bYteorder" + content[place + 9 :]
        refused(damaged, r"the header of member 'archive/b\wteorder' contradicts the directory")


def test_members_that_overlap_are_refused():
    """A bomb without compression: many large members on the same bytes."""
    inner = archive({"archive/b": b"hidden"})
    member = inner[: inner.index(b"PK\1\2")]
    content = archive({**MEMBERS, "archive/a": b"...." + member, "archive/b": b"hidden"})
    forged = field(content, b"archive/b", 42, content.index(member), "<L")
    refused(forged, "member 'archive/b' of its zip archive overlaps another part; do not trust the file")


def large_archive(extra=b"", sizes=0xFFFFFFFF, offset=0xFFFFFFFF):
    """One whose directory has the numbers of ``archive/data/0`` where large files have them, and a record."""
    content = archive()
    begin = content.index(b"PK\1\2")
    entry = content.rindex(b"archive/data/0") - 46
    place = content.index(b"archive/data/0") - 30
    extra = extra or struct.pack("<HHQQQ", 1, 24, 8, 8, place)
    changed = struct.pack("<LLHHHHHLL", sizes, sizes, 14, len(extra), 0, 0, 0, 0, offset)
    end = content.rindex(b"PK\5\6")
    directory = content[begin : entry + 20] + changed + b"archive/data/0" + extra + content[entry + 60 : end]
    count = len(MEMBERS)
    record = struct.pack("<4sQHHLLQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(directory), begin)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, begin + len(directory), 1)
    last = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return content[:begin] + directory + record + locator + last


def test_archives_in_the_form_for_large_files_are_read():
    content = large_archive()
    assert equal(read(content))
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert file.read("archive/data/0") == FLOATS
    locator = content.rindex(b"PK\6\7")
    moved = content[: locator + 8] + struct.pack("<Q", 5) + content[locator + 16 :]
    refused(moved, "the record for large archives is not where it is said to be")
    record = content.rindex(b"PK\6\6")
    refused(content[:record] + b"PK\6\5" + content[record + 4 :], "the record for large archives is damaged")
    refused(content[:-14] + b"\3\0\3\0" + content[-10:], "two of its records contradict each other")
    refused(large_archive(b"\1\0\x10\0" + bytes(16)), "the sizes of 'archive/data/0' are damaged")
    huge = struct.pack("<HHQQQ", 1, 24, 2**63, 2**63, content.index(b"archive/data/0") - 30)
    refused(large_archive(huge), "contradicts the directory")


class Shrinking(io.BytesIO):
    """A file that another program cuts off while it is read."""

    def read(self, count=-1):
        return super().read(count) if self.tell() < self.cut else b""

    def readinto(self, memory):
        return super().readinto(memory) if self.tell() < self.cut else 0


@pytest.mark.parametrize(
    ("form", "cut", "text"),
    [
        ("archive", 30, "cut off while it was read"),
        ("older", 60, "cut off while its pickle was read"),
        ("older", OLDER_DATA, "cut off while it was read"),
    ],
)
def test_a_file_that_shrinks_while_it_is_read_is_refused(form, cut, text):
    file = Shrinking(FORMS[form])
    file.cut = cut
    with pytest.raises(LoadError, match=rf"^file\.pt: {text}$"):
        reading.read("file.pt", file)


# The older form, and what is neither


OLDER = older()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (OLDER.replace(b"M\xe9\3", b"M\xea\3"), "it begins like PyTorch's, but says .* and version 1002"),
        (OLDER.replace(b"}X\r\0\0\0little_endian\x88s.", b"]."), "where it was written is no dict"),
        (OLDER.replace(b"]X\1\0\0\x000a.", b"]."), "its storages are not those that its tensors need"),
        (OLDER.replace(b"]X\1\0\0\x000a.", b"]X\1\0\0\x000aX\1\0\0\x000a."), "its storages are not those"),
        (OLDER.replace(b"]X\1\0\0\x000a.", b"]K\0a."), "the keys of its storages are no list of texts"),
        (OLDER.replace(struct.pack("<q", 2) + FLOATS, struct.pack("<q", -2) + FLOATS), "storage '0' of 2 elements"),
        (OLDER.replace(b"K\2NtQ", b"K\3NtQ"), "storage '0' of 3 elements takes 12 bytes; it states 2 elements, and 8"),
        (OLDER.replace(b"u.\x80", b"X\1\0\0\0b" + PART.replace(b"K\2", b"K\1") + b"u.\x80"), "have 2 elements, and 1"),
        (OLDER.replace(b"NtQ", b"(X\1\0\0\x001K\1K\2ttQ"), "a view of storage '0' ends at element 3 of 2"),
        (OLDER.replace(b"NtQ", b"K\1tQ"), "a view of storage '0' is damaged; get the file again"),
        (OLDER.replace(b"NtQ", b"(X\1\0\0\x001NNttQ"), "a view of storage '0' is damaged: its offset and size"),
        (b"\x80\2N.", "a pickle that torch.save did not write, or damaged"),
        (pickle.dumps([1] * 100, 4), "a pickle that torch.save did not write"),
        (b"x" * 257 + b"ustar" + bytes(100), "by a PyTorch of before 0.1.10, as a tar archive; load it in PyTorch"),
        (b"sys_info" + bytes(100), "as a tar archive"),
        (b"", "no file of PyTorch's, or damaged: it begins with b''"),
    ],
)  # fmt: skip
def test_other_files_and_damaged_older_ones_say_why(content, text):
    refused(content, text)


@pytest.mark.parametrize(
    ("start", "answer"),
    [
        (archive()[:16], True), (OLDER[:16], True), (b"PK\5\6", True), (pickle.dumps([1] * 99, 4)[:16], True),
        (b"\x80\2N.", True), (b"sys_info\0\0", True), (b"x" * 257 + b"ustar", True), (b"", False), (b"\x80", False),
        (b"\x80\1K\1.aaaa", False), (struct.pack("<Q", 0x280) + b"{}", False), (struct.pack("<Q", 0x95) + b"{}", False),
        (struct.pack("<Q", 0x4950480) + b'{"a"', False), (b"\x93NUMPY", False),
    ],
)  # fmt: skip
def test_what_begins_like_pytorchs_files_is_recognised(start, answer):
    assert reading.recognises(start) is answer
