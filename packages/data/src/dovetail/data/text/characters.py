"""One token for each character."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

import dovetail
from dovetail.atomic import Target, name_of
from dovetail.data.text.files import read_json, write_json
from dovetail.errors import DataError, LoadError

KIND = "character tokenizer"


class CharTokenizer:
    """Turns each character into a number, and numbers into characters.

    Args:
        characters: those that have a number: the first has 0. ``CharTokenizer.train(text)`` takes them from a text.
        unknown: the one in ``characters`` that stands for all others; if None, others are refused.

    Raises:
        ValueError: a character is there twice, or ``unknown`` is not among them.

    Example::

        >>> tokenizer = CharTokenizer.train("hello")
        >>> tokenizer.encode("hole")
        [1, 3, 2, 0]
        >>> tokenizer.decode([1, 0])
        'he'
    """

    def __init__(self, characters: str, unknown: str | None = None) -> None:
        self.characters = characters
        self.unknown = unknown
        self._numbers = {character: number for number, character in enumerate(characters)}
        if len(self._numbers) < len(characters):
            twice = next(character for character in characters if characters.count(character) > 1)
            raise ValueError(f"each character has one number, got {twice!r} more than once")
        if unknown is not None and unknown not in self._numbers:
            raise ValueError(f"unknown is one of the {len(characters)} characters, got {unknown!r}; add it to them")

    @classmethod
    def train(cls, text: str, unknown: str | None = None) -> CharTokenizer:
        """Return a tokenizer for the characters of a text, in the order of Unicode; ``unknown`` is added to them."""
        return cls("".join(sorted({*text, *(unknown or "")})), unknown)

    @property
    def vocab_size(self) -> int:
        """How many tokens there are."""
        return len(self.characters)

    def encode(self, text: str) -> list[int]:
        """Return the numbers of a text's characters.

        Raises:
            DataError: a character has no number, and there is no ``unknown``.
        """
        if self.unknown is not None:
            instead = self._numbers[self.unknown]
            return [self._numbers.get(character, instead) for character in text]
        try:
            return list(map(self._numbers.__getitem__, text))
        except KeyError as error:
            character = error.args[0]
            raise DataError(
                f"the character {character!r} at {text.index(character)} is none of the {self.vocab_size} that this "
                "tokenizer knows; train it on a text that has it, or give it an unknown= character"
            ) from None

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text of numbers, which may also be a tensor or an array.

        Raises:
            DataError: there is no such number.
        """
        numbers = whole_numbers(tokens, self.vocab_size)
        return "".join([self.characters[number] for number in numbers])

    def save(self, path: Target) -> None:
        """Write the tokenizer to a JSON file, whole or not at all."""
        write_json(path, KIND, {"characters": self.characters, "unknown": self.unknown})

    @classmethod
    def load(cls, path: Target) -> CharTokenizer:
        """Read a tokenizer that `save` wrote.

        Raises:
            OSError: there is no such file. LoadError: it is another kind of file, or damaged.
        """
        found = read_json(path, KIND)
        characters, unknown = found.get("characters"), found.get("unknown")
        try:
            if not isinstance(characters, str) or not isinstance(unknown, str | None):
                raise ValueError("characters is a string, and unknown another or null")
            return cls(characters, unknown)
        except ValueError as error:
            raise LoadError(f"{name_of(path)} is damaged: {error}; get it again, or train a new one") from None

    def __repr__(self) -> str:
        return f"CharTokenizer({self.vocab_size} characters)"


def whole_numbers(tokens: Iterable[int], vocab_size: int) -> list[int]:
    """Return tokens as a list, or say which of them does not exist.

    Raises:
        DataError: there is no such token.
    """
    if isinstance(tokens, dovetail.Tensor):
        tokens = tokens.cpu()
    numbers = np.asarray(tokens if hasattr(tokens, "__array__") else list(tokens))
    if numbers.size and numbers.dtype.kind not in "iu":
        raise DataError(f"tokens are whole numbers, got {numbers.dtype}")
    wrong = numbers[(numbers < 0) | (numbers >= vocab_size)]
    if wrong.size:
        raise DataError(f"tokens are 0 to {vocab_size - 1}, got {int(wrong.flat[0])}")
    return numbers.reshape(-1).tolist()
