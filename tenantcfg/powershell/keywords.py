"""
The rules of PowerShell's grammar for statements that begin with a keyword.

They are outside the language; see `foreign`. What is left out is the inside of classes,
enumerations and DSC configurations: from the name on they are refused as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantcfg.powershell import tokens
from tenantcfg.powershell.scanner import COMMAND, EXPRESSION
from tenantcfg.powershell.tree import Constant, Extent, Hashtable, StringConstant
from tenantcfg.powershell.typenames import attribute, attributes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantcfg.powershell.syntax import Parser
    from tenantcfg.powershell.tokens import Token
    from tenantcfg.powershell.tree import Pipeline, Unsupported

__all__ = [
    "keyword_statement",
    "named_blocks",
    "param_block",
    "script_block",
    "statement_with_attributes",
    "using_statement",
]

_ONE_LINE = "write its commands one after the other"
_NOT_A_NAME = frozenset(
    {"|", "(", "{", "@(", "@{", "}", ")", ";", "&&", "||", "&"}
    | {tokens.END, tokens.REDIRECTION, tokens.REDIRECT_IN, tokens.VARIABLE, tokens.SPLAT}
    | {tokens.EXPANDABLE, tokens.LITERAL}
)


_CONFIGURATION_NAME = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./-"
)


def keyword_statement(parser: Parser, token: Token) -> Pipeline | None:
    """The statement that begins with *token*, a keyword or a label, which is consumed."""
    kind = token.kind
    if kind in ("else", "elseif", "catch", "until") and parser.errors:
        # After an error PowerShell takes these for the rest of what it did not understand.
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
        if following.kind in _RULES:
            return keyword_statement(parser, following)
    del parser.unsupported[kept:]
    if not found and following.kind != tokens.END:
        # Nothing was read but the bracket's error.
        parser.unget(following)
        return parser.chain()
    if not found:
        parser.unget(following)
        return None
    parser.resync(start)
    return parser.chain()


def param_block(parser: Parser) -> bool:
    """A ``param(...)`` with its attributes; False where there is none."""
    parser.skip_newlines()
    found = attributes(parser, in_expression=False)
    parser.skip_newlines()
    keyword = parser.peek()
    if keyword.kind != "param":
        return False
    parser.skip()
    parser.skip_newlines()
    opening = parser.next()
    if opening.kind != "(":
        parser.unget(opening)
        return False
    end = _parameters(parser, opening)
    parser.skip_newlines()
    closing = parser.next()
    if closing.kind != ")":
        parser.unget(closing)
        parser.incomplete(end, end, "MissingEndParenthesisInFunctionParameterList")
    for item in found:
        if not item.called:
            extent = item.extent
            parser.error(extent.start, extent.end, "TypeNotAllowedBeforeParam", item.name)
    parser.refuse("a parameter block (param)", "write the values out", keyword.start, closing.end)
    return True


def _parameters(parser: Parser, opening: Token) -> int:
    """The parameters of a function; where the last of them ends."""
    end = opening.end
    comma: Token | None = None
    while True:
        last = _one_parameter(parser)
        if last is None:
            if comma is not None:
                parser.incomplete(comma.end, comma.end, "MissingExpressionAfterToken", ",")
            return end
        end = last
        parser.skip_newlines()
        if parser.peek().kind != ",":
            return end
        comma = parser.next()


def _one_parameter(parser: Parser) -> int | None:
    commas, parser.commas = parser.commas, False
    before = parser.set_mode(EXPRESSION)
    parser.skip_newlines()
    found = attributes(parser, in_expression=False)
    parser.skip_newlines()
    token = parser.next()
    end: int | None = None
    if token.kind in (tokens.VARIABLE, tokens.SPLAT):
        end = _default(parser, token)
    else:
        parser.unget(token)
        if found:
            end = found[-1].extent.end
            parser.incomplete(end, end, "InvalidFunctionParameter")
            parser.sync(")", consume=True)
    parser.commas = commas
    parser.set_mode(before)
    return end


def _default(parser: Parser, variable: Token) -> int:
    parser.skip_newlines()
    if parser.peek().kind != "=":
        return variable.end
    equals = parser.next()
    parser.skip_newlines()
    value = parser.expression()
    if value is not None:
        return value.extent.end
    parser.incomplete(equals.end, equals.end, "MissingExpressionAfterToken", "=")
    return variable.end


def script_block(parser: Parser, opening: Token) -> Unsupported:
    """A ``{...}`` as a value; the brace is consumed."""
    commas, parser.commas = parser.commas, True
    before = parser.set_mode(COMMAND)
    parser.skip_newlines()
    end = _block_inside(parser, opening)
    parser.commas = commas
    parser.set_mode(before)
    return parser.refuse(
        "a script block ({...})", "for a list write @{Add='...'} with its @", opening.start, end
    )


def _block_inside(parser: Parser, opening: Token) -> int:
    """A script block up to its closing brace; where it ends."""
    parser.skip_newlines()
    point = parser.scanner.restore_point() if parser.ungot is None else parser.ungot.start
    kept = len(parser.unsupported)
    if not param_block(parser):
        del parser.unsupported[kept:]
        parser.resync(point)
    parser.skip_terminators()
    if parser.peek().kind in tokens.BLOCK_NAMES:
        last = named_blocks(parser, opening)
        return opening.end if last is None else last
    return _closed(parser, opening)


def _closed(parser: Parser, opening: Token) -> int:
    """Statements up to the brace that closes *opening*; where they end."""
    found: list[Pipeline] = []
    inner = parser.statements(found)
    closing = parser.next()
    if closing.kind == "}":
        return closing.end
    parser.unget(closing)
    parser.incomplete(opening.start, opening.end, "MissingEndCurlyBrace", detected=closing.end)
    return opening.end if inner is None else inner[1]


def _block(parser: Parser) -> Extent | None:
    """A ``{...}`` of statements."""
    parser.skip_newlines()
    opening = parser.next()
    if opening.kind != "{":
        parser.unget(opening)
        return None
    parser.enter()
    end = _closed(parser, opening)
    parser.leave()
    return Extent(opening.start, end)


def named_blocks(parser: Parser, opening: Token | None) -> int | None:
    """``begin {...}``, ``process {...}`` and so on, up to the brace that ends them."""
    seen: set[str] = set()
    end: int | None = None
    while True:
        token = parser.next()
        if token.kind not in tokens.BLOCK_NAMES:
            break
        block = _block(parser)
        end = token.end
        if block is None:
            parser.incomplete(end, end, "MissingNamedStatementBlock", token.kind)
        else:
            end = block.end
        if token.kind in seen:
            parser.error(token.start, end, "DuplicateScriptCommandClause", token.kind)
        seen.add(token.kind)
        parser.refuse(f"a block ({token.kind})", _ONE_LINE, token.start, end)
        parser.skip_terminators()
    parser.unget(token)
    if opening is None:
        return end
    closing = parser.next()
    if closing.kind == "}":
        return closing.end
    parser.unget(closing)
    parser.incomplete(opening.start, opening.end, "MissingEndCurlyBrace", detected=closing.end)
    return end


def using_statement(parser: Parser, token: Token) -> Pipeline:
    """``using namespace ...`` and its like; the keyword is consumed."""
    kind = parser.next()
    if kind.kind not in ("namespace", "module", "assembly", "type", "command"):
        parser.unget(kind)
        parser.incomplete(token.end, token.end, "MissingUsingStatementDirective")
        return parser.wrapped(parser.broken(token.start, token.end))
    name = parser.next()
    if name.kind in (tokens.END, tokens.NEWLINE, ",", ";"):
        if name.kind == tokens.END:
            parser.unget(name)
        parser.incomplete(kind.end, kind.end, "MissingUsingItemName")
        return parser.wrapped(parser.broken(token.start, kind.end))
    kept = len(parser.unsupported)
    found = parser.argument(name)
    if isinstance(found, StringConstant) or (
        isinstance(found, Hashtable) and kind.kind == "module"
    ):
        node = parser.refuse("a using statement", "leave it out", token.start, found.extent.end)
        return parser.wrapped(node)
    # PowerShell keeps nothing of it.
    del parser.unsupported[kept:]
    start, end = name.start, name.end
    if found is None:
        parser.error(start, end, "InvalidValueForUsingItemName", parser.text_of(name))
        parser.sync(";", tokens.NEWLINE, consume=True)
    else:
        start, end = found.extent.start, found.extent.end
        parser.error(start, end, "InvalidValueForUsingItemName", parser.text[start:end])
    return parser.wrapped(parser.broken(token.start, end))


# -- one rule for each keyword --------------------------------------------------------


def _refused(parser: Parser, token: Token, end: int) -> Pipeline:
    node = parser.refuse(f"a keyword ({token.kind})", _ONE_LINE, token.start, end)
    return parser.wrapped(node)


def _broken(parser: Parser, start: int, end: int) -> Pipeline:
    return parser.wrapped(parser.broken(start, end))


def _if(parser: Parser, token: Token) -> Pipeline:
    keyword = token
    while True:
        end = _if_clause(parser, token, keyword)
        if isinstance(end, tuple):
            return _broken(parser, *end)
        point = parser.scanner.restore_point() if parser.ungot is None else parser.ungot.start
        parser.skip_newlines()
        keyword = parser.peek()
        if keyword.kind == "elseif":
            parser.skip()
            continue
        if keyword.kind != "else":
            parser.resync(point)
            return _refused(parser, token, end)
        parser.skip()
        parser.skip_newlines()
        block = _block(parser)
        if block is not None:
            return _refused(parser, token, block.end)
        parser.incomplete(keyword.end, keyword.end, "MissingStatementBlockAfterElse")
        return _broken(parser, token.start, keyword.end)


def _if_clause(parser: Parser, token: Token, keyword: Token) -> int | tuple[int, int]:
    """One ``(condition) {...}``: where it ends, or the extent of what is broken."""
    word = parser.text_of(keyword)
    parser.skip_newlines()
    opening = parser.next()
    if opening.kind != "(":
        parser.unget(opening)
        parser.incomplete(keyword.end, keyword.end, "MissingOpenParenthesisInIfStatement", word)
        return token.start, keyword.end
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
        return token.start, max(closing.start - 1, 0)
    parser.skip_newlines()
    block = _block(parser)
    if block is None:
        parser.incomplete(closing.start, closing.end, "MissingStatementBlock", word)
        return token.start, closing.end
    return block.end


def _switch(parser: Parser, token: Token) -> Pipeline:
    return _Switch(parser, token).parse()


class _Switch:
    """A ``switch`` statement as it is read."""

    def __init__(self, parser: Parser, token: Token) -> None:
        self._parser = parser
        self._token = token
        self._end = token.end
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
            return _broken(parser, self._token.start, self._end)
        return _refused(parser, self._token, self._end)

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
            found = parser.single_argument()
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
            block = _block(parser)
            if block is None:
                self._fault(self._end, "MissingSwitchStatementClause")
            else:
                self._end = block.end
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
        found = parser.single_argument()
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
        return _broken(parser, token.start, token.end)
    parser.skip_newlines()
    variable = parser.next()
    if variable.kind not in (tokens.VARIABLE, tokens.SPLAT):
        parser.unget(variable)
        parser.incomplete(opening.end, opening.end, "MissingVariableNameAfterForeach")
        return _broken(parser, token.start, opening.end)
    # The loop's variable is one whatever follows.
    node = parser.refuse(f"a keyword ({token.kind})", _ONE_LINE, token.start, variable.end)
    parser.skip_newlines()
    end, complete = _foreach_rest(parser, variable)
    if complete and not wrong:
        return parser.wrapped(type(node)(node.construct, node.advice, Extent(token.start, end)))
    return _broken(parser, token.start, end)


def _foreach_flags(parser: Parser) -> bool:
    wrong = False
    while parser.peek().kind == tokens.PARAMETER:
        flag = parser.next()
        name = str(flag.value).lower()
        if "throttlelimit".startswith(name) and not "parallel".startswith(name):
            parser.skip_newlines()
            if parser.single_argument() is None:
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
    block = _block(parser)
    if block is None:
        parser.incomplete(closing.end, closing.end, "MissingForeachStatement")
        return closing.end, False
    return block.end, True


def _for(parser: Parser, token: Token) -> Pipeline:
    parser.skip_newlines()
    opening = parser.next()
    if opening.kind != "(":
        parser.unget(opening)
        parser.incomplete(token.end, token.end, "MissingOpenParenthesisAfterKeyword", token.kind)
        return _broken(parser, token.start, token.end)
    end = _for_parts(parser, opening)
    parser.skip_newlines()
    closing = parser.next()
    if closing.kind != ")":
        parser.unget(closing)
        parser.incomplete(end, end, "MissingEndParenthesisAfterStatement", token.kind)
        return _broken(parser, token.start, end)
    block = _block(parser)
    if block is None:
        parser.incomplete(closing.end, closing.end, "MissingLoopStatement", token.kind)
        return _broken(parser, token.start, closing.end)
    return _refused(parser, token, block.end)


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
        return _broken(parser, token.start, token.end)
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
        return _broken(parser, token.start, end)
    parser.skip_newlines()
    block = _block(parser)
    if block is None:
        parser.incomplete(closing.end, closing.end, "MissingLoopStatement", token.kind)
        return _broken(parser, token.start, closing.end)
    return _refused(parser, token, block.end)


def _do(parser: Parser, token: Token) -> Pipeline:
    block = _block(parser)
    if block is None:
        parser.incomplete(token.end, token.end, "MissingLoopStatement", token.kind)
        return _broken(parser, token.start, token.end)
    parser.skip_newlines()
    keyword = parser.next()
    if keyword.kind not in ("while", "until"):
        parser.unget(keyword)
        parser.incomplete(block.end, block.end, "MissingWhileOrUntilInDoWhile")
        return _broken(parser, token.start, block.end)
    parser.skip_newlines()
    opening = parser.next()
    if opening.kind != "(":
        parser.unget(opening)
        parser.incomplete(
            keyword.end, keyword.end, "MissingOpenParenthesisAfterKeyword", keyword.kind
        )
        return _broken(parser, token.start, keyword.end)
    return _do_condition(parser, token, keyword, opening)


def _do_condition(parser: Parser, token: Token, keyword: Token, opening: Token) -> Pipeline:
    parser.skip_newlines()
    condition = parser.chain()
    if condition is None:
        parser.incomplete(opening.end, opening.end, "MissingExpressionAfterKeyword", keyword.kind)
    parser.skip_newlines()
    closing = parser.next()
    if closing.kind == ")" and condition is not None:
        return _refused(parser, token, closing.end)
    if closing.kind != ")":
        parser.unget(closing)
        if condition is not None:
            end = condition.extent.end
            parser.incomplete(end, end, "MissingEndParenthesisAfterStatement", keyword.kind)
            return _broken(parser, token.start, end)
    return _broken(parser, token.start, opening.end)


def _function(parser: Parser, token: Token) -> Pipeline:
    parser.skip_newlines()
    name = parser.next()
    if name.kind in _NOT_A_NAME:
        parser.unget(name)
        word = parser.text_of(token)
        parser.incomplete(token.end, token.end, "MissingNameAfterKeyword", word)
        return _broken(parser, token.start, token.end)
    end, wrong = _function_parameters(parser, name)
    opening = parser.next()
    if opening.kind != "{":
        parser.unget(opening)
        if not wrong:
            parser.incomplete(end, end, "MissingFunctionBody")
        return _broken(parser, token.start, end)
    if wrong:
        return _broken(parser, token.start, end)
    before = parser.set_mode(COMMAND)
    end = _block_inside(parser, opening)
    parser.set_mode(before)
    return _refused(parser, token, end)


def _function_parameters(parser: Parser, name: Token) -> tuple[int, bool]:
    """The parenthesis behind a function's name: where it ends, and whether it is wrong."""
    parser.skip_newlines()
    if parser.peek().kind != "(":
        return name.end, False
    opening = parser.next()
    end = _parameters(parser, opening)
    parser.skip_newlines()
    closing = parser.next()
    wrong = closing.kind != ")"
    if wrong:
        parser.unget(closing)
        parser.incomplete(end, end, "MissingEndParenthesisInFunctionParameterList")
    else:
        end = closing.end
    parser.skip_newlines()
    return end, wrong


