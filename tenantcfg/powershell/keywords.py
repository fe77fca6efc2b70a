"""
The rules of PowerShell's grammar for statements that begin with a keyword.

They are outside the language; see `foreign`. Those that define something are in
`definitions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantcfg.powershell import definitions, tokens
from tenantcfg.powershell.blocks import block
from tenantcfg.powershell.commands import single_argument
from tenantcfg.powershell.tree import Extent, Pipeline, Unsupported
from tenantcfg.powershell.typenames import attribute, attributes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantcfg.powershell.syntax import Parser
    from tenantcfg.powershell.tokens import Token

__all__ = ["keyword_statement", "statement_with_attributes"]

# After an error PowerShell takes these for the rest of what it did not understand.
_LEFTOVERS = frozenset({"else", "elseif", "catch", "until"})


def keyword_statement(parser: Parser, token: Token) -> Pipeline | None:
    """The statement that begins with *token*, a keyword or a label, which is consumed."""
    kind = token.kind
    if kind in _LEFTOVERS and parser.errors:
        parser.skip_newlines()
        return parser.statement()
    rule = _RULES.get(kind)
    if rule is None:
        parser.unget(token)
        return parser.chain()
    parser.enter()
    found = rule(parser, token)
    parser.leave()
    return found


def statement_with_attributes(parser: Parser, token: Token) -> Pipeline | None:
    """A statement whose first token, *token*, begins with ``[``."""
    start = token.start
    kept = len(parser.unsupported)
    parser.resync(start)
    found = attributes(parser, in_expression=False)
    following = parser.next()
    if found and following.kind in tokens.NO_ATTRIBUTES:
        if all(item.called for item in found):
            extent = found[0].extent
            parser.error(extent.start, extent.end, "UnexpectedAttribute", found[0].name)
            return keyword_statement(parser, following)
    elif found and following.kind in tokens.KEYWORDS:
        for item in found:
            if not item.called:
                extent = item.extent
                parser.error(extent.start, extent.end, "TypeNotAllowedBeforeStatement", item.name)
                break
        if following.kind in _RULES or (following.kind in _LEFTOVERS and parser.errors):
            return keyword_statement(parser, following)
    del parser.unsupported[kept:]
    if found:
        parser.resync(start)
        return parser.chain()
    # Nothing was read but the bracket's error.
    parser.unget(following)
    return None if following.kind == tokens.END else parser.chain()


# -- one rule for each keyword --------------------------------------------------------


def _if(parser: Parser, token: Token) -> Pipeline:
    keyword = token
    while True:
        end, complete = _if_clause(parser, keyword)
        if not complete:
            return parser.broken_statement(token.start, end)
        point = parser.restore_point()
        parser.skip_newlines()
        keyword = parser.peek()
        if keyword.kind == "elseif":
            parser.skip()
            continue
        if keyword.kind != "else":
            parser.resync(point)
            return parser.refuse_keyword(token, end)
        parser.skip()
        parser.skip_newlines()
        body = block(parser)
        if body is not None:
            return parser.refuse_keyword(token, body.end)
        parser.incomplete(keyword.end, keyword.end, "MissingStatementBlockAfterElse")
        return parser.broken_statement(token.start, keyword.end)


def _if_clause(parser: Parser, keyword: Token) -> tuple[int, bool]:
    """One ``(condition) {...}``: where it ends, and whether it is whole."""
    word = parser.text_of(keyword)
    parser.skip_newlines()
    opening = parser.next()
    if opening.kind != "(":
        parser.unget(opening)
        parser.incomplete(keyword.end, keyword.end, "MissingOpenParenthesisInIfStatement", word)
        return keyword.end, False
    parser.skip_newlines()
    condition = parser.chain()
    if condition is None:
        parser.incomplete(opening.end, opening.end, "IfStatementMissingCondition", word)
    parser.skip_newlines()
    closing = parser.next()
    if closing.kind != ")":
        parser.unget(closing)
        if condition is not None and not parser.is_broken(condition):
            parser.incomplete(
                closing.start, closing.end, "MissingEndParenthesisAfterStatement", word
            )
        return max(closing.start - 1, 0), False
    parser.skip_newlines()
    body = block(parser)
    if body is None:
        parser.incomplete(closing.start, closing.end, "MissingStatementBlock", word)
        return closing.end, False
    return body.end, True


def _switch(parser: Parser, token: Token) -> Pipeline:
    return _Switch(parser, token, label=None).parse()


class _Switch:
    """A ``switch`` statement as it is read."""

    def __init__(self, parser: Parser, token: Token, *, label: Token | None) -> None:
        self._parser = parser
        self._token = token
        # Where an error stands: PowerShell counts from the label, if there is one.
        self._start = token.start if label is None else label.start
        self._end = token.end if label is None else label.end
        self._wrong = False
        self._incomplete = False

    def parse(self) -> Pipeline:
        parser = self._parser
        parser.skip_newlines()
        file, condition = self._flags()
        if parser.peek().kind == "(":
            self._condition(file=file)
        elif not condition and not file:
            self._fault(self._end, "PipelineValueRequired")
        parser.skip_newlines()
        opening = parser.next()
        if opening.kind == "{":
            self._end = opening.end
            parser.skip_newlines()
            self._clauses(opening)
        else:
            parser.unget(opening)
            if not self._incomplete:
                self._wrong = True
                parser.incomplete(self._end, self._end, "MissingCurlyBraceInSwitchStatement")
        if self._wrong:
            return parser.broken_statement(self._start, self._end)
        return parser.refuse_keyword(self._token, self._end)

    def _fault(self, place: int, error_id: str) -> None:
        self._wrong = True
        self._incomplete = self._parser.incomplete(place, place, error_id)

    def _flags(self) -> tuple[bool, bool]:
        parser = self._parser
        file = condition = False
        while parser.peek().kind == tokens.PARAMETER:
            flag = parser.next()
            self._end = flag.end
            name = str(flag.value).lower()
            if any(
                known.startswith(name)
                for known in ("regex", "wildcard", "exact", "casesensitive", "parallel")
            ):
                continue
            if not "file".startswith(name):
                self._wrong = True
                parser.error(flag.start, flag.end, "InvalidSwitchFlag", str(flag.value))
                continue
            file = True
            parser.skip_newlines()
            found = single_argument(parser)
            if found is None:
                self._fault(flag.end, "MissingFilenameOption")
            else:
                condition = True
                self._end = found.extent.end
        return file, condition

    def _condition(self, *, file: bool) -> None:
        parser = self._parser
        opening = parser.next()
        self._end = opening.end
        if file:
            self._wrong = True
            parser.error(opening.start, opening.end, "PipelineValueRequired")
        parser.skip_newlines()
        found = parser.chain()
        if found is None:
            self._fault(opening.end, "PipelineValueRequired")
        else:
            self._end = found.extent.end
        parser.skip_newlines()
        closing = parser.next()
        if closing.kind == ")":
            self._end = closing.end
            return
        parser.unget(closing)
        if not self._incomplete:
            self._fault(self._end, "MissingEndParenthesisInSwitchStatement")

    def _clauses(self, opening: Token) -> None:
        parser = self._parser
        defaults = 0
        while True:
            condition, default = self._clause_condition()
            if condition is None:
                return
            self._end = condition.end
            body = block(parser)
            if body is None:
                self._fault(self._end, "MissingSwitchStatementClause")
            else:
                self._end = body.end
                defaults += default
                if default and defaults > 1:
                    self._wrong = True
                    parser.error(condition.start, condition.end, "MultipleSwitchDefaultClauses")
            parser.skip_terminators()
            token = parser.peek()
            if token.kind == "}":
                parser.skip()
                self._end = token.end
                return
            if token.kind == tokens.END:
                self._unclosed(opening, token)
                return

    def _unclosed(self, opening: Token, token: Token) -> None:
        if self._incomplete:
            return
        self._wrong = True
        self._parser.incomplete(
            opening.start, opening.end, "MissingEndCurlyBrace", detected=token.end
        )

    def _clause_condition(self) -> tuple[Extent | None, bool]:
        parser = self._parser
        token = parser.peek()
        if token.kind == "default":
            parser.skip()
            return Extent(token.start, token.end), True
        found = single_argument(parser)
        if found is not None:
            return found.extent, False
        self._wrong = True
        parser.incomplete(self._end, self._end, "MissingSwitchConditionExpression")
        if parser.peek().kind == "}":
            parser.skip()
        return None, False


def _foreach(parser: Parser, token: Token) -> Pipeline:
    parser.skip_newlines()
    wrong = _foreach_flags(parser)
    opening = parser.next()
    if opening.kind != "(":
        parser.unget(opening)
        parser.incomplete(token.end, token.end, "MissingOpenParenthesisAfterKeyword", token.kind)
        return parser.broken_statement(token.start, token.end)
    parser.skip_newlines()
    variable = parser.next()
    if variable.kind not in (tokens.VARIABLE, tokens.SPLAT):
        parser.unget(variable)
        parser.incomplete(opening.end, opening.end, "MissingVariableNameAfterForeach")
        return parser.broken_statement(token.start, opening.end)
    # The loop's variable is one whatever follows.
    node = parser.refuse_program(f"a keyword ({token.kind})", token.start, variable.end)
    parser.skip_newlines()
    end, complete = _foreach_rest(parser, variable)
    if complete and not wrong:
        whole = Unsupported(node.construct, node.advice, Extent(token.start, end))
        return parser.wrapped(whole)
    return parser.broken_statement(token.start, end)


def _foreach_flags(parser: Parser) -> bool:
    wrong = False
    while parser.peek().kind == tokens.PARAMETER:
        flag = parser.next()
        name = str(flag.value).lower()
        if "throttlelimit".startswith(name) and not "parallel".startswith(name):
            parser.skip_newlines()
            if single_argument(parser) is None:
                parser.incomplete(flag.end, flag.end, "MissingThrottleLimit")
        elif not "parallel".startswith(name):
            wrong = True
            parser.error(flag.start, flag.end, "InvalidForeachFlag", str(flag.value))
        parser.skip_newlines()
    return wrong


def _foreach_rest(parser: Parser, variable: Token) -> tuple[int, bool]:
    keyword = parser.next()
    if keyword.kind != "in":
        parser.unget(keyword)
        parser.incomplete(variable.end, variable.end, "MissingInInForeach")
        return variable.end, False
    parser.skip_newlines()
    source = parser.chain()
    if source is None:
        parser.incomplete(keyword.end, keyword.end, "MissingForeachExpression")
        return keyword.end, False
    parser.skip_newlines()
    closing = parser.next()
    if closing.kind != ")":
        parser.unget(closing)
        end = source.extent.end
        parser.incomplete(end, end, "MissingEndParenthesisAfterForeach")
        return end, False
    body = block(parser)
    if body is None:
        parser.incomplete(closing.end, closing.end, "MissingForeachStatement")
        return closing.end, False
    return body.end, True


def _for(parser: Parser, token: Token) -> Pipeline:
    parser.skip_newlines()
    opening = parser.next()
    if opening.kind != "(":
        parser.unget(opening)
        parser.incomplete(token.end, token.end, "MissingOpenParenthesisAfterKeyword", token.kind)
        return parser.broken_statement(token.start, token.end)
    end = _for_parts(parser, opening)
    parser.skip_newlines()
    closing = parser.next()
    if closing.kind != ")":
        parser.unget(closing)
        parser.incomplete(end, end, "MissingEndParenthesisAfterStatement", token.kind)
        return parser.broken_statement(token.start, end)
    body = block(parser)
    if body is None:
        parser.incomplete(closing.end, closing.end, "MissingLoopStatement", token.kind)
        return parser.broken_statement(token.start, closing.end)
    return parser.refuse_keyword(token, body.end)


def _for_parts(parser: Parser, opening: Token) -> int:
    end = opening.end
    for last in (False, False, True):
        parser.skip_newlines()
        found = parser.chain()
        if found is not None:
            end = found.extent.end
        if not last and parser.peek().kind == ";":
            end = parser.next().end
    return end


def _while(parser: Parser, token: Token) -> Pipeline:
    parser.skip_newlines()
    opening = parser.next()
    if opening.kind != "(":
        parser.unget(opening)
        word = parser.text_of(token)
        parser.incomplete(token.end, token.end, "MissingOpenParenthesisAfterKeyword", word)
        return parser.broken_statement(token.start, token.end)
    parser.skip_newlines()
    condition = parser.chain()
    end = opening.end
    if condition is None:
        parser.incomplete(end, end, "MissingExpressionAfterKeyword", token.kind)
    else:
        end = condition.extent.end
    parser.skip_newlines()
    closing = parser.next()
    if closing.kind != ")":
        parser.unget(closing)
        if condition is not None and not parser.is_broken(condition):
            parser.incomplete(end, end, "MissingEndParenthesisAfterStatement", token.kind)
        return parser.broken_statement(token.start, end)
    parser.skip_newlines()
    body = block(parser)
    if body is None:
        parser.incomplete(closing.end, closing.end, "MissingLoopStatement", token.kind)
        return parser.broken_statement(token.start, closing.end)
    return parser.refuse_keyword(token, body.end)


def _do(parser: Parser, token: Token) -> Pipeline:
    body = block(parser)
    if body is None:
        parser.incomplete(token.end, token.end, "MissingLoopStatement", token.kind)
        return parser.broken_statement(token.start, token.end)
    parser.skip_newlines()
    keyword = parser.next()
    if keyword.kind not in ("while", "until"):
        parser.unget(keyword)
        parser.incomplete(body.end, body.end, "MissingWhileOrUntilInDoWhile")
        return parser.broken_statement(token.start, body.end)
    parser.skip_newlines()
    opening = parser.next()
    if opening.kind != "(":
        parser.unget(opening)
        parser.incomplete(
            keyword.end, keyword.end, "MissingOpenParenthesisAfterKeyword", keyword.kind
        )
        return parser.broken_statement(token.start, keyword.end)
    return _do_condition(parser, token, keyword, opening)


def _do_condition(parser: Parser, token: Token, keyword: Token, opening: Token) -> Pipeline:
    parser.skip_newlines()
    condition = parser.chain()
    if condition is None:
        parser.incomplete(opening.end, opening.end, "MissingExpressionAfterKeyword", keyword.kind)
    parser.skip_newlines()
    closing = parser.next()
    if closing.kind == ")" and condition is not None:
        return parser.refuse_keyword(token, closing.end)
    if closing.kind != ")":
        parser.unget(closing)
        if condition is not None:
            end = condition.extent.end
            parser.incomplete(end, end, "MissingEndParenthesisAfterStatement", keyword.kind)
            return parser.broken_statement(token.start, end)
    return parser.broken_statement(token.start, opening.end)


def _with_pipeline(parser: Parser, token: Token) -> Pipeline:
    found = parser.chain()
    return parser.refuse_keyword(token, token.end if found is None else found.extent.end)


def _with_label(parser: Parser, token: Token) -> Pipeline:
    found = parser.label_or_key()
    return parser.refuse_keyword(token, token.end if found is None else found.extent.end)


def _trap(parser: Parser, token: Token) -> Pipeline:
    point = parser.scanner.restore_point()
    parser.skip_newlines()
    kind = attribute(parser)
    if kind is not None and kind.called:
        parser.resync(point)
        kind = None
    body = block(parser)
    if body is not None:
        return parser.refuse_keyword(token, body.end)
    end = token.end if kind is None else kind.extent.end
    parser.incomplete(end, end, "MissingTrapStatement")
    if kind is not None:
        parser.refuse_keyword(token, end)
    return parser.broken_statement(token.start, end)


def _try(parser: Parser, token: Token) -> Pipeline:
    parser.skip_newlines()
    body = block(parser)
    if body is None:
        parser.incomplete(token.end, token.end, "MissingTryStatementBlock")
        return parser.broken_statement(token.start, token.end)
    end, wrong = _catches(parser, body.end)
    caught = end > body.end
    parser.skip_newlines()
    keyword = parser.peek()
    finished = False
    if keyword.kind == "finally":
        parser.skip()
        last = block(parser)
        finished = last is not None
        if last is None:
            wrong = True
            end = keyword.end
            parser.incomplete(end, end, "MissingFinallyStatementBlock", keyword.kind)
        else:
            end = last.end
    if not caught and not finished and not wrong:
        parser.incomplete(body.end, body.end, "MissingCatchOrFinally")
        return parser.broken_statement(token.start, body.end)
    if wrong:
        return parser.broken_statement(token.start, end)
    return parser.refuse_keyword(token, end)


def _catches(parser: Parser, end: int) -> tuple[int, bool]:
    """The ``catch`` clauses: where they end, and whether one is wrong."""
    while True:
        parser.skip_newlines()
        token = parser.next()
        if token.kind != "catch":
            parser.unget(token)
            return end, False
        last, reported = _catch_types(parser, token)
        body = block(parser)
        if body is None:
            if not reported:
                parser.incomplete(last, last, "MissingCatchHandlerBlock")
            return last, True
        end = body.end


def _catch_types(parser: Parser, token: Token) -> tuple[int, bool]:
    end = token.end
    comma: Token | None = None
    while True:
        point = parser.scanner.restore_point()
        parser.skip_newlines()
        kind = attribute(parser)
        if kind is None:
            if comma is not None:
                parser.incomplete(comma.end, comma.end, "MissingTypeLiteralToken")
                return comma.end, True
            return end, False
        if kind.called:
            parser.resync(point)
            return end, False
        end = kind.extent.end
        parser.refuse_keyword(token, end)
        parser.skip_newlines()
        if parser.peek().kind != ",":
            return end, False
        comma = parser.next()


def _workflow_block(parser: Parser, token: Token) -> Pipeline:
    body = block(parser)
    if body is not None:
        return parser.refuse_keyword(token, body.end)
    word = parser.text_of(token)
    parser.incomplete(token.end, token.end, "MissingStatementAfterKeyword", word)
    return parser.broken_statement(token.start, token.end)


def _reserved(parser: Parser, token: Token) -> Pipeline:
    parser.error(token.start, token.end, "ReservedKeywordNotAllowed", token.kind)
    return parser.broken_statement(token.start, token.end)


def _label(parser: Parser, token: Token) -> Pipeline | None:
    parser.skip_newlines()
    keyword = parser.next()
    if keyword.kind == "switch":
        return _Switch(parser, keyword, label=token).parse()
    if keyword.kind in _LOOPS:
        found = _LOOPS[keyword.kind](parser, keyword)
        return Pipeline(found.elements, Extent(token.start, found.extent.end))
    parser.resync(token.start)
    return parser.chain()


_LOOPS: dict[str, Callable[[Parser, Token], Pipeline]] = {
    "foreach": _foreach,
    "for": _for,
    "while": _while,
    "do": _do,
}
_RULES: dict[str, Callable[[Parser, Token], Pipeline | None]] = {
    **definitions.RULES,
    **_LOOPS,
    "if": _if,
    "switch": _switch,
    "return": _with_pipeline,
    "throw": _with_pipeline,
    "exit": _with_pipeline,
    "break": _with_label,
    "continue": _with_label,
    "trap": _trap,
    "try": _try,
    "parallel": _workflow_block,
    "sequence": _workflow_block,
    "from": _reserved,
    "define": _reserved,
    "var": _reserved,
    tokens.LABEL: _label,
}
