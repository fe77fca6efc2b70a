"""
What a shell left of a line: from argument words to the tree of the line that was meant.

Each word is one PowerShell argument, as the shell decided (cmdlets H4). It is written down
again as PowerShell source and the whole line is parsed by `syntax`, so that both doors end
in the same tree. Lenient about quotes that a shell ate (``@{Add=app_id}`` arrives so where
``@{Add="app_id"}`` was typed); where a shell tore an argument apart the line is refused, with
the line to paste if it is known (cmdlets H3, H6). What was meant is never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from typing import TYPE_CHECKING

from tenantcfg.powershell.characters import (
    BLANKS,
    DASHES,
    DOUBLE_QUOTES,
    NEWLINES,
    SINGLE_QUOTES,
    is_letter,
)
from tenantcfg.powershell.syntax import Parsed, parse
from tenantcfg.powershell.tree import (
    ArrayExpression,
    Command,
    Constant,
    ExpandableString,
    Hashtable,
    StringConstant,
    StringKind,
    commands_in,
    nodes_in,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenantcfg.powershell.tree import CommandElement

__all__ = ["ArgvRefusal", "ParameterKind", "parse_words", "quoted"]

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
_NAME = _PLAIN | {"\\"}
_NAME_ENDS = BLANKS | NEWLINES | frozenset("{}(),;|&.[") | SINGLE_QUOTES | DOUBLE_QUOTES
_QUOTES = SINGLE_QUOTES | DOUBLE_QUOTES
_SPACE = BLANKS | NEWLINES
# What in a bare word is more than its letter for PowerShell.
_DOUBTFUL = _QUOTES | frozenset("$`")
_BRACES = frozenset("{}")
_CLOSERS = SINGLE_QUOTES | frozenset("}>")
_MODIFIERS = ("add", "remove", "replace")
_CONSTANTS = ("$null", "$true", "$false")
_BOOLEANS = {"true": "$true", "$true": "$true", "false": "$false", "$false": "$false"}

_DEEPEST = 20

_QUOTE_IT = "put the value in single quotes, each id in double quotes: '@{Add=\"app_id\"}'"
_EACH = 'put the value in single quotes, each id in double quotes: \'"a","b"\''
_CUT = (
    "a semicolon or a newline outside quotes ends the shell's command and the rest did not"
    ' arrive; put the whole value in single quotes: \'@{Add="a";Remove="b"}\''
)
_TORN = "the shell took the braces for its own; put the whole value in single quotes"


class ParameterKind(Enum):
    """What a command says of one of its parameters."""

    SWITCH = "switch"
    VALUE = "value"
    LIST = "list"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ArgvRefusal:
    """
    Why the words are no line.

    *message* is one sentence, PowerShell's own where it has one; *hint* what to do, one
    clause. *line_to_paste* is the line as it was meant, from the command's name on and
    quoted for POSIX shells and PowerShell alike; None where it is not known for certain.
    """

    message: str
    hint: str
    line_to_paste: str | None = None


def parse_words(
    words: Sequence[str], *, parameters: Callable[[str], ParameterKind]
) -> Parsed | ArgvRefusal:
    """
    The tree of the line whose *words* a shell passed, the command's name first.

    The result's text is the line written as PowerShell source; its errors are empty. Its
    `Parsed.unsupported` may not be: a word like ``$id`` is read as PowerShell reads it.

    Args:
        words: As the program got them; not empty.
        parameters: Tells of a parameter's name, as typed and without its dash, what it is
            to this command: ``UNKNOWN`` where the name is none or ambiguous.
    """
    try:
        return _Line(words, parameters).parsed()
    except _Refused as refused:
        return refused.refusal


def quoted(text: str) -> str:
    """*text* as a single-quoted string of PowerShell."""
    inner = "".join(char + char if char in SINGLE_QUOTES else char for char in text)
    return f"'{inner}'"


class _Refused(Exception):
    def __init__(self, message: str, hint: str, line: str | None = None) -> None:
        super().__init__(message)
        self.refusal = ArgvRefusal(message, hint, line)


class _Line:
    """The words of one line, translated one after the other."""

    def __init__(self, words: Sequence[str], parameters: Callable[[str], ParameterKind]) -> None:
        self._words = words
        self._parameters = parameters
        self._place = 0
        self._sources: list[str] = []
        # What the word at hand is the value of, if it follows a parameter that takes one.
        self._awaiting = ParameterKind.UNKNOWN
        self._only_values = False

    def parsed(self) -> Parsed:
        """The parsed line, or `_Refused`."""
        if not self._words or not self._words[0] or not set(self._words[0]) <= _NAME:
            name = self._words[0] if self._words else ""
            raise _Refused(
                f"{quoted(name)} is not the name of a command.", "begin with a cmdlet's name"
            )
        self._sources.append(self._words[0])
        self._place = 1
        while self._place < len(self._words):
            word = self._words[self._place]
            self._place += 1
            self._sources.append(self._translated(word))
        return self._one_line(parse(" ".join(self._sources)))

    def _one_line(self, parsed: Parsed) -> Parsed:
        """*parsed*, if it is one command, each source its argument, and no other in it."""
        places = list(accumulate(len(source) + 1 for source in self._sources[:-1]))
        elements = _elements(parsed)
        if elements is None or [element.extent.start for element in elements] != places:
            raise _Refused("The words make no single line.", _QUOTE_IT)
        if parsed.unsupported:
            return parsed
        for element, source in zip(elements, self._sources[1:], strict=True):
            _refuse_commands(element, source)
        return parsed

    def _translated(self, word: str) -> str:
        awaiting, self._awaiting = self._awaiting, ParameterKind.UNKNOWN
        if word[:1] in DASHES and not self._only_values:
            source = self._dashed(word)
            if source is not None:
                return source
        if not word and awaiting is ParameterKind.LIST:
            raise _Refused(
                "The list value is empty.",
                "an empty shell variable? To clear the list write '$null' in single quotes",
            )
        return self._argument(word, awaiting)

    # -- parameters -------------------------------------------------------------------

    def _dashed(self, word: str) -> str | None:
        """A word that begins with a dash as source; None where it is a plain value."""
        if word[1:2] in DASHES and len(word) > 1:
            return self._double_dash(word)
        name, colon, value = word[1:].partition(":")
        if not name or not (is_letter(name[0]) or name[0] in "_?"):
            return None
        if any(char in _NAME_ENDS for char in name):
            return None
        kind = self._parameters(name)
        if not colon:
            self._awaiting = kind
            return word
        return f"{word[0]}{name}:{self._attached(name, value, kind)}"

    def _double_dash(self, word: str) -> str:
        if len(word) == 2:  # noqa: PLR2004  the two dashes
            self._only_values = True
            return "--"
        name = word.lstrip("".join(DASHES))
        hint = f"PowerShell's parameters have one dash: -{name}"
        raise _Refused(
            f"A parameter cannot be found that matches parameter name '{word[1:]}'.", hint
        )

    def _attached(self, name: str, value: str, kind: ParameterKind) -> str:
        """The value behind a parameter's colon."""
        if not value:
            # Either way round: a pasted example must not do the opposite of what was meant.
            either = f"'-{name}:$true' or '-{name}:$false'"
            example = either if kind is ParameterKind.SWITCH else f"'-{name}:value'"
            raise _Refused(
                f"Parameter -{name}: requires an argument.",
                f"the shell has taken the value away; write {example} in single quotes",
            )
        if kind is ParameterKind.SWITCH and value.lower() in _BOOLEANS:
            return _BOOLEANS[value.lower()]
        if kind is ParameterKind.SWITCH and _is_number(value):
            return value
        return self._argument(value, kind)

    # -- values -----------------------------------------------------------------------

    def _argument(self, word: str, kind: ParameterKind) -> str:
        """A word that is a value of a *kind* of parameter, as source that is one argument."""
        if kind is ParameterKind.VALUE:
            return _literal(word)
        if _opened(word):
            return self._hashtable(word)
        if word[:1] == "@":
            return self._at(word)
        if word[:1] in _QUOTES or word[:1] in ("$", "("):
            return _checked(word, word)
        return _listed(word) if kind is ParameterKind.LIST else _bare(word)

    def _at(self, word: str) -> str:
        if word[1:2] == "(":
            if _is_whole(word, ArrayExpression):
                return word
            return _checked(_Reader(word).array(), word)
        if word[1:2] in _QUOTES:
            return _checked(word, word)
        key = word[1:].partition("=")[0].strip()
        if "=" in word and key.lower() in _MODIFIERS:
            raise self._torn(key, word)
        raise _Refused(f"{quoted(word)} is no value here.", f"for a list modifier {_QUOTE_IT}")

    def _torn(self, key: str, word: str) -> _Refused:
        """The refusal of ``@Add=a @b``, which a shell's brace expansion makes."""
        before, first = self._words[: self._place - 1], self._words[self._place - 1]
        # The name and the colon that the shell has put before each piece.
        parameter = first.removesuffix(word)
        last = self._place
        while last < len(self._words) and self._words[last].startswith(parameter + "@"):
            last += 1
        pieces = [piece[len(parameter) + 1 :] for piece in self._words[self._place : last]]
        values = ",".join(part.strip() for part in [word.partition("=")[2], *pieces])
        if values.startswith("@(") and values.endswith(")"):
            values = values[2:-1]
        items = values.split(",")
        after = self._words[last:]
        line = None
        # A value that follows may be the rest of a piece: "x y" in a shell's variable.
        known = all(map(_is_plain, [*before, *items, *after, *filter(None, [parameter])]))
        if known and (not after or self._is_parameter(after[0])):
            value = ",".join(f'"{item}"' for item in items)
            line = " ".join([*before, f"{parameter}'@{{{key}={value}}}'", *after])
        words = " ".join([word, *self._words[self._place : last]])
        return _Refused(f"A hashtable arrived in pieces: {words}", _TORN, line)

    # -- hashtables -------------------------------------------------------------------

    def _hashtable(self, first: str) -> str:
        """A hashtable that begins with *first*, joined from as many words as it takes."""
        if _is_whole(first, Hashtable):
            return first
        parts = [first]
        # Looked through only where the last word may be the end: a line of 2,000 ids, each
        # a word, would take seconds else.
        while _CLOSERS.isdisjoint(parts[-1]) or not _closed(" ".join(parts)):
            if self._place >= len(self._words) or self._is_parameter(self._words[self._place]):
                raise _Refused("Missing closing '}' in statement block or type definition.", _CUT)
            parts.append(self._words[self._place])
            self._place += 1
        text = _without_quotes(" ".join(parts))
        source = _Reader(text).hashtable()
        return _checked(source, text)

    @staticmethod
    def _is_parameter(word: str) -> bool:
        return word[:1] in DASHES and is_letter(word[1:2] or "-")


