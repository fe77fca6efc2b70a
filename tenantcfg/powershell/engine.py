"""
Running a text: expressions evaluated, pipelines driven, errors kept as PowerShell keeps them.

A terminating error ends its statement and no more; inside ``@(...)``, ``$(...)`` and
``"$(...)"`` too, where the command round it then runs with what is left (cmdlets B15).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

from tenantcfg.powershell.binding import (
    UNKNOWN,
    Argument,
    Binding,
    Cmdlet,
    bind,
    bind_piped,
    unwritable_variable,
)
from tenantcfg.powershell.command_names import found
from tenantcfg.powershell.invocation import Command, Invocation, Journal
from tenantcfg.powershell.records import (
    Category,
    ErrorRecord,
    StatementFailed,
    TextStopped,
    not_found,
)
from tenantcfg.powershell.tree import (
    ArrayExpression,
    ArrayLiteral,
    CommandParameter,
    Constant,
    ExpandableString,
    ExpressionElement,
    Extent,
    Paren,
    StringConstant,
    SubExpression,
    Unsupported,
    Variable,
)
from tenantcfg.powershell.tree import Command as CommandNode
from tenantcfg.powershell.tree import Hashtable as HashtableNode
from tenantcfg.powershell.values import (
    NOTHING,
    Hashtable,
    Number,
    PSListModifier,
    enumerate_value,
    to_string,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tenantcfg.powershell.host import Host
    from tenantcfg.powershell.tree import CommandElement, Expression, Pipeline, Script
    from tenantcfg.powershell.values import Value

__all__ = ["Outcome", "Session"]

_SMA = "System.Management.Automation."


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of statements that ran.

    Attributes:
        errors: the error stream, in order.
        terminating: what ended the whole text (``-ErrorAction Stop``); None: nothing did. It
            is not in the error stream, so the host has not been told of it.
        suppressed: errors that -ErrorAction kept from the stream.
        objects: what was written, in order.
        help_for: the cmdlets whose help was asked for with ``-?``; they did not run, and
            nothing of what else stood on them was looked at.
        goes_on: whether a text may go on behind this: there was no error, or each came from
            a command whose -ErrorAction says so.
        first_error: the first in time, suppressed or terminating ones too: what an exit code
            tells.
    """

    errors: tuple[ErrorRecord, ...] = ()
    terminating: ErrorRecord | None = None
    suppressed: tuple[ErrorRecord, ...] = ()
    objects: tuple[Value, ...] = ()
    help_for: tuple[str, ...] = ()
    goes_on: bool = True
    first_error: ErrorRecord | None = None


class Session:
    """What can be run, and for whom: the cmdlets of a session and its host."""

    def __init__(self, cmdlets: Iterable[Cmdlet], host: Host) -> None:
        self._cmdlets = {cmdlet.name.lower(): cmdlet for cmdlet in cmdlets}
        self._host = host

    def judge(self, script: Script) -> tuple[ErrorRecord, ...]:
        """
        The errors that can be told before anything runs, in order; the dry pass.

        Names, parameters, literals and sets of every statement, unknown commands however
        deep; what depends on piped objects or a command's output is left for the run.
        """
        dry = _Dry(self._cmdlets, script.text)
        for statement in script.statements:
            dry.judge(statement)
        return tuple(dry.errors)

    def run(self, script: Script) -> Outcome:
        """
        Run *script*, statement by statement, exactly as PowerShell does.

        Raises:
            PromptUnavailable, PromptCanceled: a question has no answer; what ran before it
                stands.
        """
        return self._run(script.statements, script.text)

    def run_statement(self, statement: Pipeline, text: str = "") -> Outcome:
        """Run one statement of a script whose text is *text*; see `run`."""
        return self._run((statement,), text)

    def _run(self, statements: Sequence[Pipeline], text: str) -> Outcome:
        written: list[Value] = []

        def emit(value: Value) -> None:
            written.append(value)
            self._host.write_object(value)

        run = _Run(self._cmdlets, text, self._host)
        terminating = None
        try:
            run.statements(statements, emit)
        except TextStopped as why:
            terminating = why.record
        journal = run.journal
        return Outcome(
            errors=tuple(journal.errors),
            terminating=terminating,
            suppressed=tuple(journal.suppressed),
            objects=tuple(written),
            help_for=tuple(run.help_for),
            goes_on=terminating is None and not journal.untolerated,
            first_error=journal.first or terminating,
        )


