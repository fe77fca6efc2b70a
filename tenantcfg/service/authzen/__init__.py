"""
The OpenID AuthZEN Authorization API 1.0 on the wire (check, section 1).

This room knows no store. Where decisions come from is a parameter (`Decisions`), so that the
working group's own scenarios run against the very same layer as the product.
"""

from __future__ import annotations

from tenantcfg.service.authzen import model
from tenantcfg.service.authzen.endpoints import authzen
from tenantcfg.service.authzen.model import *

# ruff: noqa: F403 - what questions and answers are made of is said in their own module
__all__ = ["authzen"]
__all__ += model.__all__
