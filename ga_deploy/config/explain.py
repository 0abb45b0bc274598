"""Turns the errors of pydantic into findings: each with its place, a reason, a fix and the nearest name."""

from __future__ import annotations

import typing
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from ga_deploy.config import destinations, steps, values
from ga_deploy.config.references import Referenced, names_in
from ga_deploy.config.scalars import kind_of, show
from ga_deploy.errors import Finding, Place
from ga_deploy.yaml_tree.tree import Entry, Items, Keys, Node, Scalar, Section

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_core import ErrorDetails

# What to write for required keys.
_MISSING_FIX = {
    "account_sid": "add `account_sid: ${TWILIO_ACCOUNT_SID}`",
    "api_host": "add `api_host: https://api.sandbox.asapp.com`, or your production host",
    "api_id": "add `api_id: ${ASAPP_API_ID}`",
    "api_secret": "add `api_secret: ${ASAPP_API_SECRET}`",
    "twilio": "add `twilio: {account_sid: ${TWILIO_ACCOUNT_SID}, auth_token: ${TWILIO_AUTH_TOKEN:-}}`",
    "asapp": "add the section `asapp:` with api_host, api_id and api_secret",
    "number": 'add `number: "+1..."`',
    "workflow_sid": "add `workflow_sid: WW...`",
    "timezone": "add `timezone: America/New_York`, or yours",
    "open": 'add `open: {mon-fri: "09:00-17:00"}`',
}


def is_tag(key: str | int) -> bool:
    """Tell whether a part of pydantic's location is the tag of a union's branch, not a key."""
    return isinstance(key, str) and key.startswith("(") and key.endswith(")")


def locate(root: Node, keys: Iterable[str | int]) -> tuple[Node, Entry | None, Keys]:
    """Follow `keys` as far as the tree goes; return the last node, its entry, and the keys that led there."""
    node, entry = root, None
    walked: list[str | int] = []
    for key in keys:
        if is_tag(key):
            continue
        if isinstance(node, Section) and key in node.entries:
            entry = node.entries[str(key)]
            node = entry.node
        elif isinstance(node, Items) and isinstance(key, int) and key < len(node.nodes):
            entry, node = None, node.nodes[key]
        else:
            break
        walked.append(key)
    return node, entry, tuple(walked)


def place_of(root: Node, keys: Iterable[str | int]) -> Place:
    """Return the place of the value under `keys`, or of the nearest section that is written."""
    node, entry, _ = locate(root, keys)
    # The place of a section is that of its key, on the line before its content.
    return entry.place if entry and isinstance(node, (Section, Items)) else node.place


def dotted(keys: Iterable[str | int]) -> str:
    """Return the keys of a value as text: `outcomes.agent[1].send`."""
    text = ""
    for key in keys:
        if is_tag(key):
            continue
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text


def explain(error: ErrorDetails, root: Section, model: type[BaseModel]) -> Finding:
    """Return the finding for one pydantic error about the tree `root`, validated as `model`."""
    loc = error["loc"]
    node, entry, walked = locate(root, loc)
    place = place_of(root, loc)
    kind, value, context = error["type"], error.get("input"), error.get("ctx") or {}
    if isinstance(value, str) and isinstance(node, Scalar) and (names := names_in(node.value)):
        value = Referenced(value, names)  # some checks see the bare text; no message may repeat it
    written = dotted(node.keys or walked)
    label = f"`{written}`" if written else "the config"
    if kind == "finding":
        if context["at_key"] and entry:
            place = entry.place
        return Finding(context["what"], _with_place(context["why"], label), context["fix"], place)
    if kind == "missing":
        key = str(loc[-1])
        return Finding(
            f"`{dotted([*(node.keys or walked), key])}` is missing",
            "it is required",
            _MISSING_FIX.get(key, f"add `{key}: ...`"),
            place,
        )
    if kind == "extra_forbidden":
        return _unknown_key(loc, root, model)
    raw = node.raw if isinstance(node, Scalar) else None
    what, why, fix = (
        _shape(kind, value, raw) or _limit(kind, value, context) or ("is not valid", error["msg"], _COMPARE)
    )
    return Finding(f"{label} {what}", why, fix, place)


