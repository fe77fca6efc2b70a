"""
The service described: OpenAPI 3.1 as data, and the same as a page to read.

The schemas are no narrower than what is answered: what a description forbids and the service
takes would mislead both.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from itertools import chain
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from tenantcfg import __version__
from tenantcfg.errors import Reason
from tenantcfg.service.http import ALLOW_GET, JSON, STATUS, Answer, Headers, Problem
from tenantcfg.service.openapi_calls import of_calls

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from tenantcfg.service.http import Endpoint, Request

__all__ = ["document", "pages"]

Node = dict[str, Any]

_KEPT: Final = (b"cache-control", b"public, max-age=300")

_CODES: Final = {
    "invalid_content_type": "Content-Type is not application/json. Fix the caller.",
    "invalid_json": "The body is not one JSON object in UTF-8, or names a member twice. "
    "Fix the caller.",
    "invalid_request": "A member is missing or wrong; the message names it. Fix the caller.",
    "invalid_page_token": "The token is damaged, or of another search. Start the search again.",
    "unauthenticated": "No key, or one that is not in force. Get a key.",
    "forbidden": "The key may not ask this. It is no denial: ask who runs the service.",
    "not_found": "There is no such path. Fix the URL.",
    "method_not_allowed": "The header Allow names the methods. Fix the caller.",
    "conflict": "What was asked for lies beyond the newest change. Start again from the state.",
    "too_large": "The body is too large. Send smaller batches.",
    "too_many_requests": "Wait as long as Retry-After says.",
    "internal": "A fault of ours. Take it for no.",
    "unavailable": "There is no answer now. Take it for no, and ask again after Retry-After.",
    "stale": "The state here is older than what was asked for, or of another store. "
    "Take it for no, and ask again.",
}
"""What each code of the error table means, and what to do (check E2)."""

_SEARCH_WARNING: Final = (
    "For people and reports. Never permit on the strength of a search: it is older than a check."
)
_WELL_KNOWN: Final = "/.well-known/authzen-configuration"
_DOCUMENT: Final = "/openapi.json"
_PAGE: Final = "/docs"


def pages(public_url: str | None, routes: Collection[bytes]) -> dict[bytes, Endpoint]:
    """
    The document at ``/openapi.json``, and the page at ``/docs``, which needs no network.

    Args:
        public_url: see `document`.
        routes: what else is answered, as `Application` has it.

    Raises:
        KeyError: one of *routes* is not described.
    """
    whole = document(public_url, {*(one.decode() for one in routes), _DOCUMENT, _PAGE})
    style = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'"
    html_headers: Headers = (
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-security-policy", f"{policy}; frame-ancestors 'none'".encode()),
        (b"x-content-type-options", b"nosniff"),
        _KEPT,
    )
    return {
        _DOCUMENT.encode(): _constant(Answer(200, json.dumps(whole).encode(), (JSON, _KEPT))),
        _PAGE.encode(): _constant(Answer(200, _page(whole).encode(), html_headers)),
    }


def _constant(answer: Answer) -> Endpoint:
    async def constant(request: Request) -> Answer:
        if request.method not in {"GET", "HEAD"}:
            raise Problem("method_not_allowed", "only GET is answered here", ALLOW_GET)
        return answer

    return constant


# The document


def document(public_url: str | None = None, routes: Collection[str] | None = None) -> Node:
    """
    The OpenAPI document.

    Args:
        public_url: where it says that the service is.
        routes: what the service answers, of all that it can; None: everything.

    Raises:
        KeyError: one of *routes* is not described.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "tenantcfg",
            "version": __version__,
            "summary": "Whether an application may remove participants in a tenant.",
            "description": "The OpenID AuthZEN Authorization API 1.0. To whoever asks, every "
            'answer but 200 with `"decision": true` means no.',
        },
        "servers": [{"url": public_url or "/"}],
        "security": [{"key": []}],
        "paths": _paths(public_url, routes),
        "components": {
            "schemas": _schemas(),
            "parameters": _parameters(),
            "headers": _headers(),
            "responses": _responses(),
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A service key, as `tenantcfg key new` shows it once.",
                },
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "The access token of the application whose request a proxy "
                    "holds, where `proxy_source` is `token`.",
                },
                "proxy": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Tenantcfg-Secret",
                    "description": "The proxy's own secret, where `proxy_source` is `headers`.",
                },
            },
        },
    }


