"""
The command line: names, options that stand anywhere, and how a run ends.

A word that is a cmdlet's name begins a line of PowerShell and everything behind it is that
line's (`lines`); every other command is a native verb, POSIX style, in a module that loads
when it is called.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from tenantcfg import __version__
from tenantcfg.cli.exits import Exit, exit_of
from tenantcfg.errors import InvalidInput, OutputLost, SettingInvalid, TenantcfgError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from click.shell_completion import CompletionItem

    from tenantcfg.settings import Settings
    from tenantcfg.store import Store

Command = TypeVar("Command", bound="Callable[..., object] | click.Command")

FORMATS = ("table", "list", "json", "jsonl", "csv", "yaml")

__all__ = [
    "CMDLETS",
    "EXAMPLES",
    "FORMATS",
    "Run",
    "Verb",
    "Verbs",
    "did_you_mean",
    "failed",
    "json_error",
    "known_apps",
    "known_calls",
    "known_keys",
    "known_participants",
    "known_tenants",
    "main",
    "run",
    "say",
    "tenantcfg",
    "verb_options",
]

CMDLETS = (
    "Set-CsApplicationMeetingConfiguration",
    "Get-CsApplicationMeetingConfiguration",
    "Connect-MicrosoftTeams",
    "Disconnect-MicrosoftTeams",
    "Get-CsTenant",
)
_APP = "5817674c-81d9-4adb-bfb2-8f6a442e4622"
_LIST = "-AllowRemoveParticipantAppIds"
EXAMPLES = (
    "tenantcfg tenant add 72f988bf-86f1-41af-91ab-2d7cd011db47 contoso",
    f"""tenantcfg Set-CsApplicationMeetingConfiguration {_LIST} '@{{Add="{_APP}"}}'""",
    "tenantcfg Get-CsApplicationMeetingConfiguration",
    f"tenantcfg check --tenant contoso --app {_APP}",
    "tenantcfg history",
    "tenantcfg undo 2 --what-if",
)
"""The first half hour, in six lines."""
_VERB_NOUN = re.compile(
    r"(?i)(?:\w+\\)?(?:[a-z]+-[a-z]\w*|cs(?:applicationmeetingconfiguration|tenant))"
)
_TEXT_DOORS = {"-command": "command", "-c": "command", "-file": "file", "-f": "file", "-": "stdin"}
_POWERSHELL_OPTION = re.compile(r"(?i)-(?!command$|file$|o)[a-z]{2,}")
_VERBS = {
    "check": ("tenantcfg.cli.asking", "check"),
    "who": ("tenantcfg.cli.asking", "who"),
    "history": ("tenantcfg.cli.past", "history"),
    "undo": ("tenantcfg.cli.past", "undo"),
    "audit": ("tenantcfg.cli.past", "audit"),
    "tenant": ("tenantcfg.cli.tenants", "tenant"),
    "key": ("tenantcfg.cli.keys", "key"),
    "call": ("tenantcfg.cli.calls", "call_"),
    "db": ("tenantcfg.cli.database", "db"),
    "serve": ("tenantcfg.cli.serving", "serve"),
    "wait": ("tenantcfg.cli.waiting", "wait"),
    "decisions": ("tenantcfg.cli.decisions", "decisions"),
    "explain-request": ("tenantcfg.cli.decisions", "explain_request"),
    "completion": ("tenantcfg.cli.completion", "completion"),
    "help": ("tenantcfg.cli.topics", "help_"),
}


def say(line: str) -> None:
    """A line of talk, on standard error, with control characters escaped."""
    from tenantcfg.cli.output import printable  # noqa: PLC0415

    # Talk that nobody can hear makes nothing undone that was done.
    with suppress(OSError, ValueError):
        print("\n".join(printable(part) for part in line.split("\n")), file=sys.stderr, flush=True)


@dataclass(slots=True)
class Run:
    """
    What one call of the program was told by options that stand anywhere.

    *unread* is the exit code if whoever reads the output goes away in the middle. It is an
    error unless a verb says otherwise: a denial that nobody read must not end like a permit.
    """

    store_url: str | None = None
    tenant: str | None = None
    output: str | None = None
    unread: Exit = Exit.UNEXPECTED
    _settings: Settings | None = field(default=None, init=False)

    @property
    def settings(self) -> Settings:
        """The settings, read when first asked for."""
        if self._settings is None:
            from tenantcfg.settings import load  # noqa: PLC0415

            self._settings = load(os.environ, store=self.store_url, tenant=self.tenant)
        return self._settings

    def open_store(self) -> Store:
        """The store that is meant; it must be there."""
        from tenantcfg.store import Store  # noqa: PLC0415

        return Store.open(self.settings.database_url)


class _WithExamples(click.Command):
    """A command whose examples come first in its help."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The sentence, then the examples."""
        super().format_help_text(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


class Verb(_WithExamples):
    """
    A native verb.

    Args:
        meant: what is said of options that it has not, and that many try.
    """

    def __init__(self, *args: Any, meant: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._meant = meant or {}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The rest of *args*, once the options are read."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as why:
            hint = self._meant.get(why.option_name)
            if hint is None:
                raise
            raise click.UsageError(f"no such option: {why.option_name}: {hint}", ctx) from why


class Verbs(_WithExamples, click.Group):
    """A group that knows what was meant by a name it does not know."""

    command_class = Verb

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command, or an error that names the nearest ones."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            hint = did_you_mean(args[0], self.list_commands(ctx))
            ctx.fail(f"no such command: '{args[0]}': {hint}")
        return super().resolve_command(ctx, args)


class _ReaderGone(Exception):
    """Whoever reads standard output has gone; there is no use in writing on."""


class _TopLevel(Verbs):
    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as click has it
        try:
            return super().invoke(ctx)
        except BrokenPipeError as why:
            # click would end in exit code 1.
            raise _ReaderGone from why

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return [*_VERBS, *CMDLETS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name in _VERBS:
            module, name = _VERBS[cmd_name]
            command: click.Command = getattr(import_module(module), name)
            return command
        if cmd_name.lower() in _TEXT_DOORS:
            return _Text(cmd_name)
        if _VERB_NOUN.fullmatch(cmd_name):
            return _Line(cmd_name)
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        from tenantcfg.cli.topics import SUMMARIES  # noqa: PLC0415

        with formatter.section("Verbs"):
            formatter.write_dl([(name, SUMMARIES[name]) for name in _VERBS])
        with formatter.section("Cmdlets, as in PowerShell"):
            formatter.write_dl([(name, SUMMARIES[name]) for name in CMDLETS])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem  # noqa: PLC0415

        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        low = incomplete.lower()
        return [
            CompletionItem(name) for name in (*_VERBS, *CMDLETS) if name.lower().startswith(low)
        ]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing and not sys.stdin.isatty():
            args = ["-"]
        first = _first_word(args)
        if first < len(args) and _POWERSHELL_OPTION.fullmatch(args[first]):
            ctx.fail(f"no such option: '{args[first]}': a text is given by -Command or -File")
        if first < len(args) and args[first].lower() in _TEXT_DOORS:
            # "-Command" would be read as a row of short options.
            args = [*args[:first], "--", *args[first:]]
        return super().parse_args(ctx, args)


class _Line(click.Command):
    """One line of PowerShell: what stands behind the cmdlet's name passes untouched."""

    def __init__(self, name: str) -> None:
        super().__init__(name, add_help_option=False)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.args = args
        return args

    def invoke(self, ctx: click.Context) -> Exit:
        from tenantcfg.cli.lines import run_words  # noqa: PLC0415

        return run_words(ctx.obj, [self.name or "", *ctx.args])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from tenantcfg.cli.completion import complete_line  # noqa: PLC0415

        return complete_line(ctx, self.name or "", incomplete)


class _Text(_Line):
    """A text of lines: ``-Command TEXT``, ``-File PATH``, or standard input."""

    def invoke(self, ctx: click.Context) -> Exit:
        from tenantcfg.cli.lines import run_text  # noqa: PLC0415

        return run_text(ctx.obj, _TEXT_DOORS[(self.name or "").lower()], ctx.args)


def _first_word(args: Sequence[str]) -> int:
    """The place of the first word that is neither one of our options nor its value."""
    place = 0
    while place < len(args):
        name, equals, _ = args[place].partition("=")
        if name in {"--store", "--tenant", "-o", "--output"}:
            place += 1 if equals else 2
        elif name.startswith("-o"):
            place += 1
        else:
            break
    return place


def did_you_mean(wanted: str, known: Iterable[str]) -> str:
    """The nearest of *known* names to *wanted*, as a question."""
    from difflib import get_close_matches  # noqa: PLC0415

    lower = {name.lower(): name for name in known}
    near = [lower[name] for name in get_close_matches(wanted.lower(), lower, n=3, cutoff=0.6)]
    return f"did you mean {' or '.join(near)}?" if near else "tenantcfg help lists them"


def _take(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value == "":
        # A script's unset variable: never a question about another tenant or store.
        raise InvalidInput("an option has no value", subject=parameter.opts[-1])
    if value is not None:
        setattr(ctx.ensure_object(Run), str(parameter.name), value)


def known_tenants(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Completion: the tenants that the store knows."""
    from tenantcfg.cli.completion import tenants  # noqa: PLC0415

    return tenants(ctx, parameter, incomplete)


def known_apps(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Completion: the apps that have a grant anywhere."""
    from tenantcfg.cli.completion import apps  # noqa: PLC0415

    return apps(ctx, parameter, incomplete)


def known_keys(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Completion: the service keys that were not revoked."""
    from tenantcfg.cli.completion import keys  # noqa: PLC0415

    return keys(ctx, parameter, incomplete)


def known_calls(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Completion: the calls of the tenant that is meant."""
    from tenantcfg.cli.completion import calls  # noqa: PLC0415

    return calls(ctx, parameter, incomplete)


def known_participants(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Completion: those in the call that the line names before."""
    from tenantcfg.cli.completion import participants  # noqa: PLC0415

    return participants(ctx, parameter, incomplete)


def verb_options(*, tenant: bool = False) -> Callable[[Command], Command]:
    """The options that stand anywhere: ``--store``, ``-o``, and ``--tenant`` if *tenant*."""

    def add(command: Command) -> Command:
        options = [
            click.option(
                "--store",
                "store_url",
                metavar="URL",
                expose_value=False,
                callback=_take,
                help="The store, instead of the one in the settings.",
            ),
            click.option(
                "-o",
                "--output",
                "output",
                type=click.Choice(FORMATS),
                expose_value=False,
                callback=_take,
                help="Print data in this format.",
            ),
        ]
        if tenant:
            options.append(
                click.option(
                    "--tenant",
                    "tenant",
                    metavar="TENANT",
                    expose_value=False,
                    callback=_take,
                    shell_complete=known_tenants,
                    help="The tenant, by id or name.",
                )
            )
        for option in options:
            command = option(command)
        return command

    return add


@click.group(
    cls=_TopLevel,
    context_settings={"help_option_names": ["-h", "--help", "-?"], "max_content_width": 100},
    epilog="Topics: tenantcfg help",
    examples=EXAMPLES,
)
@click.version_option(__version__, message="tenantcfg %(version)s")
@verb_options(tenant=True)
def tenantcfg() -> None:
    """
    Which applications may remove participants from meetings, tenant by tenant.

    Also a text of lines: tenantcfg -Command TEXT, tenantcfg -File PATH, or standard input.
    """


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the program on *argv* (the process's own without it) and leave with its exit code."""
    _open_streams()
    code = run(sys.argv[1:] if argv is None else argv)
    _let_go_of_streams()
    sys.exit(code)


def _open_streams() -> None:
    """Make the three streams usable, however the parent left them."""
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            # Closed: as if it were /dev/null, and no file that is opened later takes its place.
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _let_go_of_streams() -> None:
    """Drop what cannot be written: the interpreter, which would try again, ends with 120 then."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def run(argv: Sequence[str]) -> int:
    """Run the program on *argv*; its exit code. Every error ends here, as one line."""
    told, code = Run(), int(Exit.DONE)
    try:
        result = tenantcfg.main(list(argv), prog_name="tenantcfg", standalone_mode=False, obj=told)
        code = int(result) if isinstance(result, int) else code
        sys.stdout.flush()
    except _ReaderGone:
        # Whoever reads has gone, which makes no denial a permit: the exit code stays what it is.
        code = told.unread
    except BrokenPipeError:
        pass
    except BaseException as why:  # noqa: BLE001 - each kind ends in its exit code, or goes on
        return _ended(told, why, argv)
    return code


def _format_in(argv: Sequence[str]) -> str | None:
    line = " ".join(argv)
    found = re.search(r"(?:^|\s)(?:-o\s*|--output[=\s])(json|jsonl)(?=\s|$)", line)
    return found[1] if found else None


def _ended(told: Run, why: BaseException, argv: Sequence[str]) -> int:
    match why:
        case click.exceptions.Exit():
            return why.exit_code
        case click.exceptions.NoArgsIsHelpError():
            print(why.format_message(), file=sys.stderr)
            return Exit.USAGE
        case click.Abort() | KeyboardInterrupt():
            say(f"interrupted: {str(why) or 'nothing is half-done'}")
            return Exit.INTERRUPTED
        case click.UsageError():
            # Where the line could not be read, what it said of the format still counts.
            told.output = told.output or _format_in(argv)
            return failed(told, _as_ours(why), hint=_usage_hint(why))
        case Exception():
            return failed(told, _as_ours(why))
    raise why


def _as_ours(why: Exception) -> TenantcfgError:
    match why:
        case TenantcfgError():
            return why
        case click.UsageError():
            return InvalidInput(why.format_message())
        case OSError(filename=None):
            hint = "a change that was asked for is made: tenantcfg history shows it"
            said = why.strerror or str(why)
            return OutputLost("standard output cannot be written", why=said, hint=hint)
        case OSError():
            return SettingInvalid(_os_error(why))
    return TenantcfgError(f"unexpected {type(why).__name__}", why=str(why))


def failed(told: Run, why: TenantcfgError, *, hint: str = "", leaves: Exit | None = None) -> Exit:
    """Report *why*; the exit code: *leaves*, or else the error's own."""
    code = exit_of(why) if leaves is None else leaves
    if told.output in {"json", "jsonl"}:
        say(json_error(why, code))
    else:
        say(f"tenantcfg: {why}{hint}")
    return code


def json_error(why: TenantcfgError, leaves: Exit, *, code: str = "") -> str:
    """
    The error as one JSON object, with its stable *code*.

    The code is the error's own, or PowerShell's error id where the words are PowerShell's.
    """
    from tenantcfg.cli.output import dumped  # noqa: PLC0415

    members = {
        "schema": "tenantcfg/error/1",
        "code": code or why.code,
        "message": str(why),
        "what": why.what,
        "subject": why.subject,
        "why": why.why,
        "hint": why.hint,
        "exit": int(leaves),
    }
    return dumped(members, sys.stderr)


def _usage_hint(why: Exception) -> str:
    context = why.ctx if isinstance(why, click.UsageError) else None
    return f"\nsee: {context.command_path} --help" if context else ""


def _os_error(why: OSError) -> str:
    return f"the system refused: '{why.filename}': {why.strerror or why}"
