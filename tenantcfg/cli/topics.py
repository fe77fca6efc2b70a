"""
Help: a sentence for each command, and ``tenantcfg help TOPIC``.
"""

from __future__ import annotations

import click

from tenantcfg.cli.app import CMDLETS, EXAMPLES, Run, did_you_mean, tenantcfg, verb_options
from tenantcfg.cli.exits import Exit
from tenantcfg.errors import InvalidInput

__all__ = ["SUMMARIES", "TOPICS", "cmdlet_help", "help_"]

SUMMARIES = {
    "check": "May this app remove participants in this tenant?",
    "who": "Which apps may act in a tenant, in which tenants an app may.",
    "history": "What was changed, newest first: who, when and why.",
    "undo": "Take one change back.",
    "audit": "Prove that the history is whole.",
    "tenant": "The tenants that the store knows.",
    "key": "The keys with which services ask.",
    "call": "The calls that the store holds: who is in them, whom apps removed.",
    "db": "The store: upgrade, back up, restore, copy.",
    "serve": "Answer checks over HTTP.",
    "wait": "Wait until a change is in force at services.",
    "decisions": "What the service has answered, newest first.",
    "explain-request": "What was answered to a request, and the fact that decided.",
    "completion": "Completion for bash, zsh and fish.",
    "help": "Examples and topics.",
    "Set-CsApplicationMeetingConfiguration": "Grant and revoke.",
    "Get-CsApplicationMeetingConfiguration": "Show the apps that may act in a tenant.",
    "Connect-MicrosoftTeams": "Name the tenant that later lines mean.",
    "Disconnect-MicrosoftTeams": "Forget it.",
    "Get-CsTenant": "Show the tenants.",
}

_LIST = "-AllowRemoveParticipantAppIds"
_APP = "5817674c-81d9-4adb-bfb2-8f6a442e4622"

_SET = f"""\
Set-CsApplicationMeetingConfiguration: grant and revoke

Examples
  tenantcfg Set-CsApplicationMeetingConfiguration {_LIST} '@{{Add="{_APP}"}}'
  tenantcfg Set-CsApplicationMeetingConfiguration {_LIST} '@{{Remove="{_APP}"}}' -WhatIf
  tenantcfg Set-CsApplicationMeetingConfiguration -Tenant contoso {_LIST} \\
      '@{{Add="{_APP}"}}' -ExpiresIn 30d -Reason "pilot" -OnBehalfOf "service desk"
  tenantcfg Get-CsApplicationMeetingConfiguration -Tenant contoso -o json

Parameters of the real cmdlet
  {_LIST}  @{{Add=...}}, @{{Remove=...}}, @{{Replace=...}}, a list
                                 (replaces), or $null (clears)
  -Identity                      Global, the only one; may be left out
  -Instance                      what Get returned; also by pipeline
  -Force                         do not ask before a list is replaced or cleared
  -WhatIf, -Confirm              show what would change; ask first
  and the common ones: -Verbose, -ErrorAction, ...

Parameters of ours, by their full name only
  -Tenant                        the tenant, by id or name
  -Reason, -OnBehalfOf           why, and for whom; they stand in the history
  -ExpiresAt, -ExpiresIn         when the grant ends: 2027-01-31T18:00:00Z, 4h, 30d
  -PassThru                      print the configuration afterwards

Put the braces in single quotes, in every shell. A list that is replaced or cleared takes
rights away, so that asks first; a script answers with -Force or '-Confirm:$false'.
"""

_GET = """\
Get-CsApplicationMeetingConfiguration: show the apps that may act in a tenant

Examples
  tenantcfg Get-CsApplicationMeetingConfiguration
  tenantcfg Get-CsApplicationMeetingConfiguration -Tenant contoso -o json
  tenantcfg Get-CsApplicationMeetingConfiguration -Tenant contoso -AsOf 2026-11-01T00:00:00Z
  tenantcfg -Command 'Get-CsApplicationMeetingConfiguration -Tenant a |
      Set-CsApplicationMeetingConfiguration -Tenant b'

Parameters of the real cmdlet
  -Identity     Global, the only one; may be left out
  -Filter       wildcards for it: "g*"
  -LocalStore   accepted, without effect
  and the common ones: -Verbose, -ErrorAction, ...

Parameters of ours, by their full name only
  -Tenant       the tenant, by id or name
  -AsOf         as it stood at a revision or at a time
"""

_CONNECT = """\
Connect-MicrosoftTeams: name the tenant that later lines mean

Examples
  tenantcfg Connect-MicrosoftTeams -TenantId contoso
  tenantcfg -Command 'Connect-MicrosoftTeams -TenantId contoso
      Get-CsApplicationMeetingConfiguration'

Standing alone it holds for this terminal session and this store; in a text, for the rest of
the text. There is nothing to log in to: who acts is the user of the process, and every
parameter that carries a credential is refused. -AccountId is kept in the history as a claim.
"""

_DISCONNECT = """\
Disconnect-MicrosoftTeams: forget the tenant that Connect-MicrosoftTeams named

Examples
  tenantcfg Disconnect-MicrosoftTeams
"""

