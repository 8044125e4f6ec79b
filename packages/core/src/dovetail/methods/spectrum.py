"""Short-time Fourier transforms; imported when first asked for."""

from __future__ import annotations

import numpy as np

from dovetail import creation, fft, ops
from dovetail.errors import DTypeError, ShapeError
from dovetail.ops import parts
from dovetail.tensor import Tensor


def _window_of(name: str, window: Tensor | None, win_length: int, n_fft: int, like: Tensor) -> Tensor:
    """Return the window with zeros on both sides up to ``n_fft``."""
    if not 0 < win_length <= n_fft:
        raise ShapeError(f"{name}: win_length must be from 1 to n_fft, {n_fft}, got {win_length}")
    real = parts.real(like) if like.dtype.is_complex else like
    if window is None:
        window = creation.ones(win_length, dtype=real.dtype, device=like.device)
    if window.ndim != 1 or len(window) != win_length:
        raise ShapeError(f"{name}: the window must be a vector of {win_length}, got sizes {tuple(window.shape)}")
    left = (n_fft - win_length) // 2
    return ops.cat(window.new_zeros(left), window, window.new_zeros(n_fft - win_length - left), dim=0)


def _reflected(x: Tensor, count: int, mode: str) -> Tensor:
    """Return rows longer by ``count`` on both sides."""
    size = x.shape[-1]
    if mode == "constant":
        nothing = x.new_zeros(x.shape[0], count)
        return ops.cat(nothing, x, nothing, dim=1)
    if mode == "reflect" and count >= size:
        raise ShapeError(f"stft: pad_mode='reflect' needs more than {count} samples, got {size}")
    places = np.arange(-count, size + count)
    if mode == "reflect":
        places = np.abs(places)
        places = np.where(places >= size, 2 * (size - 1) - places, places)
    elif mode == "replicate":
        places = np.clip(places, 0, size - 1)
    elif mode == "circular":
        places = places % size
    else:
        raise ValueError(f"stft: pad_mode is 'reflect', 'constant', 'replicate' or 'circular', got {mode!r}")
    return ops.take(x, index=(slice(None), places))


def stft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Tensor | None = None, center: bool = True, pad_mode: str = "reflect", normalized: bool = False,
    onesided: bool | None = None, return_complex: bool | None = None,
) -> Tensor:  # fmt: skip
    """Return the transforms of windowed pieces of a signal (..., samples): (..., frequencies, pieces).

    Args:
        n_fft: samples of a piece. hop_length: from one piece to the next, ``n_fft // 4`` by default.
        window: of ``win_length``, by default ``n_fft``; ones if not given.
        center: a piece lies around its place; the signal is made longer at both ends by ``pad_mode``.
        normalized: divide by the square root of ``n_fft``.
        onesided: half the frequencies, which of a real signal say all.
        return_complex: must be true for a real signal.

    Raises:
        ShapeError: sizes that do not go together. ValueError: ``return_complex`` is not stated.
    """
    if not input.dtype.is_differentiable or input.ndim not in (1, 2):
        raise ShapeError(f"stft: takes a floating point signal of 1 or 2 dimensions, got {input.dtype} {input.shape}")
    if not return_complex and not (input.dtype.is_complex and return_complex is None):
        raise ValueError("stft: say return_complex=True; dovetail.view_as_real(result) gives the parts")
    rows = input.reshape(-1, input.shape[-1])
    hop = n_fft // 4 if hop_length is None else hop_length
    if hop < 1:
        raise ShapeError(f"stft: hop_length must be 1 or more, got {hop}")
    shape = _window_of("stft", window, n_fft if win_length is None else win_length, n_fft, input)
    rows = _reflected(rows, n_fft // 2, pad_mode) if center else rows
    if not 0 < n_fft <= rows.shape[-1]:
        raise ShapeError(f"stft: n_fft must be from 1 to the number of samples, {rows.shape[-1]}, got {n_fft}")
    count = 1 + (rows.shape[-1] - n_fft) // hop
    places = hop * np.arange(count)[:, None] + np.arange(n_fft)
    pieces = ops.take(rows, index=(slice(None), places)) * shape
    half = not pieces.dtype.is_complex if onesided is None else onesided
    if half and pieces.dtype.is_complex:
        raise DTypeError("stft: onesided=True takes a real signal and window")
    norm = "ortho" if normalized else "backward"
    found = (fft.rfft if half else fft.fft)(pieces, norm=norm).transpose(1, 2)
    return found if input.ndim == 2 else found.squeeze(0)


def istft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Tensor | None = None, center: bool = True, normalized: bool = False, onesided: bool | None = None,
    length: int | None = None, return_complex: bool = False,
) -> Tensor:  # fmt: skip
    """Return the signal (..., samples) of which ``stft`` gives this, by adding up the pieces (Griffin and Lim, 1984).

    Raises:
        ShapeError: sizes that do not go together, or a window under which some samples were not seen.
    """
    if not input.dtype.is_complex or input.ndim not in (2, 3):
        raise ShapeError(f"istft: takes complex numbers of 2 or 3 dimensions, got {input.dtype} {tuple(input.shape)}")
    rows = input if input.ndim == 3 else input.unsqueeze(0)
    half = rows.shape[1] != n_fft if onesided is None else onesided
    if rows.shape[1] != (n_fft // 2 + 1 if half else n_fft):
        raise ShapeError(f"istft: {rows.shape[1]} frequencies do not go with n_fft {n_fft}")
    hop = n_fft // 4 if hop_length is None else hop_length
    shape = _window_of("istft", window, n_fft if win_length is None else win_length, n_fft, input)
    norm = "ortho" if normalized else "backward"
    pieces = rows.transpose(1, 2)
    pieces = fft.irfft(pieces, n_fft, norm=norm) if half else fft.ifft(pieces, norm=norm)
    pieces = pieces if return_complex or half else parts.real(pieces)
    count = pieces.shape[1]
    total = n_fft + hop * (count - 1)
    places = creation.from_array((hop * np.arange(count)[:, None] + np.arange(n_fft)).reshape(-1), input.device)
    signal = _added(pieces * shape, places, total)
    envelope = _added((shape * shape).expand(1, count, n_fft), places, total)
    start = n_fft // 2 if center else 0
    stop = total - start if length is None else min(start + length, total)
    signal, envelope = signal[:, start:stop], envelope[:, start:stop]
    if not bool((envelope.abs() > 1e-11).all()):
        raise ShapeError("istft: the window leaves some samples out; use another window or a shorter hop_length")
    found = signal / envelope
    if length is not None and length > found.shape[1]:
        found = ops.cat(found, found.new_zeros(found.shape[0], length - found.shape[1]), dim=1)
    return found if input.ndim == 3 else found.squeeze(0)


def _added(pieces: Tensor, places: Tensor, total: int) -> Tensor:
    """Return the pieces added up at their places in rows of ``total``."""
    flat = pieces.reshape(pieces.shape[0], -1)
    return flat.new_zeros(flat.shape[0], total).scatter_add(1, places.expand(flat.shape), flat)
