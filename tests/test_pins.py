"""The pinned tenant: kept for its owner alone, and never steered by another's files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tenantcfg import TenantId
from tenantcfg.cmdlets import Pins
from tenantcfg.cmdlets.pin import Pin

if TYPE_CHECKING:
    from pathlib import Path

PIN = Pin(TenantId("contoso"), "alice@contoso.example")


@pytest.fixture
def pins(tmp_path: Path) -> Pins:
    return Pins(tmp_path / "state", "a-session")


def test_a_pin_is_of_one_store_and_kept_for_its_owner_alone(pins: Pins) -> None:
    pins.put("store-1", PIN)
    assert (pins.get("store-1"), pins.get("store-2")) == (PIN, None)
    (kept,) = pins.folder.iterdir()
    assert (kept.stat().st_mode & 0o777, pins.folder.stat().st_mode & 0o777) == (0o600, 0o700)
    pins.forget("store-1")
    assert pins.get("store-1") is None


def test_a_pin_that_another_user_made_counts_nothing(
    pins: Pins, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins.put("store-1", PIN)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert pins.get("store-1") is None


def test_a_link_that_another_user_laid_is_neither_read_nor_written_through(
    pins: Pins, tmp_path: Path
) -> None:
    pins.put("store-1", PIN)
    (kept,) = pins.folder.iterdir()
    elsewhere = tmp_path / "elsewhere"
    kept.rename(elsewhere)
    kept.symlink_to(elsewhere)
    assert pins.get("store-1") is None
    precious = tmp_path / "precious"
    precious.write_text("precious")
    kept.with_suffix(f".{os.getpid()}").symlink_to(precious)
    pins.put("store-2", PIN)
    assert precious.read_text() == "precious"
    assert pins.get("store-2") == PIN


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"s": 1}', '{"s": {}}', '{"s": {"tenant": ""}}', '{"s": {"tenant": 1}}'],
)
def test_a_file_that_is_broken_holds_no_pin(pins: Pins, content: str) -> None:
    pins.put("s", PIN)
    (kept,) = pins.folder.iterdir()
    kept.write_text(content)
    assert pins.get("s") is None