class _Evaluator(ABC):
    """Expressions to values; what runs commands is left to the two passes below."""

    def __init__(self, cmdlets: dict[str, Cmdlet], text: str) -> None:
        self._cmdlets = cmdlets
        self._text = text
        # The statement that ran last: PowerShell shows some errors there.
        self._position = Extent(0, 0)

    def value(self, node: Expression) -> Value:
        """The value of an expression."""
        match node:
            case StringConstant() | Variable():
                value: Value = node.value
            case Constant():
                value = Number(node.value, node.type_name)
            case ExpandableString():
                value = self._expanded(node)
            case ArrayLiteral():
                items = tuple(self.value(item) for item in node.items)
                value = UNKNOWN if UNKNOWN in items else items
            case ArrayExpression():
                value = self._array(node)
            case SubExpression():
                value = self._sub_expression(node)
            case Paren():
                value = self.statement_value(node.pipeline)
            case HashtableNode():
                value = self._hashtable(node)
            case _:
                raise StatementFailed(_unsupported(node))
        return value

    @abstractmethod
    def collected(self, statements: Sequence[Pipeline]) -> list[Value] | None:
        """What *statements* write; None: only running would tell."""

    @abstractmethod
    def statement_value(self, pipeline: Pipeline) -> Value:
        """The value of a statement where a value is wanted: an expression's own, or output."""

    def arguments(self, command: CommandNode) -> list[Argument]:
        """The arguments of *command*, evaluated in order."""
        return [self._argument(element) for element in command.elements if not _dashes(element)]

    def found(self, command: CommandNode) -> tuple[Cmdlet, str]:
        """
        The cmdlet that *command* names, and the name as typed.

        Raises:
            StatementFailed: there is none.
        """
        typed = self._name_text(command.name)
        cmdlet = found(typed, self._cmdlets)
        if cmdlet is None:
            raise StatementFailed(not_found(typed, command.name.extent))
        return cmdlet, typed

    def _name_text(self, name: Expression) -> str:
        """The text of a command's name: what stands in it to be expanded stays as it is."""
        match name:
            case StringConstant():
                return name.value
            case Constant():
                return name.text
            case ExpandableString():
                parts = (one if isinstance(one, str) else self._source(one) for one in name.parts)
                return "".join(parts)
            case _:
                return self._source(name)

    def _source(self, node: Expression) -> str:
        return self._text[node.extent.start : node.extent.end]

    def _argument(self, element: CommandElement) -> Argument:
        if not isinstance(element, CommandParameter):
            value = self._argument_value(element)
            return Argument(element.extent, value=value, value_extent=element.extent)
        if element.argument is None:
            return Argument(element.extent, element.name, element.text)
        return Argument(
            element.extent,
            element.name,
            element.text,
            self._argument_value(element.argument),
            element.argument.extent,
        )

    def _argument_value(self, node: Expression) -> Value:
        if isinstance(node, Constant):
            return Number(node.value, node.type_name, node.text)
        return self.value(node)

    def _expanded(self, node: ExpandableString) -> Value:
        parts = [part if isinstance(part, str) else self.value(part) for part in node.parts]
        if UNKNOWN in parts:
            return UNKNOWN
        return "".join(to_string(part) for part in parts)

    def _array(self, node: ArrayExpression) -> Value:
        if len(node.statements) == 1:
            alone = _pure(node.statements[0])
            if alone is not None:
                # No statement of its own: an error in it is the command's round it.
                value = self.value(alone)
                return UNKNOWN if value is UNKNOWN else _items(value)
        collected = self.collected(node.statements)
        return UNKNOWN if collected is None else tuple(collected)

    def _sub_expression(self, node: SubExpression) -> Value:
        if not node.statements:
            return None
        collected = self.collected(node.statements)
        return UNKNOWN if collected is None else _as_one(collected)

    def _hashtable(self, node: HashtableNode) -> Value:
        table = Hashtable()
        for entry in node.entries:
            key = self.value(entry.key)
            if _pure(entry.value) is None:
                self._position = entry.value.extent
            value = self.statement_value(entry.value)
            if key is UNKNOWN:
                return UNKNOWN
            if key is None or key is NOTHING:
                raise StatementFailed(_hash_error("InvalidNullKey", _NULL_KEY, entry.key))
            if not table.add(key, value):
                raise StatementFailed(
                    _hash_error(
                        "DuplicateKeyInHashLiteral",
                        f"Duplicate keys '{to_string(key)}' are not allowed in hash literals.",
                        entry.key,
                    )
                )
        return table


