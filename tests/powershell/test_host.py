"""What a question at a terminal looks like, and which replies it takes (cmdlets S4, S5)."""

from __future__ import annotations

import io

import pytest

from tenantcfg.powershell import ConsoleHost, PromptCanceled, PromptUnavailable
from tenantcfg.powershell.host import ALL, NO, YES, ask

MESSAGE = (
    "Are you sure you want to perform this action?\n"
    'Performing the operation "Set-X" on target "Global".'
)
CHOICES = '[Y] Yes  [A] Yes to All  [N] No  [L] No to All  [S] Suspend  [?] Help (default is "Y"): '


def asked(replies: str) -> tuple[int, str]:
    talk = io.StringIO()
    answer = ask("Confirm", MESSAGE, ALL, 0, talk=talk, answers=io.StringIO(replies))
    return answer, talk.getvalue()


def a_console(talk: io.StringIO, answers: io.StringIO | None) -> ConsoleHost:
    return ConsoleHost(talk, answers, on_object=print, on_error=print)


class CtrlC(io.StringIO):
    def readline(self, *_: object) -> str:  # type: ignore[override]
        raise KeyboardInterrupt


def test_the_question_reads_as_in_powershell() -> None:
    assert asked("y\n") == (0, f"\nConfirm\n{MESSAGE}\n{CHOICES}")


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("y", 0),
        ("Y", 0),
        ("yes", 0),
        ("", 0),
        (" a ", 1),
        ("Yes to All", 1),
        ("n", 2),
        ("no", 2),
        ("l", 3),
        ("NO TO ALL", 3),
        ("s", 4),
        ("suspend", 4),
    ],
)
def test_a_reply_is_a_key_or_a_label_in_any_case(reply: str, answer: int) -> None:
    assert asked(reply + "\n")[0] == answer


def test_an_unknown_reply_asks_again_with_the_choices_alone() -> None:
    answer, text = asked("ye\nmaybe\nn\n")

    assert answer == 2
    assert text == f"\nConfirm\n{MESSAGE}\n{CHOICES * 3}"


def test_a_question_mark_explains_each_choice() -> None:
    _, text = asked("?\nn\n")

    explained = "".join(f"{choice.key} - {choice.help}\n" for choice in ALL)
    assert text == f"\nConfirm\n{MESSAGE}\n{CHOICES}{explained}{CHOICES}"
    assert "Y - Continue with only the next step of the operation.\n" in explained
    assert "L - Skip this operation and all subsequent operations.\n" in explained


def test_the_end_of_the_input_is_no_answer() -> None:
    with pytest.raises(PromptUnavailable, match="NonInteractive mode"):
        asked("perhaps\n")


def test_ctrl_c_is_an_answer_of_its_own() -> None:
    with pytest.raises(PromptCanceled, match="The prompt was canceled."):
        ask("Confirm", MESSAGE, (YES, NO), 0, talk=io.StringIO(), answers=CtrlC())


def test_a_console_without_answers_asks_nothing() -> None:
    talk = io.StringIO()
    console = a_console(talk, None)

    with pytest.raises(PromptUnavailable):
        console.prompt_for_choice("Confirm", MESSAGE, ALL, 0)
    with pytest.raises(PromptUnavailable):
        console.suspend()
    assert talk.getvalue() == ""


def test_a_console_asks_on_its_streams() -> None:
    talk = io.StringIO()

    assert a_console(talk, io.StringIO("n\n")).prompt_for_choice("Confirm", MESSAGE, ALL, 0) == 2
    assert talk.getvalue() == f"\nConfirm\n{MESSAGE}\n{CHOICES}"


def test_suspended_until_the_word_exit() -> None:
    talk = io.StringIO()

    a_console(talk, io.StringIO("dir\n Exit \n")).suspend()

    assert talk.getvalue() == '>> type "exit" to go on: ' * 2


def test_each_stream_has_its_word_before_the_text() -> None:
    talk = io.StringIO()
    console = a_console(talk, None)

    console.out_line("What if: x")
    console.verbose("v")
    console.warning("w")
    console.debug("d")
    console.information("i")

    assert talk.getvalue() == "What if: x\nVERBOSE: v\nWARNING: w\nDEBUG: d\ni\n"
