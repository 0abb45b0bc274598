"""Twilio's refusals in our words, by their message, their code or their status."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ga_deploy.errors import ApiProblem, Conflict, NotFound, Throttled
from ga_deploy.gateway.endpoints import Endpoints
from ga_deploy.gateway.problems import AccessDenied, RevisionMoved, describe_request, make_problem, read_refusal
from ga_deploy.redact import Secret

BUILDS = "https://serverless.twilio.com/v1/Services/ZS1/Builds"


def problem(status: int, body: object, *, method: str = "POST", url: str = BUILDS, region: str = "") -> ApiProblem:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return make_problem(method, url, status, {"Twilio-Request-Id": "RQab12"}, content, Endpoints.twilio(region))


@pytest.mark.parametrize(
    ("message", "why", "fix"),
    [
        (
            "Some dependencies could not be validated. No matching version found for axios@9.9.9",
            "no version 9.9.9 of the dependency `axios`",
            "`service.dependencies.axios`",
        ),
        (
            "No matching version found for @twilio/runtime-handler@2.1.0.",
            "no version 2.1.0 of the dependency `@twilio/runtime-handler`",
            "published version",
        ),
        ("Some dependencies could not be validated.", "public npm registry", "file:, git or private"),
        ("unsupported runtime: node10", "the runtime node10", "`service.runtime"),
        ("At least one Function Version or Asset Version is required for Build", "at least one function", "plan"),
        ("Services are limited to less than or equal to 50", "limit of 50 Serverless services", "service.name"),
        ("Cannot delete Build because it's part of an active Deployment.", "still runs that build", "another build"),
        ("UniqueName is already in use", "taken by another resource", "domain_suffix"),
    ],
)
def test_known_messages_are_translated(message: str, why: str, fix: str) -> None:
    said = problem(400, {"code": 20001, "message": message, "status": 400})
    assert said.what == "Twilio refused to create the build"
    assert why in said.why
    assert said.why.endswith("(code 20001, request RQab12)")
    assert fix in said.fix


def test_an_unknown_message_is_passed_on() -> None:
    said = problem(400, {"code": 20001, "message": "Something new: {0} {x}", "status": 400})
    assert "Something new: {0} {x}" in said.why
    assert said.fix


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, 20003, AccessDenied),
        (403, 20008, AccessDenied),
        (404, 20404, NotFound),
        (409, 20409, Conflict),
        (409, 54301, Conflict),
        (412, 54103, RevisionMoved),
        (412, 54205, RevisionMoved),
        (429, 20429, Throttled),
        (500, None, ApiProblem),
        (503, 20503, ApiProblem),
        (413, 54006, ApiProblem),
        (405, 20004, ApiProblem),
    ],
)
def test_every_documented_code_has_a_kind_a_reason_and_a_fix(status: int, code: int | None, kind: type) -> None:
    said = problem(status, {"code": code, "message": "", "status": status})
    assert type(said) is kind
    assert (said.status, said.code, said.request_id) == (status, code, "RQab12")
    assert said.why
    assert said.fix


def test_wrong_credentials_mention_the_region_in_use() -> None:
    body = {"code": 20003, "message": "Authenticate", "status": 401}
    assert "region ie1, edge dublin" in problem(401, body, region="ie1").fix
    assert "another region" in problem(401, body).fix


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("GET", "/v1/Services", "read the services"),
        ("GET", "/v1/Services/GenerativeAgentService", "read the service"),
        ("POST", "/v1/Services", "create the service"),
        ("POST", "/v1/Services/ZS1/Environments/ZE1/Variables/ZV1", "update the variable"),
        ("DELETE", "/v1/Services/ZS1/Functions/ZH1", "delete the function"),
        ("POST", "/2010-04-01/Accounts/AC1/IncomingPhoneNumbers/PN1.json", "update the phone number"),
        ("GET", "/api/2010-04-01/Accounts/AC1/IncomingPhoneNumbers.json", "read the phone numbers"),
        ("GET", "/v1/Services/ZS1/Builds/ZB1/Status", "read the build's status"),
        ("POST", "/v2/Flows/Validate", "validate the flow definition"),
        ("GET", "/elsewhere", "GET /elsewhere"),
    ],
)
def test_requests_have_names(method: str, path: str, words: str) -> None:
    assert describe_request(method, path) == words


def test_single_complaints_are_listed() -> None:
    errors = [{"message": f"state {index} is wrong", "property_path": f"#/states/{index}"} for index in range(12)]
    body = {"code": 20001, "message": "Definition is invalid", "status": 400, "details": {"errors": errors}}
    lines = problem(400, body).why.split("\n")
    assert lines[1] == "#/states/0: state 0 is wrong"
    assert lines[-1] == "and 2 more"
    assert len(lines) == 12


def test_a_secret_that_twilio_echoes_is_masked() -> None:
    value = Secret("value-that-was-refused")
    body = {"code": 20001, "message": f"Value {value.reveal()} is too long", "status": 400}
    assert value.reveal() not in problem(400, body).why


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists).map(
        lambda value: json.dumps(value).encode()
    )
    | st.dictionaries(
        st.sampled_from(["message", "code", "status", "detail", "title", "details"]),
        st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text()),
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_body_breaks_the_reader(body: bytes) -> None:
    refusal = read_refusal(body)
    assert isinstance(refusal.message, str)
    assert problem(400, body).why
