"""
Lines of PowerShell: the two doors, argv and text, before one engine.

A text is judged whole before its first line runs: a typo in line 3 changes nothing. Then
its statements run in turn; the first that fails ends the text, unless it said that errors
do not matter (``-ErrorAction Continue`` or ``SilentlyContinue``).
"""

from __future__ import annotations

import re
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from tenantcfg.cli.app import CMDLETS, FORMATS, did_you_mean, failed, json_error, say
from tenantcfg.cli.changing import context_of, receipt_row
from tenantcfg.cli.exits import Exit, exit_of
from tenantcfg.cli.output import printable
from tenantcfg.cli.results import Results
from tenantcfg.cli.topics import cmdlet_help
from tenantcfg.cmdlets import LIST_PARAMETER, cmdlets, declared, summary
from tenantcfg.errors import InvalidInput, Refused, TenantcfgError
from tenantcfg.powershell import (
    Category,
    ConsoleHost,
    ErrorRecord,
    Kind,
    PromptCanceled,
    PromptUnavailable,
    Session,
    parse,
)
from tenantcfg.powershell.argv import ArgvRefusal, ParameterKind, parse_words
from tenantcfg.powershell.binding import matching
from tenantcfg.powershell.records import StatementFailed
from tenantcfg.powershell.tree import Extent, commands_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenantcfg.cli.app import Run
    from tenantcfg.history import Change
    from tenantcfg.powershell import Choice, Outcome, Parsed
    from tenantcfg.store import Tenant

__all__ = ["run_text", "run_words"]

_OURS = {"--store": "store_url", "--tenant": "tenant", "-o": "output", "--output": "output"}
_HELP = {"-h", "--help"}
_SHAPING = {"convertto", "export", "format", "out", "select", "where", "sort", "measure"}
_APPROVED = {
    "add",
    "clear",
    "connect",
    "disconnect",
    "get",
    "grant",
    "new",
    "remove",
    "set",
    "test",
}
_WIDTH = 120
"""Of a line of output and of a message where there is no terminal, as PowerShell has it."""


def run_words(run: Run, words: Sequence[str]) -> Exit:
    """Run what a shell left of one line: a cmdlet's name and the words behind it."""
    kept = _without_ours(run, words)
    return _Text(run).run_words(kept)


def run_text(run: Run, door: str, words: Sequence[str]) -> Exit:
    """Run a text: the words of ``-Command``, the file of ``-File``, or standard input."""
    kept = _without_ours(run, words)
    if door == "command" and not kept:
        raise InvalidInput("-Command has no text", hint="tenantcfg -Command 'Get-CsTenant'")
    if door == "command" and kept != ["-"]:
        return _Text(run).run(parse(" ".join(kept)))
    if door == "file":
        return _Text(run).run(parse(_file(kept)))
    if door == "stdin" and kept:
        raise InvalidInput("a word behind -", subject=f"'{kept[0]}'", hint="the text is read alone")
    return _Text(run).run(parse(_decoded(sys.stdin.buffer.read(), "standard input")))