def _with_pipeline(parser: Parser, token: Token) -> Pipeline:
    found = parser.chain()
    return _refused(parser, token, token.end if found is None else found.extent.end)


def _with_label(parser: Parser, token: Token) -> Pipeline:
    found = parser.label_or_key()
    return _refused(parser, token, token.end if found is None else found.extent.end)


def _trap(parser: Parser, token: Token) -> Pipeline:
    point = parser.scanner.restore_point()
    parser.skip_newlines()
    kind = attribute(parser)
    if kind is not None and kind.called:
        parser.resync(point)
        kind = None
    block = _block(parser)
    if block is not None:
        return _refused(parser, token, block.end)
    end = token.end if kind is None else kind.extent.end
    parser.incomplete(end, end, "MissingTrapStatement")
    if kind is not None:
        _refused(parser, token, end)
    return _broken(parser, token.start, end)


def _try(parser: Parser, token: Token) -> Pipeline:
    parser.skip_newlines()
    block = _block(parser)
    if block is None:
        parser.incomplete(token.end, token.end, "MissingTryStatementBlock")
        return _broken(parser, token.start, token.end)
    end, catches, wrong = _catches(parser, block.end)
    parser.skip_newlines()
    keyword = parser.peek()
    finished = False
    if keyword.kind == "finally":
        parser.skip()
        last = _block(parser)
        finished = last is not None
        if last is None:
            wrong = True
            end = keyword.end
            parser.incomplete(end, end, "MissingFinallyStatementBlock", keyword.kind)
        else:
            end = last.end
    if not catches and not finished and not wrong:
        parser.incomplete(block.end, block.end, "MissingCatchOrFinally")
        return _broken(parser, token.start, block.end)
    if wrong:
        return _broken(parser, token.start, end)
    return _refused(parser, token, end)


