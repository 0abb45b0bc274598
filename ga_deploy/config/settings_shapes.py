"""Parts of the functions' settings, in the shapes that `render.settings` describes: values, opening hours, queues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.config.queue import plain
from ga_deploy.config.values import From

if TYPE_CHECKING:
    from ga_deploy.config.hours import Hours
    from ga_deploy.config.queue import Queue
    from ga_deploy.config.values import Value


def write_hours(hours: Hours | None) -> dict[str, object] | None:
    """Return opening hours with the spans of each day in minutes from midnight; None for always open."""
    if hours is None:
        return None
    return {
        "timezone": hours.timezone,
        "week": {day: spans for day, spans in hours.week().items() if spans},
        "closed": hours.closed,
    }


def write_queue(queue: Queue) -> dict[str, object]:
    """Return a queue of the account, or a workflow with the keys of its task."""
    if queue.queue is not None:
        return {"queue": queue.queue, "waitUrl": queue.wait_url}
    return {
        "workflowSid": queue.workflow_sid,
        "priority": queue.priority,
        "timeout": queue.timeout,
        "waitUrl": queue.wait_url,
        "attributes": plain(queue.attributes),
    }


def write_each(values: dict[str, Value]) -> dict[str, object]:
    """Return a mapping of values at call time."""
    return {name: write_value(one) for name, one in values.items()}


def write_value(value: Value) -> object:
    """Return a literal, or a lookup with those of its keys that are set."""
    if isinstance(value, From):
        return present({"from": value.name, "default": value.default, "map": value.map})
    return value


def present(values: dict[str, object]) -> dict[str, object]:
    """Return the entries whose value is not None."""
    return {name: value for name, value in values.items() if value is not None}
