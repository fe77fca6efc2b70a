"""
The store: everything that is kept, and the strict check.

All SQL is in this room, for SQLite and PostgreSQL alike. What a check needs loads neither
SQLAlchemy nor alembic; `tenantcfg.store.admin` makes, upgrades, saves and copies stores.
"""

from __future__ import annotations

from tenantcfg.store.door import Store
from tenantcfg.store.views import Answered, Explanation, Followed, Found, Key, Tenant

__all__ = ["Answered", "Explanation", "Followed", "Found", "Key", "Store", "Tenant"]
