"""Definitions that are damaged somewhere: refused in words, or good enough for all that is done with one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ga_deploy.commands.flow import list_widgets
from ga_deploy.errors import DeployError
from ga_deploy.studio import (
    attach,
    attached_at,
    build_fragment,
    detach,
    diff_definitions,
    draw_mermaid,
    dump_definition,
    fingerprint,
    keep_places,
    parse_definition,
)
from tests.unit.studio_configs import TARGET, config_of

FLOWS = sorted((Path(__file__).parent / "flows").glob("*.json"))
FRAGMENT = build_fragment(config_of(), TARGET)

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["ga_engage", "ga_before"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "next", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def list_places(tree: Any) -> list[tuple[Any, Any]]:
    """Every container of the tree with a key of it."""
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree))) if isinstance(tree, list) else []
    return [place for key in keys for place in ((tree, key), *list_places(tree[key]))]


@settings(max_examples=80)
@given(st.sampled_from(FLOWS), st.data())
def test_a_definition_with_anything_in_it_is_refused_or_can_be_worked_with(file: Path, data: st.DataObject) -> None:
    case = json.loads(file.read_text(encoding="utf-8"))
    if data.draw(st.booleans()):
        case["flow"] = attach(parse_definition(case["flow"], where="file"), FRAGMENT, case["after"])
    tree, key = data.draw(st.sampled_from(list_places(case["flow"])))
    if isinstance(tree, dict) and data.draw(st.booleans()):
        del tree[key]
    else:
        tree[key] = data.draw(anything)
    try:
        flow = parse_definition(case["flow"], where="file")
        attached = attach(flow, FRAGMENT, case["after"])
        detach(attached)
    except DeployError:
        return
    diff_definitions(flow, attached).lines()
    diff_definitions(attached, flow).lines()
    attached_at(attached)
    dump_definition(attached)
    fingerprint(attached)
    keep_places(attached, flow)
    draw_mermaid(attached)
    list_widgets(attached)
