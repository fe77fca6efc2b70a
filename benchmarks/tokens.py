"""
An access token verified with its key at hand, beside the bare check of its signature.
"""

from __future__ import annotations

import asyncio
import time
from base64 import urlsafe_b64decode
from functools import partial
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from benchmarks.report import Table, micro
from benchmarks.rounds import Cost, play, timed
from tenantcfg.service.tokens import AccessTokens, Issuer, TokenRules
from tests.service.token_cases import KEYS, V1, V2, made, published
from tests.service.token_maker import AUDIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from benchmarks.sizes import Sizes

__all__ = ["measured"]

_FORMS = {"v1": V1, "v2": V2}


class _AtHand:
    """Keys that need no fetching (`KeySource`)."""

    async def fetch(self, issuer: Issuer, /) -> Sequence[object]:
        """The keys of *issuer*."""
        keys = published("v1" if issuer.name == V1 else "v2")
        return [key for key in keys if key["kid"] == "k1"]


def measured(folder: Path, sizes: Sizes) -> Iterator[Table]:
    """The table of this benchmark."""
    del folder
    now, count = int(time.time()), sizes.questions
    turns: dict[str, Callable[[], Cost]] = {}
    with asyncio.Runner() as runner:
        judge = runner.run(_judge())
        for form in _FORMS:
            token = made({}, form, now)
            turns[form] = partial(_verified, runner, judge, token, count)
            turns[f"bare {form}"] = _signatures(token, count)
        rounds = play(turns, sizes.rounds)
        runner.run(judge.close())
    yield Table(
        "A token verified with its key at hand, beside its RS256 signature alone (2048 bits)",
        ("", "verified, processor", "clock", "signature, processor", "processor / signature"),
        [
            (
                form,
                micro(rounds.typical(form).cpu),
                micro(rounds.typical(form).wall),
                micro(rounds.typical(f"bare {form}").cpu),
                str(rounds.cpu(form, f"bare {form}")),
            )
            for form in _FORMS
        ],
    )


async def _judge() -> AccessTokens:
    """One that has its keys."""
    issuers = tuple(Issuer(name, jwks=f"{name.partition('{')[0]}keys") for name in _FORMS.values())
    rules = TokenRules(issuers, frozenset({AUDIENCE, f"api://{AUDIENCE}"}))
    judge = AccessTokens(rules, servers=_AtHand())
    await judge.prepare()
    return judge


def _verified(runner: asyncio.Runner, judge: AccessTokens, token: str, count: int) -> Cost:
    async def work() -> None:
        for _ in range(count):
            await judge.verify(token)

    return timed(lambda: runner.run(work()), count)


def _signatures(token: str, count: int) -> Callable[[], Cost]:
    signed, _, signature = token.rpartition(".")
    content, made_by = signed.encode(), urlsafe_b64decode(signature + "==")
    public = KEYS["main"].public_key()
    assert isinstance(public, RSAPublicKey)  # noqa: S101 - "main" is one

    def work() -> None:
        for _ in range(count):
            public.verify(made_by, content, padding.PKCS1v15(), hashes.SHA256())

    return lambda: timed(work, count)
