"""
From text to tokens: PowerShell's scanner, with its modes and its errors.

The parser asks for one token at a time and says in which mode: the same characters are
other tokens where a command's arguments stand than where an expression stands. It may send
the scanner back (`resync`), and scan the inside of ``"$(...)"`` as a text of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from tenantcfg.powershell import tokens
from tenantcfg.powershell.characters import (
    AFTER_NUMBER,
    BLANKS,
    DASHES,
    DECIMAL_DIGITS,
    DOUBLE_QUOTES,
    NEWLINES,
    SINGLE_QUOTES,
    TOKEN_ENDS,
    ascii_lower,
    identifier_follows,
    identifier_starts,
    is_letter,
    is_letter_or_digit,
    variable_starts,
    white_space,
)
from tenantcfg.powershell.numbers import Literal, Number, read_literal, value_of
from tenantcfg.powershell.passages import Passage
from tenantcfg.powershell.signatures import looks_like_signature
from tenantcfg.powershell.strings import StringText, read_escape
from tenantcfg.powershell.tokens import Token

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["COMMAND", "EXPRESSION", "TYPE_NAME", "Nested", "Reporter", "Scanner"]

COMMAND = "command"
EXPRESSION = "expression"
TYPE_NAME = "type name"

# What ends a number in an expression.
_NUMBER_ENDS = TOKEN_ENDS | AFTER_NUMBER
_TERNARY_NUMBER_ENDS = _NUMBER_ENDS | frozenset("?:")

# Where runs of ordinary characters stop.
_SINGLE_STOPS = SINGLE_QUOTES | {"\0"}
_DOUBLE_STOPS = DOUBLE_QUOTES | frozenset("\0$`")
_BARE_STOPS = TOKEN_ENDS | SINGLE_QUOTES | DOUBLE_QUOTES | frozenset("$`")
_HERE_STOPS = frozenset("\r\n\0")
_HERE_EXPANDABLE_STOPS = _HERE_STOPS | frozenset("$`")
_SUBEXPRESSION_STOPS = DOUBLE_QUOTES | frozenset("()`\0")
_VARIABLE_ENDS = frozenset("\0\t\r\n &(),;{}|.[=")
_PARAMETER_ENDS = BLANKS | frozenset("{}();,|&.[\r\n\0")
_ASCII_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

_SCOPES = frozenset(("global", "local", "private", "script", "variable"))


class Reporter(Protocol):
    """Where the scanner's errors go."""

    def error(self, start: int, end: int, error_id: str, argument: str | None = None) -> None:
        """Keep an error at a place of the whole text."""

    def incomplete(self, start: int, end: int, error_id: str, argument: str | None = None) -> bool:
        """Keep an error that more text might mend; True where it stands at the end."""

    def requires(self, start: int, end: int) -> None:
        """Take note of a ``#requires`` line."""

    def spend(self, cost: int) -> None:
        """Count what a token cost, so that a text made to be slow is given up."""


@dataclass(frozen=True, slots=True)
class Nested:
    """What to come back to after the inside of a string has been scanned."""

    passage: Passage
    index: int
    token_start: int


