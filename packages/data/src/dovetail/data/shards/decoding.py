"""What the members of a sample hold, by their endings: bytes to values and back."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import dovetail
from dovetail.errors import DataError, MissingPackageError

PICTURES = ("bmp", "gif", "jpeg", "jpg", "png", "ppm", "tif", "tiff", "webp")
NUMBERS = ("class", "cls", "count", "id", "index", "inx")
TEXTS = ("text", "transcript", "txt")
JSON = ("jsn", "json")


def decode_sample(raw: dict[str, Any], decoders: Mapping[str, Callable[[bytes], Any]], where: str) -> dict[str, Any]:
    """Return a sample with its members decoded, or say where the one that cannot be is."""
    sample = {}
    for ending, content in raw.items():
        decoder = None if ending == "__key__" else _decoder(ending, decoders)
        try:
            sample[ending] = content if decoder is None else decoder(content)
        except MissingPackageError:
            raise
        except Exception as error:
            raise DataError(
                f"{where} ({raw['__key__']!r}): the member {ending!r} of {len(content)} bytes cannot be decoded: "
                f"{type(error).__name__}: {error}; write it again, or give decode() another function for it"
            ) from error
    return sample


def _decoder(ending: str, decoders: Mapping[str, Callable[[bytes], Any]]) -> Callable[[bytes], Any] | None:
    while True:
        if ending in decoders:
            return decoders[ending]
        if "." not in ending:
            return DECODERS.get(ending)
        ending = ending.partition(".")[2]


def picture(content: bytes) -> Any:
    """Return Pillow's RGB image of a picture file."""
    try:
        from PIL import Image
    except ImportError:
        raise MissingPackageError(
            'pictures are decoded by Pillow, which is not installed; try: pip install "dovetail-data[image]"'
        ) from None
    with Image.open(io.BytesIO(content)) as image:
        return image.convert("RGB")


def array(content: bytes) -> np.ndarray:
    """Return the array of an ``.npy`` file."""
    return np.load(io.BytesIO(content), allow_pickle=False)


def arrays(content: bytes) -> dict[str, np.ndarray]:
    """Return the arrays of an ``.npz`` file."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return dict(file)


DECODERS: dict[str, Callable[[bytes], Any]] = {
    **dict.fromkeys(PICTURES, picture),
    **dict.fromkeys(NUMBERS, int),
    **dict.fromkeys(TEXTS, lambda content: content.decode("utf-8")),
    **dict.fromkeys(JSON, json.loads),
    "npy": array,
    "npz": arrays,
}


def encode(ending: str, value: Any) -> bytes | None:
    """Return a member's bytes: bytes as they are, others by the ending; None if there is no rule for it."""
    last = ending.rpartition(".")[2]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if last in JSON:
        return json.dumps(value).encode()
    if isinstance(value, str):
        return value.encode("utf-8")
    if last in NUMBERS and isinstance(value, (int, np.integer)):
        return str(int(value)).encode()
    file = io.BytesIO()
    if last == "npy" and isinstance(value, (np.ndarray, dovetail.Tensor)):
        np.save(file, value.numpy() if isinstance(value, dovetail.Tensor) else value, allow_pickle=False)
    elif last in PICTURES and hasattr(value, "save"):  # one of Pillow's
        value.save(file, {"jpg": "JPEG", "tif": "TIFF"}.get(last, last.upper()))
    else:
        return None
    return file.getvalue()
