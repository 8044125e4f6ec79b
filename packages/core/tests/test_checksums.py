"""Checksums that are counted in pieces are those of the whole."""

import zlib

import numpy as np
import pytest

from dovetail.checksums import PIECE, Checksums


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 12345])
@pytest.mark.parametrize("expected", [0, 1 << 30])  # in this thread, in others
def test_pieces_join_to_the_checksum_of_the_whole(size, expected):
    content = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8)
    moved = []
    with Checksums(expected) as checksums:
        checksums.take("a", content.data, moved.append)
        checksums.take("b", content[: size // 2].data, lambda piece: None)
    assert b"".join(moved) == content.tobytes()
    assert checksums.found == {
        "a": f"{zlib.crc32(content):08x}",
        "b": f"{zlib.crc32(content[: size // 2]):08x}",
    }


def test_an_error_on_the_way_is_passed_on():
    def fail(piece):
        raise OSError("no")

    with pytest.raises(OSError, match="no"), Checksums(1 << 30) as checksums:
        checksums.take("a", memoryview(b"abc"), fail)
