"""
Changes a store without a pause, until it is ended: ``python -m benchmarks.writing URL``.
"""

from __future__ import annotations

import sys
from itertools import cycle

from benchmarks.stores import BY
from tenantcfg import AppId, ListModifier, Store

__all__: list[str] = []

_APP = AppId("5817674c-81d9-4adb-bfb2-8f6a442e4622")


def main(url: str) -> None:
    """Add an app to a tenant and remove it again; a line says that it goes on."""
    with Store.open(url) as store:
        tenant = store.tenants()[0].id
        for number, modifier in enumerate(
            cycle((ListModifier(add=(_APP,)), ListModifier(remove=(_APP,))))
        ):
            store.modify(tenant, modifier, by=BY)
            if number == 1:
                print("writing", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
