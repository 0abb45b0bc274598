"""Holds requests and answers to Twilio's own OpenAPI description.

The description comes out of the npm package `@twilio-alpha/mcp` (folder `twilio-oai/spec/json`), fetched once into a
cache of the test run and never committed; without npm the tests that need it fail. Used in two ways: to hold the
emulator's answers to it, and to hold our own client's requests to it, whatever they were sent to:

    contract = Contract(description_folder(cache))
    Emulator(..., on_exchange=contract.observe)
    ...
    assert contract.findings == []
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import jsonschema

from ga_deploy.emulator.functions.npm import NodeTools

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ga_deploy.emulator.dispatch import ApiExchange

PACKAGE = "@twilio-alpha/mcp"
# A fixed one: a newer description must not turn an unchanged emulator red. Raise it by hand and look at what changed.
VERSION = "0.7.0"
DESCRIPTIONS = {
    "serverless": "twilio_serverless_v1",
    "api": "twilio_api_v2010",
    "studio": "twilio_studio_v2",
    "sync": "twilio_sync_v1",
}

# Twilio accepts these although the description's pattern has no room for an empty value: it clears the setting.
CLEARED_BY_EMPTY = {
    *("VoiceUrl", "VoiceFallbackUrl", "StatusCallback", "SmsUrl", "SmsFallbackUrl"),
    *("VoiceApplicationSid", "TrunkSid", "SmsApplicationSid"),
}


def description_folder(cache: Path) -> Path:
    """Return the folder of Twilio's descriptions, fetching the package if `cache` does not have it."""
    folder = cache / f"twilio-oai-{VERSION}"
    if folder.is_dir():
        return folder
    tools = NodeTools.find()
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as work:
        subprocess.run(
            [tools.node, tools.npm_cli, "pack", f"{PACKAGE}@{VERSION}", "--silent"],
            cwd=work,
            env={**os.environ, "PATH": f"{tools.node.parent}{os.pathsep}{os.environ.get('PATH', '')}"},
            check=True,
            timeout=110,
            stdout=subprocess.DEVNULL,
        )
        filled = Path(work) / "filled"
        filled.mkdir()
        with tarfile.open(next(Path(work).glob("*.tgz"))) as archive:
            for name in DESCRIPTIONS.values():
                member = archive.extractfile(f"package/twilio-oai/spec/json/{name}.json")
                assert member is not None
                (filled / f"{name}.json").write_bytes(member.read())
        try:
            filled.rename(folder)
        except OSError:
            # Another worker was faster.
            assert folder.is_dir()
    return folder


@dataclass(frozen=True)
class _Operation:
    """One method of one path, ready to be checked against."""

    name: str
    path: re.Pattern[str]
    parameters: dict[str, dict[str, Any]]  # "path Sid" -> schema
    fields: dict[str, dict[str, Any]] | None  # of the form; None: takes none
    required: frozenset[str]
    answers: dict[int, jsonschema.Draft202012Validator | None]