def _catches(parser: Parser, end: int) -> tuple[int, int, bool]:
    """The ``catch`` clauses: where they end, how many, whether one is wrong."""
    count = 0
    while True:
        parser.skip_newlines()
        token = parser.next()
        if token.kind != "catch":
            parser.unget(token)
            return end, count, False
        last, reported = _catch_types(parser, token)
        block = _block(parser)
        if block is None:
            if not reported:
                parser.incomplete(last, last, "MissingCatchHandlerBlock")
            return last, count, True
        count += 1
        end = block.end


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
        _refused(parser, token, end)
        parser.skip_newlines()
        if parser.peek().kind != ",":
            return end, False
        comma = parser.next()


def _data(parser: Parser, token: Token) -> Pipeline:
    parser.skip_newlines()
    name = parser.simple_name()
    end = token.end if name is None else name.extent.end
    parser.skip_newlines()
    if parser.peek().kind == tokens.PARAMETER:
        end, wrong = _supported_commands(parser)
        if wrong:
            return _broken(parser, token.start, end)
    block = _block(parser)
    if block is not None:
        return _refused(parser, token, block.end)
    parser.incomplete(end, end, "MissingStatementBlockForDataSection")
    return _broken(parser, token.start, end)


def _supported_commands(parser: Parser) -> tuple[int, bool]:
    flag = parser.next()
    end, wrong = flag.end, False
    if not "supportedcommand".startswith(str(flag.value).lower()):
        wrong = True
        parser.error(
            flag.start, flag.end, "InvalidParameterForDataSectionStatement", str(flag.value)
        )
    while True:
        parser.skip_newlines()
        found = parser.single_argument()
        if found is None:
            if not wrong:
                parser.incomplete(end, end, "MissingValueForSupportedCommandInDataSectionStatement")
            return end, True
        end = found.extent.end
        if parser.peek().kind != ",":
            return end, wrong
        end = parser.next().end


