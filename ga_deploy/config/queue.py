"""A contact centre's queue, and the attributes of the task that a call becomes there."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from ga_deploy.config.addresses import HttpsUrl, WorkflowSid
from ga_deploy.config.scalars import Text, Whole, check_each, finding, kind_of, printable
from ga_deploy.config.values import From, Strict

if TYPE_CHECKING:
    from ga_deploy.yaml_tree.tree import Keys

# TaskRouter refuses attributes that are too large or nested too deeply; the functions do not send such attributes.
DEEPEST = 5
LARGEST_ATTRIBUTES = 4096

# TaskRouter keeps a task for two weeks at most (Twilio docs: Task Resource, Timeout).
LONGEST_TIMEOUT = 14 * 24 * 3600
LARGEST_PRIORITY = 2**31 - 1

# Keys of the <Task> inside <Enqueue>; only a workflow has tasks.
OF_A_TASK = ("priority", "timeout", "attributes")

_LOOKUP_KEYS = frozenset({"from", "map", "default"})


def _single(value: Any) -> Any:
    """Take a text, a number or a switch, as JSON has them; raise a finding for anything else."""
    if isinstance(value, float) and not math.isfinite(value):
        raise finding("an infinite number cannot be sent", "JSON has no infinity", "write another number")
    if not isinstance(value, (str, int, float)):
        raise finding(
            f"{kind_of(value)} is not a single value",
            "an attribute is a text, a number, true, false, a list or a mapping; a lookup gives no list and no mapping",
            "write one of these",
        )
    return printable(value) if isinstance(value, str) else value


_SINGLE = WithJsonSchema({"type": ["string", "number", "boolean"]})
_Single = Annotated[Any, BeforeValidator(_single), _SINGLE]


class AttributeLookup(From):
    """A task attribute that is looked up during the call; it keeps its JSON type."""

    default: _Single = Field(None, description="used when there is no value")
    map: Annotated[Any, BeforeValidator(lambda value: check_each(value, lambda _, one: _single(one)))] = Field(
        None, description="translates the value; a value that is not listed counts as absent"
    )


def _read(value: Any, keys: Keys, errors: list[InitErrorDetails]) -> Any:
    """Return attributes with their lookups read; errors go to `errors`, with the keys that lead to them."""
    if isinstance(value, dict) and not ("from" in value and set(value) <= _LOOKUP_KEYS):
        return {key: _read(one, (*keys, key), errors) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(_read(one, (*keys, index), errors) for index, one in enumerate(value))
    try:
        return AttributeLookup.model_validate(value) if isinstance(value, (dict, From)) else _single(value)
    except PydanticCustomError as error:
        errors.append(InitErrorDetails(type=error, loc=keys, input=value))
    except ValidationError as problem:
        for one in problem.errors(include_url=False):
            kind = finding(**one["ctx"]) if one["type"] == "finding" else one["type"]
            errors.append(InitErrorDetails(type=kind, loc=(*keys, *one["loc"]), input=one["input"]))
    return None


def lookups_in(value: object) -> Iterator[From]:
    """Yield every value that is looked up at call time, at any depth of the attributes."""
    for _, found in locate_lookups(value):
        yield found


def locate_lookups(value: object, keys: Keys = ()) -> Iterator[tuple[Keys, From]]:
    """Yield the same with the keys that lead to each; `keys` lead to `value` itself."""
    if isinstance(value, From):
        yield keys, value
    inner = (
        value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    )
    for key, one in inner:
        yield from locate_lookups(one, (*keys, key))


def plain(value: object) -> object:
    """Return attributes as JSON; a lookup becomes a mapping again, as it was written."""
    if isinstance(value, From):
        written = {"from": value.name, "default": value.default, "map": value.map}
        return {key: one for key, one in written.items() if one is not None}
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def _depth(value: object) -> int:
    if isinstance(value, Mapping):
        return 1 + max((_depth(one) for one in value.values()), default=0)
    if isinstance(value, (list, tuple)):
        return 1 + max((_depth(one) for one in value), default=0)
    return 0


def _without_lookups(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _without_lookups(one) for key, one in value.items() if not isinstance(one, From)}
    if isinstance(value, (list, tuple)):
        return [_without_lookups(one) for one in value if not isinstance(one, From)]
    return value


def _attributes(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    errors: list[InitErrorDetails] = []
    attributes = _read(value, (), errors)
    if errors:
        raise ValidationError.from_exception_data("attributes", errors)
    depth = max((_depth(one) for one in attributes.values()), default=0)
    if depth > DEEPEST:
        raise finding(
            "a task attribute is nested too deeply",
            f"it has {depth} levels of mappings and lists; at most {DEEPEST} are allowed",
            "flatten it",
        )
    size = len(json.dumps(_without_lookups(attributes), ensure_ascii=False, separators=(",", ":")).encode())
    if size > LARGEST_ATTRIBUTES:
        raise finding(
            "task attributes are too large",
            f"they take {size} bytes of JSON; at most {LARGEST_ATTRIBUTES} are allowed",
            "send what agents need first, and an id to look up the rest",
        )
    return attributes


class Queue(Strict):
    """A queue of the account (`queue`), or a TaskRouter workflow (`workflow_sid`, Flex included): one of the two."""

    queue: Annotated[Text, Field(min_length=1, max_length=64)] | None = Field(
        None, description="name of a queue without TaskRouter; Twilio creates it on first use"
    )
    workflow_sid: WorkflowSid | None = Field(None, description="WW...; the call becomes a task of this workflow")
    priority: Annotated[Whole, Field(ge=0, le=LARGEST_PRIORITY)] | None = Field(
        None, description="priority of the task (higher goes first); only with `workflow_sid`"
    )
    timeout: Annotated[Whole, Field(ge=1, le=LONGEST_TIMEOUT)] | None = Field(
        None, description="seconds after which the task is canceled; only with `workflow_sid`"
    )
    attributes: Annotated[dict[str, Any], BeforeValidator(_attributes), WithJsonSchema({"type": "object"})] = Field(
        default_factory=dict,
        description="attributes of the task, with JSON types, up to 5 levels and 4 KB; only with `workflow_sid`. A "
        "mapping that has only `from`, `map` and `default` is looked up at call time",
    )
    wait_url: HttpsUrl | None = Field(None, description="https URL of the sound for waiting callers: TwiML, WAV or MP3")

    @model_validator(mode="after")
    def _one_of_two(self) -> Queue:
        if self.queue is not None and self.workflow_sid is not None:
            raise finding(
                "`enqueue` has both `queue` and `workflow_sid`",
                "a call waits either in a queue of the account or as a task of a workflow",
                "remove one of the two",
            )
        if self.queue is None and self.workflow_sid is None:
            raise finding(
                "`enqueue` names neither `queue` nor `workflow_sid`",
                "callers need a place to wait in",
                "add `workflow_sid: WW...` for TaskRouter or Flex, or `queue: NAME`",
            )
        useless = [key for key in OF_A_TASK if key in self.model_fields_set] if self.queue is not None else []
        if useless:
            raise finding(
                f"`{useless[0]}` cannot be used with `queue`",
                "only the tasks of a workflow have it",
                f"remove `{useless[0]}`, or use `workflow_sid`",
            )
        return self
