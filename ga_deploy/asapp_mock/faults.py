"""Faults of ASAPP's REST endpoints and of its stream handshake, switched on by tests."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, get_args, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Mapping

Endpoint = Literal["health", "stream-url", "stream", "call-transfer", "state", "messages"]
Body = Literal["", "empty", "not-json", "no-url", "expired-token", "unknown-token", "failed"]


@dataclass(frozen=True)
class Fault:
    """One fault of one endpoint; `stream` is the WebSocket's handshake.

    `status` is the error to answer with, `latency_ms` the time to wait first. `hang` never answers. `body` replaces the
    body of a good answer. The fault holds for the next `times` requests (0: until it is removed).
    """

    endpoint: Endpoint
    status: int = 0
    latency_ms: int = 0
    hang: bool = False
    body: Body = ""
    times: int = 0


def read_fault(value: Mapping[str, Any]) -> Fault:
    """Return the fault that a JSON object describes. Raises ValueError naming what is wrong with it."""
    names = {one.name for one in fields(Fault)}
    if not isinstance(value, dict) or "endpoint" not in value or not value.keys() <= names:
        raise ValueError(
            f"a fault needs an `endpoint` and may have {sorted(names - {'endpoint'})}, but this is {value!r}"
        )
    hints = get_type_hints(Fault)
    for name, given in value.items():
        allowed = get_args(hints[name])
        if (allowed and given not in allowed) or (not allowed and type(given) is not hints[name]):
            raise ValueError(f"{name} cannot be {given!r}" + (f"; it is one of {sorted(allowed)}" if allowed else ""))
    return Fault(**value)


class FaultBoard:
    """The faults that are switched on. The latest one applies first."""

    def __init__(self) -> None:
        self._faults: list[tuple[Fault, int]] = []

    def add(self, fault: Fault) -> None:
        """Switch a fault on."""
        self._faults.insert(0, (fault, fault.times))

    def clear(self, endpoint: str | None = None) -> None:
        """Switch the faults of an endpoint off, or all."""
        self._faults = [entry for entry in self._faults if endpoint is not None and entry[0].endpoint != endpoint]

    def take(self, endpoint: str) -> Fault | None:
        """Return the fault that applies to the next request of an endpoint, and count it."""
        for at, (fault, left) in enumerate(self._faults):
            if fault.endpoint == endpoint:
                if left == 1:
                    del self._faults[at]
                elif left:
                    self._faults[at] = (fault, left - 1)
                return fault
        return None

    def describe(self) -> list[dict[str, Any]]:
        """Return what is switched on, as JSON."""
        return [asdict(fault) | {"times": left} for fault, left in self._faults]
