"""
Where a session's talk goes and its questions come from: the protocol, and a real terminal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TextIO

    from tenantcfg.powershell.records import ErrorRecord
    from tenantcfg.powershell.values import Value

__all__ = [
    "ALL",
    "HALT",
    "NO",
    "NO_TO_ALL",
    "SUSPEND",
    "YES",
    "YES_TO_ALL",
    "Choice",
    "ConsoleHost",
    "Host",
    "PromptCanceled",
    "PromptUnavailable",
    "ask",
]


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer of a prompt; the letter behind ``&`` in *label* is its key."""

    label: str
    help: str

    @property
    def key(self) -> str:
        """The key in capitals; empty where there is none."""
        return self.label.partition("&")[2][:1].upper()

    @property
    def text(self) -> str:
        """The label without its mark."""
        return self.label.replace("&", "", 1)


YES = Choice("&Yes", "Continue with only the next step of the operation.")
YES_TO_ALL = Choice("Yes to &All", "Continue with all the steps of the operation.")
NO = Choice("&No", "Skip this operation and proceed with the next operation.")
NO_TO_ALL = Choice("No to A&ll", "Skip this operation and all subsequent operations.")
HALT = Choice("&Halt Command", "Stop this command.")
SUSPEND = Choice(
    "&Suspend",
    "Pause the current pipeline and return to the command prompt. "
    'Type "exit" to resume the pipeline.',
)
ALL = (YES, YES_TO_ALL, NO, NO_TO_ALL, SUSPEND)
"""The answers to a confirmation, in PowerShell's order."""


class PromptUnavailable(Exception):
    """There is nobody to ask: no terminal, or its input has ended. Nothing was done."""

    def __init__(self) -> None:
        super().__init__(
            "PowerShell is in NonInteractive mode. Read and Prompt functionality is not available."
        )


class PromptCanceled(Exception):
    """A person answered a question with Ctrl+C. Nothing was done."""

    def __init__(self) -> None:
        super().__init__("The prompt was canceled.")


class Host(Protocol):
    """What a session needs of the world around it."""

    def write_object(self, value: Value) -> None:
        """Take an object that a statement wrote."""

    def out_line(self, text: str) -> None:
        """Show a line that is for the eye and no output, as the what-if line is."""

    def verbose(self, text: str) -> None:
        """Take a verbose message."""

    def warning(self, text: str) -> None:
        """Take a warning."""

    def debug(self, text: str) -> None:
        """Take a debug message."""

    def information(self, text: str) -> None:
        """Take an information message."""

    def error(self, record: ErrorRecord) -> None:
        """Take an error, in the order in which they occur."""

    def prompt_for_choice(
        self, caption: str, message: str, choices: Sequence[Choice], default: int
    ) -> int:
        """
        Ask, and return the index of the choice.

        Raises:
            PromptUnavailable: there is nobody to ask.
            PromptCanceled: the answer was Ctrl+C.
        """

    def suspend(self) -> None:
        """Let the person look round until they say that it may go on."""


class ConsoleHost:
    """
    A terminal: talk on one stream, answers from another.

    *answers* is None where nobody can answer. Objects and errors are the caller's to show.
    """

    def __init__(
        self,
        talk: TextIO,
        answers: TextIO | None,
        *,
        on_object: Callable[[Value], None],
        on_error: Callable[[ErrorRecord], None],
    ) -> None:
        self._talk = talk
        self._answers = answers
        self.write_object = on_object
        self.error = on_error

    def out_line(self, text: str) -> None:
        """Show *text* as it is."""
        print(text, file=self._talk)

    def verbose(self, text: str) -> None:
        """Show *text* as verbose."""
        self.out_line(f"VERBOSE: {text}")

    def warning(self, text: str) -> None:
        """Show *text* as a warning."""
        self.out_line(f"WARNING: {text}")

    def debug(self, text: str) -> None:
        """Show *text* as for debugging."""
        self.out_line(f"DEBUG: {text}")

    def information(self, text: str) -> None:
        """Show *text*."""
        self.out_line(text)

    def prompt_for_choice(
        self, caption: str, message: str, choices: Sequence[Choice], default: int
    ) -> int:
        """Ask as PowerShell's console does (cmdlets S4, S5)."""
        if self._answers is None:
            raise PromptUnavailable
        return ask(caption, message, choices, default, talk=self._talk, answers=self._answers)

    def suspend(self) -> None:
        """Wait for ``exit``; there is nothing else to type here."""
        if self._answers is None:
            raise PromptUnavailable
        while True:
            print('>> type "exit" to go on: ', end="", file=self._talk, flush=True)
            if _read(self._answers).strip().lower() == "exit":
                return


def ask(
    caption: str,
    message: str,
    choices: Sequence[Choice],
    default: int,
    *,
    talk: TextIO,
    answers: TextIO,
) -> int:
    """
    Ask on *talk*, read *answers*, until one is a choice: its index (cmdlets S4, S5).

    Raises:
        PromptUnavailable: *answers* ended.
        PromptCanceled: Ctrl+C.
    """
    print(f"\n{caption}\n{message}", file=talk)
    while True:
        print(_choice_line(choices, default), end="", file=talk, flush=True)
        reply = _read(answers).strip()
        if not reply:
            return default
        if reply == "?":
            for choice in choices:
                print(f"{choice.key} - {choice.help}", file=talk)
            continue
        chosen = _chosen(reply, choices)
        if chosen is not None:
            return chosen


def _choice_line(choices: Sequence[Choice], default: int) -> str:
    keys = "  ".join(f"[{choice.key}] {choice.text}" for choice in choices)
    return f'{keys}  [?] Help (default is "{choices[default].key}"): '


def _chosen(reply: str, choices: Sequence[Choice]) -> int | None:
    wanted = reply.lower()
    texts = [choice.text.lower() for choice in choices]
    keys = [choice.key.lower() for choice in choices]
    return next((names.index(wanted) for names in (texts, keys) if wanted in names), None)


def _read(answers: TextIO) -> str:
    try:
        line = answers.readline()
    except KeyboardInterrupt:
        raise PromptCanceled from None
    if not line:
        raise PromptUnavailable
    return line
