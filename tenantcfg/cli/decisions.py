"""
``decisions`` and ``explain-request``: what the service has answered, and why.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Self

import click

from tenantcfg import instants
from tenantcfg.cli.app import Run, Verb, failed, known_apps, say, verb_options
from tenantcfg.cli.asking import explained_row, told
from tenantcfg.cli.exits import Exit
from tenantcfg.cli.output import Records, emit, printable
from tenantcfg.cli.participants import as_decided, explained
from tenantcfg.decision import Deny
from tenantcfg.errors import (
    InvalidInput,
    Reason,
    SettingInvalid,
    TenantcfgError,
    UnknownTenant,
    quoted,
)
from tenantcfg.ids import AppId, Revision, TenantId, is_guid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenantcfg.instants import Instant
    from tenantcfg.store import Explanation, Store
    from tenantcfg.store.decision_log import DecisionLog, Entry

__all__ = ["decisions", "explain_request"]

_DECISIONS = ("permit", "deny", "barred", "error")
_COLUMNS = ("at", "decision", "reason", "tenant", "app", "asker_name", "asker", "request_id")
_MOST = 1_000
"""The most rows of one request id: it is the client's, who may use one for all requests."""


def _log_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--log", "log_url", metavar="URL", help="The log, instead of the one in the settings."
    )(command)


@click.command(
    cls=Verb,
    examples=(
        "tenantcfg decisions --limit 20",
        "tenantcfg decisions --tenant contoso --decision deny --since 2026-11-24T09:00:00Z",
        "tenantcfg decisions --app 5817674c-81d9-4adb-bfb2-8f6a442e4622 -o jsonl",
    ),
)
@click.option(
    "--app", shell_complete=known_apps, metavar="APP", help="Only decisions about this app."
)
@click.option("--decision", type=click.Choice(_DECISIONS), help="Only those that came to this.")
@click.option("--since", metavar="TIME", help="Only decisions at this time or later.")
@click.option("--until", metavar="TIME", help="Only decisions before this time.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The newest N decisions.")
@_log_option
@verb_options(tenant=True)
@click.pass_obj
def decisions(
    run: Run,
    *,
    app: str | None,
    decision: str | None,
    since: str | None,
    until: str | None,
    limit: int | None,
    log_url: str | None,
) -> Exit:
    """What the service has answered, newest first, from its decision log."""
    from tenantcfg.store.decision_log import Wanted  # noqa: PLC0415 - loads SQLAlchemy

    run.unread = Exit.DONE
    wanted = Wanted(
        tenant=_tenant(run),
        app=AppId.parse(app).value if app is not None else None,
        decision=decision,
        since=_instant(since),
        until=_instant(until),
        limit=limit,
    )
    with _opened(log_url) as log:
        found = log.find(wanted)
        if run.output is not None:
            emit(_records(log, "tenantcfg/decisions/1", map(_row, found)), run.output)
        else:
            for entry in found:
                _print(_lines(entry))
        _tell_dropped(log)
    return Exit.DONE


@click.command(
    "explain-request",
    cls=Verb,
    examples=(
        "tenantcfg explain-request bfe9eb29-ab87-4ca3-be83-a1d5d8305716",
        "tenantcfg explain-request bfe9eb29-ab87-4ca3-be83-a1d5d8305716 -o json",
    ),
)
@click.argument("request_id", metavar="ID")
@_log_option
@verb_options()
@click.pass_obj
def explain_request(run: Run, request_id: str, log_url: str | None) -> Exit:
    """
    What was answered under this request id, and the fact that decided then.

    Of the participants API it is the header request-id: whom the request removed, or why it was
    refused, stands in the store. Of a check it is X-Request-ID, and the answer is read from the
    decision log. The fact is read from the store as it was at the revision of the answer: which
    grant it was, who gave or ended it, when and why.
    """
    named = _log_url(log_url)
    if _of_participants(run, request_id, required=named is None):
        return Exit.DONE
    with _opened(log_url) as log:
        entries = _of_request(log, request_id)
        if not entries:
            _tell_dropped(log)
            raise InvalidInput(
                "no decision is on record under this request id",
                subject=quoted(request_id),
                why="requests without a decision (401, 503) leave none",
                hint="tenantcfg decisions lists what there is",
            )
        if len(entries) == _MOST:
            say(f"the newest {_MOST} of this request id; there may be more")
        with _Explaining(run) as explaining:
            if run.output is None:
                for entry in entries:
                    _print(_lines(entry))
                    _print(f"  {line}" for line in explaining.lines(entry))
            else:
                rows = ({**_row(entry), **explaining.members(entry)} for entry in entries)
                emit(_records(log, "tenantcfg/request/1", rows), run.output)
        return Exit.DONE if explaining.why is None else failed(run, explaining.why)


def _of_participants(run: Run, request_id: str, *, required: bool) -> bool:
    """Whether it was a request of the participants API; where a log is named, that may tell too."""
    if not is_guid(request_id):
        return False
    try:
        if explained(run, request_id):
            return True
    except TenantcfgError:
        if required:
            raise
        return False
    if required:
        raise InvalidInput(
            "nothing is on record under this request id",
            subject=quoted(request_id),
            why="it removed nobody, and was not refused for want of a right (30 days are kept)",
            hint="name the decision log, if it was a check: --log URL",
        )
    return False


def _log_url(log_url: str | None) -> str | None:
    from tenantcfg.service.settings import load_service  # noqa: PLC0415

    if log_url == "":
        raise InvalidInput("an option has no value", subject="--log")
    return log_url or load_service(os.environ).decision_log_url