def _paths(public_url: str | None, routes: Collection[str] | None) -> Node:
    alone = {**_evaluations(), **_of_proxies(), **_of_operators(), **_metadata(public_url)}
    # What stands for all below it has one segment here: OpenAPI knows no other.
    known = {name: {name.replace("*", "{path}"): one} for name, one in alone.items()}
    known |= of_calls()
    wanted = known if routes is None else routes
    if missing := sorted(set(wanted) - known.keys()):
        raise KeyError(*missing)
    described = (them.items() for name, them in known.items() if name in wanted)
    return dict(chain.from_iterable(described))


def _evaluations() -> Node:
    return {
        "/access/v1/evaluation": _asked(
            "evaluation",
            "One decision",
            "Whether the subject may do the action to the resource, now. A denial is 200 too.",
            "EvaluationRequest",
            "Decision",
        ),
        "/access/v1/evaluations": _asked(
            "evaluations",
            "Many decisions, on one snapshot",
            "Members at the top are defaults: an item that has a member replaces the default "
            "whole. Without items it is the single question, and has the single answer.",
            "EvaluationsRequest",
            "EvaluationsResponse",
        ),
        "/access/v1/search/subject": _asked(
            "searchSubjects",
            "The applications that may act in a tenant",
            _SEARCH_WARNING,
            "SubjectSearchRequest",
            "EntitySearchResponse",
        ),
        "/access/v1/search/resource": _asked(
            "searchResources",
            "The tenants in which an application may act",
            _SEARCH_WARNING,
            "ResourceSearchRequest",
            "EntitySearchResponse",
        ),
        "/access/v1/search/action": _asked(
            "searchActions",
            "What an application may do in a tenant",
            _SEARCH_WARNING,
            "ActionSearchRequest",
            "ActionSearchResponse",
        ),
        "/changes": _stream(),
    }


def _stream() -> Node:
    revision: Node = {"type": "string", "pattern": "^[0-9]{1,18}$"}
    after = {
        "name": "after",
        "in": "query",
        "description": "The last revision seen, or 0. `Last-Event-ID` wins over it.",
        "schema": revision,
    }
    failures = ("Invalid", "Unauthenticated", "Forbidden", "Conflict", "TooMany", "Unavailable")
    return {
        "get": {
            "operationId": "changes",
            "summary": "The changes behind a revision, and then each one as it comes",
            "description": "Server-sent events: `change`, `heartbeat`, and `end` as the last.",
            "parameters": [
                after,
                _header("Last-Event-ID", "The last revision seen.", revision),
                *(_ref("parameters", one) for one in _parameters()),
            ],
            "responses": {
                "200": {
                    "description": "The stream; it has no end of its own.",
                    "headers": _read_at(),
                    "content": {"text/event-stream": {"schema": {"type": "string"}}},
                },
                **_failures(*failures),
            },
        }
    }


def _of_proxies() -> Node:
    envoy = {
        "name": "path",
        "in": "path",
        "required": True,
        "description": "The path of the request that is held, as it was sent, slashes and all.",
        "schema": {"type": "string"},
    }
    original = ("X-Original-Method", "X-Original-URI")
    forwarded = ("X-Forwarded-Method", "X-Forwarded-Uri")
    return {
        "/check/nginx": {"get": _held("checkNginx", "nginx and HAProxy", _pair(*original))},
        "/check/forward": {"get": _held("checkForward", "Caddy and Traefik", _pair(*forwarded))},
        "/check/envoy/*": {"delete": _held("checkEnvoy", "Envoy, over HTTP", [envoy])},
        "/check/*": {"get": _held("checkNothing", "nobody: it is refused", [envoy])},
    }


def _pair(method: str, target: str) -> list[Node]:
    text = {"type": "string"}
    return [
        _header(method, "The method of the request that is held.", text),
        _header(target, "Its target, as it was sent.", text),
    ]