class Scanner:
    """
    The scanner of one text.

    *mode* is `COMMAND`, `EXPRESSION` or `TYPE_NAME`; *signed_numbers* lets a number begin
    with a sign, *ternary_ends_number* lets ``?`` and ``:`` end one, *simple_name* asks for
    an identifier and nothing longer. The parser sets them.
    """

    __slots__ = (
        "_index",
        "_length",
        "_passage",
        "_reporter",
        "_script",
        "_token_start",
        "mode",
        "signature_start",
        "signed_numbers",
        "simple_name",
        "ternary_ends_number",
        "text",
    )

    def __init__(self, text: str, reporter: Reporter) -> None:
        self.text = text
        self.mode = COMMAND
        self.signed_numbers = False
        self.ternary_ends_number = False
        self.simple_name = False
        self.signature_start: int | None = None
        self._reporter = reporter
        self._enter(Passage.whole(text))
        self._index = 0
        self._token_start = 0

    def _enter(self, passage: Passage) -> None:
        self._passage = passage
        # At hand for the loops that look at every character.
        self._script = passage.script
        self._length = passage.length

    # -- places ---------------------------------------------------------------------

    def restore_point(self) -> int:
        """The place to `resync` to in order to scan from here again."""
        self._token_start = self._index
        return self._extent()[0]

    def resync(self, start: int) -> None:
        """Go on scanning at *start*, a place of the whole text."""
        self._index = self._passage.inner(start)

    def begin_nested(self, token: Token) -> Nested:
        """Scan the text of *token*, a ``$(...)`` inside a string, from its beginning."""
        saved = Nested(self._passage, self._index, self._token_start)
        source, skipped = cast("tuple[str, list[int]]", token.value)
        self._enter(Passage.inside(source, token.start, skipped))
        self._index = self._token_start = 0
        return saved

    def end_nested(self, saved: Nested) -> None:
        """Go back to the text that `begin_nested` left."""
        self._enter(saved.passage)
        self._index = saved.index
        self._token_start = saved.token_start

    def at_end(self, place: int) -> bool:
        """Whether nothing but blanks and comments follows *place*; see `Passage.at_end`."""
        return self._passage.at_end(place)

    def pipe_follows(self, place: int) -> bool:
        """Whether the first thing after the newline that ends at *place* is a ``|``."""
        return self._passage.pipe_follows(place)

    def _extent(self) -> tuple[int, int]:
        return self._passage.outer(self._token_start, self._index)

    def _token(
        self,
        kind: str,
        value: object = None,
        parts: list[str | Token] | None = None,
        *,
        flag: bool = False,
    ) -> Token:
        start, end = self._passage.outer(self._token_start, self._index)
        return Token(kind, start, end, value, parts, flag=flag)

    def _error(self, start: int, end: int, error_id: str, argument: str | None = None) -> None:
        shift = self._passage.start
        self._reporter.error(start + shift, end + shift, error_id, argument)

    def _error_at(self, index: int, error_id: str) -> None:
        self._error(index, index + 1, error_id)

    def _incomplete(self, start: int, error_id: str, argument: str | None = None) -> None:
        shift = self._passage.start
        self._reporter.incomplete(start + shift, self._index + shift, error_id, argument)

    # -- characters -----------------------------------------------------------------

    def _next(self) -> str:
        char = self._script[self._index]
        self._index += 1
        return char

    def _past_end(self) -> bool:
        return self._index > self._length

    def _run(self, stops: frozenset[str]) -> str:
        """The characters up to one of *stops*, which must hold the NUL character."""
        script = self._script
        start = index = self._index
        while script[index] not in stops:
            index += 1
        self._index = index
        return script[start:index]

    def _skip_blanks(self) -> None:
        script, index = self._script, self._index
        while script[index] in BLANKS:
            index += 1
        self._index = index

    def skip_newlines(self, *, semicolons: bool) -> None:
        """Skip newlines, blanks, comments and continuations, and *semicolons* if asked."""
        script = self._script
        while True:
            char = script[self._index]
            follower = script[self._index + 1] if self._index < self._length else "\0"
            if char in BLANKS:
                self._skip_blanks()
            elif char in NEWLINES or (char == ";" and semicolons):
                self._index += 1
            elif char == "#":
                self._token_start = self._index
                self._index += 1
                self._line_comment()
            elif char == "<" and follower == "#":
                self._token_start = self._index
                self._index += 2
                self._block_comment()
            elif char == "`" and white_space(follower):
                self._index += 2
            else:
                return

    # -- comments -------------------------------------------------------------------

    def _line_comment(self) -> None:
        begin = self._index
        self._index = self._passage.after_line_comment(begin)
        comment = self._script[begin : self._index]
        start, end = self._extent()
        if looks_like_signature(comment):
            self.signature_start = start
        elif self._passage.start == 0 and comment[:8].lower() == "requires":
            self._reporter.requires(start, end)

    def _block_comment(self) -> None:
        begin = self._index - 2
        end = self._passage.after_block_comment(self._index)
        if end is not None:
            self._index = end
            return
        self._index = self._length
        self._incomplete(begin, "MissingTerminatorMultiLineComment")

    # -- strings --------------------------------------------------------------------

    def _escape(self) -> str:
        """What the escape whose backtick has been consumed stands for."""
        escape = read_escape(self._script, self._index)
        self._index = escape.end
        fault = escape.fault
        if fault is not None:
            self._error(fault.start, fault.end, fault.id)
        return escape.text

    def _single_quoted(self, text: StringText) -> None:
        begin = self._index - 1
        script = self._script
        while True:
            text.add(self._run(_SINGLE_STOPS))
            char = script[self._index]
            if char in SINGLE_QUOTES:
                self._index += 1
                if script[self._index] not in SINGLE_QUOTES:
                    return
                char = script[self._index]
            elif self._index >= self._length:
                self._incomplete(begin, "TerminatorExpectedAtEndOfString", "'")
                return
            text.add(char)
            self._index += 1

    def _double_quoted(self, text: StringText) -> None:
        begin = self._index - 1
        script = self._script
        while True:
            text.add(self._run(_DOUBLE_STOPS))
            char = script[self._index]
            if char in DOUBLE_QUOTES:
                self._index += 1
                if script[self._index] not in DOUBLE_QUOTES:
                    return
                text.add(self._next())
            elif self._index >= self._length:
                self._incomplete(begin, "TerminatorExpectedAtEndOfString", '"')
                return
            else:
                self._special(text, here=False)

    def _special(self, text: StringText, *, here: bool) -> None:
        """A ``$`` or a backtick (or a NUL character) inside a string or bare word."""
        char = self._next()
        if char == "$" and self._expansion(text, here=here):
            return
        # A backtick at the end of the text stands for itself, and so before a NUL.
        if char == "`" and self._script[self._index] != "\0":
            char = self._escape()
        text.add(char)

    def _expansion(self, text: StringText, *, here: bool) -> bool:
        """Scan what a ``$`` inside a string expands; False where it is only a dollar."""
        dollar = self._index - 1
        char = self._script[self._index]
        saved_start, saved_mode = self._token_start, self.mode
        self.mode = EXPRESSION
        token = None
        if char == "(":
            self._index += 1
            token = self._unscanned(here=here)
        elif char == "{" or variable_starts(char):
            self._token_start = dollar
            token = self._variable(splatted=False, in_string=True)
        self._token_start, self.mode = saved_start, saved_mode
        if token is None:
            return False
        text.expand(self._script[dollar : self._index], token)
        return True

    def _unscanned(self, *, here: bool) -> Token:
        """A ``$(...)`` inside a string, up to its parenthesis: scanned again when parsed."""
        self._token_start = self._index - 2
        script, skipped = self._script, []
        source, depth = ["$("], 1
        while depth:
            source.append(self._run(_SUBEXPRESSION_STOPS))
            char = script[self._index]
            if char == "\0" and self._index >= self._length:
                self._incomplete(self._token_start, "IncompleteDollarSubexpressionReference")
                break
            self._index += 1
            if char == "(":
                depth += 1
            elif char == ")":
                depth -= 1
            elif char != "\0" and not here and script[self._index] in DOUBLE_QUOTES:
                # A doubled quote, or one behind a backtick, is one quote in there.
                char = self._next()
                skipped.append(self._index - 2 + self._passage.start)
            source.append(char)
        return self._token("Unscanned", ("".join(source), skipped or self._passage.skipped))

    def _here_string(self, quotes: frozenset[str], terminator: str) -> Token:
        text = StringText()
        kind = tokens.EXPANDABLE if terminator == '"' else tokens.LITERAL
        if self._here_header(terminator):
            self._here_body(text, quotes, terminator)
        return self._token(kind, text.joined(), text.parts_or_none(), flag=True)

    def _here_header(self, terminator: str) -> bool:
        header = self._index - 2
        self._skip_blanks()
        char = self._script[self._index]
        if char in NEWLINES:
            self._index += 2 if self._script.startswith("\r\n", self._index) else 1
            return True
        if self._index >= self._length:
            self._incomplete(header, "TerminatorExpectedAtEndOfString", terminator + "@")
            return False
        self._error_at(self._index, "UnexpectedCharactersAfterHereStringHeader")
        while self._script[self._index] not in NEWLINES and self._index < self._length:
            self._index += 1
            if self._script.startswith(terminator + "@", self._index - 1):
                self._index += 1
                break
        return False

    def _here_body(self, text: StringText, quotes: frozenset[str], terminator: str) -> None:
        header = self._token_start
        false_footer = -1
        stops = _HERE_EXPANDABLE_STOPS if terminator == '"' else _HERE_STOPS
        pending = ""
        while True:
            # Here a line begins.
            if self._here_footer(quotes):
                return
            text.add(pending)
            blanks = self._index
            self._skip_blanks()
            script = self._script
            if script[self._index] in quotes and script[self._index + 1] == "@":
                if false_footer < 0:
                    false_footer = self._index
                self._index += 2
            text.add(script[blanks : self._index])
            if not self._here_line(text, stops):
                break
            pending = self._newline()
        if false_footer >= 0:
            self._incomplete(false_footer, "WhitespaceBeforeHereStringFooter")
        else:
            self._incomplete(header, "TerminatorExpectedAtEndOfString", terminator + "@")

    def _here_footer(self, quotes: frozenset[str]) -> bool:
        if self._script[self._index] in quotes and self._script[self._index + 1] == "@":
            self._index += 2
            return True
        return False

    def _here_line(self, text: StringText, stops: frozenset[str]) -> bool:
        """The rest of a line of a here-string; False where the text ends with it."""
        while True:
            text.add(self._run(stops))
            if self._script[self._index] in NEWLINES:
                return True
            if self._index >= self._length:
                return False
            self._special(text, here=True)

    def _newline(self) -> str:
        size = 2 if self._script.startswith("\r\n", self._index) else 1
        self._index += size
        return self._script[self._index - size : self._index]

    # -- variables ------------------------------------------------------------------

    def _variable(self, *, splatted: bool, in_string: bool) -> Token:
        char = self._script[self._index]
        if char == "{":
            return self._braced_variable(in_string=in_string)
        if not variable_starts(char):
            return self._generic("$")
        self._index += 1
        if char in "$?^":
            name = char
            plain = self.mode != COMMAND or self._script[self._index] in TOKEN_ENDS
        else:
            name, plain = self._variable_name()
        if not plain:
            self._index = self._token_start
            return self._generic("")
        self._check_path(name)
        return self._token(tokens.SPLAT if splatted else tokens.VARIABLE, name)

    def _variable_name(self) -> tuple[str, bool]:
        script, begin = self._script, self._index - 1
        while True:
            char = script[self._index]
            if char == ":":
                if script[self._index + 1] == ":":
                    break
            elif char in _VARIABLE_ENDS:
                break
            elif char not in "_?" and not is_letter_or_digit(char):
                whole = self.mode == COMMAND and char not in TOKEN_ENDS
                return script[begin : self._index], not whole
            self._index += 1
        return script[begin : self._index], True

    def _check_path(self, name: str) -> None:
        if _path_is_empty(name):
            drive = len(name) > 1 and name[:-1].lower().split(":")[-1] not in _SCOPES
            error_id = "InvalidVariableReferenceWithDrive" if drive else "InvalidVariableReference"
            self._error(self._token_start, self._index, error_id)

    def _braced_variable(self, *, in_string: bool) -> Token:
        begin = self._index
        self._index += 1
        name, closed = self._braced_name(in_string=in_string)
        if not closed:
            self._incomplete(begin, "IncompleteDollarVariableReference")
        if not name:
            if closed:
                self._error_at(self._index - 1, "EmptyVariableReference")
            name = ":Error:"
        follower = self._script[self._index]
        if self.mode == COMMAND and follower not in TOKEN_ENDS and follower not in ".[":
            self._index = self._token_start
            return self._generic("")
        if _path_is_empty(name):
            self._error(self._token_start, self._index, "InvalidBracedVariableReference")
        return self._token(tokens.VARIABLE, name)

    def _braced_name(self, *, in_string: bool) -> tuple[str, bool]:
        name: list[str] = []
        while True:
            if self._index >= self._length:
                return "".join(name), False
            char = self._next()
            if char == "}":
                return "".join(name), True
            if char == "`":
                if self._index >= self._length:
                    return "".join(name), False
                char = self._escape()
            elif char in DOUBLE_QUOTES and in_string:
                if self._index >= self._length:
                    return "".join(name), False
                if self._script[self._index] in DOUBLE_QUOTES:
                    char = self._next()
            elif char == "{":
                self._error_at(self._index, "OpenBraceNeedsToBeBackTickedInVariableName")
            name.append(char)

    # -- bare words -----------------------------------------------------------------

    def _generic(self, start: str) -> Token:
        """A bare word that begins with *start*, already consumed."""
        text = StringText()
        text.add(start)
        script = self._script
        while True:
            text.add(self._run(_BARE_STOPS))
            char = script[self._index]
            if char in TOKEN_ENDS:
                return self._token(tokens.GENERIC, text.joined(), text.parts_or_none())
            if char in SINGLE_QUOTES:
                self._index += 1
                self._single_quoted(text)
            elif char in DOUBLE_QUOTES:
                self._index += 1
                self._double_quoted(text)
            else:
                self._special(text, here=False)

    def verbatim_argument(self) -> Token:
        """The rest of the line after ``--%``, up to a pipe."""
        self._skip_blanks()
        self._token_start = self._index
        script, quoted = self._script, False
        while self._index < self._length and script[self._index] not in NEWLINES:
            char = script[self._index]
            if char in DOUBLE_QUOTES:
                quoted = not quoted
            elif not quoted and (char == "|" or script.startswith("&&", self._index)):
                break
            self._index += 1
        start, end = self._extent()
        return Token(tokens.GENERIC, start, end, self.text[start:end])

    def _identifier(self, _char: str) -> Token:
        script, index = self._script, self._index
        while identifier_follows(script[index]):
            index += 1
        self._index = index
        if self.mode == TYPE_NAME:
            return self._type_name()
        word = script[self._token_start : index]
        if self.mode == COMMAND and not self.simple_name:
            if script[index] not in TOKEN_ENDS:
                return self._generic(word)
            keyword = ascii_lower(word)
            if keyword in tokens.KEYWORDS:
                return self._token(keyword)
        return self._token(tokens.IDENTIFIER)

    def _type_name(self) -> Token:
        script, index = self._script, self._index
        while script[index] in ".`_+#\\" or is_letter_or_digit(script[index]):
            index += 1
        self._index = index
        return self._token(tokens.IDENTIFIER)

    def assembly_name(self) -> bool:
        """Skip an assembly's name behind a type's; False where there is none."""
        found = self._assembly_word()
        while self._script[self._index] == ",":
            self._index += 1
            found = True
            self._assembly_word()
            if self._script[self._index] == "=":
                self._index += 1
                self._assembly_word()
        return found

    def _assembly_word(self) -> bool:
        self._skip_blanks()
        begin = self._index
        script = self._script
        while script[self._index] not in BLANKS and script[self._index] not in "\0\r\n,=]":
            self._index += 1
        found = self._index > begin
        self._skip_blanks()
        return found

    def _label(self) -> Token:
        script, index = self._script, self._index
        if not identifier_starts(script[index]):
            return self._generic(":")
        while identifier_follows(script[index]):
            index += 1
        if self.mode == COMMAND and script[index] not in TOKEN_ENDS:
            self._index = index + 1
            return self._generic(script[self._token_start : index + 1])
        self._index = index
        return self._token(tokens.LABEL)

    def _parameter(self) -> Token:
        """A parameter, or an operator that begins with a dash; the dash is consumed."""
        script, command = self._script, self.mode == COMMAND
        begin = index = self._index
        colon = False
        while True:
            char = script[index]
            if char in _ASCII_LETTERS:
                index += 1
            elif char in _PARAMETER_ENDS:
                break
            elif char == ":":
                colon = True
                break
            elif not command:
                break
            elif char in SINGLE_QUOTES or char in DOUBLE_QUOTES:
                self._index = index
                return self._generic(script[self._token_start : index])
            else:
                index += 1
        name = script[begin:index]
        self._index = index + 1 if colon and command else index
        if self.mode == EXPRESSION and name.lower() in tokens.DASH_OPERATORS:
            return self._token("-" + name.lower())
        if not name:
            return self._token("-")
        return self._token(tokens.PARAMETER, name, flag=colon)

    # -- numbers --------------------------------------------------------------------

    def _number(self, _char: str) -> Token:
        literal = self._number_literal()
        number = None if literal is None else value_of(literal)
        if number is not None:
            return self._token(tokens.NUMBER, number)
        if literal is None or self.mode != EXPRESSION:
            self._index = self._token_start
            return self._generic("")
        text = self._script[self._token_start : self._index]
        self._error(self._token_start, self._index, "BadNumericConstant", text)
        return self._token(tokens.NUMBER, Number(0, "System.Int32"))

    def _number_literal(self) -> Literal | None:
        """
        The number whose first character has been consumed.

        None where it is none: the characters that look like one are consumed all the same.
        """
        ends = TOKEN_ENDS
        if self.mode == EXPRESSION:
            ends = _TERNARY_NUMBER_ENDS if self.ternary_ends_number else _NUMBER_ENDS
        literal, self._index = read_literal(self._script, self._index - 1, ends)
        return literal

    # -- access to members ----------------------------------------------------------

    def member_access(self, *, bracket: bool) -> Token | None:
        """A ``.``, ``::``, ``?.``, ``[`` or ``?[`` that touches what stands before it."""
        script = self._script
        while script.startswith("<#", self._index):
            self._token_start = self._index
            self._index += 2
            self._block_comment()
        self._token_start = self._index
        for sign in ("?.", "?[", "::", ".", "["):
            if script.startswith(sign, self._index):
                return self._member_operator(sign, bracket=bracket)
        return None

    def _member_operator(self, sign: str, *, bracket: bool) -> Token | None:
        after = self._script[self._index + len(sign)]
        if sign.endswith("["):
            refused = not bracket
        else:
            blank = self.mode == COMMAND and self._ends_member(after)
            refused = sign in (".", "::") and (blank or (sign == "." and after == "."))
        if refused:
            return None
        self._index += len(sign)
        return self._token(sign)

    @staticmethod
    def _ends_member(char: str) -> bool:
        return char in BLANKS or char in "\0\r\n"

    def invoke_open(self) -> Token | None:
        """A ``(`` or ``{`` that touches the name of a member."""
        if self._script[self._index] not in "({":
            return None
        self._token_start = self._index
        return self._token(self._next())

    def left_bracket(self) -> Token | None:
        """A ``[`` with blanks and comments before it, if that is what follows."""
        begin = self._index
        blank_seen = False
        script = self._script
        while True:
            self._token_start = self._index
            char = script[self._index]
            if char in BLANKS:
                blank_seen = True
                self._skip_blanks()
            elif char == "#":
                blank_seen = True
                self._index += 1
                self._line_comment()
            elif script.startswith("<#", self._index):
                blank_seen = False
                self._index += 2
                self._block_comment()
            elif char == "[":
                self._index += 1
                return self._token("[")
            else:
                if char in ".:" and blank_seen:
                    self._index = begin
                return None

    # -- tokens ---------------------------------------------------------------------

    def next_token(self) -> Token:
        """The next token in the present mode; `tokens.END` for ever at the end."""
        begin = self._index
        token = None
        while token is None:
            self._token_start = self._index
            char = self._next()
            scan = _STARTS.get(char)
            if scan is not None:
                token = scan(self, char)
            elif char in BLANKS:
                self._skip_blanks()
            elif is_letter(char):
                token = self._identifier(char)
            else:
                token = self._generic(char)
        self._reporter.spend(1 + (self._index - begin) // 4)
        return token

    def _blank(self, _char: str) -> None:
        self._skip_blanks()

    def _punctuation(self, char: str) -> Token:
        return self._token(char)

    def _end(self, char: str) -> Token:
        if not self._past_end():
            return self._generic(char)
        # Never further than the marks behind the text reach.
        self._index = min(self._index, self._length + 2)
        place = self._token_start + 1 + self._passage.start
        return Token(tokens.END, place, place)

    def _comment(self, _char: str) -> None:
        self._line_comment()

    def _line_end(self, char: str) -> Token:
        if char == "\r" and self._script[self._index] == "\n":
            self._index += 1
        return self._token(tokens.NEWLINE)

    def _backtick(self, _char: str) -> Token | None:
        char = self._script[self._index]
        if self._script.startswith("\r\n", self._index):
            self._index += 2
        elif white_space(char):
            self._index += 1
            if char not in NEWLINES:
                self._skip_blanks()
        elif self._index >= self._length:
            self._index += 1
            self._incomplete(self._index, "IncompleteString")
            self._index -= 1
        else:
            return self._generic(self._escape())
        return None

    def _quoted_single(self, _char: str) -> Token:
        text = StringText()
        self._single_quoted(text)
        return self._token(tokens.LITERAL, text.joined())

    def _quoted_double(self, _char: str) -> Token:
        text = StringText()
        self._double_quoted(text)
        return self._token(tokens.EXPANDABLE, text.joined(), text.parts_or_none())

    def _at(self, _char: str) -> Token:
        char = self._script[self._index]
        if char in "({":
            self._index += 1
            return self._token("@" + char)
        if char in SINGLE_QUOTES:
            self._index += 1
            return self._here_string(SINGLE_QUOTES, "'")
        if char in DOUBLE_QUOTES:
            self._index += 1
            return self._here_string(DOUBLE_QUOTES, '"')
        if variable_starts(char):
            return self._variable(splatted=True, in_string=False)
        self._error_at(self._index - 1, "UnrecognizedToken")
        return self._token(tokens.UNKNOWN)

    def _dollar(self, _char: str) -> Token:
        if self._script[self._index] == "(":
            self._index += 1
            return self._token("$(")
        return self._variable(splatted=False, in_string=False)

    def _operator(self, sign: str) -> Token:
        """*sign*, already consumed: in a command it may be the start of a bare word."""
        if self.mode == COMMAND and self._script[self._index] not in TOKEN_ENDS:
            return self._generic(sign)
        return self._token(sign)

    def _assignable(self, char: str) -> Token | None:
        """The operator *char* with ``=`` behind it, if there is one."""
        if self._script[self._index] != "=":
            return None
        self._index += 1
        if self.mode == COMMAND and self._script[self._index] not in TOKEN_ENDS:
            return self._generic(self._script[self._token_start : self._index])
        return self._token(char + "=")

    def _plus(self, char: str) -> Token:
        follower = self._script[self._index]
        if follower == "+":
            self._index += 1
            return self._operator("++")
        if self.signed_numbers and (follower == "." or follower.isdecimal()):
            return self._number(char)
        return self._assignable(char) or self._operator(char)

    def _dash(self, char: str) -> Token:
        follower = self._script[self._index]
        if is_letter(follower) or follower in "_?":
            return self._parameter()
        if self.signed_numbers and (follower == "." or follower.isdecimal()):
            return self._number(char)
        kind = "-"
        if follower in DASHES or follower == "=":
            self._index += 1
            kind = "-=" if follower == "=" else "--"
        if self.mode == COMMAND and self._script[self._index] not in TOKEN_ENDS:
            return self._generic(self._script[self._token_start : self._index])
        return self._token(kind)

    def _arithmetic(self, char: str) -> Token:
        return self._assignable(char) or self._operator(char)

    def _star(self, char: str) -> Token:
        if self._script[self._index] != ">":
            return self._arithmetic(char)
        self._index += 1
        return self._redirection("*", targets="1")

    def _greater(self, _char: str) -> Token:
        if self._script[self._index] == ">":
            self._index += 1
        return self._token(tokens.REDIRECTION, ("1", None))

    def _digit(self, char: str) -> Token:
        if char in "123456" and self._script[self._index] == ">":
            self._index += 1
            return self._redirection(char, targets="12")
        return self._number(char)

    def _redirection(self, stream: str, targets: str) -> Token:
        """``n>``, ``n>>`` or ``n>&m``; the first ``>`` is consumed."""
        script = self._script
        size = 1
        if script[self._index] == ">":
            self._index += 1
            size = 2
        elif script[self._index] == "&" and script[self._index + 1] in targets:
            target = script[self._index + 1]
            self._index += 2
            return self._token(tokens.REDIRECTION, (stream, target))
        if stream != "*" and self.mode == EXPRESSION:
            self._index -= size
            return self._token(tokens.NUMBER, Number(int(stream), "System.Int32"))
        return self._token(tokens.REDIRECTION, (stream, None))

    def _less(self, _char: str) -> Token | None:
        if self._script[self._index] == "#":
            self._index += 1
            self._block_comment()
            return None
        return self._token(tokens.REDIRECT_IN)

    def _bracket(self, char: str) -> Token:
        if self.mode == COMMAND and self._script[self._index] not in TOKEN_ENDS:
            return self._generic(char)
        return self._token(char)

    def _dot(self, char: str) -> Token:
        follower = self._script[self._index]
        command = self.mode == COMMAND
        if follower == ".":
            if command and self._script[self._index + 1] not in TOKEN_ENDS:
                return self._generic(char)
            self._index += 1
            return self._token("..")
        if follower in DECIMAL_DIGITS:
            return self._number(char)
        if command and follower not in TOKEN_ENDS and follower not in "$\"'":
            return self._generic(char)
        return self._token(char)

    def _doubled(self, char: str) -> Token:
        if self._script[self._index] == char:
            self._index += 1
            return self._token(char + char)
        return self._token(char)

    def _exclamation(self, char: str) -> Token:
        follower = self._script[self._index]
        if self.mode == COMMAND:
            word = follower not in TOKEN_ENDS
        else:
            word = self.mode == EXPRESSION and identifier_starts(follower)
            if self.mode == EXPRESSION and (follower == "." or follower.isdecimal()):
                # Is a number next? If not, the whole is a bare word (!1a).
                word = self._number_literal() is None
                self._index = self._token_start + 1
        return self._generic(char) if word else self._token(char)

    def _colon(self, char: str) -> Token:
        command = self.mode == COMMAND
        if self._script[self._index] == ":":
            self._index += 1
            plain = self.simple_name or self._script[self._index] in TOKEN_ENDS
            return self._token("::") if plain or not command else self._generic("::")
        return self._label() if command else self._token(char)

    def _question(self, char: str) -> Token:
        if self.mode != EXPRESSION:
            return self._generic(char)
        if self._script.startswith("?=", self._index):
            self._index += 2
            return self._token("??=")
        if self._script[self._index] == "?":
            self._index += 1
            return self._token("??")
        return self._token(char)


def _path_is_empty(name: str) -> bool:
    """Whether nothing stands behind the scope or drive of a variable's name."""
    if not name.endswith(":"):
        return False
    scopes = name[:-1].lower().removeprefix("variable:")
    return scopes in _SCOPES or ":" not in name[:-1]


def _starts() -> dict[str, Callable[[Scanner, str], Token | None]]:
    table: dict[str, Callable[[Scanner, str], Token | None]] = {}
    for chars, scan in (
        (" \t\f\v\xa0\x85", Scanner._blank),  # noqa: SLF001
        ("(){},;]", Scanner._punctuation),  # noqa: SLF001
        ("\0", Scanner._end),  # noqa: SLF001
        ("#", Scanner._comment),  # noqa: SLF001
        ("\r\n", Scanner._line_end),  # noqa: SLF001
        ("`", Scanner._backtick),  # noqa: SLF001
        ("@", Scanner._at),  # noqa: SLF001
        ("$", Scanner._dollar),  # noqa: SLF001
        ("=", Scanner._operator),  # noqa: SLF001
        ("+", Scanner._plus),  # noqa: SLF001
        ("*", Scanner._star),  # noqa: SLF001
        ("/%", Scanner._arithmetic),  # noqa: SLF001
        ("<", Scanner._less),  # noqa: SLF001
        (">", Scanner._greater),  # noqa: SLF001
        ("[", Scanner._bracket),  # noqa: SLF001
        (".", Scanner._dot),  # noqa: SLF001
        ("&|", Scanner._doubled),  # noqa: SLF001
        ("!", Scanner._exclamation),  # noqa: SLF001
        (":", Scanner._colon),  # noqa: SLF001
        ("?", Scanner._question),  # noqa: SLF001
    ):
        table.update(dict.fromkeys(chars, scan))
    table.update(dict.fromkeys(SINGLE_QUOTES, Scanner._quoted_single))  # noqa: SLF001
    table.update(dict.fromkeys(DOUBLE_QUOTES, Scanner._quoted_double))  # noqa: SLF001
    table.update(dict.fromkeys(DASHES, Scanner._dash))  # noqa: SLF001
    table.update(dict.fromkeys(DECIMAL_DIGITS, Scanner._digit))  # noqa: SLF001
    table.update(dict.fromkeys(_ASCII_LETTERS | {"_"}, Scanner._identifier))  # noqa: SLF001
    return table


_STARTS = _starts()
