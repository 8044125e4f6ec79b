"""Byte-pair encoding: the pairs of tokens that are most often neighbours become tokens.

Sennrich, Haddow and Birch, "Neural Machine Translation of Rare Words with Subword Units", 2016; on bytes as in Radford
et al., "Language Models are Unsupervised Multitask Learners", 2019.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from dovetail.atomic import Target, name_of
from dovetail.data.text.characters import whole_numbers
from dovetail.data.text.files import read_json, write_json
from dovetail.errors import LoadError

KIND = "byte-pair tokenizer"
KEPT_PIECES = 2**16  # pieces of text whose tokens are kept for the next time
# A word, number or run of signs, with the space before it; an ending after an apostrophe; other white space. Every
# character is in one of these, so the pieces are the whole text. The limit bounds the time for text without words.
PIECES = re.compile(r"'(?:[sdmt]|ll|ve|re)\b| ?[^\W\d_]{1,64}| ?\d{1,64}| ?(?:[^\w\s]|_){1,64}|\s{1,64}(?!\S)|\s{1,64}")

Pair = tuple[int, int]


class BytePairTokenizer:
    """Turns text into tokens of one or more bytes, and tokens back into exactly that text.

    Tokens 0 to 255 are the bytes, those after them the ``merges`` in their order, the last ones the special tokens. A
    token never reaches over the border between words, and none is made of more than 64 characters.

    Args:
        merges: pairs of tokens, each of which makes the next token. ``BytePairTokenizer.train`` finds them.
        special_tokens: strings that are one token, such as ``"<|end|>"``, where ``encode`` is told to look for them.

    Raises:
        ValueError: a merge is of a token that does not exist yet, or a special token is empty or there twice.

    Example::

        >>> tokenizer = BytePairTokenizer.train("the cat and the hat on the mat", vocab_size=260)
        >>> tokenizer.encode("the hat")
        [258, 32, 104, 256]
        >>> tokenizer.decode(tokenizer.encode("the hat"))
        'the hat'
    """

    def __init__(self, merges: Sequence[Pair], special_tokens: Sequence[str] = ()) -> None:
        self.merges = [(int(first), int(second)) for first, second in merges]
        self.special_tokens = list(special_tokens)
        self._pieces: dict[str, list[int]] = {}
        self._prepare()

    def _prepare(self) -> None:
        self._bytes = [bytes([value]) for value in range(256)]
        for first, second in self.merges:
            if not (0 <= first < len(self._bytes) and 0 <= second < len(self._bytes)):
                raise ValueError(f"merge {len(self._bytes) - 256} joins earlier tokens, got {(first, second)}")
            self._bytes.append(self._bytes[first] + self._bytes[second])
        self._made = {pair: 256 + number for number, pair in enumerate(self.merges)}
        if not all(isinstance(text, str) and text for text in self.special_tokens) or len(
            set(self.special_tokens)
        ) < len(self.special_tokens):
            raise ValueError(f"special tokens are strings, each once and none empty, got {self.special_tokens}")
        self._special = {text: len(self._bytes) + number for number, text in enumerate(self.special_tokens)}
        self._bytes += [text.encode("utf-8", "surrogatepass") for text in self.special_tokens]
        longest_first = sorted(self.special_tokens, key=len, reverse=True)
        self._special_pattern = re.compile("(" + "|".join(map(re.escape, longest_first)) + ")")

    @classmethod
    def train(cls, text: str, vocab_size: int, special_tokens: Sequence[str] = ()) -> BytePairTokenizer:
        """Return a tokenizer whose merges are the pairs that are most frequent in a text.

        Of pairs that are equally frequent, the one with the smaller numbers comes first. There are fewer tokens than
        asked for if no pair is left.

        Args:
            text: what to learn from.
            vocab_size: how many tokens there will be, the 256 bytes and the special tokens too.
            special_tokens: as in `BytePairTokenizer`; they are not looked for in the text.

        Raises:
            ValueError: ``vocab_size`` has no room for the bytes and the special tokens.
        """
        least = 256 + len(special_tokens)
        if vocab_size < least:
            raise ValueError(f"a vocab_size is {least} or more (256 bytes, special tokens), got {vocab_size}")
        pieces = Counter(PIECES.findall(text))
        words = [list(piece.encode("utf-8", "surrogatepass")) for piece in pieces]
        return cls(find_merges(words, list(pieces.values()), vocab_size - least), special_tokens)

    @property
    def vocab_size(self) -> int:
        """How many tokens there are."""
        return len(self._bytes)

    def encode(self, text: str, special: bool = False) -> list[int]:
        """Return the tokens of a text.

        Args:
            text: any string.
            special: make special tokens of their strings in the text; strangers could write them too.
        """
        if special and self.special_tokens:
            tokens: list[int] = []
            for number, part in enumerate(self._special_pattern.split(text)):
                tokens += [self._special[part]] if number % 2 else self.encode(part)
            return tokens
        tokens = []
        for piece in PIECES.findall(text):
            tokens += self._pieces.get(piece) or self._encode_piece(piece)
        return tokens

    def _encode_piece(self, piece: str) -> list[int]:
        tokens = list(piece.encode("utf-8", "surrogatepass"))
        made = self._made
        while len(tokens) > 1:
            new, pair = min((made.get(pair, len(self._bytes)), pair) for pair in set(pairwise(tokens)))
            if new == len(self._bytes):
                break
            tokens = merged(tokens, pair, new)
        if len(self._pieces) < KEPT_PIECES:
            self._pieces[piece] = tokens
        return tokens

    def decode_bytes(self, tokens: Iterable[int]) -> bytes:
        """Return the bytes of tokens, which may also be a tensor or an array.

        Raises:
            DataError: there is no such token.
        """
        return b"".join([self._bytes[token] for token in whole_numbers(tokens, self.vocab_size)])

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text of tokens; bytes that are no text, such as half a character, become U+FFFD.

        Raises:
            DataError: there is no such token.
        """
        content = self.decode_bytes(tokens)
        try:
            return content.decode("utf-8", "surrogatepass")  # a string may have half a surrogate pair, and gets it back
        except UnicodeDecodeError:
            return content.decode("utf-8", "replace")

    def save(self, path: Target) -> None:
        """Write the tokenizer to a JSON file, whole or not at all."""
        write_json(path, KIND, {"special_tokens": self.special_tokens, "merges": self.merges})

    @classmethod
    def load(cls, path: Target) -> BytePairTokenizer:
        """Read a tokenizer that `save` wrote.

        Raises:
            OSError: there is no such file. LoadError: it is another kind of file, or damaged.
        """
        found = read_json(path, KIND)
        try:
            if not isinstance(found["special_tokens"], list):
                raise TypeError("special_tokens is a list of strings")
            return cls(found["merges"], found["special_tokens"])
        except (KeyError, TypeError, ValueError) as error:
            raise LoadError(f"{name_of(path)} is damaged: {error}; get it again, or train a new one") from None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_pieces": {}}  # a worker finds these again

    def __repr__(self) -> str:
        return f"BytePairTokenizer({self.vocab_size} tokens, {len(self.merges)} merges)"