class Contract:
    """Checks exchanges and collects what is wrong with them in `findings`; `seen` names the operations that occurred.

    `observe` is for `Emulator(on_exchange=...)`. Uploads are not described by Twilio and are passed over.
    """

    def __init__(self, folder: Path) -> None:
        self._operations: dict[str, dict[str, list[_Operation]]] = {}
        for product, name in DESCRIPTIONS.items():
            description = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
            self._operations[product] = _read_operations(description)
        self.findings: list[str] = []
        self.seen: set[str] = set()

    def operations(self, product: str) -> set[str]:
        """Return the names of all operations of a product, such as `POST /v1/Services`."""
        return {operation.name for listed in self._operations[product].values() for operation in listed}

    def observe(self, exchange: ApiExchange) -> None:
        """Check one exchange."""
        product = (urlsplit(exchange.url).hostname or "").split(".")[0]
        if product not in DESCRIPTIONS:
            return
        problems = list(self.request_problems(exchange.method, exchange.url, exchange.headers, exchange.form))
        problems += self.answer_problems(exchange.method, exchange.url, exchange.status, exchange.json)
        self.findings += [f"{exchange.method} {urlsplit(exchange.url).path}: {problem}" for problem in problems]

    def request_problems(
        self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, Sequence[str]]
    ) -> Iterator[str]:
        """Yield what is wrong with a request; `url` is Twilio's own, `form` the decoded body."""
        operation, values = self._find(method, url)
        if operation is None:
            yield "no such operation"
            return
        self.seen.add(operation.name)
        given = {f"path {name}": [value] for name, value in values.items()}
        given |= {
            f"query {name}": found
            for name, found in parse_qs(urlsplit(url).query, keep_blank_values=True, strict_parsing=False).items()
        }
        for name, found in given.items():
            if name not in operation.parameters:
                yield f"{name} is no parameter of it"
            else:
                yield from _value_problems(name, operation.parameters[name], found)
        yield from self._form_problems(operation, headers, form)

    def _form_problems(
        self, operation: _Operation, headers: Mapping[str, str], form: Mapping[str, Sequence[str]]
    ) -> Iterator[str]:
        content_type = headers.get("Content-Type", "").split(";")[0]
        if form and content_type != "application/x-www-form-urlencoded":
            yield f"a body of type {content_type!r}"
        if form and operation.fields is None:
            yield "a body where none is taken"
            return
        fields = operation.fields or {}
        for name in sorted(operation.required - set(form)):
            yield f"{name} is missing"
        for name, found in form.items():
            if name not in fields:
                yield f"{name} is no field of it"
            elif not (name in CLEARED_BY_EMPTY and list(found) == [""]):
                yield from _value_problems(name, fields[name], found)

    def answer_problems(self, method: str, url: str, status: int, body: dict[str, Any] | None) -> Iterator[str]:
        """Yield what is wrong with an answer: shape, names and types of every field, or the form of an error."""
        operation, _ = self._find(method, url)
        if operation is None:
            return
        if status >= 400:
            yield from _error_problems(status, body)
            return
        if status not in operation.answers:
            yield f"status {status}, described are {sorted(operation.answers)}"
            return
        validator = operation.answers[status]
        if validator is None:
            if body is not None:
                yield f"status {status} with a body"
            return
        for error in validator.iter_errors(body):
            yield f"answer {error.json_path}: {error.message}"

    def _find(self, method: str, url: str) -> tuple[_Operation | None, dict[str, str]]:
        parts = urlsplit(url)
        product = (parts.hostname or "").split(".")[0]
        for operation in self._operations.get(product, {}).get(method, []):
            match = operation.path.fullmatch(parts.path)
            if match:
                return operation, {name: unquote(value) for name, value in match.groupdict().items()}
        return None, {}


def _read_operations(description: dict[str, Any]) -> dict[str, list[_Operation]]:
    schemas = {name: _json_schema(schema) for name, schema in description["components"]["schemas"].items()}
    operations: dict[str, list[_Operation]] = {}
    # Fixed words before placeholders: /Flows/Validate is not a flow called Validate.
    for path in sorted(description["paths"], key=lambda path: (path.count("{"), path)):
        pattern = re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+?)", re.escape(path)))
        for method, described in description["paths"][path].items():
            if method not in {"get", "post", "delete"}:
                continue
            content = described.get("requestBody", {}).get("content", {}).get("application/x-www-form-urlencoded")
            form = content["schema"] if content else None
            operation = _Operation(
                name=f"{method.upper()} {path}",
                path=pattern,
                parameters={
                    f"{entry['in']} {entry['name']}": _resolved(_json_schema(entry["schema"]), schemas)
                    for entry in described.get("parameters", [])
                },
                fields=None
                if form is None
                else {
                    name: _resolved(_json_schema(schema), schemas)
                    for name, schema in form.get("properties", {}).items()
                },
                required=frozenset(form.get("required", ()) if form else ()),
                answers={
                    int(status): _answer_validator(answer, schemas)
                    for status, answer in described["responses"].items()
                    if status.isdigit()
                },
            )
            operations.setdefault(method.upper(), []).append(operation)
    return operations


def _answer_validator(answer: dict[str, Any], schemas: dict[str, Any]) -> jsonschema.Draft202012Validator | None:
    content = answer.get("content", {}).get("application/json")
    if content is None:
        return None
    # Built for this answer alone, with every reference put in its place: an answer is a few levels deep at most.
    samples = [sample.get("value") for sample in content.get("examples", {}).values()]
    schema = _strict(_resolved(_json_schema(content["schema"]), schemas), _sampled(samples))
    return jsonschema.Draft202012Validator(schema, format_checker=FORMATS)


