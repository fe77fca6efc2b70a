"""
The store: everything that is kept, and the strict check.
"""

from __future__ import annotations
