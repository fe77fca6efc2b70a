"""
What is scanned at a time, and where it lies in the whole text.

Usually that is the whole. A ``$(...)`` inside a string is scanned as a text of its own, in
which a doubled quote is one quote: places in there are not places of the whole text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantcfg.powershell.characters import BLANKS, NEWLINES

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Passage"]

# A passage is followed by as many of these as the scanner may run past its end.
_BEYOND = "\0" * 16


@dataclass(frozen=True, slots=True)
class Passage:
    """
    A text of *length* characters, which begins at *start* of the whole.

    *script* is the text and some NUL characters behind it, so that one may look ahead;
    *skipped* are the places of the whole, in rising order, of what is missing in it.
    """

    script: str
    length: int
    start: int
    skipped: Sequence[int]

    @classmethod
    def whole(cls, text: str) -> Passage:
        """All of *text*."""
        return cls(text + _BEYOND, len(text), 0, ())

    @classmethod
    def inside(cls, source: str, start: int, skipped: Sequence[int]) -> Passage:
        """*source*, which stands at *start* but for what was *skipped*."""
        return cls(source + _BEYOND, len(source), start, skipped)

    def outer(self, start: int, end: int) -> tuple[int, int]:
        """Where *start* and *end* lie in the whole text."""
        offset = self.start
        start += offset
        end += offset
        for place in self.skipped:
            if place < offset:
                continue
            if place < start:
                start += 1
                end += 1
            elif place < end:
                end += 1
            else:
                break
        return start, end

    def inner(self, place: int) -> int:
        """Where *place*, one of the whole text, lies in here; never far outside."""
        start = self.start
        skipped = sum(start <= one < place - 1 for one in self.skipped)
        return max(0, min(place - start - skipped, self.length + 1))

    def after_line_comment(self, place: int) -> int:
        """Where the line ends that *place* is in."""
        script, length = self.script, self.length
        while place < length and script[place] not in NEWLINES:
            place += 1
        return place

    def after_block_comment(self, place: int) -> int | None:
        """What follows the comment that *place* is in; None where it is not ended."""
        found = self.script.find("#>", place, self.length)
        return None if found < 0 else found + 2

    def _after_comment(self, place: int) -> int | None:
        """What follows the comment that begins at *place*; None where none does."""
        if self.script[place] == "#":
            return self.after_line_comment(place + 1)
        if self.script.startswith("<#", place):
            end = self.after_block_comment(place + 2)
            return self.length if end is None else end
        return None

    def at_end(self, place: int) -> bool:
        """
        Whether nothing but blanks and comments follows *place* of the whole text.

        Inside a string PowerShell compares a place of the whole text with the length of
        the part, so that most places there count as the end: kept, since ``incomplete``
        is recorded so.
        """
        while place < self.length:
            after = self._after_comment(place)
            if after is not None:
                place = after
            elif self.script[place] in BLANKS:
                place += 1
            else:
                return False
        return True

    def pipe_follows(self, place: int) -> bool:
        """
        Whether the first thing after the newline that ends at *place* is a ``|``.

        Blanks and lines with comments may stand between, but no empty line.
        """
        if place >= self.length:
            return False
        script, last = self.script, self.length - 1
        empty_line = True
        while place < last:
            char = script[place]
            after = self._after_comment(place)
            if after is not None:
                empty_line = False
                place = after
            elif char in BLANKS:
                place += 1
            elif char not in NEWLINES:
                return char == "|"
            elif empty_line:
                return False
            else:
                empty_line = True
                place += 2 if script.startswith("\r\n", place) else 1
        return script[last] == "|"
