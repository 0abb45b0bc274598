"""The laws of laying one part of a config over another."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ga_deploy.config.merge import merge_environment, overlay, without_nulls
from ga_deploy.errors import Place
from ga_deploy.yaml_tree.tree import Entry, Items, Node, Scalar, Section

NOWHERE = Place("test")
NAMES = st.sampled_from(["a", "b", "c", "d"])
VALUES = st.recursive(
    st.none() | st.integers(0, 3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
MAPPINGS = st.dictionaries(NAMES, VALUES, max_size=4)


def to_node(value: Any) -> Node:
    if isinstance(value, dict):
        return Section({key: Entry(NOWHERE, to_node(one)) for key, one in value.items()}, NOWHERE)
    if isinstance(value, list):
        return Items(tuple(map(to_node, value)), NOWHERE)
    return Scalar(value, str(value), NOWHERE)


def to_value(node: Node) -> Any:
    if isinstance(node, Section):
        return {key: to_value(entry.node) for key, entry in node.entries.items()}
    return [to_value(one) for one in node.nodes] if isinstance(node, Items) else node.value


def lay(base: Any, over: Any) -> Any:
    return to_value(without_nulls(overlay(to_node(base), to_node(over))))


def clean(value: Any) -> Any:
    return to_value(without_nulls(to_node(value)))


@settings(deadline=None, derandomize=True)
@given(MAPPINGS)
def test_nothing_changes_nothing(base: dict[str, Any]) -> None:
    assert lay(base, {}) == clean(base)
    assert lay({}, base) == clean(base)


@settings(deadline=None, derandomize=True)
@given(MAPPINGS, MAPPINGS)
def test_laying_it_twice_is_laying_it_once(base: dict[str, Any], over: dict[str, Any]) -> None:
    once = overlay(to_node(base), to_node(over))
    assert to_value(overlay(once, to_node(over))) == to_value(once)


@settings(deadline=None, derandomize=True)
@given(MAPPINGS, MAPPINGS)
def test_key_by_key(base: dict[str, Any], over: dict[str, Any]) -> None:
    merged = lay(base, over)
    for key in base.keys() | over.keys():
        if key not in over:
            assert merged.get(key) == clean(base[key])
        elif over[key] is None:
            assert key not in merged
        elif isinstance(over[key], dict) and isinstance(base.get(key), dict):
            assert merged[key] == lay(base[key], over[key])
        else:
            assert merged[key] == clean(over[key])


@settings(deadline=None, derandomize=True)
@given(MAPPINGS, MAPPINGS)
def test_neither_is_changed_by_it(base: dict[str, Any], over: dict[str, Any]) -> None:
    below, above = to_node(base), to_node(over)
    overlay(below, above)
    assert (to_value(below), to_value(above)) == (base, over)


def merged(config: dict[str, Any], environment: str = "ui", default: str = "ui") -> Any:
    root = to_node(config)
    assert isinstance(root, Section)
    return to_value(merge_environment(root, environment, default))


def test_phone_numbers_belong_to_the_default_environment() -> None:
    config = {"phone_numbers": [1], "environments": {"ui": {}, "a": {"x": 1}, "b": {"phone_numbers": [2]}}}
    assert merged(config)["phone_numbers"] == [1]
    assert "phone_numbers" not in merged(config, "a")
    assert merged(config, "b")["phone_numbers"] == [2]
    assert merged(config, "a", default="a")["phone_numbers"] == [1]


def test_a_profile_lies_over_the_merged_environment() -> None:
    config = {
        "input": {"taskName": "base", "variables": {"a": "1", "b": "2"}},
        "profiles": {"es": {"input": {"variables": {"b": "es", "a": None}}}, "fr": {"input": {"taskName": None}}},
        "environments": {
            "ui": {},
            "prod": {"input": {"taskName": "prod"}, "profiles": {"es": {"voice": {"name": "x"}}}},
        },
    }
    assert merged(config)["profiles"]["es"] == {"input": {"taskName": "base", "variables": {"b": "es"}}}
    assert merged(config)["profiles"]["fr"] == {"input": {"variables": {"a": "1", "b": "2"}}}
    production = merged(config, "prod")["profiles"]["es"]
    assert production == {"input": {"taskName": "prod", "variables": {"b": "es"}}, "voice": {"name": "x"}}


def test_an_environment_can_take_a_profile_away() -> None:
    config = {"profiles": {"es": {"voice": {}}}, "environments": {"ui": {}, "a": {"profiles": {"es": None}}}}
    assert merged(config, "a")["profiles"] == {}