def merged(tokens: list[int], pair: Pair, new: int) -> list[int]:
    """Return tokens with each ``pair``, from the left, made ``new``."""
    first, second = pair
    result = []
    position, end = 0, len(tokens)
    while position < end:
        token = tokens[position]
        if token == first and position + 1 < end and tokens[position + 1] == second:
            result.append(new)
            position += 2
        else:
            result.append(token)
            position += 1
    return result


def find_merges(words: list[list[int]], counts: list[int], wanted: int) -> list[Pair]:
    """Return the merges of words of bytes; ``words`` are left merged.

    The counts of all pairs are kept up to date word by word, since a merge touches few words. A heap holds the pairs by
    their count; an entry that is no longer true is corrected when it comes up.
    """
    pairs: Counter[Pair] = Counter()
    where: dict[Pair, set[int]] = {}
    for number, word in enumerate(words):
        for pair in pairwise(word):
            pairs[pair] += counts[number]
            where.setdefault(pair, set()).add(number)
    heap = [(-count, pair) for pair, count in pairs.items()]
    heapq.heapify(heap)
    merges: list[Pair] = []
    while heap and len(merges) < wanted:
        count, best = heapq.heappop(heap)
        if -count != pairs[best]:
            if pairs[best]:
                heapq.heappush(heap, (-pairs[best], best))
            continue
        new = 256 + len(merges)
        merges.append(best)
        changed: set[Pair] = set()
        for number in where.pop(best):
            old = words[number]
            words[number] = word = merged(old, best, new)
            for pair in pairwise(old):
                pairs[pair] -= counts[number]
            for pair in pairwise(word):
                pairs[pair] += counts[number]
                if new in pair:
                    where.setdefault(pair, set()).add(number)
                    changed.add(pair)
        for pair in changed:
            heapq.heappush(heap, (-pairs[pair], pair))
    return merges