def _held(name: str, whom: str, told: list[Node]) -> Node:
    """What a proxy asks; each method is answered alike, and the one described is what it sends."""
    refused = {
        "401": "It is not known who sent it.",
        "403": "It must not pass.",
        "503": "It cannot be told now.",
    }
    named = [
        _header(f"X-Tenantcfg-{one}", "Who sent it, where `proxy_source` is `headers`.", _TEXT)
        for one in ("App", "Tenant")
    ]
    return {
        "operationId": name,
        "summary": f"Whether a request that is held may pass: for {whom}",
        "description": "Any method is answered as this one. Nothing but 200 lets a request pass.",
        "security": [{"token": []}, {"proxy": []}],
        "parameters": [*told, *named, *(_ref("parameters", one) for one in _parameters())],
        "responses": {
            "200": {
                "description": "It may pass.",
                "headers": _read_at(),
                "content": _json("Permit"),
            },
            **{
                status: {"description": what, "content": _json("Refusal")}
                for status, what in refused.items()
            },
        },
    }


def _of_operators() -> Node:
    return {
        "/healthz": _read("healthz", "Whether the process is alive", "Health"),
        "/readyz": _read(
            "readyz",
            "Whether the store answers, and a decision log that answers wait for; told within a "
            "second",
            "Health",
            "Unavailable",
        ),
        "/metrics": _shown("metrics", "The numbers, for Prometheus", "text/plain"),
        _DOCUMENT: _shown("openapi", "This document", "application/json", {"type": "object"}),
        _PAGE: _shown("docs", "This document to read", "text/html"),
    }


def _shown(name: str, summary: str, kind: str, schema: Node | None = None) -> Node:
    content = {kind: {"schema": schema or _TEXT}}
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "security": [],
            "responses": {"200": {"description": "It.", "content": content}},
        }
    }


def _metadata(public_url: str | None) -> Node:
    parts = urlsplit(public_url or "")
    described = _read("metadata", "Where the AuthZEN API is", "Metadata")
    if parts.path:
        # Between host and path, so not below the service's own URL (check W37).
        described["get"]["servers"] = [{"url": f"{parts.scheme}://{parts.netloc}"}]
    return {_WELL_KNOWN + parts.path: described}


def _asked(name: str, summary: str, description: str, request: str, response: str) -> Node:
    return {
        "post": {
            "operationId": name,
            "summary": summary,
            "description": description,
            "parameters": [_ref("parameters", one) for one in _parameters()],
            "requestBody": {"required": True, "content": _json(request)},
            "responses": {
                "200": {
                    "description": "The answer.",
                    "headers": _read_at(),
                    "content": _json(response),
                },
                **_failures("Invalid", "Unauthenticated", "Forbidden", "TooLarge", "Unavailable"),
            },
        }
    }


def _read(name: str, summary: str, schema: str, *failures: str) -> Node:
    good = {"description": "Yes.", "content": _json(schema)}
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "security": [],
            "responses": {"200": good, **_failures(*failures)},
        }
    }


def _failures(*names: str) -> Node:
    return {str(_RESPONSES[one][0]): _ref("responses", one) for one in names}


def _read_at() -> Node:
    """The headers of an answer that was read in the store."""
    return {one: _ref("headers", one) for one in _headers()}


_TEXT: Final[Node] = {"type": "string"}
_REFUSED: Final = ("not_granted", "not_gated")
_PLACES: Final = (
    "policy_decision_point",
    "access_evaluation_endpoint",
    "access_evaluations_endpoint",
    "search_subject_endpoint",
    "search_resource_endpoint",
    "search_action_endpoint",
)
_RESPONSES: Final = {
    "Invalid": (400, "The request cannot be read."),
    "Unauthenticated": (401, "Who asks is not known."),
    "Forbidden": (403, "Who asks may not ask this. It is no denial."),
    "Conflict": (409, "What was seen lies beyond the newest change."),
    "TooLarge": (413, "The body is too large."),
    "TooMany": (429, "There are too many streams."),
    "Unavailable": (503, "There is no decision."),
}


def _responses() -> Node:
    retry = {"Retry-After": {"schema": {"type": "string"}, "description": "Seconds."}}
    challenge = {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "Bearer."}}
    more = {"Unavailable": retry, "TooMany": retry, "Unauthenticated": challenge}
    id_ = {"X-Request-ID": _ref("headers", "X-Request-ID")}
    return {
        name: {
            "description": description,
            "headers": {**id_, **more.get(name, {})},
            "content": _json("Error"),
        }
        for name, (_, description) in _RESPONSES.items()
    }


def _header(name: str, description: str, schema: Node) -> Node:
    return {"name": name, "in": "header", "description": description, "schema": schema}


