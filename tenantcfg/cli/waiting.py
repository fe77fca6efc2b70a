"""
``wait``: until a change is in force at every service that is asked.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urlsplit

import click

from tenantcfg.cli.app import Run, Verb, say, verb_options
from tenantcfg.cli.exits import Exit
from tenantcfg.cli.output import Records, emit
from tenantcfg.errors import Conflict, InvalidInput, SettingInvalid, quoted
from tenantcfg.ids import Revision
from tenantcfg.instants import parse_duration
from tenantcfg.keys import ServiceKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx

__all__ = ["wait"]

_COLUMNS = ("url", "in_force", "revision", "store_id", "why")
_ANSWER_SECONDS: Final = 5.0
"""For one answer; a service that takes longer is asked again."""
_PAUSE_SECONDS: Final = 0.2

# What this app may do in this tenant: nothing, whatever they are, so nothing is learnt by it. It is
# read as a check is, by the same statement, and stands in no log of decisions.
_PATH: Final = "/access/v1/search/action"
_QUESTION: Final = {
    "subject": {"type": "application", "id": "tenantcfg-wait"},
    "resource": {"type": "tenant", "id": "tenantcfg-wait"},
}


@click.command(
    cls=Verb,
    examples=(
        "tenantcfg wait --revision 4711 http://127.0.0.1:8180",
        "tenantcfg wait --revision 4711 --key-file wait.key https://one.example https://two.example",
    ),
)
@click.option("--revision", metavar="REV", required=True, help="The change that is waited for.")
@click.option("--key-file", metavar="FILE", help="A service key, if the services want one.")
@click.option("--ca-file", metavar="FILE", help="Certificates that they are believed by, PEM.")
@click.option("--timeout", metavar="DURATION", default="30s", help="How long; 30s without it.")
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@verb_options()
@click.pass_obj
def wait(
    run: Run,
    urls: tuple[str, ...],
    *,
    revision: str,
    key_file: str | None,
    ca_file: str | None,
    timeout: str,
) -> Exit:
    """Wait until a check at each of these services sees the revision, or a later one."""
    wanted = Revision.parse(revision)
    seconds = parse_duration(timeout) / 1e6
    places = [_Place.parse(url) for url in dict.fromkeys(urls)]
    head = {} if key_file is None else {"authorization": f"Bearer {_secret(key_file)}"}
    trust = _trust(ca_file)
    found = asyncio.run(_all(places, wanted, seconds, head, trust))
    _print(run, found)
    if not all(one.in_force for one in found):
        return Exit.UNAVAILABLE
    _require_one_store(found)
    return Exit.DONE


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a service is: what is asked there, and the unix socket that it is asked by."""

    url: str
    asked: str
    socket: str | None = None

    @classmethod
    def parse(cls, url: str) -> _Place:
        """
        The place that *url* names: ``http://``, ``https://``, or ``unix:/path``.

        Raises:
            InvalidInput: it names none.
        """
        if url.startswith("unix:/"):
            return cls(url, f"http://localhost{_PATH}", url.removeprefix("unix:"))
        try:
            parts = urlsplit(url)
            known = parts.scheme in {"http", "https"} and bool(parts.hostname)
            known = known and parts.port != 0 and not (parts.query or parts.fragment)
        except ValueError:
            known = False
        if not known or not url.isprintable() or "@" in url:
            hint = "http://HOST:PORT, https://HOST or unix:/path"
            raise InvalidInput("not the URL of a service", subject=quoted(url), hint=hint)
        return cls(url, url.rstrip("/") + _PATH)


@dataclass(frozen=True, slots=True)
class _Found:
    """How far a service is; *why* it is not there, as far as that is known."""

    url: str
    in_force: bool = False
    revision: int | None = None
    store_id: str | None = None
    why: str = "it did not answer in time"

    @property
    def row(self) -> dict[str, Any]:
        """As it is printed."""
        return {
            "url": self.url,
            "in_force": self.in_force,
            "revision": self.revision,
            "store_id": self.store_id,
            "why": None if self.in_force else self.why,
        }


