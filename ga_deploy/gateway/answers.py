"""Reading Twilio's JSON strictly: a field that is missing or of another type is an error with the request's id."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ga_deploy.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Answer:
    """One JSON object of an answer. `server_time` is the moment of the answer by Twilio's clock (epoch), if it said.

    `received` is that moment by the transport's own clock.
    """

    fields: Mapping[str, object] = field(repr=False)
    request_id: str | None = None
    asked: str = ""
    server_time: float | None = None
    received: float = 0.0

    def text(self, name: str) -> str:
        """Return a field that must be a text."""
        value = self.fields.get(name)
        if not isinstance(value, str):
            raise self.unreadable(name, "a text", value)
        return value

    def text_or(self, name: str, default: str = "") -> str:
        """Return a text field; `default` when it is null or absent."""
        return default if self.fields.get(name) is None else self.text(name)

    def optional_text(self, name: str) -> str | None:
        """Return a text field, or None when it is null, absent or empty."""
        return self.text_or(name) or None

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a boolean field; `default` when it is null or absent."""
        value = self.fields.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.unreadable(name, "true or false", value)
        return value

    def number(self, name: str) -> int:
        """Return an integer field."""
        value = self.fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.unreadable(name, "a number", value)
        return value

    def mapping(self, name: str) -> dict[str, object]:
        """Return an object field."""
        value = self.fields.get(name)
        if not isinstance(value, dict):
            raise self.unreadable(name, "an object", value)
        return value

    def items(self, name: str) -> list[Answer]:
        """Return a field that must be an array of objects."""
        value = self.fields.get(name)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.unreadable(name, "a list of objects", value)
        return [Answer(item, self.request_id, self.asked, self.server_time, self.received) for item in value]

    def moment(self, name: str) -> datetime | None:
        """Return an ISO 8601 field as an aware time; None when it is null, absent or not such a time."""
        value = self.fields.get(name)
        if not isinstance(value, str):
            return None
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def unreadable(self, name: str, wanted: str, got: object) -> Unreachable:
        """Return the error for a field that is not what it must be. The value itself is not shown."""
        found = "missing" if got is None else f"of type {type(got).__name__}"
        problem = Unreachable(
            f"Twilio's answer to {self.asked or 'a request'} cannot be understood",
            why=f"the field `{name}` should be {wanted} and is {found}",
            fix="run the command again; if it stays so, check what answers for Twilio's hosts on this network",
            request_id=self.request_id,
        )
        problem.maybe_processed = True
        return problem
