"""
Comments that look like the head of a script's signature.

PowerShell allows no code behind one, so that nobody hides a command there.
"""

from __future__ import annotations

from tenantcfg.powershell.characters import BLANKS

__all__ = ["looks_like_signature"]

_SIGNATURE = "sig#beginsignatureblock\n"
_DISTANCE = 10


def looks_like_signature(comment: str) -> bool:
    """
    Whether a line comment could be taken for the head of a script's signature.

    PowerShell measures the edit distance; how many characters are in one text only is a
    cheap lower bound of it.
    """
    squeezed = "".join(char for char in comment if char not in BLANKS).lower() + "\n"
    if abs(len(squeezed) - len(_SIGNATURE)) >= _DISTANCE:
        return False
    rest = list(_SIGNATURE)
    for char in squeezed:
        if char in rest:
            rest.remove(char)
    if len(rest) >= _DISTANCE:
        return False
    return _edit_distance(squeezed, _SIGNATURE) < _DISTANCE


def _edit_distance(first: str, second: str) -> int:
    row = list(range(len(second) + 1))
    for count, char in enumerate(first, 1):
        diagonal, row[0] = row[0], count
        for place, other in enumerate(second, 1):
            substituted = diagonal + (char != other)
            diagonal = row[place]
            row[place] = min(row[place] + 1, row[place - 1] + 1, substituted)
    return row[-1]
