"""Text as tokens: by characters or by byte pairs, and blocks of them to learn from."""

from dovetail.data.text.byte_pair import BytePairTokenizer as BytePairTokenizer
from dovetail.data.text.characters import CharTokenizer as CharTokenizer
from dovetail.data.text.dataset import TextDataset as TextDataset
