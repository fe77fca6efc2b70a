"""
What a cmdlet's body sees of its call: bound values, and the ways to write, ask and fail.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn

from tenantcfg.powershell.host import (
    ALL,
    HALT,
    NO,
    NO_TO_ALL,
    SUSPEND,
    YES,
    YES_TO_ALL,
    Choice,
)
from tenantcfg.powershell.records import Category, ErrorRecord, StatementFailed, TextStopped
from tenantcfg.powershell.values import ActionPreference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenantcfg.powershell.binding import Binding, Cmdlet
    from tenantcfg.powershell.host import Host
    from tenantcfg.powershell.values import Value

__all__ = ["Command", "Invocation", "Journal"]

_CONFIRM = "Confirm"
_SURE = "Are you sure you want to perform this action?"
_STOPPED = (
    'The running command stopped because the preference variable "{preference}" or common '
    "parameter is set to Stop: "
)


@dataclass(slots=True)
class Journal:
    """What happened to errors while statements ran, in order."""

    errors: list[ErrorRecord] = field(default_factory=list)
    suppressed: list[ErrorRecord] = field(default_factory=list)
    untolerated: bool = False
    first: ErrorRecord | None = None

    def write(self, record: ErrorRecord) -> None:
        """Keep an error of the stream."""
        self.errors.append(record)
        self.first = self.first or record

    def suppress(self, record: ErrorRecord) -> None:
        """Keep an error that is not to be shown."""
        self.suppressed.append(record)
        self.first = self.first or record


@dataclass(slots=True)
class Command:
    """One command of a running pipeline: what its calls share."""

    binding: Binding
    invocation_name: str
    host: Host
    journal: Journal
    emit: Callable[[Value], None]
    _answered: Choice | None = None
    _errors_answered: Choice | None = None

    def preference(self, name: str, default: ActionPreference) -> ActionPreference:
        """The action that the common parameter *name* asks for."""
        given = self.binding.bound.get(name)
        return given if isinstance(given, ActionPreference) else default

    def switched_on(self, name: str) -> bool:
        """Whether the common switch *name* is on the line and not false."""
        return bool(self.binding.bound.get(name))

    def report(self, record: ErrorRecord) -> None:
        """
        Write a non-terminating error as -ErrorAction says.

        Raises:
            TextStopped: it says Stop, or asks and the answer is to halt.
        """
        action = self.preference("ErrorAction", ActionPreference.Continue)
        if action is ActionPreference.Stop:
            text = _STOPPED.format(preference="ErrorActionPreference") + record.message
            raise TextStopped(replace(record, message=text, shown=record.message))
        if "ErrorAction" not in self.binding.bound:
            self.journal.untolerated = True
        if action in {ActionPreference.SilentlyContinue, ActionPreference.Ignore}:
            self.journal.suppress(record)
            return
        if action is ActionPreference.Inquire:
            self._inquire(record.message)
        self.journal.write(record)
        self.host.error(record)

    def say(
        self, write: Callable[[str], None], text: str, action: ActionPreference, preference: str
    ) -> None:
        """Write *text* to a stream, as its preference says."""
        if action in {ActionPreference.SilentlyContinue, ActionPreference.Ignore}:
            return
        write(text)
        if action is ActionPreference.Stop:
            self._stop(_STOPPED.format(preference=preference) + text)
        if action is ActionPreference.Inquire:
            self._inquire(text)

    def choose(self, caption: str, message: str, choices: tuple[Choice, ...]) -> Choice:
        """The answer; while it is to suspend, the host does that and is asked again."""
        while True:
            answer = choices[self.host.prompt_for_choice(caption, message, choices, 0)]
            if answer is not SUSPEND:
                return answer
            self.host.suspend()

    def should_process(self, message: str) -> bool:
        """Whether to do what *message* says, in the order of cmdlets S2."""
        if self._answered is not None:
            return self._answered is YES_TO_ALL
        if self.switched_on("WhatIf"):
            self.host.out_line(f"What if: {message}")
            return False
        if not self.switched_on("Confirm"):
            if self.switched_on("Verbose"):
                self.host.verbose(message)
            return True
        answer = self.choose(_CONFIRM, f"{_SURE}\n{message}", ALL)
        if answer in {YES_TO_ALL, NO_TO_ALL}:
            self._answered = answer
        return answer in {YES, YES_TO_ALL}

    def _inquire(self, message: str) -> None:
        if self._errors_answered is YES_TO_ALL:
            return
        answer = self.choose(_CONFIRM, message, (YES, YES_TO_ALL, HALT, SUSPEND))
        if answer is HALT:
            self._stop("The running command stopped because the user selected the Stop option.")
        if answer is YES_TO_ALL:
            self._errors_answered = answer

    def _stop(self, message: str) -> NoReturn:
        raise TextStopped(
            ErrorRecord(
                f"ActionPreferenceStop,{self.binding.cmdlet.name}",
                Category.OPERATION_STOPPED,
                message,
                "System.Management.Automation.ActionPreferenceStopException",
                extent=self.binding.extent,
                command=self.binding.cmdlet.name,
            )
        )


class Invocation:
    """
    One call of a cmdlet's body: once, or once for each object of the pipeline.

    Attributes:
        cmdlet: what is called; *invocation_name* as it was typed.
        parameter_set: the name of the set in force.
        bound: the values by canonical parameter name, the piped object among them; what was
            not given is missing.
    """

    __slots__ = ("_command", "bound", "cmdlet", "invocation_name", "parameter_set")

    def __init__(self, command: Command, binding: Binding) -> None:
        self._command = command
        self.cmdlet: Cmdlet = binding.cmdlet
        self.invocation_name = command.invocation_name
        self.parameter_set = binding.parameter_set
        self.bound: Mapping[str, Any] = binding.bound

    @property
    def what_if(self) -> bool:
        """Whether -WhatIf is in force."""
        return self._command.switched_on("WhatIf")

    def should_process(self, target: str, action: str | None = None) -> bool:
        """
        Whether to go on: the what-if line, the verbose line or the prompt as needed (S1 to S7).

        *action* is the cmdlet's name where it is not given.

        Raises:
            PromptUnavailable, PromptCanceled: the question has no answer.
        """
        doing = action if action is not None else self.cmdlet.name
        return self._command.should_process(
            f'Performing the operation "{doing}" on target "{target}".'
        )

    def should_continue(self, query: str, caption: str = _CONFIRM) -> bool:
        """
        Ask *query* whatever the preferences, Yes or No (cmdlets S10).

        Raises:
            PromptUnavailable, PromptCanceled: the question has no answer.
        """
        return self._command.choose(caption, query, (YES, NO, SUSPEND)) is YES

    def write(self, value: Value) -> None:
        """Write an object to the pipeline."""
        self._command.emit(value)

    def host_line(self, text: str) -> None:
        """Show a line on the host, as the what-if line is shown."""
        self._command.host.out_line(text)

    def verbose(self, text: str) -> None:
        """Say *text* where -Verbose is on."""
        if self._command.switched_on("Verbose"):
            self._command.host.verbose(text)

    def debug(self, text: str) -> None:
        """Say *text* where -Debug is on."""
        if self._command.switched_on("Debug"):
            self._command.host.debug(text)

    def warning(self, text: str) -> None:
        """Warn of *text*, as -WarningAction says."""
        action = self._command.preference("WarningAction", ActionPreference.Continue)
        self._command.say(self._command.host.warning, text, action, "WarningPreference")

    def information(self, text: str) -> None:
        """Say *text* where -InformationAction asks for it."""
        action = self._command.preference("InformationAction", ActionPreference.SilentlyContinue)
        self._command.say(self._command.host.information, text, action, "InformationPreference")

    def write_error(
        self,
        message: str,
        error_id: str,
        *,
        category: str = Category.NOT_SPECIFIED,
        target: str | None = None,
        cause: BaseException | None = None,
    ) -> None:
        """
        Write an error and go on, as -ErrorAction says.

        Raises:
            TextStopped: -ErrorAction says Stop; the body lets it pass.
        """
        self._command.report(self._record(message, error_id, category, target, cause))

    def fail(
        self,
        message: str,
        error_id: str,
        *,
        category: str = Category.NOT_SPECIFIED,
        target: str | None = None,
        cause: BaseException | None = None,
    ) -> NoReturn:
        """End the statement with an error."""
        raise StatementFailed(self._record(message, error_id, category, target, cause))

    def _record(
        self,
        message: str,
        error_id: str,
        category: str,
        target: str | None,
        cause: BaseException | None,
    ) -> ErrorRecord:
        name = self.cmdlet.name
        return ErrorRecord(
            fqid=f"{error_id},{name}",
            category=category,
            message=message,
            exception="System.Exception",
            target=target,
            extent=self._command.binding.extent,
            command=name,
            cause=cause,
        )
