"""
The tokens of token_cases.json: each usual mistake, in the form of v1 and of v2, made and signed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.service.token_maker import Keys, claims_of, encoded, json_of, jwk, text_of, token

CASES: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("token_cases.json").read_text(encoding="utf-8")
)["cases"]
ANOTHER = "7d1a2b3c-0000-4000-8000-0000000000aa"
V1 = "https://sts.example.net/{tid}/"
V2 = "https://login.example.com/{tid}/v2.0"
KEYS = Keys()


def published(form: str) -> list[dict[str, Any]]:
    """The set of keys of an issuer: good ones, and those that must not be used."""
    template, theirs = (V1, V2) if form == "v1" else (V2, V1)
    main = KEYS["main"]
    return [
        jwk(main, "k1"),
        jwk(KEYS["ec"], "ec", alg="ES256"),
        jwk(KEYS["third"], "twice"),
        jwk(main, "twice"),
        jwk(main, "ours", issuer=template.replace("{tid}", "{tenantid}")),
        jwk(main, "theirs", issuer=theirs),
        jwk(main, "tenants", issuer=template.replace("{tid}", ANOTHER)),
        jwk(main, "enc", use="enc"),
        jwk(main, "ps", alg="PS256"),
        jwk(KEYS["short"], "short"),
        jwk(KEYS[f"only-{form}"], f"only-{form}"),
        {"kty": "oct", "kid": "oct", "k": "c2VjcmV0"},
    ]


def made(case: dict[str, Any], form: str, now: int) -> str:
    """The token that a case tells of, made *now*."""
    case = json.loads(_named(json.dumps(case), form))
    header = {"typ": "JWT", "alg": "RS256", "kid": "k1", **case.get("header", {})}
    claims = {**claims_of(form, now), **case.get("claims", {})}
    head = json_of(header, now=now, form=form)
    payload = json_of(claims, now=now, form=form, more=case.get("more", ""))
    whole = token(
        text_of(case["header_text"]).encode() if "header_text" in case else head,
        text_of(case["payload"]).encode() if "payload" in case else payload,
        KEYS[case.get("key", "main")],
        case.get("signed", "RS256"),
    )
    return edited(whole, *case["edit"]) if "edit" in case else whole


def _named(case: str, form: str) -> str:
    app, acr, other = ("appid", "appidacr", "azp") if form == "v1" else ("azp", "azpacr", "appid")
    return (
        case.replace("{app_claim}", app)
        .replace("{acr_claim}", acr)
        .replace("{other_claim}", other)
        .replace("{other_form}", "v2" if form == "v1" else "v1")
    )


def edited(whole: str, how: str, what: str | int) -> str:
    head, payload, signature = whole.split(".")
    match how, what:
        case "whole", str(text):
            return text
        case "append", str(text):
            return whole + text
        case "insert", str(text):
            return f"{head}.{payload[:9]}{text}{payload[9:]}.{signature}"
        case "payload", str(text):
            return f"{head}.{encoded(text.encode())}.{signature}"
        case "parts", int(number):
            return ".".join(whole.split(".")[:number])
        case "shorten", int(number):
            return whole[:-number]
    raise AssertionError(how)
