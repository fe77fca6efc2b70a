"""
What tenantcfg costs, beside the least that the same work can cost.

``python -m benchmarks`` in the checkout; docs/reference/performance.md tells what it measures.
"""

from __future__ import annotations