class _Text:
    """One text on its way through the engine."""

    def __init__(self, run: Run) -> None:
        self._told = run
        self._context = context_of(run)
        self._context.on_change = self._on_change
        self._context.on_receipt = self._on_receipt
        self._results = Results(self._context, run.output)
        self._changed = False
        self._source = ""
        self._cmdlets = cmdlets(self._context)
        self._session = Session(self._cmdlets, self._host())

    def run_words(self, words: Sequence[str]) -> Exit:
        """Run the line that a shell made *words* of; the exit code."""
        parsed = parse_words(words, parameters=self._kinds(words[0]))
        if isinstance(parsed, ArgvRefusal):
            paste = f"\nto paste: tenantcfg {parsed.line_to_paste}" if parsed.line_to_paste else ""
            raise InvalidInput(parsed.message.rstrip("."), hint=parsed.hint + paste)
        return self.run(parsed)

    def run(self, parsed: Parsed) -> Exit:
        """Judge the text, run it, print what came out; the exit code."""
        with closing(self._context):
            return self._run(parsed)

    def _run(self, parsed: Parsed) -> Exit:
        self._source = parsed.script.text
        self._context.alone = len(list(commands_in(parsed.script.statements))) == 1
        if parsed.unsupported or parsed.errors:
            return self._refused(parsed)
        problems = self._session.judge(parsed.script)
        for record in problems:
            self._show(record)
        if problems:
            return _exit_of(problems[0])
        code = Exit.UNEXPECTED
        try:
            code = self._statements(parsed)
        except Refused as why:
            code = failed(self._told, why, leaves=Exit.PARTLY if self._changed else None)
        finally:
            self._results.finish(done=code is Exit.DONE)
        return code

    def _statements(self, parsed: Parsed) -> Exit:
        code = self._told.unread = Exit.DONE
        for statement in parsed.script.statements:
            outcome = self._statement(statement)
            for name in outcome.help_for:
                print(cmdlet_help(name), end="")
            self._results.statement_ended()
            error = outcome.first_error
            if error is None:
                continue
            if code is Exit.DONE:
                code = self._told.unread = _exit_of(error)
            if outcome.terminating is not None or not outcome.goes_on or _lost(error):
                return Exit.PARTLY if self._changed else code
        return code

    def _statement(self, statement: Any) -> Outcome:  # noqa: ANN401 - a node of the tree
        try:
            outcome = self._session.run_statement(statement)
        except PromptUnavailable as why:
            hint = "add -Force or '-Confirm:$false' where nobody can answer"
            left = "what was changed before stays" if self._changed else "nothing was changed"
            raise Refused(str(why).rstrip("."), why=left, hint=hint) from why
        except PromptCanceled as why:
            raise KeyboardInterrupt(str(why)) from why
        if outcome.terminating is not None:
            self._show(outcome.terminating)
        return outcome

    def _host(self) -> ConsoleHost:
        answers = sys.stdin if sys.stdin.isatty() and sys.stderr.isatty() else None
        # The what-if line is what was asked for, so it is data; but not in a program's format.
        shown = sys.stdout if self._told.output is None else sys.stderr
        return _Console(shown, answers, on_object=self._results.take, on_error=self._show)

    def _kinds(self, command: str) -> Callable[[str], ParameterKind]:
        """What a parameter's name is to *command*, for the argv door."""
        name = command.rpartition("\\")[2].lower()
        names = {name, f"get-{name}"}
        found = next((one for one in self._cmdlets if one.name.lower() in names), None)

        def kind(parameter: str) -> ParameterKind:
            try:
                meant = matching(found, parameter, Extent(0, 0)) if found else None
            except StatementFailed:
                return ParameterKind.UNKNOWN
            if meant is None:
                return ParameterKind.UNKNOWN
            if meant.kind is Kind.LIST_MODIFIER:
                return ParameterKind.LIST
            return ParameterKind.SWITCH if meant.is_switch else ParameterKind.VALUE

        return kind

    def _on_change(self, change: Change, tenant: Tenant) -> None:
        if change.stored:
            self._changed = True
        if self._told.output is None and (change.stored or not change.effective):
            for line in summary(change, tenant=tenant.name or tenant.id.value):
                say(line)

    def _on_receipt(self, change: Change, tenant: Tenant) -> None:
        if self._told.output is not None:
            self._results.take_receipt(receipt_row(change, tenant.name, what_if=not change.stored))

    def _refused(self, parsed: Parsed) -> Exit:
        """Refuse a text that does not parse, or is more than data; the first place decides."""
        if parsed.errors and not parsed.unsupported:
            first = parsed.errors[0]
            record = ErrorRecord(
                first.id,
                Category.PARSER_ERROR,
                first.message,
                "System.Management.Automation.ParseException",
                extent=first.extent,
            )
            self._show(record)
            return Exit.USAGE
        found = parsed.unsupported[0]
        line, column = _place(self._source, found.extent.start)
        raise InvalidInput(
            f"{found.construct} is not evaluated here",
            subject=f"line {line}, column {column}",
            why="a line is data, not a program",
            hint=found.advice,
        )

    def _show(self, record: ErrorRecord) -> None:
        why = record.cause
        if self._told.output in {"json", "jsonl"}:
            ours = isinstance(why, TenantcfgError)
            error = why if isinstance(why, TenantcfgError) else InvalidInput(record.message)
            leaves = Exit.PARTLY if self._changed else _exit_of(record)
            line = json_error(error, leaves, code=error.code if ours else record.id)
            say(line)
            return
        for line in record.render(self._source, _width()).rstrip("\n").splitlines():
            say(line)
        if hint := self._hint(record):
            say(f"hint: {hint}")

    def _hint(self, record: ErrorRecord) -> str | None:
        """What the one who typed may have meant, below PowerShell's own words."""
        if dashes := re.search(r"(?:^|\s)--([A-Za-z]\w*)", self._source):
            return f"a parameter has one dash: -{dashes[1]}"
        if record.id == "MissingArgument":
            clear = "; to clear the list, write '$null' in single quotes"
            return (
                f"did the shell take the value?{clear if LIST_PARAMETER in record.message else ''}"
            )
        typed = re.search(r"'([^']*)'", record.message)
        if typed is None:
            return None
        if record.fqid == "CommandNotFoundException":
            return _instead(typed[1])
        if record.id == "NamedParameterNotFound" and record.command:
            return did_you_mean(f"-{typed[1]}", [f"-{name}" for name in declared(record.command)])
        return None


