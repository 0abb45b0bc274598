"""Values of the config as Liquid expressions, as far as Studio's Liquid can express them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from ga_deploy.config.destinations import EnqueueDestination
from ga_deploy.config.queue import lookups_in, plain
from ga_deploy.config.steps import Send, Sms
from ga_deploy.config.values import From

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ga_deploy.config.schema import Config, Profile
    from ga_deploy.config.values import Value

TRANSFER_RESULT = "widgets.ga_transfer.parsed"

# What a Liquid expression can name with dots alone.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

# The names of the config that call-transfer returns under a name of its own.
_RETURNED = {"status": "callTransferStatus", "name": "outcome"}


def find_variable(value: From) -> str | None:
    """Return the Liquid variable that holds what `value` names, without braces; None when Liquid cannot name it."""
    if not _NAME.fullmatch(value.key):
        return None
    if value.root == "call":
        return f"trigger.call.{value.key}"
    if value.root == "query":
        return _query_variable(value.key)
    if value.root == "outcome":
        return f"{TRANSFER_RESULT}.{_RETURNED.get(value.key, value.key)}"
    return f"{TRANSFER_RESULT}.{value.root}.{value.key}"


def _query_variable(name: str) -> str:
    """Return the Liquid for `query.NAME`: a variable set by an earlier widget, or a field of the call."""
    return f"flow.variables.{name} | default: trigger.call.{name}"


def is_plain(text: str) -> bool:
    """Tell whether Liquid leaves `text` as it is."""
    return "{{" not in text and "{%" not in text


def write_query(params: Mapping[str, Value]) -> str | None:
    """Return `params` as a query string, or None when one of them is only known at call time."""
    if any(isinstance(value, From) for value in params.values()):
        return None
    return "&".join(f"{quote(name, safe='')}={quote(str(value), safe='')}" for name, value in params.items())


def write_attributes(name: str, attributes: Mapping[str, object]) -> str | None:
    """Return the task attributes of destination `name` as JSON text or as an expression that gives it.

    call-transfer puts values of call time into the JSON, because Liquid cannot escape them. None if neither is
    possible.
    """
    if any(lookups_in(attributes)):
        return f'{{{{{TRANSFER_RESULT}.attributes.{name} | default: "{{}}" }}}}' if _NAME.fullmatch(name) else None
    text = json.dumps(plain(attributes), ensure_ascii=False)
    return text if is_plain(text) else None


def engage_query(config: Config) -> str:
    """Return the query with which a flow calls /flow/engage.

    With `FlowSid` the function returns to the flow. `transfer` is set only to continue a conversation after a broken
    stream. A `query.X` of the config is the flow variable X, so a flow that we are attached to can pass values to the
    agent; `profile` is a flow variable too.
    """
    parts = [
        "FlowSid={{flow.flow_sid}}",
        f"profile={{{{{_query_variable('profile')} | url_encode}}}}",
        f"transfer={{{{{TRANSFER_RESULT}.reconnect | url_encode}}}}",
        *carried_query(config),
    ]
    return "&".join(parts)


def carried_query(config: Config) -> list[str]:
    """Return the pairs that pass the flow's variables to a function, as the query that it has without a flow."""
    return [f"query.{name}={{{{{_query_variable(name)} | url_encode}}}}" for name in query_names(config)]


def query_parameters(config: Config) -> dict[str, str]:
    """Return the same as parameters of a Run Function widget."""
    return {f"query.{name}": f"{{{{{_query_variable(name)}}}}}" for name in query_names(config)}


def query_names(config: Config) -> list[str]:
    """Return the X of every `query.X` in the config that Liquid can name."""
    return sorted({one.key for one in _lookups(config) if one.root == "query" and _NAME.fullmatch(one.key)})


def transfer_fields(config: Config) -> list[str]:
    """Return the fields of the call that call-transfer needs: the usual ones and those in task attributes."""
    queues = [one for one in config.destinations.values() if isinstance(one, EnqueueDestination)]
    values = [value for queue in queues for value in lookups_in(queue.enqueue.attributes)]
    named = {value.key for value in values if value.root == "call" and _NAME.fullmatch(value.key)}
    usual = ("CallSid", "From", "To", "Direction")
    return [*usual, *sorted(named - {*usual, "transfer", "outcome", "profile", "since", "seen"})]


def _lookups(config: Config) -> Iterator[From]:
    for value in _values(config):
        if isinstance(value, From):
            yield value


def _values(config: Config) -> Iterator[Value | None]:
    scopes: list[Config | Profile] = [config, *config.profiles.values()]
    for scope in scopes:
        yield from (scope.input.customerId, scope.input.taskName, *scope.input.variables.values())
        for name in type(scope.outcomes).model_fields:
            for step in getattr(scope.outcomes, name):
                if isinstance(step, (Send, Sms)):
                    yield step.by if isinstance(step, Send) else step.to
    for destination in config.destinations.values():
        yield from (value for _, value in destination.lookups())
