"""
Calls and their participants over HTTP, as Microsoft Graph has them: who is in a call, and out.

The one that is removed is removed for an application with a right to it in the token's tenant
(participants P1 to P26). What is asked for is read in `paths` and `options`, who asks in
`admission`; `endpoint` keeps the order of it all (P15), `removing` acts, and `answers` and
`resources` say what goes out.
"""

from __future__ import annotations

from tenantcfg.service.participants.endpoint import Participants, participants
from tenantcfg.service.participants.removing import Remover

__all__ = ["Participants", "Remover", "participants"]
