"""Sizes as people write them: 640x480."""

from __future__ import annotations

from segmif.checks import InputError


def parse_size(text: str) -> tuple[int, int]:
    """Width x height as (height, width).

    Raises:
        InputError: not two whole numbers with an x between them.

    >>> parse_size("640x480")
    (480, 640)
    """
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise InputError(f"size {text!r} is not WIDTHxHEIGHT, such as 640x480")
    return int(height), int(width)
