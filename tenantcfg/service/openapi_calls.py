"""
The calls, in the OpenAPI document: Graph's paths, and those of media layers.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["of_calls"]

Node = dict[str, Any]

_TEXT: Final[Node] = {"type": "string"}
# Of those with two slashes, and of $batch, it is only said that they name nothing, in Graph's form.
_NAMES: Final = ("/communications", "/app")
_TREES: Final = (*_NAMES, "//communications", "//app", "/v1.0", "/beta", "/$batch")
_TOKEN: Final[list[Node]] = [{"token": []}]
_KEY: Final[list[Node]] = [{"key": []}]
_FAILURES: Final = {
    "400": "The request is not right: a body, an id, a query option, two tokens.",
    "401": "There is no access token, or it is not valid here.",
    "403": "The application may not do this in the tenant; the message says who can allow it.",
    "404": "There is no such call, or no such participant in it.",
    "409": "The participant has not answered the call yet.",
    "412": "The condition does not hold.",
    "413": "The body is too large.",
    "429": "There are too many requests; see `Retry-After`.",
    "502": "The call controller makes no sense.",
    "503": "The call controller, the store or the signing keys cannot be reached.",
}


def of_calls() -> dict[str, Node]:
    """For each route of the calls API and of the roster's door: its paths, described."""
    graph: dict[str, Node] = {path: {} for tree in _TREES for path in (tree, f"{tree}/*")}
    return {
        **graph,
        # Those of Graph are the same at the root and below a version, so they stand here once.
        "/communications/*": _graph(),
        "/roster/*": _roster(),
        "/removals": {"/removals": {"get": _removals()}},
    }


# Graph's


def _graph() -> Node:
    tree = "/communications/calls"
    call, whom = _at("call"), _at("participant")
    one, them = f"{tree}/{{call}}", f"{tree}/{{call}}/participants"
    return {
        tree: {"get": _asked("calls", "The calls of the token's tenant", [*_paged()], "List")},
        one: {"get": _asked("call", "One call", [call, _select()], "Item")},
        them: {
            "get": _asked("participants", "Who is in a call", [call, *_paged()], "List"),
        },
        f"{them}/{{participant}}": {
            "get": _asked("participant", "One participant", [call, whom, _select()], "Item"),
            "delete": _removed([call, whom]),
        },
    }


def _asked(name: str, summary: str, parameters: list[Node], kind: str) -> Node:
    list_ = {"type": "object", "required": ["value"], "properties": {"value": {"type": "array"}}}
    item = {"type": "object", "required": ["id"], "properties": {"id": _TEXT}}
    content = {"schema": list_ if kind == "List" else item}
    good = {"description": "The answer.", "content": {"application/json": content}}
    return _graphs(name, summary, parameters, {"200": good})


def _removed(parameters: list[Node]) -> Node:
    gone = {"204": {"description": "The participant is out, dropped at once."}}
    return _graphs("removeParticipant", "Remove a participant from a call", parameters, gone)


def _graphs(name: str, summary: str, parameters: list[Node], good: Node) -> Node:
    return {
        "operationId": name,
        "summary": summary,
        "description": "For an application with a token of its own and the right in its tenant. "
        "The same at the root and below `/v1.0` and `/beta`; `/app` is the deprecated name of "
        "`/communications`. Only where `calls` is set.",
        "security": _TOKEN,
        "parameters": parameters,
        "responses": {**good, **{status: _fault(what) for status, what in _FAILURES.items()}},
    }


def _fault(what: str) -> Node:
    inner = {"type": "object", "required": ["code", "date", "request-id", "client-request-id"]}
    error = {
        "type": "object",
        "required": ["code", "message", "innerError"],
        "properties": {"code": _TEXT, "message": _TEXT, "innerError": inner},
    }
    schema = {"type": "object", "required": ["error"], "properties": {"error": error}}
    return {"description": what, "content": {"application/json": {"schema": schema}}}


def _paged() -> list[Node]:
    return [
        _query("$top", "The most of one page.", {"type": "integer", "minimum": 1, "maximum": 999}),
        _query("$skiptoken", "Of the page before; see `@odata.nextLink`.", _TEXT),
        _query("$count", "Whether `@odata.count` is told.", {"type": "string", "const": "true"}),
        _select(),
    ]


def _select() -> Node:
    return _query("$select", "The properties that are wanted.", _TEXT)


# Media layers'


def _roster() -> Node:
    calls = "/roster/{tenant}/calls"
    tenant, call, whom = _at("tenant"), _at("call"), _at("participant")
    after = _query("after", "The member `next` of the page before.", _TEXT)
    known = {"200": _shown("What is known.")}
    told = {"200": _shown("It was known."), "201": _shown("It is new.")}
    gone = {"204": {"description": "It is not there any more."}}
    conflict = {"409": _problem("The participant of this id was removed from this call.")}
    return {
        calls: {"get": _keyed("rosterCalls", "The calls that are known", [tenant, after], known)},
        f"{calls}/{{call}}": {
            "get": _keyed("rosterCall", "A call, and who is in it", [tenant, call, after], known),
            "put": _told("reportCall", "A call goes on", [tenant, call], told),
            "delete": _keyed("reportEnd", "A call has ended", [tenant, call], gone),
        },
        f"{calls}/{{call}}/participants/{{participant}}": {
            "put": _told(
                "reportParticipant",
                "Somebody is in a call",
                [tenant, call, whom],
                {**told, **conflict},
            ),
            "delete": _keyed("reportLeft", "Somebody has left", [tenant, call, whom], gone),
        },
    }


def _removals() -> Node:
    stream = {"description": "The stream.", "content": {"text/event-stream": {"schema": _TEXT}}}
    after = _query("after", "The number of the last removal seen, or 0.", _TEXT)
    several = {
        "409": _problem("What was seen lies beyond the newest."),
        "429": _problem("There are too many streams."),
    }
    return _keyed("removals", "Whom apps removed, as it comes", [after], {"200": stream, **several})


def _told(name: str, summary: str, parameters: list[Node], good: Node) -> Node:
    body = {"content": {"application/json": {"schema": {"type": "object"}}}}
    too_large = {"413": _problem("The body is too large.")}
    return _keyed(name, summary, parameters, {**good, **too_large}) | {"requestBody": body}


def _keyed(name: str, summary: str, parameters: list[Node], good: Node) -> Node:
    failures = {
        "400": "The request cannot be read.",
        "401": "Who asks is not known.",
        "403": "This key may not report.",
        "404": "There is no such tenant for this key, or no such call.",
        "503": "The store cannot be asked now.",
    }
    return {
        "operationId": name,
        "summary": summary,
        "description": 'For a key with `media`. Only where `calls = "roster"`.',
        "security": _KEY,
        "parameters": parameters,
        "responses": {**good, **{status: _problem(what) for status, what in failures.items()}},
    }


def _shown(what: str) -> Node:
    return {"description": what, "content": {"application/json": {"schema": {"type": "object"}}}}


def _problem(what: str) -> Node:
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": what, "content": {"application/json": {"schema": schema}}}


def _at(name: str) -> Node:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": f"The id of the {name}, percent-encoded.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 512},
    }


def _query(name: str, description: str, schema: Node) -> Node:
    return {"name": name, "in": "query", "description": description, "schema": schema}
