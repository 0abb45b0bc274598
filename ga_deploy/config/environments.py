"""Checks between environments: names, shared numbers, shared domains."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from ga_deploy.config.explain import place_of
from ga_deploy.config.merge import is_null
from ga_deploy.errors import Finding, Place
from ga_deploy.yaml_tree.tree import Items, Scalar, Section

if TYPE_CHECKING:
    from collections.abc import Iterator

# The environment of the Console; it has no domain suffix.
CONSOLE = "ui"
WHOLE_FILE = frozenset({"environments", "default_environment", "version"})


def check_environments(root: Section, default: str, names: list[str]) -> Iterator[Finding]:
    """Yield errors between the environments; values behind references are not resolved."""
    if default not in names:
        yield no_such_environment(default, names, place_of(root, ("default_environment",)))
    section = root.get("environments")
    environments = section.entries if isinstance(section, Section) else {}
    suffixes: dict[str, str] = {}
    for name, entry in environments.items():
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", name):
            yield Finding(
                f"`{name[:60]}` cannot be the name of an environment",
                "it is the unique name on Twilio: up to 100 letters, digits, dashes and underscores",
                "choose another name",
                entry.place,
            )
        overrides = entry.node.entries if isinstance(entry.node, Section) else {}
        for key in sorted(WHOLE_FILE & set(overrides)):
            yield Finding(
                f"`{key}` cannot differ between environments",
                "it belongs to the whole file",
                "remove it here",
                overrides[key].place,
            )
        yield from _suffix(name, entry.node, entry.place, suffixes)
    yield from _shared_numbers(root, default, names)


def _suffix(name: str, node: object, place: Place, taken: dict[str, str]) -> Iterator[Finding]:
    if not isinstance(node, Section) and not (isinstance(node, Scalar) and is_null(node)):
        return
    entry = node.entries.get("domain_suffix") if isinstance(node, Section) else None
    suffix = ""
    if entry and isinstance(entry.node, Scalar) and not is_null(entry.node):
        suffix, place = entry.node.raw, entry.place
    if "${" in suffix:
        return
    if suffix and name == CONSOLE:
        yield Finding(
            "`ui` has a domain suffix",
            "`ui` is the environment of the Console and has the domain without suffix",
            "remove the suffix, or rename the environment",
            place,
        )
    elif suffix.lower() in taken:
        yield Finding(
            f"`{name}` has the same domain as `{taken[suffix.lower()]}`",
            "two environments of a service cannot share a domain" + ("" if suffix else "; both have no domain_suffix"),
            "give each its own `domain_suffix`",
            place,
        )
    taken.setdefault(suffix.lower(), name)


def _shared_numbers(root: Section, default: str, names: list[str]) -> Iterator[Finding]:
    owners: dict[str, str] = {}
    for name in sorted(names, key=lambda one: one != default):
        listed = root.get("environments", name, "phone_numbers")
        if listed is None and name == default:
            listed = root.get("phone_numbers")
        for one in listed.nodes if isinstance(listed, Items) else ():
            number = one.get("number") if isinstance(one, Section) else None
            if not isinstance(number, Scalar) or not number.raw or "${" in number.raw:
                continue
            if owners.get(number.raw, name) != name:
                yield Finding(
                    f"the number {number.raw} is in two environments",
                    f"`{owners[number.raw]}` has it too, and a number leads to one environment only",
                    "remove it from one",
                    number.place,
                )
            owners.setdefault(number.raw, name)


def no_such_environment(name: str, names: list[str], place: Place) -> Finding:
    """Return the finding for an environment that the config does not have."""
    near = get_close_matches(name, names, n=1)
    return Finding(
        f"there is no environment `{name[:60]}`",
        "the config has " + ", ".join(names) if names else "`environments` lists none",
        f"did you mean `{near[0]}`?" if near else "add it under `environments:`, or choose one of these",
        place,
    )