async def _all(
    places: Sequence[_Place],
    wanted: int,
    seconds: float,
    head: dict[str, str],
    trust: ssl.SSLContext,
) -> list[_Found]:
    """All of them at once: one that hangs keeps none of the others waiting."""
    end = time.monotonic() + seconds
    asks = [_until_in_force(place, wanted, end, head, trust) for place in places]
    return list(await asyncio.gather(*asks))


async def _until_in_force(
    place: _Place, wanted: int, end: float, head: dict[str, str], trust: ssl.SSLContext
) -> _Found:
    httpx = _httpx()
    transport = httpx.AsyncHTTPTransport(verify=trust, uds=place.socket, trust_env=False)
    found = _Found(place.url)
    # What stands in the environment of a shell is no business of a key.
    async with httpx.AsyncClient(transport=transport, headers=head, trust_env=False) as client:
        while True:
            left = end - time.monotonic()
            if left <= 0:
                return found
            found = await _asked(client, place, found, wanted, min(left, _ANSWER_SECONDS))
            if found.in_force:
                return found
            await asyncio.sleep(min(_PAUSE_SECONDS, max(end - time.monotonic(), 0)))


async def _asked(
    client: httpx.AsyncClient, place: _Place, before: _Found, wanted: int, seconds: float
) -> _Found:
    """What the service says now, or what it said before with why it says nothing."""
    try:
        async with asyncio.timeout(seconds):
            answer = await client.post(place.asked, json=_QUESTION, timeout=None)
    except TimeoutError:
        return replace(before, why="it did not answer in time")
    except _httpx().HTTPError as why:
        return replace(before, why=f"it cannot be asked: {str(why) or type(why).__name__}")
    return _read(place, answer, before, wanted)


def _read(place: _Place, answer: httpx.Response, before: _Found, wanted: int) -> _Found:
    if answer.status_code in {401, 403}:
        _refuse_key(place, answer.status_code)
    revision = answer.headers.get("tenantcfg-revision", "")
    if answer.status_code != 200 or not (revision.isascii() and revision.isdecimal()):  # noqa: PLR2004
        said = f"{answer.status_code} {answer.reason_phrase}".strip()
        return replace(before, why=f"it answers {said}, and no revision")
    at = int(revision)
    return _Found(
        place.url,
        in_force=at >= wanted,
        revision=at,
        store_id=answer.headers.get("tenantcfg-store"),
        why=f"it is at {at}",
    )


def _refuse_key(place: _Place, status: int) -> NoReturn:
    # No waiting makes a key known.
    raise InvalidInput(
        "the service does not answer whoever asks so",
        subject=quoted(place.url),
        why="it wants a key that is in force" if status == 401 else "it refuses",  # noqa: PLR2004
        hint="--key-file names a file with a service key",
    )


def _print(run: Run, found: Sequence[_Found]) -> None:
    for one in found:
        if not one.in_force:
            say(f"{one.url}: {one.why}")
    if run.output is None:
        print(f"in force on {sum(one.in_force for one in found)} of {len(found)}")
        return
    rows = [one.row for one in found]
    stores = {one.store_id for one in found if one.store_id}
    store_id = stores.pop() if len(stores) == 1 else ""
    emit(Records("tenantcfg/wait/1", rows, _COLUMNS, "", store_id), run.output)


def _require_one_store(found: Sequence[_Found]) -> None:
    """Revisions of two histories do not compare (check C8)."""
    stores = {one.store_id for one in found}
    if len(stores) > 1:
        raise Conflict(
            "the services do not answer from one store",
            subject=", ".join(f"{one.url} from {one.store_id}" for one in found),
            why="a revision of one says nothing about another",
            hint="look at what each was started with, and for a restore",
        )


def _secret(path: str) -> str:
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as why:
        said = why.strerror if isinstance(why, OSError) else "it is no text"
        raise SettingInvalid("cannot be read", subject=quoted(path), why=str(said)) from why
    return ServiceKey.parse(text).text


def _trust(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as why:
        # An SSLError is one.
        said = why.strerror or str(why)
        raise SettingInvalid(
            "cannot be used for TLS", subject=quoted(ca_file or ""), why=said
        ) from why


def _httpx() -> Any:  # noqa: ANN401 - a module
    try:
        import httpx  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as why:
        raise SettingInvalid(
            "what asks services is not installed",
            why=f"no module {why.name}",
            hint="pip install 'tenantcfg[client]'",
        ) from why
    return httpx
