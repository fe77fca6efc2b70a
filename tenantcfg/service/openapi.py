"""The document (draft)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenantcfg.service.http import Endpoint

__all__ = ["pages"]


def pages(public_url: str | None) -> dict[bytes, Endpoint]:
    """The pages."""
    del public_url
    return {}