class _Console(ConsoleHost):
    """The terminal: what-if lines on one stream, all other talk on standard error."""

    def __init__(self, shown: TextIO, answers: TextIO | None, **to: Callable[[Any], None]) -> None:
        super().__init__(sys.stderr, answers, on_object=to["on_object"], on_error=to["on_error"])
        self._shown = shown
        self._answers = answers

    def out_line(self, text: str) -> None:
        print("\n".join(map(printable, text.split("\n"))), file=self._shown, flush=True)

    def verbose(self, text: str) -> None:
        say(f"VERBOSE: {text}")

    def warning(self, text: str) -> None:
        say(f"WARNING: {text}")

    def debug(self, text: str) -> None:
        say(f"DEBUG: {text}")

    def information(self, text: str) -> None:
        say(text)

    def prompt_for_choice(
        self, caption: str, message: str, choices: Sequence[Choice], default: int
    ) -> int:
        if self._answers is None:
            say(message)
        try:
            return super().prompt_for_choice(caption, message, choices, default)
        except (PromptUnavailable, PromptCanceled):
            # The cursor stands behind the question.
            if self._answers is not None:
                print(file=sys.stderr)
            raise


def _instead(name: str) -> str:
    """What to write instead of a command that there is not."""
    verb, dash, _ = name.lower().partition("-")
    if dash and verb in _SHAPING:
        return "add -o json, or jsonl, csv, yaml, table, list, for output in another form"
    if not (dash and verb.isalpha() and verb in _APPROVED):
        return f'if it is a value, put it in quotes: "{name}"'
    return did_you_mean(name, CMDLETS)


def _exit_of(record: ErrorRecord) -> Exit:
    return exit_of(record.cause) if record.cause is not None else Exit.USAGE


def _lost(record: ErrorRecord) -> bool:
    """Whether what failed was a Connect: the lines behind it would mean another tenant."""
    return record.command == "Connect-MicrosoftTeams"


def _without_ours(run: Run, words: Sequence[str]) -> list[str]:
    """The words without our own options, which are ours wherever they stand."""
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        name, given, value = word.partition("=")
        if word in _HELP:
            kept.append("-?")
        elif name in _OURS and (word == name or name.startswith("--")):
            _take(run, name, value if given else next(rest, None))
        else:
            kept.append(word)
    return kept


def _take(run: Run, name: str, value: str | None) -> None:
    if not value:
        raise InvalidInput("an option has no value", subject=name)
    if _OURS[name] == "output" and value not in FORMATS:
        raise InvalidInput(
            "no such format", subject=f"'{value}'", hint=f"one of {', '.join(FORMATS)}"
        )
    setattr(run, _OURS[name], value)


def _file(words: Sequence[str]) -> str:
    if not words:
        raise InvalidInput("-File has no path", hint="tenantcfg -File grants.ps1")
    if len(words) != 1:
        raise InvalidInput(
            "-File takes one path and nothing behind it",
            subject=f"'{' '.join(words)}'",
            why="a text takes no arguments",
            hint="tenantcfg -File grants.ps1",
        )
    path = Path(words[0])
    try:
        return _decoded(path.read_bytes(), f"'{path}'")
    except OSError as why:
        raise InvalidInput(
            "cannot read the text", subject=f"'{path}'", why=why.strerror or ""
        ) from why


def _decoded(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as why:
        line = content[: why.start].count(b"\n") + 1
        hint = "in Windows PowerShell: Out-File -Encoding utf8"
        raise InvalidInput("not UTF-8", subject=f"{where}, line {line}", hint=hint) from why


def _place(text: str, at: int) -> tuple[int, int]:
    before = text[:at].replace("\r\n", "\n").replace("\r", "\n")
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _width() -> int:
    import shutil  # noqa: PLC0415

    return shutil.get_terminal_size((_WIDTH, 24)).columns if sys.stderr.isatty() else _WIDTH
