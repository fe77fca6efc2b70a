"""
Calls and participants as Graph writes them (participants P19).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tenantcfg.meetings import IdentityKind

if TYPE_CHECKING:
    from tenantcfg.meetings import Call, Identity, Participant

__all__ = ["OF_CALL", "OF_PARTICIPANT", "call_members", "participant_members"]

OF_CALL: Final = frozenset(
    "callbackUri chatInfo direction id meetingInfo myParticipantId state subject tenantId".split()
)
"""What can be selected of a call; some of it is never there."""
OF_PARTICIPANT: Final = frozenset(
    "id info isInLobby isMuted mediaStreams metadata recordingInfo removedState"
    " restrictedExperience rosterSequenceNumber".split()
)
"""What can be selected of a participant; some of it is never there."""
ANSWERED: Final = "@tenantcfg.answered"
"""Beside the properties, and so never left out by a selection."""

# Without their type named, the SDKs leave these two aside.
_DERIVED: Final = (IdentityKind.GUEST, IdentityKind.PHONE)
_DERIVED_SET: Final = "#microsoft.graph.communicationsIdentitySet"


def call_members(call: Call) -> dict[str, Any]:
    """*call*, without what is not known of it."""
    members = {
        "id": call.id,
        "state": call.state.value,
        "direction": call.direction.value,
        "subject": call.subject,
        "tenantId": call.tenant.value,
    }
    return {name: value for name, value in members.items() if value is not None}


def participant_members(one: Participant, call: Call | None) -> dict[str, Any]:
    """*one*, who is in *call*."""
    members: dict[str, Any] = {
        "id": one.id,
        "info": {} if one.identity is None else {"identity": _identity_set(one.identity)},
        "isInLobby": one.in_lobby,
        "isMuted": one.muted,
    }
    if call is not None and call.sequence is not None:
        members["rosterSequenceNumber"] = call.sequence
    return members


def _identity_set(who: Identity) -> dict[str, Any]:
    said = {"id": who.id, "displayName": who.display_name, "tenantId": who.tenant}
    named = {who.kind.value: {name: value for name, value in said.items() if value is not None}}
    return {"@odata.type": _DERIVED_SET, **named} if who.kind in _DERIVED else named
