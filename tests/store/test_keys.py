"""Service keys in the store: made, rotated, revoked, asked with, searched with."""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tenantcfg import (
    AppId,
    Conflict,
    Deny,
    InvalidInput,
    ListModifier,
    Permit,
    Reason,
    Revision,
    RevisionNotReached,
    Store,
    StoreReadOnly,
    TenantId,
    Unavailable,
    UnknownTenant,
)
from tenantcfg.errors import StoreNotOurs
from tenantcfg.history import Change, Verb, canonical
from tenantcfg.instants import Instant, parse
from tenantcfg.keys import MAX_TENANTS, KeyFacts, Right, ServiceKey, admits
from tenantcfg.store import Answered, admin
from tenantcfg.store.address import Address
from tenantcfg.store.engine import engine_of
from tests.stores import (
    APP,
    BY,
    CONTOSO,
    FABRIKAM,
    HOUR,
    OTHER,
    a_grant,
    a_key,
    a_tenant,
    let_time_pass,
    soon,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from tests.postgres import Server

CHECK = (Right.CHECK,)


def fresh() -> ServiceKey:
    return ServiceKey.new(secrets.token_bytes)


def ask(store: Store, *questions: tuple[str, str], **more: Any) -> Answered:
    return asyncio.run(store.ask(questions, **more))


def facts(store: Store, key: ServiceKey) -> KeyFacts | None:
    return ask(store, key=key.id).key


def in_force(store: Store, key: ServiceKey) -> bool:
    said = ask(store, key=key.id)
    return admits(said.key, key, said.at)


# Made


def test_a_key_is_what_it_was_made(store: Store) -> None:
    a_tenant(store)
    until = soon()

    key = a_key(store, "calls", rights=tuple(Right), tenants=[CONTOSO], until=until)

    assert facts(store, key) == KeyFacts(
        key.id, "calls", key.digest, frozenset(Right), frozenset({CONTOSO.value}), until
    )
    (listed,) = store.service_keys()
    assert (listed.id, listed.name, listed.rights) == (key.id, "calls", frozenset(Right))
    assert (listed.tenants, listed.expires_at) == ((CONTOSO.value,), until)
    assert listed.added == listed.since == store.head().revision
    assert in_force(store, key)


def test_its_change_is_of_no_tenant_and_stands_in_the_chain(store: Store) -> None:
    a_tenant(store)
    key = a_key(store, tenants=[CONTOSO])

    change = store.change(store.head().revision)

    assert change.tenant is None
    assert change.operation.verb is Verb.KEY_NEW
    assert change.operation.details["key"] == key.id
    assert Change.from_json(json.loads(json.dumps(change.to_json()))) == change
    assert next(store.history(actor="os:alice")) == change
    assert change not in list(store.history(tenant=CONTOSO))
    assert store.verify(head=change.receipt) == ()


def test_neither_the_secret_nor_its_digest_is_in_the_history(store: Store) -> None:
    key, other = a_key(store), fresh()
    rotated = store.rotate_key("calls", other, by=BY)
    store.revoke_key("calls", by=BY)

    told = " ".join(canonical(change) + repr(change) for change in store.history())

    for one in (key, other):
        assert one.secret not in told
        assert one.digest not in told
    assert rotated.operation.details["fingerprint"] != other.digest


def test_no_table_holds_the_secret(store: Store, store_url: str) -> None:
    key = a_key(store)
    engine = engine_of(Address.parse(store_url))
    with engine.connect() as connection:
        rows = [
            str(row)
            for table in ("changes", "keys", "head")
            for row in connection.execute(text(f"SELECT * FROM {table}"))  # noqa: S608
        ]
    engine.dispose()
    assert any(key.digest in row for row in rows)
    assert not [row for row in rows if key.secret in row]


def test_no_representation_shows_what_a_secret_is_judged_by(store: Store) -> None:
    key = a_key(store)
    held = facts(store, key)
    shown = f"{held!r} {ask(store, key=key.id)!r} {store.service_keys()!r} {key!r} {key}"
    assert key.secret not in shown
    assert key.digest not in shown


@pytest.mark.parametrize("name", ["", " x", "x ", "a\tb", "x" * 129])
def test_what_cannot_be_a_name_is_refused(store: Store, name: str) -> None:
    with pytest.raises(InvalidInput, match="not a key's name"):
        a_key(store, name)
    assert store.head().revision == 0


def test_a_name_is_unique_without_regard_to_case(store: Store) -> None:
    key = a_key(store, "Größe")
    with pytest.raises(Conflict, match=f"the name is taken: 'GRÖSSE': key {key.id} has it"):
        a_key(store, "GRÖSSE")
    with pytest.raises(Conflict, match="it is the id of a key"):
        a_key(store, key.id)


def test_a_name_is_free_again_once_its_key_is_revoked(store: Store) -> None:
    gone = a_key(store)
    store.revoke_key("calls", by=BY)
    key = a_key(store)
    assert [one.id for one in store.service_keys()] == [key.id]
    assert not in_force(store, gone)


def test_a_key_that_ran_out_keeps_its_name_until_it_is_revoked(
    store: Store, store_url: str
) -> None:
    until = soon()
    key = a_key(store, until=until)
    let_time_pass(store_url, until)
    assert facts(store, key) is not None
    assert not in_force(store, key)
    with pytest.raises(Conflict):
        a_key(store)


def test_a_key_serves_once(store: Store) -> None:
    key = a_key(store)
    with pytest.raises(Conflict, match="the key was used already"):
        store.add_key("other", key, rights=CHECK, by=BY)
    store.revoke_key(key.id, by=BY)
    with pytest.raises(Conflict, match="the key was used already"):
        store.add_key("calls", key, rights=CHECK, by=BY)
    a_key(store)
    with pytest.raises(Conflict, match="the key was used already"):
        store.rotate_key("calls", key, by=BY)


def test_a_tenant_that_is_not_known_is_refused(store: Store) -> None:
    a_tenant(store)
    with pytest.raises(UnknownTenant):
        a_key(store, tenants=[CONTOSO, FABRIKAM])
    assert store.service_keys() == ()


@pytest.mark.parametrize(
    ("rights", "tenants", "until", "said"),
    [
        ((), None, None, "a key without rights"),
        (CHECK, (), None, "a key for no tenant"),
        (CHECK, [TenantId(f"t{n}") for n in range(MAX_TENANTS + 1)], None, "too many tenants"),
        (CHECK, None, Instant(1), "the expiry is in the past"),
    ],
)
def test_a_key_of_no_use_is_refused(
    store: Store,
    rights: Collection[Right],
    tenants: Collection[TenantId] | None,
    until: Instant | None,
    said: str,
) -> None:
    with pytest.raises(InvalidInput, match=said):
        a_key(store, rights=rights, tenants=tenants, until=until)


@pytest.mark.parametrize(
    "given",
    [
        {"key": "tcfg_a_b"},
        {"rights": None},
        {"rights": "check"},
        {"rights": ["check"]},
        {"tenants": ["contoso"]},
        {"tenants": CONTOSO},
        {"expires_at": "tomorrow"},
        {"name": None},
        {"by": None},
    ],
)
def test_a_wrong_type_is_told_in_a_word(store: Store, given: dict[str, Any]) -> None:
    wanted = {"name": "calls", "key": fresh(), "rights": CHECK, "by": BY, **given}
    with pytest.raises(TypeError, match=f"{next(iter(given))}: .* (is|are) wanted"):
        store.add_key(**wanted)


def test_a_what_if_makes_no_key(store: Store) -> None:
    key = fresh()
    change = store.add_key("calls", key, rights=CHECK, by=BY, what_if=True)
    assert (change.effective, change.stored) == (True, False)
    assert (store.service_keys(), store.head().revision) == ((), 0)
    a_key(store)
    assert not store.rotate_key("calls", fresh(), by=BY, what_if=True).stored
    assert not store.revoke_key("calls", by=BY, what_if=True).stored
    assert store.head().revision == 1


def test_a_store_that_is_only_read_makes_no_key(store: Store, store_url: str) -> None:
    a_key(store)
    with Store.open(store_url, read_only=True) as reader:
        assert len(reader.service_keys()) == 1
        with pytest.raises(StoreReadOnly):
            a_key(reader, "other")
        with pytest.raises(StoreReadOnly):
            reader.revoke_key("calls", by=BY)


# Revoked


def test_a_revoked_key_is_gone_with_the_next_question(store: Store) -> None:
    a_grant(store)
    key = a_key(store)
    assert in_force(store, key)
    revoked = store.revoke_key("CALLS", by=BY)
    said = ask(store, (CONTOSO.value, APP.value), key=key.id)
    assert said.key is None
    assert said.revision == revoked.revision
    assert said.decisions == (Permit(),)


def test_revoking_again_changes_nothing(store: Store) -> None:
    key = a_key(store)
    first = store.revoke_key("calls", by=BY)
    for again in ("calls", key.id):
        change = store.revoke_key(again, by=BY)
        assert (change.stored, change.effective) == (False, False)
    assert store.head().revision == first.revision


def test_what_was_never_a_key_is_not_revoked(store: Store) -> None:
    a_key(store, "calls")
    with pytest.raises(InvalidInput, match="unknown key: 'cals': did you mean 'calls'"):
        store.revoke_key("cals", by=BY)


def test_a_revoke_is_not_undone(store: Store) -> None:
    key = a_key(store)
    made = store.head().revision
    revoked = store.revoke_key("calls", by=BY)
    with pytest.raises(Conflict, match="a key that was ended does not come back"):
        store.undo(revoked.revision, by=BY)
    with pytest.raises(Conflict, match=f"later changes touch the same: {revoked.revision}: "):
        store.undo(made, by=BY)
    assert facts(store, key) is None


def test_undoing_a_new_key_revokes_it_for_good(store: Store) -> None:
    key = a_key(store)
    undone = store.undo(store.head().revision, by=BY)
    assert undone.operation.details == {
        "undoes": 1,
        "effect": "key.revoke",
        "keys": [key.id],
        "name": "calls",
    }
    assert facts(store, key) is None
    with pytest.raises(Conflict, match="does not come back"):
        store.undo(undone.revision, by=BY)
    assert store.verify() == ()


# Rotated


def test_a_rotated_key_and_the_one_in_its_place_both_hold_for_a_while(
    store: Store, store_url: str
) -> None:
    a_tenant(store)
    old, new = a_key(store, rights=tuple(Right), tenants=[CONTOSO]), fresh()
    rotated = store.rotate_key("calls", new, by=BY)
    until = parse(rotated.operation.details["until"])
    assert until == rotated.at + 24 * HOUR
    assert in_force(store, old)
    assert in_force(store, new)
    held, kept = facts(store, new), facts(store, old)
    assert held is not None
    assert kept is not None
    assert (held.name, held.rights, held.tenants) == (kept.name, kept.rights, kept.tenants)
    assert (held.expires_at, kept.expires_at) == (None, until)
    assert store.find_key("calls").id == new.id
    assert [one.rotated for one in store.service_keys()] == [True, False]
    let_time_pass(store_url, until)
    assert not in_force(store, old)
    assert in_force(store, new)


def test_without_overlap_the_old_one_is_gone_at_once(store: Store) -> None:
    old, new = a_key(store), fresh()
    rotated = store.rotate_key(old.id, new, overlap=0, by=BY)
    assert rotated.operation.details["until"] is None
    assert facts(store, old) is None
    assert in_force(store, new)


def test_a_key_in_anothers_place_lasts_as_long_again(store: Store) -> None:
    until = soon(5)
    a_key(store, until=until)
    lasting = until - store.change(store.head().revision).at
    rotated = store.rotate_key("calls", fresh(), by=BY)
    assert parse(rotated.operation.details["expires_at"]) == rotated.at + lasting
    # The old one does not last longer than it was to.
    assert parse(rotated.operation.details["until"]) == until
    later = soon(50)
    again = store.rotate_key("calls", fresh(), expires_at=later, by=BY)
    assert parse(again.operation.details["expires_at"]) == later


def test_one_that_was_rotated_is_not_rotated_again_but_the_one_in_its_place(store: Store) -> None:
    old, new, newest = a_key(store), fresh(), fresh()
    store.rotate_key("calls", new, by=BY)
    with pytest.raises(Conflict, match=f"was rotated already: .*: key {new.id} came in its place"):
        store.rotate_key(old.id, newest, by=BY)
    store.rotate_key("calls", newest, by=BY)
    assert [in_force(store, one) for one in (old, new, newest)] == [True] * 3
    store.revoke_key(newest.id, by=BY)
    with pytest.raises(Conflict, match="that one was revoked since: tenantcfg key new makes"):
        store.rotate_key("calls", fresh(), by=BY)


def test_revoking_by_name_ends_all_of_the_name_and_by_id_one_alone(store: Store) -> None:
    old, new = a_key(store), fresh()
    store.rotate_key("calls", new, by=BY)
    store.revoke_key(old.id, by=BY)
    assert (facts(store, old), in_force(store, new)) == (None, True)
    newest = fresh()
    store.rotate_key("calls", newest, by=BY)
    revoked = store.revoke_key("Calls", by=BY)
    assert revoked.operation.details["keys"] == sorted([new.id, newest.id])
    assert store.service_keys() == ()


def test_a_name_whose_key_lasts_out_is_taken_until_it_has(store: Store, store_url: str) -> None:
    old, new = a_key(store), fresh()
    until = parse(store.rotate_key("calls", new, by=BY).operation.details["until"])
    store.revoke_key(new.id, by=BY)
    with pytest.raises(Conflict, match=f"key {old.id} has it"):
        a_key(store)
    let_time_pass(store_url, until)
    a_key(store)
    assert store.revoke_key("calls", by=BY).stored


def test_a_rotation_is_not_undone(store: Store) -> None:
    a_key(store)
    rotated = store.rotate_key("calls", fresh(), by=BY)
    with pytest.raises(Conflict, match="does not come back"):
        store.undo(rotated.revision, by=BY)
    with pytest.raises(Conflict, match="later changes touch the same: 2: tenantcfg key revoke"):
        store.undo(Revision(1), by=BY)


@pytest.mark.parametrize("overlap", [-1, 2**62])
def test_an_overlap_that_is_none_is_refused(store: Store, overlap: int) -> None:
    a_key(store)
    with pytest.raises(InvalidInput, match="no length for 'overlap'"):
        store.rotate_key("calls", fresh(), overlap=overlap, by=BY)


# Asked with


def test_what_is_asked_with_a_key_is_decided_as_without(store: Store) -> None:
    a_grant(store)
    a_grant(store, OTHER, until=soon())
    key = a_key(store)
    questions = [(CONTOSO.value, APP.value), (CONTOSO.value, "x"), ("x", APP.value), ("", "")]
    said = ask(store, *questions, key=key.id)
    assert said.decisions == tuple(store.check(tenant=tenant, app=app) for tenant, app in questions)
    assert said.decisions[3] == Deny(Reason.TENANT_MISSING)
    assert {one.revision for one in said.decisions} == {said.revision} == {store.head().revision}
    assert said.store_id == store.store_id
    assert said.key == facts(store, key)


tenant_texts = st.sampled_from(
    ["contoso", "CONTOSO", "off", "", " ", "x\0", "\ud800", CONTOSO.value, CONTOSO.value.upper()]
)
app_texts = st.sampled_from(["a", "ended", "", "A", "x" * 129, APP.value, APP.value.upper(), "\0"])
key_ids = st.sampled_from([None, "", "nobody", "x\0", "\ud800", "a" * 5_000])


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def asked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """A store with a little of everything, for many questions."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('asked') / 'store.db'}"
        with admin.create(url) as store:
            yield filled(store)
        return
    server: Server = request.getfixturevalue("postgres")
    with server.database() as url, admin.create(url) as store:
        yield filled(store)


def filled(store: Store) -> Store:
    for tenant in (TenantId("contoso"), TenantId("off"), CONTOSO):
        a_tenant(store, tenant, None)
        modifier = ListModifier(add=(AppId("a"), AppId("ended"), APP))
        store.modify(tenant, modifier, by=BY)
    store.disable_tenant(TenantId("off"), by=BY)
    a_key(store, "calls", tenants=[CONTOSO])
    return store


@settings(max_examples=40)
@given(
    waiting=st.lists(
        st.tuples(st.lists(st.tuples(tenant_texts, app_texts), max_size=5), key_ids, st.booleans()),
        min_size=1,
        max_size=5,
    )
)
def test_each_question_is_answered_as_check_answers_it(
    asked: Store, waiting: list[tuple[list[tuple[str, str]], str | None, bool]]
) -> None:
    (key,) = asked.service_keys()

    async def together() -> list[Answered]:
        return await asyncio.gather(
            *(asked.ask(pairs, key=key.id if ours else id_) for pairs, id_, ours in waiting)
        )

    for (pairs, _, ours), said in zip(waiting, asyncio.run(together()), strict=True):
        singly = [asked.check(tenant=tenant, app=app) for tenant, app in pairs]
        assert list(said.decisions) == singly
        assert (said.key.id if said.key else None) == (key.id if ours else None)


def test_those_who_ask_at_once_get_their_own_answer_and_key(store: Store) -> None:
    a_grant(store)
    keys = [a_key(store, f"key {number}") for number in range(4)]

    async def together() -> list[Answered | BaseException]:
        asks = [
            store.ask([(CONTOSO.value, APP.value)] * size, key=keys[size % 4].id)
            for size in (0, 1, 2, 3, 400, 401, 402)
        ]
        late = store.ask([], key=keys[0].id, at_least=99)
        return await asyncio.gather(*asks, late, return_exceptions=True)

    *answers, late = asyncio.run(together())
    assert isinstance(late, RevisionNotReached)
    for size, answer in zip((0, 1, 2, 3, 400, 401, 402), answers, strict=True):
        assert isinstance(answer, Answered)
        assert answer.decisions == (Permit(),) * size
        assert answer.key is not None
        assert answer.key.id == keys[size % 4].id


def test_an_action_that_is_not_known_is_no_permit(store: Store) -> None:
    a_grant(store)
    key = a_key(store)
    for questions in ([(CONTOSO.value, APP.value)], [(CONTOSO.value, APP.value)] * 2):
        said = ask(store, *questions, key=key.id, action="mute")
        assert set(said.decisions) == {Deny(Reason.UNSUPPORTED_ACTION)}
        assert said.key is not None


def test_more_than_a_thousand_questions_are_refused(store: Store) -> None:
    assert len(ask(store, *[("t", "a")] * 1_000).decisions) == 1_000
    with pytest.raises(InvalidInput, match="too many questions at once: 1001"):
        ask(store, *[("t", "a")] * 1_001)


@pytest.mark.parametrize(
    ("questions", "more"),
    [
        ([("t",)], {}),
        ([5], {}),
        ([], {"key": 5}),
        ([], {"at_least": "1"}),
        ([], {"at_least": True}),
    ],
)
def test_a_question_that_is_none_is_told(
    store: Store, questions: list[Any], more: dict[str, Any]
) -> None:
    with pytest.raises(TypeError, match=r"(is|are) wanted"):
        ask(store, *questions, **more)


def test_a_closed_store_answers_nobody(store: Store) -> None:
    store.close()
    with pytest.raises(Unavailable):
        ask(store, key="x")
    with pytest.raises(Unavailable):
        store.search(app="x", limit=1)


ROTATE = """
import secrets, sys
from tenantcfg import Store
from tenantcfg.keys import ServiceKey
from tests.stores import BY, a_key
with Store.open(sys.argv[1]) as store:
    for line in sys.stdin:
        if line.strip() == "revoke":
            store.revoke_key("calls", by=BY)
            print(flush=True)
        else:
            print(a_key(store).text, flush=True)
"""


def test_what_another_process_revoked_is_gone_at_once(store: Store, store_url: str) -> None:
    a_tenant(store)
    command = [sys.executable, "-c", ROTATE, store_url]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        for _ in range(20):
            other.stdin.write("new\n")
            other.stdin.flush()
            key = ServiceKey.parse(other.stdout.readline().strip())
            assert in_force(store, key)
            other.stdin.write("revoke\n")
            other.stdin.flush()
            other.stdout.readline()
            assert facts(store, key) is None
            assert store.search(app="x", limit=1, key=key.id).key is None
        other.stdin.close()


def test_a_key_that_no_statement_of_ours_wrote_is_a_damaged_store(
    store: Store, store_url: str
) -> None:
    key = a_key(store)
    engine = engine_of(Address.parse(store_url))
    for column, value in (
        ("digest", "0" * 63),
        ("digest", "x" * 64),
        ("rights", "everything"),
        ("rights", ""),
        ("tenants", "{"),
        ("tenants", '"contoso"'),
        ("tenants", "[5]"),
    ):
        with engine.begin() as connection:
            before = connection.scalar(text(f"SELECT {column} FROM keys"))  # noqa: S608
            connection.execute(text(f"UPDATE keys SET {column} = :value"), {"value": value})  # noqa: S608
        with pytest.raises(StoreNotOurs):
            ask(store, key=key.id)
        with pytest.raises(StoreNotOurs):
            store.search(app="x", limit=1, key=key.id)
        assert store.verify()
        with engine.begin() as connection:
            connection.execute(text(f"UPDATE keys SET {column} = :value"), {"value": before})  # noqa: S608
    engine.dispose()
    assert store.verify() == ()


def test_a_digest_put_in_anothers_place_is_found(store: Store, store_url: str) -> None:
    a_key(store)
    stranger = fresh()
    engine = engine_of(Address.parse(store_url))
    with engine.begin() as connection:
        connection.execute(text("UPDATE keys SET digest = :digest"), {"digest": stranger.digest})
    engine.dispose()
    said = [str(problem) for problem in store.verify()]
    assert len(said) == 2
    assert all(one.startswith("revision 1: key ") for one in said)
    assert stranger.digest not in " ".join(said)


# Searched with


def found(store: Store, **wanted: Any) -> list[str]:
    """All that is found, a page of two at a time."""
    ids: list[str] = []
    while True:
        page = store.search(**wanted, after=ids[-1] if ids else "", limit=2)
        ids += page.ids
        assert page.revision == store.head().revision
        assert page.total >= len(ids)
        if not page.more:
            assert page.total == len(ids)
            return ids
        assert len(page.ids) == 2


def test_a_search_finds_what_a_check_permits(store: Store, store_url: str) -> None:
    ids = ["Z", "a", "zz", "é", "ü", "B", "10", "9", APP.value]
    until = soon()
    for tenant in ids:
        a_tenant(store, TenantId(tenant), None)
        modifier = ListModifier(
            add=tuple(map(AppId, ids)), expiries={AppId("zz"): until, AppId("a"): soon(9)}
        )
        store.modify(TenantId(tenant), modifier, by=BY)
    store.disable_tenant(TenantId("B"), by=BY)
    store.remove_tenant(TenantId("10"), by=BY)
    store.modify(TenantId("a"), ListModifier(remove=(AppId("9"),)), by=BY)
    let_time_pass(store_url, until)
    bytewise = sorted(ids, key=str.encode)
    for one in ids:
        permitted = [other for other in bytewise if store.check(tenant=one, app=other)]
        assert found(store, tenant=one) == permitted
        permitted = [other for other in bytewise if store.check(tenant=other, app=one)]
        assert found(store, app=one) == permitted
    assert found(store, tenant=APP.value.upper()) == found(store, tenant=APP.value) != []


def test_a_search_sees_only_what_the_key_covers(store: Store) -> None:
    for tenant in ("a", "b", "c", "d"):
        a_grant(store, APP, TenantId(tenant))
        a_grant(store, OTHER, TenantId(tenant))
    store.disable_tenant(TenantId("c"), by=BY)
    key = a_key(store, tenants=[TenantId("b"), TenantId("c"), TenantId("d")])
    everywhere = a_key(store, "everywhere")
    assert found(store, app=APP, key=key.id) == ["b", "d"]
    assert found(store, app=APP, key=everywhere.id) == ["a", "b", "d"] == found(store, app=APP)
    assert found(store, tenant="a", key=key.id) == []
    assert found(store, tenant="b", key=key.id) == sorted([APP.value, OTHER.value])
    assert found(store, app=APP, key="nobody") == []
    store.revoke_key(key.id, by=BY)
    assert found(store, app=APP, key=key.id) == []


def test_without_a_tenant_and_an_app_only_head_and_key_are_read(store: Store) -> None:
    a_grant(store)
    key = a_key(store)
    said = store.search(limit=5, key=key.id)
    assert (said.ids, said.total, said.more) == ((), 0, False)
    assert said.key == facts(store, key)
    assert (said.store_id, said.revision) == (store.store_id, store.head().revision)
    nothing = store.search(tenant=CONTOSO, limit=5, action="mute")
    assert (nothing.ids, nothing.total) == ((), 0)


def test_a_page_of_nothing_tells_the_total_and_whether_there_is_more(store: Store) -> None:
    a_grant(store)
    said = store.search(tenant=CONTOSO, limit=0)
    assert (said.ids, said.total, said.more) == ((), 1, True)
    said = store.search(tenant=CONTOSO, limit=0, after=APP.value)
    assert (said.ids, said.total, said.more) == ((), 1, False)
    assert store.search(tenant=CONTOSO, limit=2**70).total == 1


@pytest.mark.parametrize(
    "wanted",
    [
        {"tenant": "t", "app": "a", "limit": 1},
        {"app": "a", "limit": -1},
        {"app": "a", "limit": 1, "after": " "},
        {"app": "a", "limit": 1, "after": "\ud800"},
    ],
)
def test_a_search_that_is_none_is_refused(store: Store, wanted: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        store.search(**wanted)


def test_a_search_of_an_older_store_is_refused(store: Store) -> None:
    a_grant(store)
    assert store.search(app=APP, limit=1, at_least=2).total == 1
    with pytest.raises(RevisionNotReached):
        store.search(app=APP, limit=1, at_least=3)


@pytest.mark.parametrize("odd", ["", " ", "x\0", "\ud800", "x" * 200])
def test_what_cannot_be_an_id_finds_nothing(store: Store, odd: str) -> None:
    a_grant(store)
    assert store.search(tenant=odd, limit=1).total == 0
    assert store.search(app=odd, limit=1).total == 0
    assert store.search(app=APP, limit=1, key=odd).total == 0


# Changes in their order


def test_changes_are_read_onwards_from_one_that_was_seen(store: Store) -> None:
    a_grant(store)
    a_key(store)
    every = list(store.history(newest_first=False))
    head, changes = store.changes_after(0, limit=10)
    assert (head, list(changes)) == (store.head(), every)
    assert list(store.changes_after(1, limit=1)[1]) == every[1:2]
    for beyond in (3, 4, 2**80):
        assert store.changes_after(beyond, limit=10) == (head, ())
    assert store.changes_after(0, limit=0)[1] == ()
    with pytest.raises(InvalidInput):
        store.changes_after(-1, limit=1)
    with pytest.raises(InvalidInput):
        store.changes_after(0, limit=-1)


# Moved


def test_keys_go_along_wherever_the_store_goes(
    store: Store, store_url: str, tmp_path: Path
) -> None:
    a_tenant(store)
    old, new = a_key(store, tenants=[CONTOSO]), fresh()
    store.rotate_key("calls", new, by=BY)
    gone = a_key(store, "gone")
    store.revoke_key("gone", by=BY)
    admin.backup(store_url, tmp_path / "backup.db")
    admin.restore(tmp_path / "backup.db", tmp_path / "restored.db")
    admin.copy(store_url, tmp_path / "copied.db")
    for place in ("backup.db", "restored.db", "copied.db"):
        with Store.open(tmp_path / place) as moved:
            assert moved.service_keys() == store.service_keys()
            assert [in_force(moved, key) for key in (old, new, gone)] == [True, True, False]
            assert moved.verify(head=store.head()) == ()


def test_keys_go_to_the_other_database(
    store: Store, store_url: str, postgresql_url: str, tmp_path: Path
) -> None:
    other_kind = {"postgresql": str(tmp_path / "other.db"), "sqlite": postgresql_url}
    target = other_kind[store.dialect]
    a_tenant(store)
    key = a_key(store, tenants=[CONTOSO], until=soon())
    assert admin.copy(store_url, target) == store.head()
    with Store.open(target) as other:
        assert facts(other, key) == facts(store, key)
        assert other.verify(head=store.head()) == ()