def _literal(word: str) -> str:
    """
    The value of a parameter that takes one text: the word as it is, never read as PowerShell.

    A reason may be a ticket's title that a script passes on, and hold whatever it likes. Only
    ``$null``, ``$true`` and ``$false`` are what they say, and single quotes round the whole
    are taken off, since cmd leaves them there (cmdlets H6); ``'a' or 'b'`` is no such whole.
    """
    if word.lower() in _CONSTANTS:
        return word
    if len(word) > 1 and word[0] == word[-1] == "'" and "'" not in word[1:-1]:
        return quoted(word[1:-1])
    return quoted(word)


def _bare(word: str) -> str:
    """A word that is nothing but text; its commas part a list if no blank is in it (H4)."""
    if "," not in word or not _SPACE.isdisjoint(word):
        return quoted(word)
    items = word.split(",")
    if not all(items):
        raise _Refused(
            f"The list {quoted(word)} has an empty place.",
            "write a comma list as one word, or put it in single quotes",
        )
    return ",".join(map(quoted, items))


def _listed(word: str) -> str:
    """
    `_bare` where the text would be granted: refused where it may be read in two ways.

    ``a, b`` is one id or two; ``a"b"`` is an id with quotes in it, or what PowerShell makes
    ``ab`` of. ``a,"b"`` is read as PowerShell reads it.
    """
    if _DOUBTFUL.isdisjoint(word) and not _SPACE.isdisjoint(word):
        if "," in word:
            raise _Refused(f"{quoted(word)} is one id or several.", _EACH)
        return quoted(word)
    source = _bare(word) if _DOUBTFUL.isdisjoint(word) else word
    if not _BRACES.isdisjoint(word):
        # A GUID in braces, or the @ of a hashtable forgotten: the cmdlets know which.
        return source
    _checked(word, word)
    if any(_is_joined(node, word) for node in nodes_in(parse("x " + word).script.statements)):
        raise _Refused(f"{quoted(word)} may be read in two ways.", _EACH)
    return source