def _workflow_block(parser: Parser, token: Token) -> Pipeline:
    block = _block(parser)
    if block is not None:
        return _refused(parser, token, block.end)
    word = parser.text_of(token)
    parser.incomplete(token.end, token.end, "MissingStatementAfterKeyword", word)
    return _broken(parser, token.start, token.end)


def _reserved(parser: Parser, token: Token) -> Pipeline:
    parser.error(token.start, token.end, "ReservedKeywordNotAllowed", token.kind)
    return _broken(parser, token.start, token.end)


def _label(parser: Parser, token: Token) -> Pipeline | None:
    parser.skip_newlines()
    keyword = parser.next()
    if keyword.kind in ("switch", "foreach", "for", "while", "do"):
        found = _RULES[keyword.kind](parser, keyword)
        if found is None:  # pragma: no cover  none of the five returns it
            return None
        first = found.elements[0]
        extent = Extent(token.start, found.extent.end)
        return type(found)((first,), extent)
    parser.resync(token.start)
    return parser.chain()


def _definition(parser: Parser, token: Token) -> Pipeline:
    """``class`` or ``enum``: refused from its name on."""
    parser.skip_newlines()
    name = parser.simple_name()
    if name is None:
        word = parser.text_of(token)
        parser.incomplete(token.end, token.end, "MissingNameAfterKeyword", word)
        return _broken(parser, token.start, token.end)
    parser.skip_newlines()
    end = name.extent.end
    opening = parser.peek()
    if opening.kind != "{" and not parser.text.startswith(":", opening.start):
        parser.incomplete(end, end, "MissingTypeBody", token.kind)
        return _broken(parser, token.start, end)
    block = _block(parser)
    return _refused(parser, token, end if block is None else block.end)