Words = tuple[str, str, str]
_COMPARE = "compare it with config.example.yaml"


def _shape(kind: str, value: object, raw: str | None) -> Words | None:
    """Return what is wrong with a value of the wrong type; `raw` is its text, if it has one."""
    read = kind_of(value)
    if kind in {"string_type", "string_sub_type", "not_a_text"}:
        fix = "write a text in quotes" if raw is None else f'put quotes round it: "{raw}"'
        return "has to be a text", f"YAML reads it as {read}", fix
    if kind in {"model_type", "dict_type", "model_attributes_type"}:
        return "has to be a mapping", f"it is {read}", "write keys under it, indented, or in braces"
    if kind in {"tuple_type", "list_type"}:
        return "has to be a list", f"it is {read}", "begin each line under it with a dash"
    return None


def _limit(kind: str, value: object, context: dict[str, Any]) -> Words | None:
    """Return what is wrong with a value that is out of range or not in a list."""
    if kind == "literal_error":
        choices = context.get("expected", "").replace("'", "`").replace(" or ", ", ").split(", ")
        near = get_close_matches(f"`{value}`", choices, n=1)
        fix = f"did you mean {near[0]}?" if near else "use one of these"
        return f"cannot be {show(value)}", "it is one of " + ", ".join(choices), fix
    if kind in {"greater_than_equal", "less_than_equal"}:
        limit = context.get("ge", context.get("le"))
        side = "at least" if "ge" in context else "at most"
        return "is out of range", f"it has to be {side} {limit}", f"write a number of {side} {limit}"
    if kind == "string_too_long":
        return "is too long", f"it may have {context.get('max_length')} characters", "shorten it"
    if kind in {"string_too_short", "too_short"}:
        return "is empty", "it cannot be used without a value", "write something, or remove the key"
    return None


def _with_place(why: str, label: str) -> str:
    return f"{label}: {why}" if why else f"in {label}"


def _unknown_key(loc: tuple[int | str, ...], root: Section, model: type[BaseModel]) -> Finding:
    key = str(loc[-1])
    parent, _, walked = locate(root, loc[:-1])
    entry = parent.entries.get(key) if isinstance(parent, Section) else None
    place = entry.place if entry else parent.place
    where = dotted(entry.node.keys[:-1] if entry and entry.node.keys else walked)
    known = keys_at(model, loc[:-1])
    near = get_close_matches(key, known, n=1, cutoff=0.6)
    fix = (
        f"did you mean `{near[0]}`?"
        if near
        else "remove it; the keys here are " + ", ".join(known)
        if known
        else "remove it"
    )
    return Finding(
        f"unknown key `{key[:60]}`" + (f" in `{where}`" if where else ""), "ga-deploy does not know it", fix, place
    )


def keys_at(model: type[BaseModel], loc: Iterable[str | int]) -> list[str]:
    """Return the keys that the section at `loc` may have."""
    found: Any = model
    for key in loc:
        found = _below(found, key)
    found = _strip(found)
    if isinstance(found, type) and issubclass(found, BaseModel):
        return [
            field.alias or name for name, field in found.model_fields.items() if name != "to" or found is not steps.Send
        ]
    return []


def _strip(annotation: Any) -> Any:
    while True:
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        elif origin is not None and type(None) in (args := typing.get_args(annotation)):
            annotation = next(arg for arg in args if arg is not type(None))
        else:
            return annotation


def _below(annotation: Any, key: str | int) -> Any:
    annotation = _strip(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            if key in {name, field.alias}:
                return field.annotation
        return None
    origin = typing.get_origin(annotation)
    if origin in {dict, tuple}:
        return typing.get_args(annotation)[1 if origin is dict else 0]
    # A union: the key is the tag of a branch.
    if key == "(from)":
        return values.From
    if isinstance(key, str) and key in steps.KINDS:
        return steps.KINDS[key]
    if isinstance(key, str) and is_tag(key):
        return destinations.KINDS.get(key[1:-1])
    return None
