"""
`Store`: what everybody else knows of this room.

Only what a check needs is imported here; the rest is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeVar

from tenantcfg.configuration import REMOVE_PARTICIPANT
from tenantcfg.errors import InvalidInput, StoreNotOurs, StoreReadOnly
from tenantcfg.ids import AppId, TenantId
from tenantcfg.store import arguments, failures
from tenantcfg.store.address import Address
from tenantcfg.store.checking import Checks
from tenantcfg.store.readers import readers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from tenantcfg.configuration import ApplicationMeetingConfiguration, Grant, ListModifier
    from tenantcfg.decision import Decision
    from tenantcfg.history import Attribution, Change, Head
    from tenantcfg.ids import Revision
    from tenantcfg.instants import Instant
    from tenantcfg.keys import Right, ServiceKey
    from tenantcfg.store.asking import Asks, GatheredChecks
    from tenantcfg.store.changing import Plan
    from tenantcfg.store.engine import Database, Reading
    from tenantcfg.store.removals import Removals
    from tenantcfg.store.roster import Roster
    from tenantcfg.store.verify import Problem
    from tenantcfg.store.views import Answered, Explanation, Followed, Found, Key, Tenant
    from tenantcfg.store.whereabouts import Lookups

__all__ = ["Store"]

T = TypeVar("T")


class Store:
    """
    A store: tenants, their grants, the history of both, and the check.

    Made by `open`; safe to use from many threads at once, and in a child after a fork.
    Every answer is read from the database at the moment it is asked for: there is no cache.

    >>> with Store.open(url) as store:
    ...     store.check(tenant="contoso", app="5817674C-81D9-4ADB-BFB2-8F6A442E4622")
    ...     store.check(tenant="contoso", app="another")
    Permit(revision=Revision(2))
    Deny(reason=<Reason.NOT_GRANTED: 'not_granted'>, revision=Revision(2))

    Attributes:
        url: its address, without user, password and options.
        store_id: of its history; a restore gives it another. Revisions of two histories do
            not compare.
        dialect: ``sqlite`` or ``postgresql``.
    """

    def __init__(self, address: Address, *, read_only: bool = False, standby: bool = False) -> None:
        self.url = address.shown
        self.dialect = address.dialect
        self._address = address
        self._read_only = read_only
        self._standby = standby
        self._readers = readers_of(address, standby=standby)
        try:
            self._checks = Checks(self._readers, address.shown)
        except BaseException:
            self._readers.close()
            raise
        self.store_id = self._checks.store_id
        self._opened: dict[str, Database] = {}
        self._gathered: GatheredChecks | None = None
        self._asks: Asks | None = None
        self._lookups: Lookups | None = None
        self._closed = False

    @classmethod
    def open(cls, url: str | Path, *, read_only: bool = False, standby: bool = False) -> Self:
        """
        The store at *url*: ``sqlite:////path``, ``postgresql://...``, or the path of a file.

        It must be there, and of this program's version; `tenantcfg.store.admin` makes and
        upgrades stores. With *read_only* every change is refused.

        With *standby* it is a standby of the store's server, which may be behind. It is only
        for `check`, `check_many`, `check_async`, `ask` and `search`, each with an ``at_least``,
        since nothing else says how far behind is too far. One that was promoted is refused.

        Raises:
            InvalidInput: *url* is no address, or a file's and *standby* is wanted.
            StoreMissing, StoreNotOurs, StoreOlder, StoreNewer: no store to work with.
            Unavailable: it cannot be reached now.
        """
        address = Address.parse(url)
        if standby and address.dialect != "postgresql":
            raise InvalidInput("a file store has no standbys", subject=f"'{address.shown}'")
        return cls(address, read_only=read_only or standby, standby=standby)

    def close(self) -> None:
        """Close all connections; later calls raise `Unavailable`."""
        self._closed = True
        self._readers.close()
        for database in self._opened.values():
            database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # The check

    def check(
        self,
        *,
        tenant: TenantId | str | None,
        app: AppId | str,
        action: str = REMOVE_PARTICIPANT,
        at_least: int = 0,
    ) -> Decision:
        """
        Whether *app* may act in *tenant* now: `Permit`, or `Deny` with the reason.

        One statement, run after the call began: a change that was acknowledged before is
        seen. Texts are taken exactly, but for the case of a GUID; what cannot be an id is
        denied. No tenant (None, or empty) is ``tenant_missing``.

        Args:
            tenant: by id, never by name.
            app: by id.
            action: the permission; one that is not known is ``unsupported_action``.
            at_least: a revision that the answer must not be older than.

        Raises:
            Unavailable: the store cannot be asked. Nothing that raises permits.
            RevisionNotReached: the store is older than *at_least*, or holds another history
                than when it was opened.
            StoreUnusable: until a person acts.
        """
        if self._standby:
            _require_said(at_least)
        return self._checks.one(tenant, app, action, at_least)

    def check_many(
        self,
        questions: Iterable[tuple[TenantId | str, AppId | str]],
        *,
        action: str = REMOVE_PARTICIPANT,
        at_least: int = 0,
    ) -> list[Decision]:
        """
        The decisions on pairs of tenant and app, in their order, as `check` decides.

        All are read by one statement, on one snapshot.

        Raises:
            InvalidInput: there are over 1,000 questions.
            Unavailable, StoreUnusable: as `check`.
        """
        if self._standby:
            _require_said(at_least)
        return self._checks.many(questions, action, at_least)

    async def check_async(
        self,
        *,
        tenant: TenantId | str | None,
        app: AppId | str,
        action: str = REMOVE_PARTICIPANT,
        at_least: int = 0,
    ) -> Decision:
        """
        As `check`, for an event loop.

        On PostgreSQL the questions that wait in a loop are asked together, once per turn,
        in a thread. A file store is asked in place: it answers before a thread would begin.
        """
        if self.dialect == "sqlite":
            return self._checks.one(tenant, app, action, at_least)
        if self._standby:
            _require_said(at_least)
        if self._gathered is None:
            from tenantcfg.store.asking import GatheredChecks  # noqa: PLC0415

            self._gathered = GatheredChecks(self._checks)
        return await self._gathered.ask((tenant, app), action, at_least)

    # Services and their keys

    async def ask(
        self,
        questions: Sequence[tuple[TenantId | str, AppId | str]],
        *,
        key: str | None = None,
        action: str = REMOVE_PARTICIPANT,
        at_least: int = 0,
    ) -> Answered:
        """
        The decisions on *questions*, as `check_many`, and the facts of the key that asks.

        All are read by one statement, on one snapshot taken after the call began, so that a key
        which was revoked before is not there any more. Whether the one who asks holds the key,
        and what he may ask with it, is not judged here. Those who ask in the same turn of an
        event loop are asked about together, on both kinds of store.

        Args:
            questions: pairs of tenant and app; none: only the key is read.
            key: the id of a key; None: nobody's.
            action: as in `check`.
            at_least: as in `check`.

        Raises:
            InvalidInput: there are over 1,000 questions.
            Unavailable, RevisionNotReached, StoreUnusable: as `check`.
        """
        if self._standby:
            _require_said(at_least)
        if self._asks is None:
            from tenantcfg.store.asking import Asks  # noqa: PLC0415

            in_place = self.dialect == "sqlite"
            self._asks = Asks(self._checks, self._readers, in_place=in_place)
        return await self._asks.ask(questions, key, action, at_least)

    def search(
        self,
        *,
        tenant: TenantId | str | None = None,
        app: AppId | str | None = None,
        action: str = REMOVE_PARTICIPANT,
        after: str = "",
        limit: int,
        key: str | None = None,
        at_least: int = 0,
    ) -> Found:
        """
        The apps that may act in *tenant* now, or the tenants in which *app* may, a page of them.

        What is found is what `check` permits, in the order of the ids' bytes. Only what the key
        covers is found and counted, and nothing where there is no such key; all is read on one
        snapshot taken after the call began.

        Args:
            tenant: by id; what is not known or not enabled has no apps.
            app: by id. Without either nothing is found: only head and key are read.
            action: the permission; of one that is not known nothing is found.
            after: the id behind which the page begins; empty: the first page.
            limit: how many ids at most.
            key: the id of a key; None: nobody's, and nothing is left out.
            at_least: as in `check`.

        Raises:
            InvalidInput: both are named, *limit* is negative, or *after* is no id.
            Unavailable, RevisionNotReached, StoreUnusable: as `check`.
        """
        from tenantcfg.store.searching import Searches, Wanted  # noqa: PLC0415

        if self._standby:
            _require_said(at_least)
        arguments.require(str, after=after)
        arguments.require(int, limit=limit)
        arguments.limit(limit)
        wanted = Wanted(tenant, app, action, after, limit, key, at_least)
        return Searches(self._checks, self._readers, self.dialect).find(wanted)

    def changes_after(self, revision: int, *, limit: int) -> tuple[Head, tuple[Change, ...]]:
        """
        The changes behind *revision*, the oldest first, and the head; all on one snapshot.

        Args:
            revision: one that was seen; 0: from the beginning. Beyond the head there are none.
            limit: how many at most.

        Raises:
            InvalidInput: *limit* or *revision* is negative.
        """
        from tenantcfg.store.reading import changes_after  # noqa: PLC0415

        arguments.require(int, revision=revision, limit=limit)
        arguments.limit(limit)
        return self._read(lambda reading: changes_after(reading, revision, limit))

    def follow(
        self, revision: int, *, limit: int, tenants: Collection[str] | None = None
    ) -> Followed:
        """
        The changes behind *revision* that concern tenants, a page of them.

        Those of service keys are not among them. A page may have fewer than *limit*, or none, and
        others follow all the same: it says how far it goes.

        Args:
            revision: one that was seen; 0: from the beginning. Beyond the head there are none.
            limit: how many at most.
            tenants: the ids of those that may be seen, in canonical form; None: all.

        Raises:
            InvalidInput: *limit* or *revision* is negative.
        """
        from tenantcfg.store.following import follow  # noqa: PLC0415

        arguments.require(int, revision=revision, limit=limit)
        arguments.limit(limit)
        return self._read(lambda reading: follow(reading, revision, limit, tenants))

    def newest(self, revision: int, *, tenants: Collection[str] | None = None) -> Revision:
        """
        The newest change up to *revision* of those that `follow` gives; 0: there is none.

        Raises:
            InvalidInput: *revision* is negative.
        """
        from tenantcfg.store.following import newest  # noqa: PLC0415

        arguments.require(int, revision=revision)
        return self._read(lambda reading: newest(reading, revision, tenants))

    def service_keys(self) -> tuple[Key, ...]:
        """The keys that were not revoked, in force or run out, in the order of being made."""
        from tenantcfg.store.keys import all_keys  # noqa: PLC0415

        return self._read(all_keys)

    def find_key(self, id_or_name: str) -> Key:
        """
        The key that an admin means, by id, or else by name in any case.

        Of a name that was rotated it is the one that came last.

        Raises:
            InvalidInput: there is none; it says what may have been meant.
        """
        from tenantcfg.store.keys import find_key  # noqa: PLC0415

        arguments.require(str, id_or_name=id_or_name)
        return self._read(lambda reading: find_key(reading, id_or_name))

    # Reading

    def head(self) -> Head:
        """The newest change: revision, hash and time. Revision 0: there is none yet."""
        with self._database.reading() as reading:
            return reading.head

    def tenants(self, *, as_of: Revision | datetime | None = None) -> tuple[Tenant, ...]:
        """
        The tenants, in the order in which they were made known.

        Args:
            as_of: a revision, or an instant that knows its zone; None: now.

        Raises:
            InvalidInput: *as_of* is in the future, or has no zone.
        """
        from tenantcfg.store.reading import all_tenants  # noqa: PLC0415

        arguments.past(as_of)
        return self._read(lambda reading: all_tenants(reading, as_of))

    def find_tenant(self, name_or_id: str, *, as_of: Revision | datetime | None = None) -> Tenant:
        """
        The tenant that an admin means, by id, leniently read, or else by name in any case.

        Raises:
            UnknownTenant: there is none; it says what may have been meant.
            InvalidInput: *as_of* as in `tenants`.
        """
        from tenantcfg.store.reading import find_tenant  # noqa: PLC0415

        arguments.require(str, name_or_id=name_or_id)
        arguments.past(as_of)
        return self._read(lambda reading: find_tenant(reading, name_or_id, as_of))

    def configuration(
        self,
        tenant: TenantId,
        *,
        action: str = REMOVE_PARTICIPANT,
        as_of: Revision | datetime | None = None,
    ) -> ApplicationMeetingConfiguration:
        """
        The configuration of *tenant*, with the grants in force, in the order of granting.

        A disabled tenant has its configuration as well; no check permits by it. Expiries
        are judged at *as_of*; of a revision at the time of that change.

        Raises:
            UnknownTenant: it was not known then.
            InvalidInput: *as_of* as in `tenants`; *action* is not known.
        """
        from tenantcfg.store.reading import configuration  # noqa: PLC0415

        arguments.require(TenantId, tenant=tenant)
        arguments.permission(action)
        arguments.past(as_of)
        return self._read(lambda reading: configuration(reading, tenant, action, as_of))

    def grants_of(
        self,
        app: AppId,
        *,
        action: str = REMOVE_PARTICIPANT,
        as_of: Revision | datetime | None = None,
    ) -> tuple[tuple[Tenant, Grant], ...]:
        """
        The tenants in which *app* may act, with its grants, in the order of granting.

        Only grants in force, in tenants that are enabled. *as_of* as in `configuration`.
        """
        from tenantcfg.store.reading import grants_of  # noqa: PLC0415

        arguments.require(AppId, app=app)
        arguments.permission(action)
        arguments.past(as_of)
        return self._read(lambda reading: grants_of(reading, app, action, as_of))

    def known_apps(self) -> tuple[AppId, ...]:
        """The apps that stand in any tenant's list, in force or run out, by their ids."""
        from tenantcfg.store.reading import known_apps  # noqa: PLC0415

        return self._read(known_apps)

    def near_misses(
        self, *, tenant: TenantId, app: AppId, action: str = REMOVE_PARTICIPANT
    ) -> tuple[str, ...]:
        """
        Sentences on what may have been meant by an app that has no grant in *tenant*.

        An app of that tenant that is one character off, a tenant's id in an app's place,
        tenants in which the app is granted. Empty where the app has its grant.
        """
        from tenantcfg.store.explaining import near  # noqa: PLC0415

        arguments.require(TenantId, tenant=tenant)
        arguments.require(AppId, app=app)
        arguments.permission(action)
        with self._readers.snapshot() as now:
            return near(now, tenant, app, action, self._tenants_near)

    def explain(
        self,
        *,
        tenant: TenantId | str | None,
        app: AppId | str,
        action: str = REMOVE_PARTICIPANT,
        as_of: Revision | datetime | None = None,
    ) -> Explanation:
        """
        The decision of `check`, with the fact that decided and who made it one.

        *as_of* as in `configuration`; near misses are always those of now.
        """
        from tenantcfg.store.explaining import explain  # noqa: PLC0415

        of = arguments.id_text(TenantId, tenant=tenant)
        app_id = arguments.id_text(AppId, app=app)
        arguments.past(as_of)
        with self._readers.snapshot() as now:
            return explain(now, of, app_id, action, as_of, tenants_near=self._tenants_near)

    def history(
        self,
        *,
        tenant: TenantId | None = None,
        app: AppId | None = None,
        actor: str | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        limit: int | None = None,
        newest_first: bool = True,
    ) -> Iterator[Change]:
        """
        The changes that fit, as they stood when this was called; they are read as they are taken.

        Args:
            tenant: only those of this tenant, known now or not.
            app: only those that name this app, whatever became of it.
            actor: only those of this actor, as ``os:alice``.
            since: only those at this instant or later.
            until: only those before this instant.
            limit: how many at most.
            newest_first: the order; else the oldest first.

        Raises:
            InvalidInput: *limit* is negative, a time outside the years 1 to 9999, or *actor* is
                nobody's name.
            Unavailable: while they were taken a restore put another history in their place.
        """
        from tenantcfg.store.reading import Wanted, history  # noqa: PLC0415

        arguments.require(TenantId, None, tenant=tenant)
        arguments.require(AppId, None, app=app)
        arguments.known_as(actor)
        arguments.limit(limit)
        arguments.instants(since=since, until=until)
        wanted = Wanted(tenant, app, actor, since, until, limit, newest_first)
        return history(self._database, wanted)

    def change(self, revision: int) -> Change:
        """
        The change that took *revision*.

        Raises:
            InvalidInput: there is none.
        """
        from tenantcfg.store.reading import one_change  # noqa: PLC0415

        arguments.require(int, revision=revision)
        return self._read(lambda reading: one_change(reading, revision))

    def verify(self, *, head: Head | str | None = None) -> tuple[Problem, ...]:
        """
        What is wrong with the store, held against its own history; empty: it is sound.

        Args:
            head: one that was noted elsewhere, as it is or as ``REV:HASH``: with it a
                history that lost its tail, or was written anew, is found as well.

        Raises:
            InvalidInput: *head* is neither.
        """
        from tenantcfg.history import Head  # noqa: PLC0415
        from tenantcfg.store.verify import Problem, problems  # noqa: PLC0415

        arguments.require(Head, str, None, head=head)
        try:
            return self._read(lambda reading: tuple(problems(reading.connection, earlier=head)))
        except StoreNotOurs as why:
            # So damaged that not every row can be read: that is what was asked.
            return (Problem(None, str(why)),)

    # Changing

    def modify(
        self,
        tenant: TenantId,
        modifier: ListModifier,
        *,
        by: Attribution,
        action: str = REMOVE_PARTICIPANT,
        may_remove: Collection[AppId] | None = None,
        what_if: bool = False,
    ) -> Change:
        """
        Apply *modifier* to the list of *tenant*, between lock and commit.

        Args:
            tenant: known; a disabled one may be changed.
            modifier: see `tenantcfg.configuration.apply`.
            by: who, for whom, why.
            action: the permission.
            may_remove: the apps whose loss was confirmed; None: no matter which.
            what_if: work it out and store nothing; the database refuses to write.

        Returns:
            The change as it stands in the history. Without effect, or as a what-if, it has
            no revision of its own: see `tenantcfg.history.Change`.

        Raises:
            UnknownTenant: it is not known.
            InvalidInput: an expiry is in the past, the list would be too long, or *action* is
                not known.
            Refused: an app outside *may_remove* would lose its right.
            OutcomeUnknown: the connection was lost in the commit.
            Unavailable, StoreUnusable: nothing was changed.
        """
        from tenantcfg.configuration import ListModifier  # noqa: PLC0415
        from tenantcfg.store.changing import modify  # noqa: PLC0415

        arguments.change(tenant, by)
        arguments.require(ListModifier, modifier=modifier)
        arguments.permission(action)
        arguments.collection(AppId, may_remove=may_remove)
        plan = modify(tenant, modifier, by, action=action, may_remove=may_remove)
        return self._change(plan, what_if=what_if)

    def add_tenant(
        self, tenant: TenantId, name: str | None, *, by: Attribution, what_if: bool = False
    ) -> Change:
        """
        Make *tenant* known; without effect if it is, by this name or where none is given.

        Raises:
            InvalidInput: *name* cannot be one: empty, over 128 characters, not printable,
                with a blank at an end, of the shape of a GUID, or the tenant's own id.
            Conflict: the id is known by another name, or the name is another's (without
                regard to case), or one is what another tenant has as the other.
        """
        from tenantcfg.store.tenancy import add  # noqa: PLC0415

        arguments.change(tenant, by)
        arguments.require(str, None, name=name)
        return self._change(add(tenant, name, by), what_if=what_if)

    def rename_tenant(
        self, tenant: TenantId, name: str, *, by: Attribution, what_if: bool = False
    ) -> Change:
        """
        Give *tenant* another name.

        Raises:
            UnknownTenant: it is not known.
            InvalidInput, Conflict: as `add_tenant`.
        """
        from tenantcfg.store.tenancy import rename  # noqa: PLC0415

        arguments.change(tenant, by)
        arguments.require(str, name=name)
        return self._change(rename(tenant, name, by), what_if=what_if)

    def enable_tenant(self, tenant: TenantId, *, by: Attribution, what_if: bool = False) -> Change:
        """Let the grants of *tenant* count again. Raises `UnknownTenant`."""
        from tenantcfg.store.tenancy import set_enabled  # noqa: PLC0415

        arguments.change(tenant, by)
        return self._change(set_enabled(tenant, by, enabled=True), what_if=what_if)

    def disable_tenant(self, tenant: TenantId, *, by: Attribution, what_if: bool = False) -> Change:
        """Deny every app in *tenant*; its grants stay as they are. Raises `UnknownTenant`."""
        from tenantcfg.store.tenancy import set_enabled  # noqa: PLC0415

        arguments.change(tenant, by)
        return self._change(set_enabled(tenant, by, enabled=False), what_if=what_if)

    def remove_tenant(self, tenant: TenantId, *, by: Attribution, what_if: bool = False) -> Change:
        """Forget *tenant*: its grants end, its history stays. Raises `UnknownTenant`."""
        from tenantcfg.store.tenancy import take_away  # noqa: PLC0415

        arguments.change(tenant, by)
        return self._change(take_away(tenant, by), what_if=what_if)

    def add_key(
        self,
        name: str,
        key: ServiceKey,
        *,
        rights: Collection[Right],
        tenants: Collection[TenantId] | None = None,
        expires_at: Instant | None = None,
        by: Attribution,
        what_if: bool = False,
    ) -> Change:
        """
        Let whoever holds *key* ask, until it is revoked or ends.

        Of the secret only its digest is kept, and nothing of it stands in the change but a
        fingerprint of that. The change concerns no tenant.

        Args:
            name: 1 to 128 printable characters, unique among the keys without regard to case.
            key: a new one, of `ServiceKey.new`; only its holder can show it again.
            rights: one at least.
            tenants: those it may ask about, each known; None: all there are and will be.
            expires_at: None: it does not end.
            by: who, for whom, why.
            what_if: as in `modify`.

        Raises:
            InvalidInput: *name* cannot be one, or *expires_at* is in the past; no rights, an
                empty list of tenants, or over 1,000.
            UnknownTenant: one of *tenants* is not known.
            Conflict: the name is taken, or the key was used before.
        """
        from tenantcfg.keys import Right, ServiceKey  # noqa: PLC0415
        from tenantcfg.store.keys import New, add  # noqa: PLC0415

        arguments.attribution(by)
        arguments.require(str, name=name)
        arguments.require(ServiceKey, key=key)
        arguments.several(Right, rights=rights)
        arguments.several(TenantId, None, tenants=tenants)
        arguments.instants(expires_at=expires_at)
        return self._change(add(New(key, name, rights, tenants, expires_at), by), what_if=what_if)

    def rotate_key(
        self,
        id_or_name: str,
        key: ServiceKey,
        *,
        overlap: int = 86_400_000_000,
        expires_at: Instant | None = None,
        by: Attribution,
        what_if: bool = False,
    ) -> Change:
        """
        Put *key* in the place of another, with its name, rights and tenants.

        Args:
            id_or_name: of the key that is replaced.
            key: a new one, as for `add_key`.
            overlap: for how many microseconds the old one goes on, unless it ends before; 0: it
                is gone at once.
            expires_at: when the new one ends; None: it lasts as long as the old one was to.
            by: who, for whom, why.
            what_if: as in `modify`.

        Raises:
            InvalidInput: there is no such key; *expires_at* is in the past.
            Conflict: that one was rotated already, or *key* was used before.
        """
        from tenantcfg.keys import ServiceKey  # noqa: PLC0415
        from tenantcfg.store.keys import rotate  # noqa: PLC0415

        arguments.attribution(by)
        arguments.require(str, id_or_name=id_or_name)
        arguments.require(ServiceKey, key=key)
        arguments.span(overlap=overlap)
        arguments.instants(expires_at=expires_at)
        plan = rotate(id_or_name, key, by, overlap=overlap, expires_at=expires_at)
        return self._change(plan, what_if=what_if)

    def revoke_key(self, id_or_name: str, *, by: Attribution, what_if: bool = False) -> Change:
        """
        End a key for good: who asks with it from now on is not known any more.

        By name all keys of that name end, one that was rotated and lasts out as well; by id that
        one alone. Without effect where it was revoked before. It cannot be undone.

        Raises:
            InvalidInput: there never was such a key.
        """
        from tenantcfg.store.keys import revoke  # noqa: PLC0415

        arguments.attribution(by)
        arguments.require(str, id_or_name=id_or_name)
        return self._change(revoke(id_or_name, by), what_if=what_if)

    def undo(self, revision: Revision, *, by: Attribution, what_if: bool = False) -> Change:
        """
        Take the change of *revision* back, by a change of its own.

        What it gave goes, what it took comes again with the old expiry. An app whose old
        right has ended meanwhile does not get it back: ``not_restored`` in the details says
        when it ended. An undo can be undone. A key that was made is revoked, for good.

        Raises:
            InvalidInput: there is no such revision.
            Conflict: later changes touch the same apps, tenant or key, or it ended a key.
        """
        from tenantcfg.store.undoing import undo  # noqa: PLC0415

        arguments.require(int, revision=revision)
        arguments.attribution(by)
        return self._change(undo(revision, by), what_if=what_if)

    # Beside the history

    @property
    def roster(self) -> Roster:
        """Who is in which call, where no other controller holds it."""
        from tenantcfg.store.roster import Roster  # noqa: PLC0415
        from tenantcfg.store.whereabouts import Lookups  # noqa: PLC0415

        self._require_writable()
        if self._lookups is None:
            self._lookups = Lookups(self._readers, self.dialect)
        return Roster(self._database, self._lookups)

    @property
    def removals(self) -> Removals:
        """The audit of the participants endpoint: whom it removed, and whom it refused."""
        from tenantcfg.store.removals import Removals  # noqa: PLC0415

        self._require_writable()
        return Removals(self._database)

    def _change(self, plan: Callable[[Reading], Plan], *, what_if: bool) -> Change:
        from tenantcfg.store.changing import carry_out  # noqa: PLC0415

        if not what_if:
            self._require_writable()
        return carry_out(self._database, plan, what_if=what_if)

    def _require_writable(self) -> None:
        if self._read_only:
            raise StoreReadOnly("the store was opened for reading only", subject=f"'{self.url}'")

    def _tenants_near(self, wanted: str) -> tuple[str, ...]:
        from tenantcfg.store.nearby import ids_near  # noqa: PLC0415

        return self._read(lambda reading: ids_near(reading, wanted))

    def _read(self, read: Callable[[Reading], T]) -> T:
        with self._database.reading() as reading:
            return read(reading)

    @property
    def _database(self) -> Database:
        if self._closed:
            raise failures.closed(self._address)
        if not self._opened:
            from tenantcfg.store.engine import Database  # noqa: PLC0415

            # A server has only so many connections: whoever goes on to read or change has one.
            self._readers.let_go()
            # At once, so that of two threads both have the same, which is closed with the store.
            self._opened.setdefault("", Database(self._address))
        return self._opened[""]


def _require_said(at_least: int) -> None:
    if at_least == 0:
        raise InvalidInput(
            "a standby answers only what says how fresh it must be",
            subject="at_least",
            hint="name a revision that it must have reached, or ask the primary",
        )
