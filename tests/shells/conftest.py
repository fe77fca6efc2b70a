"""Stores for the tests of shells: those of the command line's."""

from __future__ import annotations

from tests.cli.conftest import embedded, templates, two_apps

__all__ = ["embedded", "templates", "two_apps"]
