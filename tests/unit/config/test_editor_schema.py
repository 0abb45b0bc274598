"""The JSON Schema for editors and the reference page: made from the models, held to what the loader takes."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ga_deploy.config.editor_schema import make_schema
from ga_deploy.config.schema import Config
from scripts.config_reference import make_page
from tests.unit.config import cases

ROOT = Path(__file__).parents[3]
EXAMPLE = yaml.safe_load((ROOT / "config.example.yaml").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(make_schema())


def test_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(make_schema())
    assert make_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_takes_the_example() -> None:
    assert [error.message for error in VALIDATOR.iter_errors(EXAMPLE)] == []


def test_describes_every_key() -> None:
    undescribed = []

    def walk(schema: Any, way: str) -> None:
        for key, inner in schema.get("properties", {}).items():
            described = "description" in inner or "$ref" in json.dumps(inner)
            undescribed.extend([] if described or way.startswith("step") else [f"{way}.{key}"])
        for name, inner in schema.get("$defs", {}).items():
            walk(inner, name)

    walk(make_schema(), "")
    assert undescribed == []


@pytest.mark.parametrize(
    "change",
    [
        {"asap": {}},
        {"version": 2},
        {"twilio": {"account_sid": "me"}},
        {"twilio": {}},
        {"twilio": {"account_sid": "${A}", "auth_token": "in clear text"}},
        {"asapp": {**EXAMPLE["asapp"], "api_secret": "half ${A}"}},
        {"asapp": {**EXAMPLE["asapp"], "timeout_ms": "soon"}},
        {"asapp": {**EXAMPLE["asapp"], "timeout_ms": 1}},
        {"service": {"ui_editable": "perhaps"}},
        {"input": {"taskName": True}},
        {"input": {"variables": {"a": {"from": "caller.From"}}}},
        {"greeting": [{"hangup": None}]},
        {"destinations": {"a": {"number": 15550100001}}},
        {"destinations": {"a": {"redirect": "http://example.com"}}},
        {"destinations": {"a": {"number": "+15550100001", "hours": {"timezone": "UTC"}}}},
        {"outcomes": {"agent": ["say"]}},
        {"outcomes": {"agent": [{"send": {"map": {}}}]}},
        {"outcomes": {"agnet": []}},
        {"profiles": {"es": {"destinations": {}}}},
        {"phone_numbers": [{"to": "engage"}]},
        {"environments": {"prod": {"asapp": {"time": 5}}}},
        {"environments": {"prod": {"version": 1}}},
    ],
    ids=lambda change: json.dumps(change)[:60],
)
def test_refuses(change: dict[str, Any]) -> None:
    assert list(VALIDATOR.iter_errors({**EXAMPLE, **change}))


@pytest.mark.parametrize(
    "change",
    [
        {"asapp": {**EXAMPLE["asapp"], "timeout_ms": "${MS:-2000}", "reconnect": "2", "voice_agent_mode": "${MODE:-}"}},
        {"service": {"ui_editable": "${EDIT}", "runtime": None, "include_credentials": "no"}},
        {"service": None, "voice": None, "phone_numbers": None},
        {"functions": {"engage": {"visibility": "public"}}},
        {"destinations": {"a": {"number": "${N}", "hours": {"timezone": "UTC", "open": {"mon": ["09:00-12:00"]}}}}},
        {"outcomes": {"agent": ["hangup"], "failed": [{"hangup": None}], "system": [{"pause": 2}, {"play": "${P}"}]}},
        {
            "environments": {
                "ui": None,
                "prod": {"destinations": {"support": {"timeout": 5}}, "asapp": {"reconnect": 0}},
            }
        },
    ],
    ids=lambda change: json.dumps(change)[:60],
)
def test_takes(change: dict[str, Any]) -> None:
    assert [error.message for error in VALIDATOR.iter_errors({**EXAMPLE, **change})] == []


def places(node: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [way, *(place for key, below in inner for place in places(below, (*way, key)))]


OTHER_VALUES = st.sampled_from(
    [None, True, False, 5, 300, "", "on", "5", "${X:-}", "${X:-text}", "${X:-5}", "hangup", "https://a.example.com/x",
     "+15550100009", "sip:a@example.com", "call.To", "outcome.name", "support", "UTC", "Polly.Amy-Neural", {}, [],
     {"from": "call.To"}, {"say": "hello"}, {"say": {"text": "hello"}}, {"number": "+15550100009"}, ["hangup"]]
)  # fmt: skip


@settings(deadline=None, max_examples=100, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([way for way in places(EXAMPLE) if way]), OTHER_VALUES)
def test_what_the_loader_takes_the_schema_takes(
    tmp_path_factory: pytest.TempPathFactory, way: tuple[Any, ...], value: Any
) -> None:
    changed = copy.deepcopy(EXAMPLE)
    node = changed
    for key in way[:-1]:
        node = node[key]
    node[way[-1]] = value
    case = {"whole": True, "config": yaml.safe_dump(changed)}
    config, _ = cases.judge(case, tmp_path_factory.getbasetemp())
    if config is not None:
        assert isinstance(config, Config)
        assert [error.message for error in VALIDATOR.iter_errors(changed)] == []


def test_the_reference_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "reference" / "config.md").read_text(encoding="utf-8")
    assert page == make_page(), "run `python -m scripts.config_reference > docs/reference/config.md`"