def _is_joined(node: object, word: str) -> bool:
    """Whether *node*, in ``x word``, is a bare word that PowerShell reads as another text."""
    if isinstance(node, StringConstant) and node.kind is StringKind.BARE:
        return node.value != ("x " + word)[node.extent.start : node.extent.end]
    return isinstance(node, ExpandableString) and node.kind is StringKind.BARE


def _is_number(word: str) -> bool:
    elements = _elements(parse("x " + word))
    return elements is not None and len(elements) == 1 and isinstance(elements[0], Constant)


def _is_plain(word: str) -> bool:
    """Whether *word* may stand in a line for pasting as it is."""
    return bool(word) and set(word) <= _PLAIN | {":"}


def _opened(word: str) -> bool:
    """Whether *word* begins a hashtable, in quotes that cmd left round it or not."""
    bare = word[1:] if word[:1] in SINGLE_QUOTES else word
    return bare.startswith(("@{", "@<"))


def _without_quotes(text: str) -> str:
    """A hashtable without the single quotes that cmd left round it."""
    return text[1:-1] if text[:1] in SINGLE_QUOTES else text


def _closed(text: str) -> bool:
    """Whether the hashtable that begins *text* ends with it (or before)."""
    quote = text[0] if text[:1] in SINGLE_QUOTES else ""
    if quote and (len(text) < 4 or text[-1] not in SINGLE_QUOTES):  # noqa: PLR2004  '@{}
        return False
    bare = _without_quotes(text)
    if bare.startswith("@<"):
        return bare.endswith(">")
    depth, place = 0, 0
    while place < len(bare):
        char = bare[place]
        if char in _QUOTES:
            place = _after_quote(bare, place)
            continue
        depth += (char == "{") - (char == "}")
        place += 1
        if char == "}" and depth == 0:
            return True
    return False


