"""
What the lines of a text wrote: printed as PowerShell prints it, or as records for programs.
"""

from __future__ import annotations

import os
import shutil
import sys
from itertools import groupby
from typing import TYPE_CHECKING, Any

from tenantcfg import instants
from tenantcfg.cli.app import say
from tenantcfg.cli.changing import RECEIPT_COLUMNS
from tenantcfg.cli.output import Records, emit
from tenantcfg.cmdlets import ConfigurationObject, ConnectionObject, TenantObject
from tenantcfg.powershell.formatting import format_list, format_table

if TYPE_CHECKING:
    from tenantcfg.cmdlets import Context
    from tenantcfg.powershell import Value

__all__ = ["Results"]

_WIDTH = 120
_SHOWN = 4
"""Items of a collection that PowerShell shows (cmdlets O3); cut only on a terminal."""

_COLUMNS = {
    "configuration": (
        "tenant",
        "tenant_name",
        "revision",
        "Identity",
        "AllowRemoveParticipantAppIds",
    ),
    "connection": ("account", "environment", "tenant", "tenant_name"),
    "tenants": ("tenant", "name", "enabled", "added"),
    "receipt": RECEIPT_COLUMNS,
    "value": ("value",),
}


class Results:
    """Takes objects and receipts as they come, and prints them in the run's format."""

    def __init__(self, context: Context, output: str | None) -> None:
        self._context = context
        self._output = output
        self._objects: list[Value] = []
        self._rows: list[tuple[str, dict[str, Any]]] = []

    def take(self, value: Value) -> None:
        """An object that a statement wrote."""
        if self._output is None:
            self._objects.append(value)
        else:
            self._row(*_row(value))

    def take_receipt(self, row: dict[str, Any]) -> None:
        """The receipt of a change."""
        self._row("receipt", row)

    def statement_ended(self) -> None:
        """Print what PowerShell would have printed by now."""
        objects, self._objects = self._objects, []
        for kind, alike in groupby(objects, key=type):
            print(self._formatted(kind, list(alike)), end="")
        sys.stdout.flush()

    def finish(self, *, done: bool) -> None:
        """
        Print what is printed as a whole: one document, whatever the lines wrote.

        Lines that were *done* and wrote nothing are a document without items.
        """
        nothing = not self._rows and not (done and self._context.is_open)
        if self._output in {None, "jsonl"} or nothing:
            return
        schemas = dict.fromkeys(schema for schema, _ in self._rows)
        if len(schemas) == 1:
            self._emit(next(iter(schemas)), [row for _, row in self._rows])
            return
        columns = dict.fromkeys(column for schema in schemas for column in _COLUMNS[schema])
        stamped = [{"schema": f"tenantcfg/{schema}/1", **row} for schema, row in self._rows]
        self._print("results", stamped, tuple(columns), single=False)

    def _row(self, schema: str, row: dict[str, Any]) -> None:
        if self._output == "jsonl":
            self._emit(schema, [row])
        else:
            self._rows.append((schema, row))

    def _emit(self, schema: str, rows: list[dict[str, Any]]) -> None:
        # Tenants are a list by their nature, also when there is only one.
        single = len(rows) == 1 and schema != "tenants"
        self._print(schema, rows, _COLUMNS[schema], single=single)

    def _print(
        self, schema: str, rows: list[dict[str, Any]], columns: tuple[str, ...], *, single: bool
    ) -> None:
        records = Records.of(self._context.store, schema, rows, columns, single=single)
        emit(records, self._output or "json")

    def _formatted(self, kind: type, objects: list[Value]) -> str:
        terminal = sys.stdout.isatty()
        width = shutil.get_terminal_size((_WIDTH, 24)).columns if terminal else _WIDTH
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        colour = terminal and not plain
        if issubclass(kind, ConnectionObject):
            return format_table(objects, width=width, limit=None, colour=colour)
        if not issubclass(kind, ConfigurationObject | TenantObject):
            return "".join(f"{value}\n" for value in objects)
        if not terminal:
            # Whoever reads a file or a pipe looks for whole ids: nothing is cut or wrapped.
            return format_list(objects, width=sys.maxsize, limit=None, colour=False)
        self._say_what_was_cut(objects)
        return format_list(objects, width=width, limit=_SHOWN, colour=colour)

    def _say_what_was_cut(self, objects: list[Value]) -> None:
        for one in objects:
            if isinstance(one, ConfigurationObject) and len(one.configuration.apps) > _SHOWN:
                say(f"{_SHOWN} of {len(one.configuration.apps)} apps are shown; -o list shows all")


def _row(value: Value) -> tuple[str, dict[str, Any]]:
    match value:
        case ConfigurationObject():
            return "configuration", _configuration(value)
        case TenantObject(tenant=tenant):
            return "tenants", {
                "tenant": tenant.id.value,
                "name": tenant.name,
                "enabled": tenant.enabled,
                "added": int(tenant.added),
            }
        case ConnectionObject(tenant=tenant):
            return "connection", {
                "account": value.properties["Account"],
                "environment": value.properties["Environment"],
                "tenant": tenant.id.value,
                "tenant_name": tenant.name,
            }
    return "value", {"value": str(value)}


def _configuration(value: ConfigurationObject) -> dict[str, Any]:
    configuration = value.configuration
    return {
        "tenant": configuration.tenant.value,
        "tenant_name": value.tenant.name,
        "enabled": value.tenant.enabled,
        "revision": int(configuration.revision),
        "at": instants.text(configuration.at),
        "Identity": "Global",
        "AllowRemoveParticipantAppIds": [app.value for app in configuration.apps],
        "receipt": value.change.receipt if value.change and value.change.stored else None,
        "grants": [
            {
                "app": grant.app.value,
                "granted": int(grant.granted),
                "expires_at": None if grant.expires_at is None else instants.text(grant.expires_at),
            }
            for grant in configuration.grants
        ],
    }