def _sampled(sample: Any) -> dict[str, set[bool]]:
    """Return the names that occur in samples of an answer, with whether a value of theirs is empty or not."""
    names: dict[str, set[bool]] = {}
    inner = sample if isinstance(sample, list) else sample.values() if isinstance(sample, dict) else ()
    for name, value in sample.items() if isinstance(sample, dict) else ():
        names.setdefault(name, set()).add(value == "")
    for value in inner:
        for name, empty in _sampled(value).items():
            names.setdefault(name, set()).update(empty)
    return names


def _json_schema(schema: Any) -> Any:
    """Return an OpenAPI 3.0 schema as JSON Schema: `nullable` becomes a type, annotations go."""
    if isinstance(schema, list):
        return [_json_schema(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        name: _json_schema(value)
        for name, value in schema.items()
        if name not in {"description", "example", "examples", "nullable", "deprecated"} and not name.startswith("x-")
    }
    if schema.get("nullable"):
        if isinstance(kept.get("type"), str):
            kept["type"] = [kept["type"], "null"]
        if "enum" in kept:
            kept["enum"] = [*kept["enum"], None]
    return kept


def _resolved(schema: Any, schemas: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_resolved(entry, schemas) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(schema.get("$ref"), str):
        return _resolved(schemas[schema["$ref"].rsplit("/", 1)[-1]], schemas)
    return {name: _resolved(value, schemas) for name, value in schema.items()}


def _strict(schema: Any, sampled: Mapping[str, set[bool]]) -> Any:
    """Ask for every described property and allow no other: what Twilio sends always has all, null if need be.

    The samples win over the schemas where they differ: they have fields that no schema names (`subresource_uris`), and
    empty texts where a schema asks for a SID.
    """
    if isinstance(schema, list):
        return [_strict(entry, sampled) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {name: _strict(value, sampled) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        strict["required"] = sorted(schema["properties"])
        strict["propertyNames"] = {"enum": sorted({*schema["properties"], *sampled})}
        strict["properties"] = {
            name: {"anyOf": [{"const": ""}, value]} if True in sampled.get(name, set()) else value
            for name, value in strict["properties"].items()
        }
    return strict


def _value_problems(name: str, schema: dict[str, Any], found: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with the values of a form field or parameter, which are all texts on the wire."""
    if schema.get("type") == "array":
        for value in found:
            yield from _value_problems(name, schema["items"], [value])
        return
    if len(found) > 1:
        yield f"{name} is given {len(found)} times"
    for error in jsonschema.Draft202012Validator(schema, format_checker=FORMATS).iter_errors(_typed(schema, found[-1])):
        yield f"{name}: {error.message}"


def _typed(schema: dict[str, Any], value: str) -> Any:
    kind = schema.get("type")
    if kind == "integer" and re.fullmatch(r"-?\d+", value):
        return int(value)
    if kind == "boolean" and value in {"true", "false", "True", "False"}:
        # The SDK writes Python's spelling, and Twilio takes it.
        return value.lower() == "true"
    if kind == "object":
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _error_problems(status: int, body: dict[str, Any] | None) -> Iterator[str]:
    if body is None:
        yield f"error {status} without a body"
        return
    # The front door's 429 spells it differently (issue serverless-api#37).
    names = {"code", "message", "status"} | ({"moreInfo", "detail"} if status == 429 else {"more_info"})
    if not names <= set(body) <= {*names, "details"}:
        yield f"error {status} with the fields {sorted(body)}"
    if body.get("status") != status or not isinstance(body.get("code"), int):
        yield f"error {status} says status {body.get('status')!r}, code {body.get('code')!r}"


FORMATS = jsonschema.FormatChecker(formats=())


@FORMATS.checks("uri", raises=ValueError)
def _is_uri(value: object) -> bool:
    # The 2010 API gives some of its links relative to the host and calls them URIs all the same.
    return (
        not isinstance(value, str)
        or value.startswith("/")
        or bool(urlsplit(value).scheme and urlsplit(value).netloc)
        or not value
    )


@FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or (value.endswith("Z") and datetime.fromisoformat(value).tzinfo is not None)


@FORMATS.checks("date-time-rfc-2822", raises=ValueError)
def _is_rfc_2822(value: object) -> bool:
    return not isinstance(value, str) or parsedate_to_datetime(value).tzinfo is not None


@FORMATS.checks("http-method")
def _is_http_method(value: object) -> bool:
    return value in {"GET", "POST", "", None}


@FORMATS.checks("uri-map", raises=(ValueError, AttributeError))
def _is_uri_map(value: object) -> bool:
    return value is None or (isinstance(value, dict) and all(_is_uri(link) for link in value.values()))