def _after_quote(text: str, place: int) -> int:
    """The place behind the quoted string at *place*; the end where it is not closed."""
    quotes = SINGLE_QUOTES if text[place] in SINGLE_QUOTES else DOUBLE_QUOTES
    place += 1
    while place < len(text):
        if text[place] == "`" and quotes is DOUBLE_QUOTES:
            place += 1
        elif text[place] in quotes:
            if text[place + 1 : place + 2] not in quotes or place + 1 >= len(text):
                return place + 1
            place += 1
        place += 1
    return len(text)


def _checked(source: str, word: str) -> str:
    """*source* if it is one argument and nothing else."""
    parsed = parse("x " + source)
    hint = _QUOTE_IT if word.startswith("@") else f"to give the text itself write {quoted(word)}"
    if parsed.errors:
        raise _Refused(f"{parsed.errors[0].message} In: {word}", hint)
    elements = _elements(parsed)
    if elements is None or len(elements) != 1:
        raise _Refused(f"{quoted(word)} is not one value.", hint)
    if not parsed.unsupported:
        _refuse_commands(elements[0], word)
    return source


def _is_whole(word: str, kind: type[Hashtable | ArrayExpression]) -> bool:
    """
    Whether *word* is one *kind* to PowerShell already, and no shell ate a quote of it.

    A number counts as an id without its quotes. Comments and here-strings, which `_Reader`
    does not know, are in nothing else.
    """
    parsed = parse("x " + word)
    elements = _elements(parsed)
    if parsed.errors or parsed.unsupported or elements is None or len(elements) != 1:
        return False
    nodes = nodes_in(elements[0])
    return isinstance(elements[0], kind) and not any(
        isinstance(node, Command | Constant) for node in nodes
    )


def _elements(parsed: Parsed) -> tuple[CommandElement, ...] | None:
    statements = parsed.script.statements
    if len(statements) != 1 or len(statements[0].elements) != 1:
        return None
    command = statements[0].elements[0]
    return command.elements if isinstance(command, Command) else None