_TENANT = """\
Get-CsTenant: show the tenants

Examples
  tenantcfg Get-CsTenant
  tenantcfg Get-CsTenant -Identity contoso
  tenantcfg Get-CsTenant -ResultSize 10 -o csv

Parameters
  -Identity           an id or a name; also by pipeline
  -ResultSize         at most so many
  -Filter             refused: it is a script
  -DomainController   accepted, without effect
"""

_LANGUAGE = """\
The language of a line

What PowerShell accepts, as data and not as a program: commands with their parameters,
prefixes, -Name:value and switches; strings of all four kinds; numbers, $true, $false, $null;
lists, @( ), ( ), $( ); hashtables; pipelines of the cmdlets; comments, ; and newlines.

Variables, operators, casts, members, script blocks, redirection and loops are refused
before anything runs. Nothing typed is ever evaluated as code.

Two doors
  from a shell   tenantcfg Set-CsApplicationMeetingConfiguration ...   quotes that the shell
                 ate are forgiven; an argument that it tore apart is refused
  a text         tenantcfg -Command 'LINES', tenantcfg -File grants.ps1, or standard input;
                 strict, and judged whole before its first line runs
"""

_TENANTS = """\
Which tenant a line means

The nearest of these counts: -Tenant on the line (or the tenant of the piped object), a
Connect-MicrosoftTeams earlier in the same text, --tenant, TENANTCFG_TENANT, tenant in the
settings file, the tenant of Connect-MicrosoftTeams in this terminal, the only tenant there
is. A tenant that the line did not name is named on standard error.

A tenant must be known before it is changed, so that a slip of the finger cannot make one:
  tenantcfg tenant add 72f988bf-86f1-41af-91ab-2d7cd011db47 contoso
"""

_SETTINGS = """\
Settings: an option wins over the environment, that over the settings file

  --store URL      TENANTCFG_DATABASE_URL   database_url   sqlite:////path/to/file.db, or
                   TENANTCFG_DATABASE_URL_FILE             postgresql://user@host/name
  --tenant TENANT  TENANTCFG_TENANT         tenant         the tenant that a line means
                   TENANTCFG_ACTOR                         who you say you are (a claim)
                   TENANTCFG_CONFIG                        the settings file

Without a URL the store is the file tenantcfg/tenantcfg.db in the XDG data folder
($XDG_DATA_HOME, else ~/.local/share). The settings file is TOML: tenantcfg/config.toml in
the XDG config folder.
"""


def _exit_codes() -> str:
    lines = [f"  {int(code):>3}  {code.meaning}" for code in Exit]
    return "\n".join(["Exit codes", "", *lines, ""])


TOPICS = {
    "language": _LANGUAGE,
    "tenants": _TENANTS,
    "settings": _SETTINGS,
    "exit-codes": _exit_codes(),
    "Set-CsApplicationMeetingConfiguration": _SET,
    "Get-CsApplicationMeetingConfiguration": _GET,
    "Connect-MicrosoftTeams": _CONNECT,
    "Disconnect-MicrosoftTeams": _DISCONNECT,
    "Get-CsTenant": _TENANT,
}

_START = "\n".join(
    [
        "tenantcfg: which applications may remove participants from meetings, tenant by tenant",
        "",
        "Examples",
        *(f"  {line}" for line in EXAMPLES),
        "",
        "Topics: tenantcfg help TOPIC",
        *(f"  {name}" for name in TOPICS),
        "",
    ]
)


def cmdlet_help(name: str) -> str:
    """The help of the cmdlet *name*, in its canonical spelling."""
    return TOPICS[name]


def _known(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    names = dict.fromkeys((*TOPICS, *SUMMARIES))
    return [name for name in names if name.lower().startswith(incomplete.lower())]


@click.command("help")
@click.argument("topic", required=False, nargs=-1, shell_complete=_known)
@verb_options()
@click.pass_context
def help_(ctx: click.Context, topic: tuple[str, ...]) -> Exit:
    """Examples and topics; 'tenantcfg help TOPIC' for one topic, cmdlet or verb."""
    if not topic:
        print(_START, end="")
        return Exit.DONE
    name = next((known for known in TOPICS if known.lower() == topic[0].lower()), None)
    if name is not None:
        print(TOPICS[name], end="")
        return Exit.DONE
    print(_verb_help(ctx, topic))
    return Exit.DONE


def _verb_help(ctx: click.Context, topic: tuple[str, ...]) -> str:
    context = click.Context(tenantcfg, info_name="tenantcfg", obj=ctx.ensure_object(Run))
    command: click.Command = tenantcfg
    for word in topic:
        found = command.get_command(context, word) if isinstance(command, click.Group) else None
        if found is None or word in CMDLETS:
            known = (*TOPICS, *SUMMARIES)
            raise InvalidInput("no such topic", subject=f"'{word}'", hint=did_you_mean(word, known))
        command, context = found, click.Context(found, parent=context, info_name=word)
    return command.get_help(context)
