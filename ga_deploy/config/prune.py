"""Removes invalid values from a config, so that the rest can be cross-checked and all findings come at once."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ga_deploy.config.destinations import KINDS
from ga_deploy.config.explain import is_tag
from ga_deploy.config.references import Referenced

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from ga_deploy.yaml_tree.tree import Keys

# Keys that are compared with each other: if one is invalid, both are removed.
COMPARED = (("timeout_ms", "budget_ms"), ("api_key", "api_key_secret"), ("attach_to", "after"))

# Number of keys that lead to the kind of a destination: destinations.NAME.KIND.
DESTINATION_KEY = 3


class Pruning:
    """Removes invalid values and fills in missing ones, so that the rest can be cross-checked."""

    def __init__(self, plain: dict[str, Any]) -> None:
        self._plain = plain
        self._removed: set[Keys] = set()
        self._tries: Counter[tuple[Keys, str]] = Counter()
        self._count = 0
        # Destinations with an invalid part: the cross-checks skip them.
        self.broken: set[str] = set()

    def knows(self, error: ErrorDetails) -> bool:
        """Tell whether an error exists only because the value, or a part of it, was removed."""
        keys = self._keys(error)
        if error["type"] == "too_short":
            return any(removed[: len(keys)] == keys for removed in self._removed)
        return keys in self._removed

    @staticmethod
    def _keys(error: ErrorDetails) -> Keys:
        """Return the keys of what is removed for an error: the value, or the step or list that it belongs to."""
        keys: Keys = tuple(key for key in error["loc"] if not is_tag(key))
        index = next((index for index, key in enumerate(keys) if isinstance(key, int)), len(keys))
        if keys[:1] == ("phone_numbers",):
            return keys
        return keys[:index] if keys[:1] == ("destinations",) else keys[: index + 1]

    def prune(self, errors: list[ErrorDetails]) -> None:
        """Remove or replace the values that the errors are about."""
        for keys, kind in dict.fromkeys((self._keys(error), error["type"]) for error in errors):
            if keys[:1] == ("destinations",):
                self.broken |= set(map(str, keys[1:2]))
            # If the error remains after the removal, the section around the value is removed.
            depth = len(keys) - self._tries[keys, kind]
            self._tries[keys, kind] += 1
            self._take_out(keys[: max(depth, 1)])

    def _take_out(self, keys: Keys) -> None:
        parent: Any = self._plain
        for key in keys[:-1]:
            inside = isinstance(parent, dict) or (isinstance(parent, list) and isinstance(key, int))
            parent = (parent.get(key) if isinstance(parent, dict) else parent[key]) if inside else None
        if isinstance(parent, list) and isinstance(keys[-1], int):
            # The places of the other items depend on their index, so a harmless item takes its place.
            harmless = {"phone_numbers": {"number": self._made_up()}, "flow": self._made_up()}
            parent[keys[-1]] = harmless.get(str(keys[0]), {"pause": 1})
        elif isinstance(parent, dict):
            self._remove(parent, keys)

    def _remove(self, parent: dict[str, Any], keys: Keys) -> None:
        key = str(keys[-1])
        kind = KINDS.get(str(keys[DESTINATION_KEY - 1])) if keys[0] == "destinations" and len(keys) > 2 else None
        # A destination needs its kind, and a queue the place where callers wait.
        is_needed = kind is not None and (len(keys) == DESTINATION_KEY or key in kind.one_of)
        if key in parent and not is_needed:
            del parent[key]
        else:
            is_section = key in {"twilio", "asapp"} or (kind is not None and kind.kind == key and kind.section())
            parent[key] = {} if is_section else self._made_up()
        self._removed.add(keys)
        for pair in COMPARED:
            if key in pair:
                for one in pair:
                    parent.pop(one, None)

    def _made_up(self) -> Referenced:
        self._count += 1
        return Referenced(f"local-value-{self._count}", ("...",), stand_in=True)
