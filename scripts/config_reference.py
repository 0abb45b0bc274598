"""`python -m scripts.config_reference > docs/reference/config.md`: the reference page, made from the models."""

from __future__ import annotations

import sys
import types
import typing
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from ga_deploy.config import destinations, steps
from ga_deploy.config.editor_schema import alias_of
from ga_deploy.config.schema import COMPLETED, EnvironmentOverrides, From, FunctionAt, Language

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

_HEAD = """# The config

<!-- Made by `python -m scripts.config_reference`; a test holds it up to date. -->

One YAML file. An unknown key is an error with the nearest name; all that is wrong is reported at once, each with its
line and column. [`config.example.yaml`](../../config.example.yaml) shows every key in its place, and `ga-deploy schema`
prints a JSON Schema for editors.

## References

| written | means |
| --- | --- |
| `${NAME}` | the environment variable, else the value in `.env` beside the config; unset or empty is an error |
| `${NAME:-default}` | the same, with a default; `${NAME:-}` makes a key that may be left unset |
| `${file:PATH}` | the content of a text file, relative to the config; its last newline is dropped |
| `$${` | a literal `${` |

References may stand inside longer texts. Only those of the selected environment are looked up; the others are checked
for everything else. A secret is always a reference: in clear text, or as a default, it is refused, and so is one of
fewer than 6 characters: it could not be masked in logs. That goes for `variables` too; write a short value that is no
secret in clear text, or as a default (`${NAME:-on}`). With `--local`, what is not set is stood in for.

Secrets (`auth_token`, `api_key_secret`, `api_id`, `api_secret`, `password`, `notify.secret`, and all of `variables`
that comes out of references) reach the functions as environment variables. Every other value, also one out of a
reference, stands readable in the deployed settings module: keep tokens out of URLs and input variables.

## Values that YAML reads otherwise

Phone numbers need quotes (`"+15550100001"`), and so do texts that YAML takes for something else: `on`, `no`, `1.20`.
Times, dates and numbers to other bases are texts here. A duplicate key is an error; anchors and `<<` work.
An empty key is a key that is not set.
"""

_TAIL = """## Environments and profiles

An environment is laid over the rest of the file, a profile over the sections named above: mappings key by key, lists
replaced as a whole, and an empty key (`null`) removes what is below. The phone numbers at the top belong to
`default_environment`; another environment has those that it lists itself. A number in two environments is an error.
`ui` is the environment that the Twilio Console shows, and has no domain suffix.

## When a step can be reached

`hangup` ends the call. A destination that is closed by its `hours` gives way to the next step, and so does a `number`,
`sip`, `enqueue` or `refer` that reports that it failed; a choice without `default` does when nothing is chosen. A
`redirect` without hours hands the call over for good, and a `voicemail` without hours ends it, so nothing can follow
them. When no step is left, those of `exhausted` are run; after them the call ends.
"""


def make_page() -> str:
    """Return the reference page as Markdown."""
    parts = [_HEAD, "## Top level\n", _table(Language)]
    for name, field in Language.model_fields.items():
        model = _model(field.annotation)
        if model is not None and name != "environments":
            parts.append(_section(f"`{name}`", model, _SHAPES.get(name, "")))
            parts += [_section(f"`{name}.{inner}`", below) for inner, below in _below(model)]
        if name == "destinations":
            parts += [_section(f"Destination: `{kind}`", kind_model) for kind, kind_model in destinations.KINDS.items()]
            sections = ((kind, kind_model.section()) for kind, kind_model in destinations.KINDS.items())
            parts += [_section(f"`{kind}`", section) for kind, section in sections if section is not None]
        if name == "outcomes":
            parts += [_section(f"Step: `{kind}`", step, _STEPS[kind]) for kind, step in steps.KINDS.items()]
    parts.append(_section("`environments.NAME`", EnvironmentOverrides))
    parts.append(_section("Value at call time", From, "A literal, or a mapping:"))
    return "\n".join([*parts, _TAIL])


