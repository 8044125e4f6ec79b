"""Tokenizers and blocks of tokens."""

import json
import pickle
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dovetail
from dovetail.data import BytePairTokenizer, CharTokenizer, DataLoader, TextDataset, default_collate
from dovetail.data.text import byte_pair
from dovetail.errors import DataError, LoadError
from real_data import real_data

POEM = """The sea is calm tonight, the sea is wide;
we'll wait until the wind has turned the tide.
Grüße from the 24 islands — 日本語, 日本語, and 🦆🦆!
"""
ANY_TEXT = st.text(st.characters(), max_size=60)  # half surrogate pairs too


def slow_merges(text, wanted):
    """The definition: count all pairs anew each time, take the most frequent, of these the smallest."""
    words = [list(piece.encode()) for piece in byte_pair.PIECES.findall(text)]
    merges = []
    while len(merges) < wanted:
        counts = Counter(pair for word in words for pair in pairwise(word))
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        words = [slowly_merged(word, best, 255 + len(merges)) for word in words]
    return merges


def slowly_merged(word, pair, new):
    for position in range(len(word) - 1):
        if (word[position], word[position + 1]) == pair:
            return [*word[:position], new, *slowly_merged(word[position + 2 :], pair, new)]
    return word


def slow_encode(text, merges):
    """The definition: do the merges one after the other."""
    tokens = []
    for piece in byte_pair.PIECES.findall(text):
        word = list(piece.encode("utf-8", "surrogatepass"))
        for number, pair in enumerate(merges):
            word = slowly_merged(word, pair, 256 + number)
        tokens += word
    return tokens


def test_merges_are_those_of_the_definition():
    assert BytePairTokenizer.train(POEM, 256 + 60).merges == slow_merges(POEM, 60)


@settings(deadline=None, max_examples=60)
@given(st.text("ab c", max_size=80), st.integers(0, 20))
def test_merges_of_repetitive_text_are_those_of_the_definition(text, wanted):
    """Runs such as aaaa and many equal counts."""
    assert BytePairTokenizer.train(text, 256 + wanted).merges == slow_merges(text, wanted)


@settings(deadline=None, max_examples=60)
@given(st.text("ab c", max_size=80), st.text("ab c", max_size=40))
def test_encoding_is_that_of_the_definition(text, other):
    tokenizer = BytePairTokenizer.train(text, 276)
    assert tokenizer.encode(other) == slow_encode(other, tokenizer.merges)


TRAINED = BytePairTokenizer.train(POEM, 300, special_tokens=["<|end|>", "<|end|>>"])


@settings(deadline=None)
@given(ANY_TEXT)
def test_any_text_comes_back(text):
    assert "".join(byte_pair.PIECES.findall(text)) == text
    assert TRAINED.decode(TRAINED.encode(text)) == text
    assert TRAINED.decode(TRAINED.encode(text, special=True)) == text
    characters = CharTokenizer.train(text)
    assert characters.decode(characters.encode(text)) == text


@given(st.lists(st.integers(0, TRAINED.vocab_size - 1), max_size=20))
def test_any_tokens_have_bytes_and_a_text(tokens):
    content = TRAINED.decode_bytes(tokens)
    assert content == b"".join(TRAINED.decode_bytes([token]) for token in tokens)
    assert all(TRAINED.decode_bytes([token]) for token in tokens)
    assert isinstance(TRAINED.decode(tokens), str)  # whatever the bytes are


def test_half_a_character_is_replaced():
    half = TRAINED.encode("é")[:1]
    assert TRAINED.decode(half) == "\ufffd"
    assert TRAINED.decode_bytes(half) == "é".encode()[:1]


def test_special_tokens_are_one_token_where_they_are_looked_for():
    end, longer = TRAINED.vocab_size - 2, TRAINED.vocab_size - 1
    text = "sea<|end|>sea<|end|>>"
    sea = TRAINED.encode("sea")
    assert TRAINED.encode(text, special=True) == [*sea, end, *sea, longer]
    assert end not in TRAINED.encode(text)
    assert TRAINED.decode([end, longer]) == "<|end|><|end|>>"
    assert BytePairTokenizer([]).encode("a", special=True) == [97]