class _Run(_Evaluator):
    """The pass that runs."""

    def __init__(self, cmdlets: dict[str, Cmdlet], text: str, host: Host) -> None:
        super().__init__(cmdlets, text)
        self._host = host
        self.journal = Journal()
        self.help_for: list[str] = []

    def statements(self, statements: Iterable[Pipeline], emit: Callable[[Value], None]) -> None:
        """Run *statements*; a terminating error is written, and the next one runs."""
        for statement in statements:
            self._position = statement.extent
            try:
                self._pipeline(statement, emit)
            except StatementFailed as why:
                self.journal.untolerated = True
                self.journal.write(why.record)
                self._host.error(why.record)

    def collected(self, statements: Sequence[Pipeline]) -> list[Value]:
        written: list[Value] = []
        self.statements(statements, written.append)
        return written

    def statement_value(self, pipeline: Pipeline) -> Value:
        expression = _pure(pipeline)
        if expression is not None:
            return self.value(expression)
        written: list[Value] = []
        self._pipeline(pipeline, written.append)
        return _as_one(written)

    def _pipeline(self, pipeline: Pipeline, emit: Callable[[Value], None]) -> None:
        first, *rest = pipeline.elements
        if isinstance(first, ExpressionElement):
            items: tuple[Value, ...] | None = _items(self.value(first.expression))
        else:
            items, rest = None, [first, *rest]
        start = self._prepared(rest, emit)
        if items is None:
            start(_ONCE)
            return
        for item in items:
            start(item)

    def _prepared(
        self, nodes: Sequence[object], emit: Callable[[Value], None]
    ) -> Callable[[Value], None]:
        """What takes the pipeline's input: every argument evaluated, every command bound."""
        commands = [node for node in nodes if _is_command(node)]
        arguments = [self.arguments(command) for command in commands]
        cmdlets = [self.found(command) for command in commands]
        bindings = [
            bind(self._help(cmdlet), (), command.extent)
            if _asks_help(command)
            else bind(cmdlet, given, command.extent)
            for command, given, (cmdlet, _) in zip(commands, arguments, cmdlets, strict=True)
        ]
        for binding in bindings:
            error = unwritable_variable(binding, self._position)
            if error is not None:
                raise StatementFailed(error)
        for binding, (_, typed) in zip(reversed(bindings), reversed(cmdlets), strict=True):
            emit = _step(Command(binding, typed, self._host, self.journal, emit))
        return emit

    def _help(self, cmdlet: Cmdlet) -> Cmdlet:
        """What stands in for *cmdlet* where ``-?`` is among its arguments (cmdlets B19)."""

        def show(call: Invocation) -> None:
            del call
            self.help_for.append(cmdlet.name)

        source = "Microsoft.PowerShell.Commands.GetHelpCommand"
        return Cmdlet("Get-Help", (), show, error_source=source)