def _parameters() -> Node:
    return {
        "RequestId": _header("X-Request-ID", "Comes back with the answer.", _TEXT),
        "MinRevision": _header(
            "Tenantcfg-Min-Revision",
            "The answer must not be older; else it is 503.",
            {"type": "string", "pattern": "^[0-9]{1,18}$"},
        ),
        "Store": _header(
            "Tenantcfg-Store", "The store whose revision that is; another one answers 503.", _TEXT
        ),
    }


def _headers() -> Node:
    text = {"type": "string"}
    return {
        "X-Request-ID": {"description": "As it was sent, or a new one.", "schema": text},
        "Tenantcfg-Revision": {
            "description": "The revision at which it was judged.",
            "schema": {"type": "string", "pattern": "^[0-9]+$"},
        },
        "Tenantcfg-Store": {"description": "The store that it is of.", "schema": text},
        "Tenantcfg-Lag": {
            "description": (
                "For how many seconds at most it may have missed something; only of a service"
                " that reads from a standby within a lag."
            ),
            "schema": {"type": "string", "pattern": "^[0-9]+[.][0-9]{3}$"},
        },
    }


def _schemas() -> Node:
    question = ("subject", "action", "resource")
    return {
        "Entity": _entity("type", "id"),
        "SoughtEntity": {
            **_entity("type"),
            "description": "What is sought; an `id` is ignored.",
        },
        "Action": _entity("name"),
        "EvaluationRequest": _object(
            {**_question(), "context": _ref("schemas", "Context")}, *question
        ),
        "Context": {"type": ["object", "null"]},
        "EvaluationsRequest": _object(
            {
                "subject": {"description": "Default for items without it."},
                "action": {"description": "Default for items without it."},
                "resource": {"description": "Default for items without it."},
                "context": {"description": "Default for items without it."},
                "evaluations": {
                    "type": "array",
                    "maxItems": 1000,
                    "items": _ref("schemas", "EvaluationRequest"),
                },
                "options": _ref("schemas", "Options"),
            }
        ),
        "Options": _object(
            {
                "evaluations_semantic": {
                    "enum": ["execute_all", "deny_on_first_deny", "permit_on_first_permit"],
                    "default": "execute_all",
                },
                "include_reasons": {"description": "`true`: denials say their reasons."},
            }
        ),
        "Decision": _object(
            {
                "decision": {"type": "boolean"},
                "context": _ref("schemas", "DecisionContext"),
            },
            "decision",
        ),
        "DecisionContext": _object(
            {
                "reason": {
                    "type": "string",
                    "description": "New ones may come: act on the decision alone.",
                    "examples": [reason.value for reason in Reason],
                },
                "error": _object(
                    {"status": {"type": "integer"}, "message": {"type": "string"}},
                    "status",
                    "message",
                ),
            }
        ),
        "EvaluationsResponse": {
            "anyOf": [
                _object(
                    {"evaluations": {"type": "array", "items": _ref("schemas", "Decision")}},
                    "evaluations",
                ),
                _ref("schemas", "Decision"),
            ]
        },
        **_searches(question),
        "Permit": _object({"decision": {"const": True}}, "decision"),
        "Refusal": _object({"error": {"enum": [*STATUS, *_REFUSED]}}, "error"),
        "Health": _object({"status": {"type": "string"}}, "status"),
        "Metadata": _object(
            {one: {"type": "string", "format": "uri"} for one in _PLACES}, *_PLACES[:2]
        ),
        "Error": _object(
            {"error": {"enum": list(STATUS)}, "message": {"type": "string"}}, "error", "message"
        ),
    }