_SHAPES = {
    "phone_numbers": "A list of:",
    "profiles": "By name; the name stands in URLs:",
}

_STEPS = {
    "say": "`say: TEXT`, or a mapping:",
    "play": "`play: URL`",
    "pause": "`pause: SECONDS`",
    "notify": "`notify: URL`, or a mapping:",
    "sms": "`sms: TEXT`, or a mapping:",
    "send": "`send: NAME`, or a mapping:",
    "hangup": "`hangup`",
}


def _section(title: str, model: type[BaseModel], shape: str = "") -> str:
    doc = "\n".join(line.strip() for line in (model.__doc__ or "").strip().splitlines())
    doc = doc.partition("\n\nOnce loaded")[0]
    middle = f"{shape}\n" if shape else ""
    short_only = shape and not shape.endswith(":")
    table = "" if short_only or not model.model_fields else _table(model)
    return "\n".join(part for part in (f"## {title}\n", f"{doc}\n", middle, table) if part)


def _table(model: type[BaseModel]) -> str:
    rows = ["| key | default | meaning |", "| --- | --- | --- |"]
    for name, field in model.model_fields.items():
        if model is steps.Send and name == "to":
            continue
        inner = _model(field.annotation)
        meaning = field.description or ((inner.__doc__ or "").strip().splitlines()[0] if inner else "")
        choices = _choices(field.annotation)
        if choices and not all(choice in meaning for choice in choices):
            meaning += " (" + " or ".join(choices) + ")"
        escaped = meaning.replace("|", "\\|").replace("<", "&lt;")
        rows.append(
            f"| `{alias_of(name, field)}` | {_default(field, inner, required=model not in COMPLETED)} | {escaped} |"
        )
    return "\n".join(rows) + "\n"


def _default(field: FieldInfo, inner: type[BaseModel] | None, *, required: bool) -> str:
    if field.is_required():
        return "**required**" if required else ""
    value = field.get_default(call_default_factory=True)
    if isinstance(value, FunctionAt):
        return f"`{{path: {value.path}}}`"
    if value is None or value is PydanticUndefined:
        return ""
    return "" if inner is not None and value != () else f"`{_written(value)}`"


def _written(value: Any) -> str:
    """Return a default as it would stand in YAML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_written(one)}" for key, one in value.items()) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(_written(one) for one in value) + "]"
    if isinstance(value, From):
        return f"{{from: {value.name}}}"
    if isinstance(value, steps.Hangup):
        return "hangup"
    return f"say: {value.text}" if isinstance(value, steps.Say) else str(value)


def _options(annotation: Any) -> Iterator[Any]:
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _options(typing.get_args(annotation)[0])
    elif origin in {typing.Union, types.UnionType}:
        for option in typing.get_args(annotation):
            yield from _options(option)
    elif origin is dict:
        yield from _options(typing.get_args(annotation)[1])
    elif origin is tuple:
        yield from _options(typing.get_args(annotation)[0])
    else:
        yield annotation


def _model(annotation: Any) -> type[BaseModel] | None:
    """Return the one section that a field holds, if it holds one."""
    models = [one for one in _options(annotation) if isinstance(one, type) and issubclass(one, BaseModel)]
    return models[0] if len(models) == 1 and models[0] is not From else None


def _choices(annotation: Any) -> list[str]:
    literals = (one for one in _options(annotation) if typing.get_origin(one) is typing.Literal)
    return [str(choice) for literal in literals for choice in typing.get_args(literal)]


def _below(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the sections inside a section, each kind once; a profile's are those of the top level."""
    seen: set[type[BaseModel]] = set()
    for name, field in model.model_fields.items():
        inner = _model(field.annotation)
        known = {_model(other.annotation) for other in Language.model_fields.values()}
        if inner is not None and inner not in seen and inner not in known:
            seen.add(inner)
            yield name, inner


if __name__ == "__main__":
    sys.stdout.write(make_page())