def _opened(log_url: str | None) -> DecisionLog:
    from tenantcfg.service.settings import PREFIX  # noqa: PLC0415
    from tenantcfg.store.decision_log import DecisionLog  # noqa: PLC0415 - loads SQLAlchemy

    url = _log_url(log_url)
    if url is None:
        variable = f"{PREFIX}DECISION_LOG_URL"
        raise SettingInvalid(
            "no decision log is named",
            hint=f"--log URL, {variable}, or decision_log_url in [serve] of the settings file",
        )
    return DecisionLog.open(url)


def _tenant(run: Run) -> str | None:
    """The tenant by option only; a name is looked up in the store, an id needs none."""
    if run.tenant is None:
        return None
    if is_guid(run.tenant.strip()):
        return TenantId.parse(run.tenant).value
    with run.open_store() as store:
        try:
            return store.find_tenant(run.tenant).id.value
        except UnknownTenant as why:
            say(f"{why}; what was removed keeps its decisions, by its id")
    return TenantId.parse(run.tenant).value


def _instant(given: str | None) -> Instant | None:
    return None if given is None else instants.parse(given)


def _of_request(log: DecisionLog, request_id: str) -> list[Entry]:
    found = log.request(request_id, most=_MOST)
    if found or request_id.isascii():
        return found
    # A header is bytes, and stands in the log letter by letter.
    return log.request(os.fsencode(request_id).decode("latin-1"), most=_MOST)


def _tell_dropped(log: DecisionLog) -> None:
    dropped = log.dropped()
    if dropped:
        say(f"not all are on record: {dropped} were dropped, as decision_log_mode sampled has it")


# How a decision is shown


def _records(log: DecisionLog, schema: str, rows: Iterator[dict[str, Any]]) -> Records:
    return Records(schema, rows, _COLUMNS, log.url, log.id)


def _row(entry: Entry) -> dict[str, Any]:
    """As it stands in the log; *history* is the store's id, since ``store_id`` is the log's."""
    row = {**entry._asdict(), "at": instants.text(instants.Instant(entry.at))}
    return {("history" if name == "store_id" else name): value for name, value in row.items()}


def _lines(entry: Entry) -> Iterator[str]:
    reason = f" {entry.reason}" if entry.reason else ""
    name = f" ({entry.asker_name})" if entry.asker_name else ""
    yield (
        f"{instants.text(instants.Instant(entry.at))}  {entry.decision}{reason}"
        f"  {entry.tenant or '-'}  {entry.app or '-'}  {entry.asker}{name}"
    )
    place = "" if entry.place is None else f", item {entry.place}"
    yield f"  request {entry.request_id}{place}, revision {entry.revision}, {entry.endpoint}"
    if entry.call is not None or entry.participant is not None:
        yield f"  call {entry.call or '-'}, participant {entry.participant or '-'}"


def _print(lines: Iterator[str]) -> None:
    for line in lines:
        # An id may hold a line break, which would pass for the end of the line.
        print(printable(line))
    sys.stdout.flush()


class _Explaining:
    """
    What the store says of decisions, each at its revision.

    Attributes:
        why: the store cannot be asked; None: it can.
    """

    def __init__(self, run: Run) -> None:
        self.why: TenantcfgError | None = None
        self._store: Store | None = None
        try:
            self._store = run.open_store()
        except TenantcfgError as why:
            # What is on record is shown all the same.
            self.why = why

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._store is not None:
            self._store.close()

    def lines(self, entry: Entry) -> Iterator[str]:
        """In words."""
        explanation, instead = self._explained(entry)
        if explanation is None:
            yield instead
            return
        for told_line in told(explanation, now=False):
            yield from told_line.split("\n")
        if instead:
            yield instead

    def members(self, entry: Entry) -> dict[str, Any]:
        """As data: the explanation, or why there is none."""
        explanation, instead = self._explained(entry)
        row = None if explanation is None else explained_row(explanation, now=False)
        return {"explanation": row, "remark": instead or None}

    def _explained(self, entry: Entry) -> tuple[Explanation | None, str]:
        """What the store says, and what is to be said beside it or instead."""
        instead = _unasked(entry)
        if instead is None and self._store is None:
            instead = "the store cannot be asked why"
        if instead is not None or self._store is None:
            return None, instead or ""
        if entry.store_id != self._store.store_id:
            return None, "it was decided by another store, or before this one was restored"
        at, revision = instants.Instant(entry.at), Revision(entry.revision or 0)
        explanation = as_decided(self._store, entry.tenant, entry.app or "", at, revision)
        if isinstance(explanation.decision, Deny) is not (entry.decision == "deny"):
            return explanation, "the answer was another one: the clocks of service and store differ"
        return explanation, ""


def _unasked(entry: Entry) -> str | None:
    """Why the store has nothing to say about *entry*; None: it has."""
    if entry.decision == "barred":
        return "who asked may not ask about this tenant: nothing was decided"
    if entry.reason in _UNSUPPORTED:
        return "the question was about something else than an app that removes participants"
    if entry.app is None or entry.revision is None or entry.decision == "error":
        return "this was no question about an app and a tenant"
    if not f"{entry.app}{entry.tenant}".isprintable():
        return "no app and no tenant can have such an id"
    return None


_UNSUPPORTED = {
    Reason.UNSUPPORTED_SUBJECT_TYPE,
    Reason.UNSUPPORTED_RESOURCE_TYPE,
    Reason.UNSUPPORTED_ACTION,
}