def _refuse_commands(element: CommandElement, word: str) -> None:
    """
    Refuse a value with a command anywhere in it.

    In a hashtable it is a word that wanted quotes; elsewhere it would be run: an argument is
    data, and may come from anywhere.
    """
    if not any(commands_in(element)):
        return
    if isinstance(element, Hashtable):
        raise _Refused(f"A value in {word} is not a legal bare word.", _QUOTE_IT)
    raise _Refused(
        f"{quoted(word)} holds a command, and an argument is not run.",
        "write the value out, or give the whole line to -Command",
    )


class _Reader:
    """
    A hashtable or array whose strings may have lost their quotes, written with them.

    Only bare words of letters, digits, ``_``, ``.`` and ``-`` are taken for strings, and
    never for arithmetic; everything else is left as it is, for PowerShell's own grammar.
    """

    def __init__(self, text: str) -> None:
        if text.startswith("@<") and text.endswith(">"):
            text = "@{" + text[2:-1] + "}"
        self._text = text
        self._place = 2
        self._out = [text[:2]]
        self._depth = 0

    def hashtable(self) -> str:
        """The whole text, read as a hashtable."""
        while self._place < len(self._text):
            self._copy_until("=;\r\n}")
            if self._peek() == "=":
                self._copy()
                self._values(";\r\n}")
            elif self._peek() == "}":
                break
            else:
                self._copy()
        return self._rest()

    def array(self) -> str:
        """The whole text, read as ``@(...)``."""
        self._values(")")
        return self._rest()

    def _rest(self) -> str:
        self._out.append(self._text[self._place :])
        return "".join(self._out)

    def _peek(self) -> str:
        return self._text[self._place : self._place + 1]

    def _copy(self) -> None:
        self._out.append(self._peek())
        self._place += 1

    def _copy_blanks(self, allowed: frozenset[str]) -> None:
        while self._peek() and self._peek() in allowed:
            self._copy()

    def _copy_until(self, ends: str) -> None:
        """Copy up to one of *ends* that stands outside quotes and brackets."""
        depth = 0
        while self._peek() and (depth or self._peek() not in ends):
            char = self._peek()
            if char in _QUOTES:
                end = _after_quote(self._text, self._place)
                self._out.append(self._text[self._place : end])
                self._place = end
                continue
            depth += (char in "({") - (char in ")}")
            self._copy()

    def _values(self, ends: str) -> None:
        """Items with commas between them, up to one of *ends*."""
        while True:
            self._copy_blanks(_SPACE)
            if self._peek() == ",":
                raise _Refused(
                    f"A list in {quoted(self._text)} has an empty place.",
                    "an empty shell variable? Write every id out",
                )
            if self._text.startswith("@(", self._place):
                self._array_item()
            else:
                self._item(ends)
            self._copy_blanks(BLANKS)
            if self._peek() != ",":
                break
            self._copy()
        self._copy_until(ends)

    def _array_item(self) -> None:
        self._out.append("@(")
        self._place += 2
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _Refused("A value is nested too deeply.", "write it with fewer levels")
        self._values(")")
        self._depth -= 1
        if self._peek() == ")":
            self._copy()

    def _item(self, ends: str) -> None:
        begin = self._place
        while self._peek() and self._peek() in _PLAIN:
            self._place += 1
        word = self._text[begin : self._place]
        follower = self._peek()
        if word and (not follower or follower in _SPACE or follower in "," + ends):
            self._refuse_second_word(begin, ends)
            self._out.append(quoted(word))
            return
        self._place = begin
        self._copy_until("," + ends)

    def _refuse_second_word(self, begin: int, ends: str) -> None:
        place = self._place
        while self._text[place : place + 1] and self._text[place] in BLANKS:
            place += 1
        follower = self._text[place : place + 1]
        if place == self._place or not follower or follower in "," + ends:
            return
        end = place
        while self._text[end : end + 1] and self._text[end] not in "," + ends:
            end += 1
        raise _Refused(
            f"{quoted(self._text[begin:end].rstrip())} is not a legal bare word.",
            "a shell variable with a blank in it? Put each id in quotes, and " + _QUOTE_IT,
        )
