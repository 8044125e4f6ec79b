"""Blocks of a text's tokens, each with the tokens that come next."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

import dovetail
from dovetail.atomic import Target
from dovetail.data.dataset import Dataset
from dovetail.data.text.files import read_text
from dovetail.errors import DataError


class Tokenizer(Protocol):
    """What turns text into tokens."""

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text."""


class TextDataset(Dataset[tuple]):
    """Samples are ``(x, y)``: a block of a text's tokens, and the same block one token further on.

    Args:
        text: a string is the text itself; a ``pathlib.Path`` or an open file is read as UTF-8.
        tokenizer: has ``encode``; or None if ``text`` is a tensor or an array of tokens already.
        block_size: how many tokens ``x`` and ``y`` have; both are int64 of shape ``(block_size,)``.
        stride: how far the next block begins after the one before; ``block_size`` if None, so that each token is
            learnt once in a pass. With 1 there is a block at every token.

    Raises:
        DataError: the text has fewer than ``block_size + 1`` tokens, or the file is not in UTF-8.
        ValueError: ``block_size`` or ``stride`` is less than 1.

    Example::

        >>> from dovetail.data import CharTokenizer
        >>> blocks = TextDataset("hello", CharTokenizer("ehlo"), block_size=3, stride=1)
        >>> len(blocks), blocks[1]
        (2, (tensor([0, 2, 2]), tensor([2, 2, 3])))
    """

    def __init__(
        self, text: str | Target | Any, tokenizer: Tokenizer | None, block_size: int, stride: int | None = None
    ) -> None:
        self.block_size = block_size
        self.stride = block_size if stride is None else stride
        if block_size < 1 or self.stride < 1:
            raise ValueError(f"block_size and stride are 1 or more, got {block_size} and {self.stride}")
        if tokenizer is None:
            self.tokens = dovetail.as_tensor(text, dtype=dovetail.int64)
        else:
            content = text if isinstance(text, str) else read_text(text)
            self.tokens = dovetail.from_numpy(np.array(tokenizer.encode(content), dtype=np.int64))
        if len(self.tokens) <= block_size:
            is_path = isinstance(text, str) and len(text) < 1000 and os.path.exists(text)
            hint = f"give pathlib.Path({text!r}) to read that file" if is_path else "give more text or shorter blocks"
            raise DataError(
                f"blocks of {block_size} tokens and the one after need {block_size + 1}, the text has "
                f"{len(self.tokens)}; {hint}"
            )

    def split(self, validation: float = 0.1) -> tuple[TextDataset, TextDataset]:
        """Return the first part of the text to learn from and the rest to check with; they share no token.

        Args:
            validation: what fraction of the tokens is kept for checking.

        Raises:
            ValueError: the fraction is not between 0 and 1. DataError: a part is too short for one block.
        """
        if not 0 < validation < 1:
            raise ValueError(f"validation is a fraction between 0 and 1, got {validation}")
        cut = round(len(self.tokens) * (1 - validation))
        first, rest = self.tokens[:cut], self.tokens[cut:]
        return (
            TextDataset(first, None, self.block_size, self.stride),
            TextDataset(rest, None, self.block_size, self.stride),
        )

    def __len__(self) -> int:
        return (len(self.tokens) - 1 - self.block_size) // self.stride + 1

    def __getitem__(self, index: int) -> tuple:
        begin = self._begin(index)
        end = begin + self.block_size
        return self.tokens[begin:end], self.tokens[begin + 1 : end + 1]

    def __getbatch__(self, indices: Sequence[int]) -> list:
        begins = dovetail.tensor([self._begin(index) for index in indices], dtype=dovetail.int64)
        blocks = self.tokens[begins[:, None] + dovetail.arange(self.block_size + 1)]
        return [blocks[:, :-1].contiguous(), blocks[:, 1:].contiguous()]

    def _begin(self, index: int) -> int:
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"index {index} is out of range for a TextDataset of {len(self)} blocks")
        return position * self.stride
