"""Sizes and matrices of geometric transforms, which are the same for every kind of image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

Matrix = tuple[float, float, float, float, float, float]


def resized(height: int, width: int, size: Sequence[int], max_size: int | None) -> tuple[int, int]:
    """Return the height and width after resizing to ``size``: both, or the smaller edge alone.

    Raises:
        ValueError: ``max_size`` comes with both edges, or is not above the smaller one.
    """
    if len(size) == 2:
        if max_size is not None:
            raise ValueError(
                f"max_size limits the longer edge when size is the smaller one, got both edges, size={tuple(size)}, "
                f"and max_size={max_size}; leave max_size out"
            )
        return size[0], size[1]
    short, long = size[0], int(size[0] * max(height, width) / min(height, width))
    if max_size is not None:
        if max_size <= short:
            raise ValueError(f"max_size must exceed size, the smaller edge, got max_size={max_size} and size={short}")
        if long > max_size:
            short, long = int(max_size * short / long), max_size
    return (long, short) if width <= height else (short, long)


def inverse_affine(
    center: Sequence[float], angle: float, translate: Sequence[float], scale: float, shear: Sequence[float]
) -> Matrix:
    """Return where each pixel of the result comes from: the inverse of shear, rotation, scaling and translation.

    Angles are in degrees, clockwise; the matrix is the first two rows of a 3 by 3 one.
    """
    turn, shear_x, shear_y = math.radians(angle), math.radians(shear[0]), math.radians(shear[1])
    a = math.cos(turn - shear_y) / math.cos(shear_y)
    b = -math.cos(turn - shear_y) * math.tan(shear_x) / math.cos(shear_y) - math.sin(turn)
    c = math.sin(turn - shear_y) / math.cos(shear_y)
    d = -math.sin(turn - shear_y) * math.tan(shear_x) / math.cos(shear_y) + math.cos(turn)
    m0, m1, m3, m4 = d / scale, -b / scale, -c / scale, a / scale  # the determinant before scaling is 1
    x, y = -center[0] - translate[0], -center[1] - translate[1]
    return m0, m1, m0 * x + m1 * y + center[0], m3, m4, m3 * x + m4 * y + center[1]


def rotation(
    height: int, width: int, angle: float, center: Sequence[float] | None, expand: bool
) -> tuple[Matrix, int, int]:
    """Return where each pixel of a rotated image comes from, and the result's height and width.

    The angle is in degrees, counter-clockwise. With ``expand`` the result holds all of the image.
    """
    turn = -math.radians(angle)
    x, y = (width / 2, height / 2) if center is None else center
    cos, sin = round(math.cos(turn), 15), round(math.sin(turn), 15)
    across, down = x - cos * x - sin * y, y + sin * x - cos * y
    if expand:
        corners = [(0, 0), (width, 0), (width, height), (0, height)]
        columns = [cos * i + sin * j + across for i, j in corners]
        rows = [-sin * i + cos * j + down for i, j in corners]
        new_width = math.ceil(max(columns)) - math.floor(min(columns))
        new_height = math.ceil(max(rows)) - math.floor(min(rows))
        x, y = -(new_width - width) / 2, -(new_height - height) / 2
        across, down = cos * x + sin * y + across, -sin * x + cos * y + down
        height, width = new_height, new_width
    return (cos, sin, across, -sin, cos, down), height, width


def perspective_coefficients(startpoints: Any, endpoints: Any) -> tuple[float, ...]:
    """Return the 8 numbers of the map from the corners of the result to those of the image.

    Raises:
        ValueError: there are not four points of each, or three of them are in line.
    """
    start, end = np.asarray(startpoints, np.float64), np.asarray(endpoints, np.float64)
    if start.shape != (4, 2) or end.shape != (4, 2):
        raise ValueError(
            f"perspective takes four points (x, y) each, got startpoints of shape {start.shape} and endpoints of shape "
            f"{end.shape}"
        )
    ones, zeros = np.ones((4, 1)), np.zeros((4, 3))
    for_x = np.hstack([end, ones, zeros, -start[:, :1] * end])
    for_y = np.hstack([zeros, end, ones, -start[:, 1:] * end])
    try:
        solution = np.linalg.solve(np.stack([for_x, for_y], axis=1).reshape(8, 8), start.reshape(8))
    except np.linalg.LinAlgError:
        raise ValueError(
            f"perspective takes four points of which no three are in line, got endpoints {end.tolist()}"
        ) from None
    return tuple(solution.astype(np.float32).tolist())