def test_a_tokenizer_is_saved_and_loaded(tmp_path):
    TRAINED.save(tmp_path / "tokenizer.json")
    found = BytePairTokenizer.load(tmp_path / "tokenizer.json")
    assert (found.merges, found.special_tokens) == (TRAINED.merges, TRAINED.special_tokens)
    assert found.encode(POEM) == TRAINED.encode(POEM)
    characters = CharTokenizer.train(POEM + "\ud800", unknown="\u2047")
    characters.save(tmp_path / "characters.json")
    again = CharTokenizer.load(tmp_path / "characters.json")
    assert (again.characters, again.unknown) == (characters.characters, "\u2047")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is no JSON file"),
        ("[]", "expected the file of a byte-pair tokenizer, version 1, got format None, version None"),
        ('{"format": "dovetail character tokenizer", "version": 1}', "got format 'dovetail character tokenizer'"),
        ('{"format": "dovetail byte-pair tokenizer", "version": 2}', "version 2"),
        ('{"format": "dovetail byte-pair tokenizer", "version": 1}', r"damaged: 'special_tokens'"),
        ({"merges": [[97, 300]]}, r"damaged: merge 0 joins earlier tokens, got \(97, 300\)"),
        ({"merges": [[97]]}, "damaged: not enough values"),
        ({"special_tokens": "abc"}, "damaged: special_tokens is a list of strings"),
        ({"special_tokens": [""]}, "damaged: special tokens are strings, each once and none empty"),
    ],
)
def test_a_file_that_is_no_tokenizer_is_refused(tmp_path, content, says):
    whole = {"format": "dovetail byte-pair tokenizer", "version": 1, "merges": [], "special_tokens": []}
    text = content if isinstance(content, str) else json.dumps({**whole, **content})
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(LoadError, match=r"a\.json.*" + says):
        BytePairTokenizer.load(tmp_path / "a.json")


def test_a_file_of_characters_that_is_damaged_is_refused(tmp_path):
    for characters, says in ((None, "characters is a string"), ("aa", "each character has one number, got 'a'")):
        content = {"format": "dovetail character tokenizer", "version": 1, "characters": characters}
        (tmp_path / "a.json").write_text(json.dumps(content))
        with pytest.raises(LoadError, match=rf"a\.json is damaged: {says}"):
            CharTokenizer.load(tmp_path / "a.json")


def test_training_stops_when_no_pair_is_left():
    tokenizer = BytePairTokenizer.train("abab", 1000)
    assert tokenizer.merges == [(97, 98), (256, 256)]
    assert repr(tokenizer) == "BytePairTokenizer(258 tokens, 2 merges)"
    with pytest.raises(ValueError, match=r"a vocab_size is 257 or more \(256 bytes, special tokens\), got 256"):
        BytePairTokenizer.train("abab", 256, ["<|end|>"])


def test_special_tokens_differ():
    with pytest.raises(ValueError, match=r"each once and none empty, got \['a', 'a'\]"):
        BytePairTokenizer([], ["a", "a"])


def test_what_is_kept_does_not_change_or_travel():
    tokenizer = BytePairTokenizer(TRAINED.merges)
    first = tokenizer.encode("the sea")
    first.append(0)
    assert tokenizer.encode("the sea") == first[:-1]
    assert len(pickle.dumps(tokenizer)) == len(pickle.dumps(BytePairTokenizer(TRAINED.merges)))


def test_pieces_that_are_kept_are_bounded(monkeypatch):
    monkeypatch.setattr(byte_pair, "KEPT_PIECES", 3)
    tokenizer = BytePairTokenizer(TRAINED.merges)
    tokens = tokenizer.encode(POEM)
    assert len(tokenizer._pieces) == 3
    assert tokens == TRAINED.encode(POEM)


def test_tokens_that_do_not_exist_are_refused():
    for tokens in ([0, 300 + 256], dovetail.tensor([-1]), np.array([10**6])):
        with pytest.raises(DataError, match=r"tokens are 0 to 299, got -?\d+"):
            TRAINED.decode(tokens)
    with pytest.raises(DataError, match="tokens are whole numbers, got float64"):
        TRAINED.decode([1.5])


def test_characters():
    tokenizer = CharTokenizer.train("banana")
    assert tokenizer.characters == "abn"
    assert tokenizer.encode("nab") == [2, 0, 1]
    assert tokenizer.decode(dovetail.tensor([2, 0, 1])) == "nab"
    assert tokenizer.decode([]) == ""
    assert repr(tokenizer) == "CharTokenizer(3 characters)"
    with pytest.raises(DataError, match="the character 'x' at 2 is none of the 3 that this tokenizer knows; train it"):
        tokenizer.encode("nax")
    with pytest.raises(ValueError, match="each character has one number, got 'a' more than once"):
        CharTokenizer("abca")
    with pytest.raises(ValueError, match=r"unknown is one of the 2 characters, got '\?'; add it"):
        CharTokenizer("ab", unknown="?")


