"""The config language as JSON Schema (draft 2020-12), as users write it: before references, merging and short forms.

It is made from the models, so it is always up to date. It accepts everything that the loader accepts, and more: only
the loader knows the values of references and the names that exist.
"""

from __future__ import annotations

import types
import typing
from typing import Any

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import BaseModel, WithJsonSchema
from pydantic.fields import FieldInfo

from ga_deploy.config import steps
from ga_deploy.config.schema import COMPLETED, EnvironmentOverrides, Language

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]

_REFERENCE: Schema = {"$ref": "#/$defs/reference"}
_NULL: Schema = {"type": "null"}

# The field that a step has in its short form, e.g. `say: TEXT`.
_SHORT = {"say": "text", "play": "url", "pause": "seconds", "notify": "url", "sms": "text", "send": "to"}


def make_schema() -> Schema:
    """Return the schema of a config file."""
    return _Writer().document()


def alias_of(name: str, field: FieldInfo) -> str:
    """Return a field's key in YAML."""
    return field.alias or name


class _Writer:
    """Collects two definitions for each section; the second, without required keys, is for overrides."""

    def __init__(self) -> None:
        self._definitions: dict[str, Schema] = {
            "reference": {
                "type": "string",
                "pattern": r"\$\{",
                "description": "${NAME}, ${NAME:-default} or ${file:path}",
            }
        }

    def document(self) -> Schema:
        top = self._object(Language, partial=False)
        overrides = self._object(Language, partial=True)
        own = self._object(EnvironmentOverrides, partial=True)
        inherited = {
            key: value
            for key, value in overrides["properties"].items()
            if key not in {"version", "default_environment", "environments"}
        }
        environment = {**own, "properties": {**own["properties"], **inherited}}
        self._definitions["Environment"] = environment
        top["properties"]["environments"] |= {
            "anyOf": [
                {"type": "object", "additionalProperties": _or_null({"$ref": "#/$defs/Environment"})},
                _NULL,
            ]
        }
        return {
            "$schema": DIALECT,
            "title": "ga-deploy config",
            **top,
            "description": "One file: ASAPP GenerativeAgent on Twilio Voice.",
            "$defs": dict(sorted(self._definitions.items())),
        }

    def _section(self, model: type[BaseModel], *, partial: bool) -> Schema:
        name = model.__name__.lstrip("_") + (".overrides" if partial else "")
        if name not in self._definitions:
            self._definitions[name] = {}  # a section may hold itself
            self._definitions[name] = self._object(model, partial=partial)
        return {"$ref": f"#/$defs/{name}"}

    def _object(self, model: type[BaseModel], *, partial: bool) -> Schema:
        partial = partial or model in COMPLETED
        properties: dict[str, Schema] = {}
        required = []
        for name, field in model.model_fields.items():
            if model is steps.Send and name == "to":
                continue
            key = alias_of(name, field)
            schema = self._field(field, partial=partial)
            if field.is_required() or (model is steps.Send and key == "by"):
                required.append(key)
            else:
                schema = _or_null(schema)
            properties[key] = {**schema, **({"description": field.description} if field.description else {})}
        made: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
        if model.__doc__:
            made["description"] = model.__doc__.strip().split("\n\n")[0].replace("\n", " ")
        if required and not partial:
            made["required"] = required
        return made

    def _field(self, field: FieldInfo, *, partial: bool) -> Schema:
        return self._type(field.annotation, tuple(field.metadata), partial=partial)

    def _type(self, annotation: Any, metadata: tuple[Any, ...] = (), *, partial: bool) -> Schema:
        """Return the schema of an annotation. Lists are replaced as a whole, so their items are never partial."""
        while typing.get_origin(annotation) is typing.Annotated:
            annotation, *more = typing.get_args(annotation)
            metadata = (*more, *metadata)
        given = next((one for one in metadata if isinstance(one, WithJsonSchema)), None)
        if given is not None:
            schema = dict(given.json_schema or {})
            return schema if schema.get("writeOnly") else _or_reference(schema)  # a secret is nothing but references
        origin, args = typing.get_origin(annotation), typing.get_args(annotation)
        if origin in {typing.Union, types.UnionType}:
            return self._choice([arg for arg in args if arg is not type(None)], metadata, partial=partial)
        if origin is typing.Literal:
            return _or_reference({"enum": list(args)})
        if origin is dict:
            return {"type": "object", "additionalProperties": _or_null(self._type(args[1], partial=partial))}
        if origin is tuple:
            return {"type": "array", "items": self._type(args[0], partial=False)}
        if annotation is steps.Notify:
            return self._inside("notify", annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return self._section(annotation, partial=partial)
        return _plain(annotation, metadata)

    def _choice(self, options: list[Any], metadata: tuple[Any, ...], *, partial: bool) -> Schema:
        if len(options) == 1:
            return self._type(options[0], metadata, partial=partial)
        bare = [_bare(option) for option in options]
        kinds = {model: kind for kind, model in steps.KINDS.items()}
        if all(model in kinds for model in bare):
            return {"anyOf": [one for model in bare for one in self._step(kinds[model], model)]}
        if any(not isinstance(model, type) or not issubclass(model, BaseModel) for model in bare):
            schemas = [self._type(option, partial=partial) for option in options if _bare(option).__name__ != "Secret"]
            return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
        return {"anyOf": [self._type(option, partial=partial) for option in options]}

    def _step(self, kind: str, model: type[BaseModel]) -> list[Schema]:
        inner: Schema = {"enum": [None, True]} if model is steps.Hangup else self._inside(kind, model)
        long = {"type": "object", "properties": {kind: inner}, "required": [kind], "additionalProperties": False}
        return [{"const": "hangup"}, long] if model is steps.Hangup else [long]

    def _inside(self, kind: str, model: type[BaseModel]) -> Schema:
        """Return the schema of a step's value: its short form, or its fields."""
        short = self._field(model.model_fields[_SHORT[kind]], partial=False)
        return {"anyOf": [short, self._section(model, partial=False)]}


def _bare(annotation: Any) -> Any:
    while typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    return annotation


def _plain(annotation: Any, metadata: tuple[Any, ...]) -> Schema:
    if annotation is bool:
        return {
            "anyOf": [{"type": "boolean"}, {"type": "string", "pattern": r"^(true|false|yes|no|on|off)$"}, _REFERENCE]
        }
    if annotation is int:
        whole: Schema = {"type": "integer"}
        for one in metadata:
            for limit in one.metadata if isinstance(one, FieldInfo) else (one,):
                whole |= {"minimum": limit.ge} if isinstance(limit, Ge) else {}
                whole |= {"maximum": limit.le} if isinstance(limit, Le) else {}
        return {"anyOf": [whole, {"type": "string", "pattern": r"^\s*[+-]?[0-9]+\s*$"}, _REFERENCE]}
    text: Schema = {"type": "string"}
    for one in metadata:
        for limit in one.metadata if isinstance(one, FieldInfo) else (one,):
            text |= {"minLength": limit.min_length} if isinstance(limit, MinLen) else {}
            text |= {"maxLength": limit.max_length} if isinstance(limit, MaxLen) else {}
    return text


def _or_reference(schema: Schema) -> Schema:
    return {"anyOf": [schema, _REFERENCE]}


def _or_null(schema: Schema) -> Schema:
    """Allow null too: an empty key counts as not set."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], _NULL]} if _NULL not in schema["anyOf"] else schema
    return {"anyOf": [schema, _NULL]}
