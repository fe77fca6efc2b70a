"""
Page tokens: where a search goes on, sealed so that only who was given one can use it.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import TYPE_CHECKING

from tenantcfg.service.http import Problem

if TYPE_CHECKING:
    from tenantcfg.service.authzen.model import Asker, Question, Sought

__all__ = ["PageTokens"]

_SEAL = 16


class PageTokens:
    """
    Tokens sealed with *key*, which all workers of a service share (check W34).

    A token carries the last id and the limit, and holds for one query of one asker.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def token(self, last: str, limit: int, query: bytes) -> str:
        """The token of the page behind *last*."""
        content = json.dumps([last, limit], separators=(",", ":")).encode()
        return urlsafe_b64encode(self._seal(content, query) + content).decode()

    def opened(self, token: str, query: bytes) -> tuple[str, int]:
        """
        The last id and the limit in *token*.

        Raises:
            Problem: ``invalid_page_token``: it is damaged, or of another query or asker.
        """
        try:
            whole = urlsafe_b64decode(token.encode("ascii"))
        except ValueError as why:
            raise _invalid() from why
        # The decoder passes over what is not of its alphabet.
        if urlsafe_b64encode(whole).decode() != token:
            raise _invalid()
        seal, content = whole[:_SEAL], whole[_SEAL:]
        if not hmac.compare_digest(seal, self._seal(content, query)):
            raise _invalid()
        last, limit = json.loads(content)
        return last, limit

    def _seal(self, content: bytes, query: bytes) -> bytes:
        return hmac.digest(self._key, query + content, "sha256")[:_SEAL]

    @staticmethod
    def query(sought: Sought, question: Question, asker: Asker) -> bytes:
        """
        What a token is bound to, in 32 bytes: the search, its entities, and who asks.

        Raises:
            Problem: ``invalid_json``, where they are nested deeper than can be written.
        """
        subject, action, resource = question.subject, question.action, question.resource
        whole = [
            sought,
            [subject.type, subject.id, subject.properties],
            [action.name, action.properties],
            [resource.type, resource.id, resource.properties],
            question.context,
            asker.identity,
        ]
        try:
            return sha256(json.dumps(whole, sort_keys=True).encode()).digest()
        except RecursionError as why:
            raise Problem("invalid_json", "the body is nested too deep") from why


def _invalid() -> Problem:
    return Problem("invalid_page_token", "the page token is not one of this search: start again")
