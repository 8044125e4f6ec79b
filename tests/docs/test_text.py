"""The code of docs/text.md."""

import pytest

from dovetail.data import DataLoader

POEM = "The sea is calm tonight, the sea is wide;\nwe wait until the wind has turned the tide.\n" * 5


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "poems.txt").write_text(POEM)


def test_blocks():
    # region: blocks
    from pathlib import Path

    from dovetail.data import CharTokenizer, TextDataset

    text = Path("poems.txt").read_text(encoding="utf-8")
    tokenizer = CharTokenizer.train(text)
    train, validation = TextDataset(text, tokenizer, block_size=16).split(validation=0.1)
    x, y = next(iter(DataLoader(train, batch_size=4, shuffle=True)))  # y is x one character further on
    # endregion
    assert x[:, 1:].tolist() == y[:, :-1].tolist()
    assert tokenizer.decode(train.tokens) + tokenizer.decode(validation.tokens) == text


def test_byte_pairs():
    text = POEM
    # region: pairs
    from dovetail.data import BytePairTokenizer

    tokenizer = BytePairTokenizer.train(text, vocab_size=300, special_tokens=["<|end|>"])
    tokens = tokenizer.encode("the tide<|end|>", special=True)
    tokenizer.save("tokenizer.json")
    again = BytePairTokenizer.load("tokenizer.json")
    # endregion
    assert again.decode(tokens) == "the tide<|end|>"
    assert len(tokens) < 9
    assert tokens[-1] == tokenizer.vocab_size - 1
