"""The kinds of value in a scenario: texts, numbers, flags, choices, lists and tables.

Each is a type for pydantic whose validator takes nodes of a YAML tree, and whose errors have the words of a finding. A
single value counts as a text as it is written, whatever else YAML could read it as: `keys: 12` are two keys.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from ga_deploy.yaml_tree.tree import Items, Node, Scalar, Section

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

# Stands in an error's words for the key that the error is about.
LABEL = "{label}"


def make_error(what: str, why: str, fix: str) -> PydanticCustomError:
    """Return an error with the words of a finding; `LABEL` in `what` becomes the key."""
    return PydanticCustomError("finding", "{what}", {"what": what, "why": why, "fix": fix})


def raise_all(value: Any, errors: Sequence[tuple[tuple[str | int, ...], PydanticCustomError]]) -> None:
    """Raise all errors about `value` together, each with the way from `value` to its place; do nothing without any."""
    if errors:
        details = [InitErrorDetails(type=error, loc=loc, input=value) for loc, error in errors]
        raise ValidationError.from_exception_data("scenario", details)


def describe(node: Any) -> str:
    """Return what stands there instead of what should."""
    if isinstance(node, dict | Section):
        return "it is a mapping"
    return f"it is `{node.raw[:40]}`" if isinstance(node, Scalar) else "it is a list"


def is_empty(node: Any) -> bool:
    """Tell whether a key has no value: it counts as absent."""
    return isinstance(node, Scalar) and node.value is None


def to_values(node: Node) -> Any:
    """Return a tree as dictionaries and lists, for pydantic, with single values as nodes still."""
    if isinstance(node, Section):
        return {key: to_values(entry.node) for key, entry in node.entries.items()}
    return [to_values(one) for one in node.nodes] if isinstance(node, Items) else node


def to_plain(value: Any) -> Any:
    """Return what `to_values` returned as YAML means it: for what another part of the tool reads."""
    if isinstance(value, dict):
        return {key: to_plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [to_plain(one) for one in value]
    return value.value if isinstance(value, Scalar) else value


def suggest(value: str, options: Collection[str], otherwise: str) -> str:
    """Return the nearest of the options as a fix, or `otherwise` when none is near."""
    near = get_close_matches(value, options, 1)
    return f"did you mean `{near[0]}`?" if near else otherwise


def _to_text(value: Any) -> str:
    if not isinstance(value, Scalar):
        raise make_error(f"{LABEL} has to be a text", describe(value), "write one value")
    return "" if is_empty(value) else value.raw


def _to_flag(value: Any) -> bool:
    if not isinstance(value, Scalar) or not isinstance(value.value, bool):
        raise make_error(f"{LABEL} has to be true or false", describe(value), "write true or false")
    return value.value


def _to_texts(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    wrong = [
        (
            _place_in(value, index),
            make_error(f"{LABEL} holds something that is no text", describe(item), "write one value"),
        )
        for index, item in enumerate(items)
        if not isinstance(item, Scalar)
    ]
    raise_all(value, wrong)
    return tuple(_to_text(item) for item in items)


def _place_in(value: Any, index: int) -> tuple[int, ...]:
    """Return the way to one of several texts; a single text is its own place."""
    return (index,) if isinstance(value, list) else ()


def _to_table(value: Any) -> Any:
    if not isinstance(value, dict):
        raise make_error(f"{LABEL} has to be a mapping of texts", describe(value), "write NAME: VALUE")
    return value


Text = Annotated[str, BeforeValidator(_to_text)]
Flag = Annotated[bool, BeforeValidator(_to_flag)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_to_texts)]
Table = Annotated[dict[str, Text], BeforeValidator(_to_table)]


def choice(*options: str) -> BeforeValidator:
    """Return the validator of a text that is one of `options`."""

    def validate(value: Any) -> str:
        text = _to_text(value)
        if text not in options:
            every = "one of: " + ", ".join(options)
            raise make_error(f"{LABEL} cannot be `{text}`", every, suggest(text, options, every))
        return text

    return BeforeValidator(validate)


def choices(*options: str) -> BeforeValidator:
    """Return the validator of a text or a list of texts, each of which is one of `options`."""

    def validate(value: Any) -> tuple[str, ...]:
        texts = _to_texts(value)
        why = "one of: " + ", ".join(options)
        wrong = [
            (
                _place_in(value, index),
                make_error(f"`{text}` is not known here", why, suggest(text, options, "name one of those")),
            )
            for index, text in enumerate(texts)
            if text not in options
        ]
        raise_all(value, wrong)
        return texts

    return BeforeValidator(validate)


def number(least: float, most: float, example: float) -> BeforeValidator:
    """Return the validator of a number from `least` to `most`."""
    return BeforeValidator(_make_number(least, most, example))


def whole_number(least: int, most: int, example: int) -> BeforeValidator:
    """Return the validator of a whole number from `least` to `most`."""
    read = _make_number(least, most, example)

    def validate(value: Any) -> int:
        found = read(value)
        if found != int(found):
            raise make_error(f"{LABEL} has to be a whole number", f"it is {found:g}", f"for example {example}")
        return int(found)

    return BeforeValidator(validate)


def _make_number(least: float, most: float, example: float) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        try:
            found = float(_to_text(value))
        except ValueError:
            found = float("nan")
        if not least <= found <= most:
            why = f"a number from {least:g} to {most:g} is expected"
            raise make_error(f"{LABEL} is not a number in range", why, f"for example {example:g}")
        return found

    return read
