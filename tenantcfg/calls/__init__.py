"""
Calls, and the one thing that is done to them: somebody is removed.

A `CallController` holds them. There are two: the roster of the store, to which a media layer
reports (`tenantcfg.calls.roster`), and a Janus server (`tenantcfg.calls.janus`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tenantcfg.errors import TenantcfgError, Unavailable

if TYPE_CHECKING:
    from tenantcfg.ids import TenantId
    from tenantcfg.meetings import Call, Outcome, Page, Participant, Removal, Whereabouts

__all__ = ["CallController", "CallsFailed", "CallsUnavailable"]


class CallsUnavailable(Unavailable):
    """
    The call controller cannot be reached, or is silent: ask again.

    *ordered* says whether it may have been told to remove somebody before.
    """

    code = "calls_unavailable"

    def __init__(
        self, what: str, *, subject: str = "", why: str = "", ordered: bool = False
    ) -> None:
        super().__init__(what, subject=subject, why=why, hint="ask again")
        self.ordered = ordered


class CallsFailed(TenantcfgError):
    """What the call controller says makes no sense: look at it, and at its settings."""

    code = "calls_failed"


class CallController(Protocol):
    """
    Who is in which call, and the one who removes them.

    Every method may raise `CallsUnavailable` or `CallsFailed`; none answers from memory. A call
    is looked for among those of its tenant alone.

    Attributes:
        name: which kind it is, as audit rows have it.
        settles: whether `remove` stores the outcome itself, with the act in one commit.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def settles(self) -> bool: ...  # noqa: D102

    async def calls(self, tenant: TenantId, *, after: str | None, limit: int) -> Page[Call]:
        """The calls of *tenant*; *after* and *limit* as `Roster.calls` has them."""

    async def call(self, tenant: TenantId, call: str) -> Call | None:
        """The call; None: the tenant has none of this id."""

    async def participants(
        self, tenant: TenantId, call: str, *, after: str | None, limit: int
    ) -> Page[Participant] | None:
        """Those in *call*; None: there is no such call. In an order that does not change."""

    async def whereabouts(self, tenant: TenantId, call: str, participant: str) -> Whereabouts:
        """The call, and the one of this id in it; each of them, if there is one."""

    async def remove(self, removal: Removal) -> Outcome:
        """
        Have the participant of *removal* dropped, and wait until that has happened.

        ``REMOVED`` is returned only when the controller has said so; ``ALREADY_GONE`` when there
        was nobody to remove any more.
        """

    async def stayed(self, removal: Removal) -> bool:
        """
        Whether the one of *removal*, who was ordered out, is there all the same, and stays.

        False: they are out. It is asked where `remove` could not say what became of the order, at
        once or much later; a controller that may still carry it out is waited for.
        """

    async def close(self) -> None:
        """Let go of what is open."""