def test_unknown_characters():
    tokenizer = CharTokenizer.train("ab", unknown="?")
    assert tokenizer.decode(tokenizer.encode("axb")) == "a?b"


def blocks(count, **options):
    return TextDataset(np.arange(count), None, **options)


def test_blocks():
    dataset = blocks(10, block_size=3)
    assert [(x.tolist(), y.tolist()) for x, y in (dataset[index] for index in range(len(dataset)))] == [
        ([0, 1, 2], [1, 2, 3]),
        ([3, 4, 5], [4, 5, 6]),
        ([6, 7, 8], [7, 8, 9]),
    ]
    assert dataset[-1][0].tolist() == [6, 7, 8]
    assert dataset[0][0].dtype == dovetail.int64
    with pytest.raises(IndexError, match="index 3 is out of range for a TextDataset of 3 blocks"):
        dataset[3]


@pytest.mark.parametrize("stride", [1, 2, 3, 5, None])
@pytest.mark.parametrize("count", [5, 6, 11, 12, 13])
def test_a_batch_equals_collated_samples_and_no_block_is_left_out(count, stride):
    dataset = blocks(count, block_size=4, stride=stride)
    indices = list(range(len(dataset)))[::-1]
    found, expected = dataset.__getbatch__(indices), default_collate([dataset[index] for index in indices])
    assert [part.tolist() for part in found] == [part.tolist() for part in expected]
    assert [part.dtype for part in found] == [part.dtype for part in expected]
    last = dataset[-1][1][-1].item()
    assert last < count <= last + (stride or 4)


def test_a_loader_takes_whole_batches():
    x, y = next(iter(DataLoader(blocks(100, block_size=8), batch_size=4)))
    assert x.shape == y.shape == (4, 8)
    assert (y - x).tolist() == [[1] * 8] * 4


def test_parts_share_no_token():
    train, validation = blocks(100, block_size=4).split(0.2)
    assert train.tokens.tolist() + validation.tokens.tolist() == list(range(100))
    assert len(validation.tokens) == 20
    with pytest.raises(ValueError, match="a fraction between 0 and 1, got 1"):
        train.split(1)
    with pytest.raises(DataError, match="need 5, the text has 1; give more text or shorter blocks"):
        blocks(14, block_size=4).split(0.1)


def test_text_from_a_file(tmp_path, monkeypatch):
    (tmp_path / "poem.txt").write_bytes(b"\xef\xbb\xbf" + POEM.replace("\n", "\r\n").encode())
    tokenizer = CharTokenizer.train(POEM + "\r")
    dataset = TextDataset(tmp_path / "poem.txt", tokenizer, 8)
    assert tokenizer.decode(dataset.tokens) == POEM.replace("\n", "\r\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"need 65, the text has 8; give pathlib.Path\('poem\.txt'\) to read that file"):
        TextDataset("poem.txt", CharTokenizer.train("poem.txt"), 64)
    (tmp_path / "latin.txt").write_bytes(b"Gr\xfc\xdfe")
    with pytest.raises(DataError, match=r"latin\.txt is not in UTF-8: byte 2 is 0xfc; convert the file"):
        TextDataset(Path("latin.txt"), tokenizer, 8)


def test_a_block_needs_one_token_more():
    assert len(blocks(5, block_size=4)) == 1
    with pytest.raises(DataError, match="need 5, the text has 4; give more text or shorter blocks"):
        blocks(4, block_size=4)


def test_sizes_are_positive():
    with pytest.raises(ValueError, match="block_size and stride are 1 or more, got 0 and 0"):
        blocks(10, block_size=0)


def test_tiny_shakespeare():
    text = real_data("tinyshakespeare.txt").read_text(encoding="utf-8")
    assert CharTokenizer.train(text).vocab_size == 65
    tokenizer = BytePairTokenizer.train(text, 256 + 1000)
    assert BytePairTokenizer.train(text[:20_000], 256 + 20).merges == slow_merges(text[:20_000], 20)
    tokens = tokenizer.encode(text)
    assert tokenizer.decode(tokens) == text
    assert len(tokens) < len(text) / 2.4
    dataset = TextDataset(dovetail.tensor(tokens), None, 64)
    x, _ = dataset[0]
    assert tokenizer.decode(x).startswith("First Citizen:\nBefore we proceed")
