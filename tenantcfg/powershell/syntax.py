"""
From text to tree: PowerShell's parser for what is data, with its errors and recovery.

A recursive descent over the tokens of `scanner`, in PowerShell's order and with its two
token modes, so that the same text has the same errors at the same places: after an error
PowerShell goes on, and what it reports next depends on how. What is not data is parsed all
the same, since an error may stand behind it, and named in `Parsed.unsupported`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from tenantcfg.powershell import blocks, commands, definitions, foreign, keywords, tokens
from tenantcfg.powershell.characters import folded
from tenantcfg.powershell.messages import MESSAGES
from tenantcfg.powershell.numbers import Number, invariant_text
from tenantcfg.powershell.scanner import COMMAND, EXPRESSION, Scanner
from tenantcfg.powershell.tree import (
    ArrayExpression,
    ArrayLiteral,
    Command,
    Constant,
    ExpandableString,
    Expression,
    ExpressionElement,
    Extent,
    HashEntry,
    Hashtable,
    Paren,
    Pipeline,
    Script,
    StringConstant,
    StringKind,
    SubExpression,
    Unsupported,
    Variable,
)

if TYPE_CHECKING:
    from tenantcfg.powershell.tokens import Token

__all__ = ["ParseError", "Parsed", "Parser", "parse"]

# How deep parentheses, hashtables, strings in strings ... may stand in one another. Each
# level takes some ten frames of Python's stack, which ends at a thousand.
_DEEPEST = 48

# What scanning may cost: PowerShell scans some constructs again at each level, and a text can
# be made to take for ever. A token costs one, and one more for every four characters; three
# for each character of the text is what ordinary lines come to.
_COST = 10_000
_COST_PER_CHARACTER = 12

_VALUES = {"true": True, "false": False, "null": None}

_PIPELINE_ENDS = frozenset({";", ")", "}", "&&", "||", "&", tokens.END, tokens.NEWLINE})

_BROKEN = "text that does not parse"


@dataclass(frozen=True, slots=True)
class ParseError:
    """
    One of PowerShell's parse errors.

    *incomplete* says that a prompt would ask for more text. *extent* may reach past the
    end of the text by a few characters, as PowerShell's own does.
    """

    id: str
    message: str
    incomplete: bool
    extent: Extent


@dataclass(frozen=True, slots=True)
class Parsed:
    """
    What became of a text.

    *errors* in PowerShell's order: the first is the one that it shows. *unsupported* is
    everything outside the language, in order of position; where it is not empty, nothing
    of *script* may run.
    """

    script: Script
    errors: tuple[ParseError, ...]
    unsupported: tuple[Unsupported, ...]


def parse(text: str) -> Parsed:
    """
    The tree of *text*, its errors and what in it is outside the language.

    Never raises, whatever the text: one that is nested too deeply, or made to take for
    ever, is one unsupported construct.
    """
    parser = Parser(text)
    try:
        statements = parser.script()
    except (_TooComplicated, RecursionError):
        whole = Unsupported(
            "text nested too deeply", "write it with fewer levels", Extent(0, len(text))
        )
        return Parsed(Script(text, ()), (), (whole,))
    # What was scanned again was refused again: each once.
    unsupported = sorted(set(parser.unsupported), key=_place)
    return Parsed(Script(text, statements), parser.all_errors(), tuple(unsupported))


def _place(node: Unsupported) -> tuple[int, int, str]:
    return node.extent.start, node.extent.end, node.construct


class _TooComplicated(Exception):
    """Parsing was given up."""


class Parser:
    """
    One parse of one text.

    The rules of values and statements are here; those of commands in `commands`, those of
    what is no data in `foreign` and the modules that it names: functions that are given the
    parser and call back. Each rule returns its node, or None where the text has no such
    thing at this place.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.scanner = Scanner(text, self)
        self.unsupported: list[Unsupported] = []
        self.errors: list[ParseError] = []
        self.commas = True
        self.ungot: Token | None = None
        self._seen: set[tuple[str, int, int]] = set()
        self._duplicates: list[tuple[int, list[tuple[Extent, str]]]] = []
        self._depth = 0
        self._budget = _COST + _COST_PER_CHARACTER * len(text)

    # -- errors and refusals ----------------------------------------------------------

    def error(self, start: int, end: int, error_id: str, argument: str | None = None) -> None:
        """Keep an error; one that is there already (a token scanned again) is not kept."""
        self._keep(start, end, error_id, argument, incomplete=False)

    def incomplete(
        self,
        start: int,
        end: int,
        error_id: str,
        argument: str | None = None,
        detected: int | None = None,
    ) -> bool:
        """
        Keep an error that more text might mend.

        Returns whether it is marked so: where nothing follows *detected* (or *end*).
        """
        at_end = self.scanner.at_end(end if detected is None else detected)
        self._keep(start, end, error_id, argument, incomplete=at_end)
        return at_end

    def _keep(
        self, start: int, end: int, error_id: str, argument: str | None, *, incomplete: bool
    ) -> None:
        key = (error_id, start, end)
        if key in self._seen:
            return
        self._seen.add(key)
        message = MESSAGES[error_id]
        if argument is not None:
            message = message.replace("{0}", argument)
        self.errors.append(ParseError(error_id, message, incomplete, Extent(start, end)))

    def all_errors(self) -> tuple[ParseError, ...]:
        """The errors of the grammar, then those of meaning, which PowerShell finds later."""
        for _, duplicates in sorted(self._duplicates, key=lambda found: found[0]):
            for extent, key in duplicates:
                self.error(extent.start, extent.end, "DuplicateKeyInHashLiteral", key)
        return tuple(self.errors)

    def requires(self, start: int, end: int) -> None:
        """Refuse a ``#requires`` line."""
        self.refuse("a #requires line", "leave it out", start, end)

    def refuse(self, construct: str, advice: str, start: int, end: int) -> Unsupported:
        """A node for what is outside the language, which is also kept as such."""
        node = Unsupported(construct, advice, Extent(start, end))
        self.unsupported.append(node)
        return node

    def refuse_program(self, construct: str, start: int, end: int) -> Unsupported:
        """`refuse` what is no data but a program."""
        return self.refuse(construct, "write its commands one after the other", start, end)

    def refuse_keyword(self, keyword: Token, end: int) -> Pipeline:
        """A statement that begins with *keyword*, refused."""
        found = self.refuse_program(f"a keyword ({keyword.kind})", keyword.start, end)
        return self.wrapped(found)

    def broken_statement(self, start: int, end: int) -> Pipeline:
        """A statement of what an error left."""
        return self.wrapped(self.broken(start, end))

    @staticmethod
    def broken(start: int, end: int) -> Unsupported:
        """A node for what an error left: no construct of its own."""
        return Unsupported(_BROKEN, "correct it", Extent(start, end))

    @staticmethod
    def is_broken(node: Expression | Pipeline) -> bool:
        """Whether *node* is one of `broken`, or a statement of nothing else."""
        first = node.elements[0] if isinstance(node, Pipeline) else node
        return isinstance(first, Unsupported) and first.construct == _BROKEN

    def spend(self, cost: int) -> None:
        """Count what a token cost to scan."""
        self._budget -= cost
        if self._budget < 0:
            self.give_up()

    @staticmethod
    def give_up() -> NoReturn:
        """Stop parsing for good."""
        raise _TooComplicated

    def enter(self) -> None:
        """Count a level of nesting; `leave` ends it."""
        self._depth += 1
        if self._depth > _DEEPEST:
            self.give_up()

    def leave(self) -> None:
        """End a level of nesting."""
        self._depth -= 1

    # -- tokens -----------------------------------------------------------------------

    def next(self) -> Token:
        """The next token, consumed."""
        token = self.ungot
        if token is None:
            return self.scanner.next_token()
        self.ungot = None
        return token

    def peek(self) -> Token:
        """The next token, left in place."""
        if self.ungot is None:
            self.ungot = self.scanner.next_token()
        return self.ungot

    def skip(self) -> None:
        """Consume the token that was peeked at."""
        self.ungot = None

    def unget(self, token: Token) -> None:
        """Put *token* back."""
        self.ungot = token

    def restore_point(self) -> int:
        """The place to `resync` to in order to read from here again."""
        return self.scanner.restore_point() if self.ungot is None else self.ungot.start

    def resync(self, start: int) -> None:
        """Scan again from *start*."""
        self.ungot = None
        self.scanner.resync(start)

    def set_mode(self, mode: str) -> str:
        """
        Scan in *mode* from now on, the token that was peeked at included.

        Returns the mode before.
        """
        before = self.scanner.mode
        token = self.ungot
        if mode != before and token is not None and token.kind not in tokens.MODE_INVARIANT:
            self.resync(token.start)
        self.scanner.mode = mode
        return before

    def skip_newlines(self) -> None:
        """Skip newlines, unless another token was peeked at."""
        if self.ungot is None or self.ungot.kind == tokens.NEWLINE:
            self.ungot = None
            self.scanner.skip_newlines(semicolons=False)

    def skip_terminators(self) -> None:
        """Skip newlines and semicolons, unless another token was peeked at."""
        if self.ungot is None or self.ungot.kind in (tokens.NEWLINE, ";"):
            self.ungot = None
            self.scanner.skip_newlines(semicolons=True)

    def sync(self, *kinds: str, consume: bool) -> None:
        """After an error: skip to one of *kinds* at this level of brackets."""
        depths = {bracket: int(bracket in kinds) for bracket in ")}]"}
        openings = {"(": ")", "{": "}", "[": "]"}
        while True:
            token = self.next()
            kind = token.kind
            if kind in openings:
                depths[openings[kind]] += 1
            elif kind in depths:
                depths[kind] -= 1
                if depths[kind] == 0 and kind in kinds:
                    if not consume:
                        self.unget(token)
                    return
            elif kind == tokens.END:
                self.unget(token)
                return
            if kind in kinds and not any(depths.values()):
                return

    def text_of(self, token: Token) -> str:
        """*token* as typed."""
        return self.text[token.start : token.end]

    # -- statements -------------------------------------------------------------------

    def script(self) -> tuple[Pipeline, ...]:
        """The whole text."""
        self.skip_newlines()
        self._using_statements()
        self._param_block()
        self.skip_terminators()
        if self.peek().kind in tokens.BLOCK_NAMES:
            blocks.named_blocks(self, None)
            return ()
        statements: list[Pipeline] = []
        while True:
            statements += self.statements()
            token = self.next()
            if token.kind == tokens.END:
                return tuple(statements)
            self.error(token.start, token.end, "UnexpectedToken", self.text_of(token))

    def statements(self) -> list[Pipeline]:
        """The statements that follow, up to a bracket that closes or what is none."""
        found: list[Pipeline] = []
        self.skip_terminators()
        while True:
            statement = self.statement()
            if statement is None:
                return found
            self._check_signature(statement.extent)
            found.append(statement)
            self.skip_terminators()
            if self.peek().kind in (")", "}"):
                return found

    def _check_signature(self, extent: Extent) -> None:
        signature = self.scanner.signature_start
        if signature is not None and signature < extent.start:
            self.error(extent.start, extent.end, "TokenAfterEndOfValidScriptText")

    def statement(self) -> Pipeline | None:
        """One statement."""
        token = self.next()
        kind = token.kind
        if kind == tokens.GENERIC and self.text.startswith("[", token.start):
            return keywords.statement_with_attributes(self, token)
        if kind in tokens.KEYWORDS or kind == tokens.LABEL:
            return keywords.keyword_statement(self, token)
        self.unget(token)
        return None if kind == tokens.END else self.chain()

    @staticmethod
    def wrapped(node: Unsupported) -> Pipeline:
        """A statement of *node* alone."""
        return Pipeline((node,), node.extent)

    def chain(self) -> Pipeline | None:
        """Pipelines, usually one, or an assignment."""
        before = self.set_mode(EXPRESSION)
        expression = self.expression()
        assigned = None
        if expression is not None and self.peek().kind in tokens.ASSIGNMENTS:
            assigned = self.next()
        self.set_mode(before)
        if expression is not None and assigned is not None:
            return foreign.assignment(self, expression, assigned)
        if expression is None:
            # PowerShell looks at the token in this mode before it tries again.
            self.peek()
        first = self.pipeline(expression)
        if first is None:
            return None
        following = self.peek()
        if following.kind in ("&&", "||", "&"):
            first = foreign.chained(self, first)
        return first

    def pipeline(self, start: Expression | None = None) -> Pipeline | None:
        """One pipeline; *start* is its first expression where that was read already."""
        elements: list[Command | ExpressionElement | Unsupported] = []
        begin = end = 0
        expression = start
        pipe: Token | None = None
        scanning = True
        while scanning:
            element = self._pipeline_element(expression, first=not elements)
            expression = None
            if element is not None:
                if not elements:
                    begin = element.extent.start
                end = element.extent.end
                elements.append(element)
            elif elements or self.peek().kind == "|":
                self._empty_pipe_element(pipe)
            pipe = self._after_element()
            scanning = pipe is not None
        return Pipeline(tuple(elements), Extent(begin, end)) if elements else None

    def _empty_pipe_element(self, pipe: Token | None) -> None:
        if pipe is not None:
            self.incomplete(pipe.end, pipe.end, "EmptyPipeElement")
        else:
            token = self.peek()
            self.incomplete(token.start, token.end, "EmptyPipeElement")

    def _pipeline_element(
        self, expression: Expression | None, *, first: bool
    ) -> Command | ExpressionElement | Unsupported | None:
        if expression is None:
            before = self.set_mode(EXPRESSION)
            expression = self.expression()
            self.set_mode(before)
        if expression is None:
            return commands.command(self)
        extent = expression.extent
        if not first:
            self.error(extent.start, extent.end, "ExpressionsMustBeFirstInPipeline")
        end = extent.end
        streams: set[str] = set()
        while self.peek().kind in (tokens.REDIRECTION, tokens.REDIRECT_IN):
            reached, counted = commands.redirection(self, self.next(), streams)
            end = reached if counted else extent.end
        return ExpressionElement(expression, Extent(extent.start, end))

    def _after_element(self) -> Token | None:
        """The pipe behind an element of a pipeline; None where the pipeline ends."""
        token = self.peek()
        if token.kind == tokens.NEWLINE and self.scanner.pipe_follows(token.end):
            self.skip_newlines()
            token = self.peek()
        if token.kind == "|":
            self.skip()
            self.skip_newlines()
            if self.peek().kind != tokens.END:
                return token
            self.incomplete(token.end, token.end, "EmptyPipeElement")
        elif token.kind not in _PIPELINE_ENDS:
            self.error(token.start, token.end, "UnexpectedToken", self.text_of(token))
        return None

    # -- expressions ------------------------------------------------------------------

    def expression(self, *, ternary: bool = False) -> Expression | None:
        """
        An expression with its operators, which are all outside the language.

        *ternary* says that one is certain, so that ``?`` and ``:`` end a number.
        """
        before = self.set_mode(EXPRESSION)
        found = self._operands(ternary=ternary)
        if found is not None and self.peek().kind == "?":
            found = foreign.ternary(self, found)
        self.set_mode(before)
        return found

    def _operands(self, *, ternary: bool) -> Expression | None:
        found = self.array(ternary=ternary)
        if found is None:
            return None
        token = self.peek()
        if token.kind in tokens.BINARY:
            found = foreign.binary(self, found)
            token = self.peek()
        if token.kind == tokens.PARAMETER:
            self.error(token.start, token.end, "UnexpectedToken", self.text_of(token))
            self.skip()
            return self.broken(found.extent.start, token.end)
        return found

    def array(self, *, ternary: bool = False) -> Expression | None:
        """A value, or several with commas."""
        first = self.unary(ternary=ternary)
        if first is None or not self.commas or self.peek().kind != ",":
            return first
        items = [first]
        end = first.extent.end
        while self.peek().kind == ",":
            comma = self.next()
            self.skip_newlines()
            item = self.unary(ternary=True)
            if item is None:
                self.incomplete(comma.end, comma.end, "MissingExpressionAfterToken", ",")
                end = comma.end
                items.append(self.broken(comma.start, comma.end))
                break
            items.append(item)
            end = item.extent.end
        return ArrayLiteral(tuple(items), Extent(first.extent.start, end))

    def unary(self, *, ternary: bool = False) -> Expression | None:
        """A value with the operators before it."""
        token = self._peek_number(ternary=ternary)
        if token.kind in tokens.UNARY:
            if token.kind == "," and not self.commas:
                return None
            found: Expression | None = self._prefixed(token)
            if found is None:
                return self.broken(token.start, token.end)
        elif token.kind == "[":
            found = foreign.type_expression(self, token)
        else:
            found = self.primary(members=True)
        if found is not None and self.peek().kind in ("++", "--"):
            operator = self.next()
            found = self._refuse_operator(operator, found.extent.start, operator.end)
        return found

    def _peek_number(self, *, ternary: bool) -> Token:
        """The next token, scanned again where it may be a number with a sign."""
        scanner = self.scanner
        saved = scanner.signed_numbers, scanner.ternary_ends_number
        scanner.signed_numbers, scanner.ternary_ends_number = True, ternary
        ungot = self.ungot
        if ungot is not None and (ungot.kind == "-" or (ternary and ungot.kind == tokens.GENERIC)):
            self.resync(ungot.start)
        token = self.peek()
        scanner.signed_numbers, scanner.ternary_ends_number = saved
        return token

    def _prefixed(self, operator: Token) -> Expression | None:
        self.enter()
        self.skip()
        self.skip_newlines()
        child = self.unary(ternary=True)
        self.leave()
        if child is None:
            text = self.text_of(operator)
            self.incomplete(operator.end, operator.end, "MissingExpressionAfterOperator", text)
            return None
        extent = Extent(operator.start, child.extent.end)
        if operator.kind == ",":
            return ArrayLiteral((child,), extent)
        return self._refuse_operator(operator, extent.start, extent.end)

    def _refuse_operator(self, operator: Token, start: int, end: int) -> Unsupported:
        return self.refuse(
            f"an operator ({self.text_of(operator)})", "write its result", start, end
        )

    def primary(self, *, members: bool) -> Expression | None:
        """A value without operators; with *members*, what ``.`` and ``[`` take out of it."""
        token = self.next()
        kind = token.kind
        found: Expression
        if kind in (tokens.VARIABLE, tokens.SPLAT):
            found = self._variable(token)
        elif kind == tokens.NUMBER:
            found = self._constant(token)
        elif kind in (tokens.LITERAL, tokens.EXPANDABLE):
            found = self._string(token)
        elif kind in ("(", "@(", "$(", "@{", "{"):
            self.enter()
            found = self._bracketed(token)
            self.leave()
        else:
            self.unget(token)
            return None
        if members and self.ungot is None:
            access = self.scanner.member_access(bracket=True)
            if access is not None:
                found = foreign.members(self, access, found)
        return found

    def _bracketed(self, token: Token) -> Expression:
        if token.kind == "(":
            return self._paren(token)
        if token.kind == "@{":
            return self._hashtable(token)
        if token.kind == "{":
            return blocks.script_block(self, token)
        return self._subexpression(token)

    def _variable(self, token: Token) -> Expression:
        name = str(token.value)
        if token.kind == tokens.SPLAT:
            return self.refuse(
                f"splatting (@{name})", "write the parameters out", token.start, token.end
            )
        if name.lower() in _VALUES:
            return Variable(_VALUES[name.lower()], Extent(token.start, token.end))
        return self.refuse(f"a variable (${name})", "write the value out", token.start, token.end)

    def _constant(self, token: Token) -> Constant:
        number = token.value
        if not isinstance(number, Number):  # pragma: no cover  the scanner's own kind
            raise TypeError(number)
        return Constant(
            number.value, number.type_name, self.text_of(token), Extent(token.start, token.end)
        )

    def _string(self, token: Token) -> Expression:
        extent = Extent(token.start, token.end)
        if token.kind == tokens.LITERAL:
            kind = StringKind.SINGLE_HERE if token.flag else StringKind.SINGLE
            return StringConstant(str(token.value), kind, extent)
        kind = StringKind.DOUBLE_HERE if token.flag else StringKind.DOUBLE
        if token.parts is None:
            return StringConstant(str(token.value), kind, extent)
        return ExpandableString(self.nested(token.parts), kind, extent)

    def nested(self, parts: list[str | Token]) -> tuple[str | Expression, ...]:
        """The pieces of an expandable string, the expressions in it parsed."""
        nested: list[str | Expression] = []
        for part in parts:
            if isinstance(part, str):
                nested.append(part)
            elif part.kind == tokens.VARIABLE:
                nested.append(self._variable(part))
            else:
                found = self._nested_expression(part)
                if found is not None:
                    nested.append(found)
        return tuple(nested)

    def _nested_expression(self, part: Token) -> Expression | None:
        self.enter()
        saved = self.scanner.begin_nested(part)
        found = self.primary(members=True)
        self.ungot = None
        self.scanner.end_nested(saved)
        self.leave()
        return found

    def _paren(self, opening: Token) -> Expression:
        before, commas = self.set_mode(COMMAND), self.commas
        self.commas = True
        self.skip_newlines()
        pipeline = self.chain()
        if pipeline is None:
            self.incomplete(opening.end, opening.end, "ExpectedExpression")
            pipeline = self.wrapped(self.broken(opening.end, opening.end))
        self.skip_newlines()
        closing = self.next()
        end = closing.end
        if closing.kind != ")":
            self.unget(closing)
            end = pipeline.extent.end
            self.incomplete(end, end, "MissingEndParenthesisInExpression")
        self.commas = commas
        self.set_mode(before)
        return Paren(pipeline, Extent(opening.start, end))

    def _subexpression(self, opening: Token) -> Expression:
        before, commas = self.set_mode(COMMAND), self.commas
        self.commas = True
        self.skip_newlines()
        found = self.statements()
        self.skip_newlines()
        closing = self.next()
        end = closing.end
        if closing.kind != ")":
            self.unget(closing)
            self.incomplete(closing.start, closing.end, "MissingEndParenthesisInSubexpression")
            end = found[-1].extent.end if found else opening.end
        self.commas = commas
        self.set_mode(before)
        extent = Extent(opening.start, end)
        if opening.kind == "$(":
            return SubExpression(tuple(found), extent)
        return ArrayExpression(tuple(found), extent)

    # -- hashtables -------------------------------------------------------------------

    def _hashtable(self, opening: Token) -> Expression:
        self.skip_newlines()
        entries: list[HashEntry] = []
        while True:
            entry = self._entry()
            if entry is None:
                break
            entries.append(entry)
            if self.peek().kind not in (tokens.NEWLINE, ";"):
                break
            self.skip_terminators()
        closing = self.next()
        end = closing.end
        if closing.kind != "}":
            self.unget(closing)
            end = max(closing.start - 1, 0)
            place = opening.end
            self.incomplete(place, place, "MissingEndCurlyBrace", detected=closing.end)
        self._note_duplicates(opening.start, entries)
        return Hashtable(tuple(entries), Extent(opening.start, end))

    def _note_duplicates(self, start: int, entries: list[HashEntry]) -> None:
        seen: set[str] = set()
        duplicates: list[tuple[Extent, str]] = []
        for entry in entries:
            key = _constant_key(entry.key)
            if key is None:
                continue
            if folded(key) in seen:
                duplicates.append((entry.key.extent, key))
            seen.add(folded(key))
        if duplicates:
            self._duplicates.append((start, duplicates))

    def _entry(self) -> HashEntry | None:
        before = self.set_mode(EXPRESSION)
        key = self.label_or_key()
        equals = None if key is None else self.next()
        self.set_mode(before)
        if key is None or equals is None:
            return None
        if equals.kind != "=":
            return self._entry_without_equals(key, equals)
        self.set_mode(COMMAND)
        self.skip_newlines()
        value = self.statement()
        if value is None:
            self.incomplete(equals.end, equals.end, "MissingStatementInHashLiteral")
            value = self.wrapped(self.broken(equals.end, equals.end))
        self.set_mode(before)
        return HashEntry(key, value)

    def _entry_without_equals(self, key: Expression, token: Token) -> HashEntry:
        self.unget(token)
        end = key.extent.end
        self.error(end, end, "MissingEqualsInHashLiteral")
        self.sync("}", ";", tokens.NEWLINE, consume=False)
        return HashEntry(key, self.wrapped(self.broken(end, end)))

    def label_or_key(self) -> Expression | None:
        """A simple name, or a value without commas."""
        name = self.simple_name()
        if name is not None:
            return name
        if self.peek().kind in (tokens.NEWLINE, ";"):
            return None
        commas, self.commas = self.commas, False
        found = self.unary()
        self.commas = commas
        return found

    def simple_name(self) -> StringConstant | None:
        """An identifier."""
        self.scanner.simple_name = True
        token = self.peek()
        self.scanner.simple_name = False
        if token.kind != tokens.IDENTIFIER:
            return None
        self.skip()
        return StringConstant(self.text_of(token), StringKind.BARE, Extent(token.start, token.end))

    # -- what is outside the language -------------------------------------------------

    def _using_statements(self) -> None:
        while True:
            token = self.peek()
            if token.kind != "using":
                self.resync(token.start)
                return
            self.skip()
            definitions.using_statement(self, token)
            self.skip_terminators()

    def _param_block(self) -> None:
        """A ``param(...)`` at the beginning; its attributes are read on suspicion."""
        point = self.scanner.restore_point()
        kept = len(self.unsupported)
        token = self.peek()
        bracket = token.kind == tokens.GENERIC and self.text.startswith("[", token.start)
        if token.kind == "[" or bracket or token.kind == "param":
            self.resync(token.start)
            if blocks.param_block(self):
                return
            del self.unsupported[kept:]
        self.resync(point)


def _constant_key(key: Expression) -> str | None:
    """The text of a key that is known without running anything; None for any other."""
    if isinstance(key, StringConstant):
        return key.value
    if isinstance(key, Constant):
        return invariant_text(key.value)
    return None
