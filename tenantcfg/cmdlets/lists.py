"""
From PowerShell's list modifier, which judges nothing, to ours, which holds only valid ids.

What is refused here binds in PowerShell and would be nonsense, or an accident, as a grant:
null, empty and blank items, items that are no strings, Replace beside Add or Remove, and
the texts that PowerShell makes of a hashtable or an array on the way to a native program
(cmdlets L5, L6, L13, H6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantcfg.configuration import ListModifier
from tenantcfg.errors import InvalidInput
from tenantcfg.ids import AppId
from tenantcfg.powershell import Number, PSListModifier
from tenantcfg.powershell.characters import DASHES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenantcfg.instants import Instant

__all__ = ["CLEAR", "LIST_PARAMETER", "combined", "modifier"]

LIST_PARAMETER = "AllowRemoveParticipantAppIds"

CLEAR = ListModifier(replace=())
"""What ``$null`` means for the list (cmdlets L12)."""

_QUOTED = """'@{Add="app_id"}' in single quotes"""
_STRINGIFIED = {
    "System.Collections.Hashtable",
    "System.Collections.Specialized.OrderedDictionary",
    "System.Object[]",
    "System.String[]",
}
_NOT_IN_AN_ID = "{}="


def modifier(value: object) -> ListModifier:
    """
    The modifier that a bound `AllowRemoveParticipantAppIds` asks for.

    An empty Replace changes nothing, as in PowerShell (cmdlets L10); null clears the list.

    Raises:
        InvalidInput: an item can be no app id, or Replace stands beside Add or Remove.
    """
    if value is None:
        return CLEAR
    if not isinstance(value, PSListModifier):
        raise _unusable(value)
    if value.replace and (value.add or value.remove):
        raise InvalidInput(
            "Replace stands beside Add or Remove",
            subject=f"-{LIST_PARAMETER}",
            why="PowerShell would ignore the others, so the line says two things",
            hint="give Replace alone, or Add and Remove",
        )
    if value.replace:
        return ListModifier(replace=_apps(value.replace))
    return ListModifier(add=_apps(value.add), remove=_apps(value.remove))


def combined(
    base: ListModifier, edit: ListModifier | None, until: Mapping[AppId, Instant | None]
) -> ListModifier:
    """
    *edit* done to the list that *base* replaces by, with the expiries *until* on top.

    Remove comes before Add, as everywhere (cmdlets L9).
    """
    if edit is None:
        return base
    if edit.replace is not None:
        apps = edit.replace
    else:
        kept = [app for app in base.wanted if app not in edit.remove]
        apps = tuple(dict.fromkeys((*kept, *edit.add)))
    expiries = {app: when for app, when in {**base.expiries, **until}.items() if app in apps}
    return ListModifier(replace=apps, expiries=expiries)


def _apps(items: Iterable[object]) -> tuple[AppId, ...]:
    return tuple(dict.fromkeys(_app(item) for item in items))


def _app(item: object) -> AppId:
    if not isinstance(item, str):
        raise _unusable(item)
    if item in _STRINGIFIED:
        raise InvalidInput(
            "not an app id",
            subject=f"'{item}'",
            why="PowerShell turned the value into its type's name before we saw it",
            hint=f"write {_QUOTED}, or put --% before the line's arguments",
        )
    if item[:1] in DASHES:
        raise InvalidInput(
            "not an app id",
            subject=f"'{item}'",
            why="it looks like a parameter, and no parameter has this name",
            hint="tenantcfg Set-CsApplicationMeetingConfiguration -? lists them",
        )
    app = AppId.parse(item)
    if app.value.startswith("@") or any(c in app.value for c in _NOT_IN_AN_ID):
        raise InvalidInput(
            "not an app id",
            subject=f"'{item}'",
            why="it looks like a hashtable that a shell has torn",
            hint=f"write {_QUOTED}",
        )
    return app


def _unusable(item: object) -> InvalidInput:
    if item is None:
        return InvalidInput(
            "an app id is null",
            subject=f"-{LIST_PARAMETER}",
            why="a variable or command that gave nothing?",
            hint="name the app, or give $null alone to clear the list",
        )
    return InvalidInput(
        "an app id is no string",
        subject=f"'{item}'",
        why="a number, a boolean, a list or a script block was given",
        hint=f'''put it in quotes: "{item}"'''
        if isinstance(item, Number | bool)
        else f"write {_QUOTED}",
    )