class _Dry(_Evaluator):
    """The pass that only judges."""

    def __init__(self, cmdlets: dict[str, Cmdlet], text: str) -> None:
        super().__init__(cmdlets, text)
        self.errors: list[ErrorRecord] = []

    def judge(self, statement: Pipeline) -> tuple[Value, ...] | None:
        """What *statement* writes, where it is data alone; its error is kept."""
        try:
            return self._judged(statement)
        except StatementFailed as why:
            self.errors.append(why.record)
            return None

    def collected(self, statements: Sequence[Pipeline]) -> list[Value] | None:
        parts = [self.judge(statement) for statement in statements]
        if None in parts:
            return None
        return [item for part in parts for item in part or ()]

    def statement_value(self, pipeline: Pipeline) -> Value:
        expression = _pure(pipeline)
        if expression is not None:
            return self.value(expression)
        self._judged(pipeline)
        return UNKNOWN

    def _judged(self, pipeline: Pipeline) -> tuple[Value, ...] | None:
        expression = _pure(pipeline)
        if expression is not None:
            value = self.value(expression)
            return None if value is UNKNOWN else _items(value)
        first, *rest = pipeline.elements
        if isinstance(first, ExpressionElement):
            self.value(first.expression)
        else:
            rest = [first, *rest]
        commands = [node for node in rest if _is_command(node)]
        arguments = [self.arguments(command) for command in commands]
        cmdlets = [self.found(command)[0] for command in commands]
        if not any(_asks_help(command) for command in commands):
            for command, given, cmdlet in zip(commands, arguments, cmdlets, strict=True):
                self._judge_binding(bind(cmdlet, given, command.extent))
        return None

    def _judge_binding(self, binding: Binding) -> None:
        error = unwritable_variable(binding, binding.extent)
        if error is not None:
            raise StatementFailed(error)
        judge = binding.cmdlet.judge
        if judge is None or any(_waits(value) for value in binding.bound.values()):
            return
        why = judge(binding.bound)
        if why is not None:
            name = binding.cmdlet.name
            raise StatementFailed(
                ErrorRecord(
                    f"{getattr(why, 'code', type(why).__name__)},{name}",
                    Category.INVALID_ARGUMENT,
                    str(why),
                    "System.ArgumentException",
                    extent=binding.extent,
                    command=name,
                    cause=why,
                )
            )


_ONCE = object()
_NULL_KEY = "A null key is not allowed in a hash literal."


def _step(command: Command) -> Callable[[Value], None]:
    """What a command does with each object: bind it, run the body."""

    def take(piped: Value) -> None:
        binding = command.binding
        if piped is not _ONCE:
            try:
                binding = bind_piped(binding, piped)
            except StatementFailed as why:
                command.report(why.record)
                return
        binding.cmdlet.run(Invocation(command, binding))

    return take


def _waits(value: Value) -> bool:
    """Whether *value* holds something that only running gives."""
    if isinstance(value, PSListModifier):
        return any(_waits(item) for item in (*value.add, *value.remove, *value.replace))
    if isinstance(value, Hashtable):
        return any(_waits(item) for _, item in value.items())
    return value is UNKNOWN or (isinstance(value, tuple) and any(_waits(one) for one in value))


def _items(value: Value) -> tuple[Value, ...]:
    """What *value* gives to a pipeline: an array's items, and nothing for nothing."""
    return tuple(item for item in enumerate_value(value) if item is not NOTHING)


def _as_one(written: Sequence[Value]) -> Value:
    if not written:
        return NOTHING
    return written[0] if len(written) == 1 else tuple(written)


def _pure(pipeline: Pipeline) -> Expression | None:
    """The expression that *pipeline* is; None: it runs a command."""
    first = pipeline.elements[0]
    if len(pipeline.elements) == 1 and isinstance(first, ExpressionElement):
        return first.expression
    return None


def _is_command(node: object) -> TypeGuard[CommandNode]:
    if isinstance(node, Unsupported):
        raise StatementFailed(_unsupported(node))
    return isinstance(node, CommandNode)


def _dashes(element: CommandElement) -> bool:
    """Whether *element* is the ``--`` that ends the parameters: it binds to nothing (B2)."""
    return isinstance(element, CommandParameter) and element.name == "-"


def _asks_help(command: CommandNode) -> bool:
    return any(isinstance(one, CommandParameter) and one.name == "?" for one in command.elements)


def _hash_error(error_id: str, message: str, key: Expression) -> ErrorRecord:
    return ErrorRecord(
        error_id,
        Category.INVALID_OPERATION,
        message,
        _SMA + "RuntimeException",
        target="System.Collections.Hashtable",
        extent=key.extent,
    )


def _unsupported(node: Unsupported) -> ErrorRecord:
    """The refusal of what is no data; the doors above make it before anything runs."""
    return ErrorRecord(
        "NotData",
        Category.PARSER_ERROR,
        f"{node.construct} is not evaluated here: {node.advice}",
        _SMA + "ParseException",
        extent=node.extent,
    )
