"""Merges one part of a config over another: mappings key by key, lists and single values as a whole; null removes."""

from __future__ import annotations

from dataclasses import replace

from ga_deploy.yaml_tree.tree import Entry, Items, Node, Scalar, Section

# Sections that a profile can override.
PROFILE_SECTIONS = ("input", "greeting", "voice", "waiting", "hours", "recording", "outcomes", "asapp")


def overlay(base: Node | None, over: Node) -> Node:
    """Return `base` with `over` laid over it. Where both are mappings the result stands where `base` stands.

    A null stays in the result and hides the value below; `without_nulls` removes it after all layers are merged.
    """
    if not isinstance(over, Section):
        return over
    kept = dict(base.entries) if isinstance(base, Section) else {}
    for key, entry in over.entries.items():
        below = kept.get(key)
        kept[key] = Entry(entry.place, overlay(below.node if below else None, entry.node))
    return replace(base, entries=kept) if isinstance(base, Section) else replace(over, entries=kept)


def is_null(node: Node) -> bool:
    """Tell whether the node is empty (null)."""
    return isinstance(node, Scalar) and node.value is None


def without_nulls(node: Node) -> Node:
    """Return `node` without its empty keys: an empty key counts as not set."""
    if isinstance(node, Section):
        kept = {
            key: Entry(entry.place, without_nulls(entry.node))
            for key, entry in node.entries.items()
            if not is_null(entry.node)
        }
        return replace(node, entries=kept)
    if isinstance(node, Items):
        return replace(node, nodes=tuple(without_nulls(one) for one in node.nodes))
    return node


def merge_environment(root: Section, name: str, default: str) -> Section:
    """Return the config of the environment `name`, with its profiles merged.

    The list of phone numbers at the top belongs to the environment `default`; no other inherits it.
    """
    overrides = root.get("environments", name)
    merged: Node = root
    if isinstance(overrides, Section):
        shown = {
            key: entry
            for key, entry in overrides.entries.items()
            if key not in {"domain_suffix", "environments", "default_environment"}
        }
        merged = overlay(root, replace(overrides, entries=shown))
    assert isinstance(merged, Section)
    entries = dict(merged.entries)
    own = isinstance(overrides, Section) and "phone_numbers" in overrides.entries
    if name != default and not own:
        _leave_numbers(entries, same_account=root.get("environments", name, "twilio") is None)
    section = without_nulls(_merge_profiles(replace(merged, entries=entries)))
    assert isinstance(section, Section)
    return section


def _leave_numbers(entries: dict[str, Entry], *, same_account: bool) -> None:
    """Remove the numbers of another environment. The account owns them, so the first may be the caller id."""
    entry = entries.get("phone_numbers")
    if entry is None or not isinstance(entry.node, Items) or not entry.node.nodes:
        return
    del entries["phone_numbers"]
    first = entry.node.nodes[0]
    number = first.get("number") if isinstance(first, Section) else None
    written = entries.get("caller_id")
    if written is not None and not is_null(written.node):
        return
    # A reference may have a value in the other environment only.
    if same_account and isinstance(number, Scalar) and isinstance(number.value, str) and "${" not in number.value:
        entries["caller_id"] = Entry(number.place, number)


def _merge_profiles(root: Section) -> Section:
    profiles = root.entries.get("profiles")
    if profiles is None or not isinstance(profiles.node, Section):
        return root
    base = Section({key: root.entries[key] for key in PROFILE_SECTIONS if key in root.entries}, profiles.place)
    merged = {}
    for name, entry in profiles.node.entries.items():
        node = entry.node
        if isinstance(node, Section):
            laid = overlay(base, node)
            node = replace(node, entries=laid.entries) if isinstance(laid, Section) else node
        merged[name] = Entry(entry.place, node)
    section = replace(profiles.node, entries=merged)
    return replace(root, entries={**root.entries, "profiles": Entry(profiles.place, section)})
