"""The base class of all sections, and values that are known only during a call."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema

from ga_deploy.config.references import Referenced
from ga_deploy.config.scalars import Text, finding, show

ROOTS = ("call", "query", "outcome", "transferVariables", "referenceVariables")
OUTCOME_FIELDS = ("status", "transferType", "currentTaskName", "transferId", "name")


class Strict(BaseModel):
    """A section of the config: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def _check_name(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if isinstance(value, Referenced) and value.stand_in:
        return "call.From"
    root, dot, key = value.partition(".")
    if root not in ROOTS:
        near = get_close_matches(root, ROOTS, n=1)
        raise finding(
            f"{show(value)} is not the name of a value at call time",
            "the names begin with " + ", ".join(f"{known}." for known in ROOTS),
            f"write {near[0]}.{key or 'NAME'}" if near else "write for example call.From",
        )
    if not dot or not key or len(key) > 100 or any(character.isspace() or ord(character) < 32 for character in key):
        raise finding(
            f"{show(value)} has no field name", f"a field of {root} has to follow the dot", f"write {root}.NAME"
        )
    if root == "outcome" and key not in OUTCOME_FIELDS:
        near = get_close_matches(key, OUTCOME_FIELDS, n=1)
        raise finding(
            f"{show(value)} does not exist",
            "an outcome has " + ", ".join(OUTCOME_FIELDS),
            f"write outcome.{near[0]}" if near else "use one of these",
        )
    return str(value)


class From(Strict):
    """A value that is looked up during the call.

    `name` is written `from:`, e.g. `call.From`. `map` translates the value; a value that `map` does not list
    counts as absent. `default` replaces an absent value; without a default nothing is sent.
    """

    name: Annotated[
        str,
        BeforeValidator(_check_name),
        WithJsonSchema({"type": "string", "pattern": rf"^({'|'.join(ROOTS)})\..+"}),
    ] = Field(
        alias="from",
        description="call.X, query.X, outcome.X, transferVariables.X or referenceVariables.X",
    )
    default: Text | None = Field(None, description="used when there is no value")
    map: dict[str, Text] | None = Field(
        None, description="translates the value; a value that is not listed counts as absent"
    )

    @property
    def root(self) -> str:
        """The source of the value: one of `ROOTS`."""
        return self.name.partition(".")[0]

    @property
    def key(self) -> str:
        """The name after its first dot."""
        return self.name.partition(".")[2]


def _value_kind(value: Any) -> str:
    return "(from)" if isinstance(value, (dict, From)) else "(literal)"


# A literal is a plain `str`.
Value = Annotated[
    Annotated[Text, Tag("(literal)")] | Annotated[From, Tag("(from)")],
    Discriminator(_value_kind),
]