def _configuration(parser: Parser, token: Token) -> None:
    """
    A ``configuration``, which is an error of its own wherever DSC is not installed.

    PowerShell reads the name, reports that and forgets the token behind the name.
    """
    parser.skip_newlines()
    name = parser.peek()
    kept = len(parser.unsupported)
    if name.kind == "{":
        parser.error(token.end, token.end, "MissingConfigurationName")
        script_block(parser, parser.next())
        del parser.unsupported[kept:]
        return
    if name.kind in (tokens.END, ","):
        parser.incomplete(name.end, name.end, "MissingConfigurationName")
        return
    found = parser.argument(parser.next())
    if found is None:
        text = parser.text_of(name)
        parser.error(name.end, name.end, "ParameterRequiresArgument", text)
        parser.incomplete(name.start, name.end, "MissingConfigurationName")
    elif isinstance(found, (StringConstant, Constant)) and not _names_configuration(found):
        extent = found.extent
        value = found.value if isinstance(found, StringConstant) else ""
        parser.error(extent.start, extent.end, "InvalidConfigurationName", value)
    del parser.unsupported[kept:]
    parser.skip_newlines()
    parser.error(name.start, name.end, "ParserError")
    parser.resync(parser.scanner.restore_point())


def _names_configuration(name: StringConstant | Constant) -> bool:
    text = name.value if isinstance(name, StringConstant) else ""
    return text[:1].isalpha() and text.isascii() and set(text) <= _CONFIGURATION_NAME


def _late_using(parser: Parser, token: Token) -> Pipeline:
    found = using_statement(parser, token)
    extent = found.extent
    parser.error(extent.start, extent.end, "UsingMustBeAtStartOfScript")
    return found


_RULES: dict[str, Callable[[Parser, Token], Pipeline | None]] = {
    "if": _if,
    "switch": _switch,
    "foreach": _foreach,
    "for": _for,
    "while": _while,
    "do": _do,
    "function": _function,
    "filter": _function,
    "workflow": _function,
    "return": _with_pipeline,
    "throw": _with_pipeline,
    "exit": _with_pipeline,
    "break": _with_label,
    "continue": _with_label,
    "trap": _trap,
    "try": _try,
    "data": _data,
    "parallel": _workflow_block,
    "sequence": _workflow_block,
    "from": _reserved,
    "define": _reserved,
    "var": _reserved,
    "class": _definition,
    "enum": _definition,
    "configuration": _configuration,
    "using": _late_using,
    tokens.LABEL: _label,
}