def _searches(question: tuple[str, ...]) -> Node:
    sought = _ref("schemas", "SoughtEntity")
    more = {"context": _ref("schemas", "Context"), "page": _ref("schemas", "Page")}
    entity = _object({"type": {"type": "string"}, "id": {"type": "string"}}, "type", "id")
    return {
        "SubjectSearchRequest": _object({**_question(), "subject": sought, **more}, *question),
        "ResourceSearchRequest": _object({**_question(), "resource": sought, **more}, *question),
        "ActionSearchRequest": _object(
            {
                **_question(),
                "action": {"description": "Is sought; what is sent is ignored."},
                **more,
            },
            "subject",
            "resource",
        ),
        "Page": _object(
            {
                "token": {"type": "string", "description": "`next_token` of the page before."},
                "limit": {
                    "type": "integer",
                    "minimum": 0,
                    "description": "Over 1,000 is 1,000, and so is none.",
                },
                "properties": {"type": ["object", "null"]},
            }
        ),
        "NextPage": _object(
            {
                "next_token": {"type": "string", "description": "Empty: this was the last."},
                "count": {"type": "integer"},
                "total": {"type": "integer"},
            },
            "next_token",
        ),
        "EntitySearchResponse": _results(entity),
        "ActionSearchResponse": _results(_object({"name": {"type": "string"}}, "name")),
    }


def _question() -> Node:
    entity = _ref("schemas", "Entity")
    return {"subject": entity, "action": _ref("schemas", "Action"), "resource": entity}


def _results(item: Node) -> Node:
    results = {"type": "array", "items": item}
    return _object({"page": _ref("schemas", "NextPage"), "results": results}, "results")


def _entity(*required: str) -> Node:
    members: Node = {one: {"type": "string"} for one in required}
    return _object({**members, "properties": {"type": ["object", "null"]}}, *required)


def _object(properties: Node, *required: str) -> Node:
    found: Node = {"type": "object", "properties": properties}
    return {**found, "required": list(required)} if required else found


def _ref(kind: str, name: str) -> Node:
    return {"$ref": f"#/components/{kind}/{name}"}


def _json(schema: str) -> Node:
    return {"application/json": {"schema": _ref("schemas", schema)}}


# The page


_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code, pre { font-family: ui-monospace, monospace; font-size: .9em }
pre { background: #f4f4f4; padding: .75rem; overflow-x: auto }
h2 { border-top: 1px solid #ccc; padding-top: 1rem }
table { border-collapse: collapse } td, th { text-align: left; padding: .2rem .8rem .2rem 0 }
td, th { vertical-align: top }
"""


def _page(whole: Node) -> str:
    info = whole["info"]
    return "".join(
        [
            "<!doctype html><html lang=en><meta charset=utf-8><title>tenantcfg</title>",
            f"<style>{_STYLE}</style>",
            f"<h1>{_said(info['title'])} {_said(info['version'])}</h1>",
            f"<p>{_said(info['summary'])}<p>{_said(info['description'])}",
            '<p>As data: <a href="openapi.json">openapi.json</a>, OpenAPI 3.1.',
            *(
                _operation(path, how, whole)
                for path, all_ in whole["paths"].items()
                for how in all_
            ),
            "<h2>Errors</h2>",
            "<p>An object of <code>error</code> and <code>message</code>, never with a decision.",
            _table(
                ("status", "error", "what it means, and what to do"),
                ((str(STATUS[code]), code, what) for code, what in _CODES.items()),
            ),
            "<h2>Schemas</h2>",
            *(_schema(name, one) for name, one in whole["components"]["schemas"].items()),
            "</html>",
        ]
    )


def _operation(path: str, method: str, whole: Node) -> str:
    one = whole["paths"][path][method]
    rows = []
    for status, response in one["responses"].items():
        name = response.get("$ref", "").rpartition("/")[2]
        found = whole["components"]["responses"][name] if name else response
        rows.append((status, found["description"]))
    request = one.get("requestBody", {}).get("content", {}).get("application/json", {})
    asked = request.get("schema", {}).get("$ref", "").rpartition("/")[2]
    body = f'<p>Body: <a href="#{asked}">{asked}</a>' if asked else ""
    return (
        f"<h2><code>{method.upper()} {_said(path)}</code></h2><p>{_said(one['summary'])}."
        f"<p>{_said(one.get('description', ''))}{body}{_table(('status', 'means'), rows)}"
    )


def _schema(name: str, one: Node) -> str:
    shown = json.dumps(one, indent=2).replace("#/components/schemas/", "#")
    return f'<h3 id="{_said(name)}">{_said(name)}</h3><pre>{_said(shown)}</pre>'


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{_said(one)}" for one in heads)
    lines = ("".join(f"<td>{_said(one)}" for one in row) for row in rows)
    return f"<table><tr>{head}{''.join(f'<tr>{line}' for line in lines)}</table>"


def _said(text: str) -> str:
    return html.escape(text)
