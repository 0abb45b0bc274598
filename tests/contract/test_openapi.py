"""The contract finds what breaks it: one case a kind of mistake, each a small change to an exchange that is right."""

import copy
from typing import Any

import pytest

from ga_deploy.emulator.dispatch import ApiExchange
from tests.contract.openapi import Contract

ZS, ZE, ZN = "ZS" + "0" * 32, "ZE" + "0" * 32, "ZN" + "0" * 32
SERVICES = "https://serverless.twilio.com/v1/Services"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SERVICE = {
    "sid": ZS,
    "account_sid": "AC" + "0" * 32,
    "friendly_name": "s",
    "unique_name": "s",
    "include_credentials": True,
    "ui_editable": False,
    "domain_base": "s-1234",
    "date_created": "2026-11-22T12:00:00Z",
    "date_updated": None,
    "url": f"{SERVICES}/{ZS}",
    "links": {"environments": f"{SERVICES}/{ZS}/Environments"},
}


def request_problems(contract: Contract, method: str, url: str, form: Any = (), headers: Any = FORM) -> str:
    return "; ".join(contract.request_problems(method, url, headers, dict(form)))


@pytest.mark.parametrize(
    ("method", "path", "form", "said"),
    [
        ("POST", "", {"UniqueName": ["s"]}, "FriendlyName is missing"),
        ("POST", "", {"UniqueName": ["s"], "FriendlyName": ["s"], "Nickname": ["s"]}, "Nickname is no field"),
        ("POST", "", {"UniqueName": ["s"], "FriendlyName": ["s"], "UiEditable": ["maybe"]}, "UiEditable"),
        ("POST", "", {"UniqueName": ["s", "t"], "FriendlyName": ["s"]}, "UniqueName is given 2 times"),
        ("PUT", "", {}, "no such operation"),
        ("GET", "/s/Shops", {}, "no such operation"),
        ("GET", "?PageSize=1001", {}, "query PageSize"),
        ("GET", "?Limit=5", {}, "query Limit is no parameter"),
        ("GET", f"/{ZS}/Environments/dev", {}, "path Sid"),
        ("GET", "", {"UniqueName": ["s"]}, "a body where none is taken"),
        ("POST", f"/{ZS}/Builds", {"FunctionVersions": [ZN, "ZN1"]}, "FunctionVersions"),
        ("POST", f"/{ZS}/Environments/{ZE}/Deployments", {"BuildSid": [""]}, "BuildSid"),
    ],
)
def test_wrong_requests_are_found(
    contract: Contract, method: str, path: str, form: dict[str, list[str]], said: str
) -> None:
    assert said in request_problems(contract, method, SERVICES + path, form)


def test_right_requests_pass(contract: Contract) -> None:
    create = {"UniqueName": ["s"], "FriendlyName": ["s"], "UiEditable": ["True"]}
    assert request_problems(contract, "POST", SERVICES, create) == ""
    assert request_problems(contract, "GET", f"{SERVICES}?PageSize=50&PageToken=PA1") == ""
    assert request_problems(contract, "POST", f"{SERVICES}/{ZS}/Builds", {"FunctionVersions": [ZN, ZN]}) == ""
    numbers = f"https://api.twilio.com/2010-04-01/Accounts/AC{'0' * 32}/IncomingPhoneNumbers"
    assert (
        request_problems(contract, "POST", f"{numbers}/PN{'0' * 32}.json", {"VoiceUrl": [""], "TrunkSid": [""]}) == ""
    )


def test_a_body_of_another_type_is_found(contract: Contract) -> None:
    form = {"UniqueName": ["s"], "FriendlyName": ["s"]}
    said = request_problems(contract, "POST", SERVICES, form, {"Content-Type": "application/json"})
    assert "a body of type 'application/json'" in said


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sid", "ZS1"),
        ("ui_editable", "false"),
        ("date_created", "Sun, 22 Nov 2026 12:00:00 +0000"),
        ("url", "s"),
        ("links", {"environments": "s"}),
        ("invented", 1),
    ],
)
def test_wrong_answers_are_found(contract: Contract, field: str, value: object) -> None:
    assert list(contract.answer_problems("GET", f"{SERVICES}/{ZS}", 200, SERVICE)) == []
    assert list(contract.answer_problems("GET", f"{SERVICES}/{ZS}", 200, {**SERVICE, field: value})) != []


def test_a_lost_field_a_wrong_status_and_a_wrong_error_are_found(contract: Contract) -> None:
    lacking = copy.copy(SERVICE)
    del lacking["domain_base"]
    error = {"code": 20404, "message": "no", "more_info": "https://www.twilio.com/docs/errors/20404", "status": 404}

    def problems(method: str, status: int, body: Any) -> list[str]:
        return list(contract.answer_problems(method, f"{SERVICES}/{ZS}", status, body))

    assert problems("GET", 200, lacking) != []
    assert problems("GET", 201, SERVICE) != []
    assert problems("DELETE", 204, None) == []
    assert problems("DELETE", 204, {}) != []
    assert problems("GET", 404, error) == []
    assert problems("GET", 404, {**error, "status": 400}) != []
    assert problems("GET", 404, {"error": "no"}) != []


def test_what_is_observed_is_kept(contract: Contract) -> None:
    contract.observe(ApiExchange("GET", f"{SERVICES}/{ZS}", {}, {}, 200, {**SERVICE, "sid": "ZS" + "g" * 32}, {}))
    contract.observe(ApiExchange("POST", f"https://serverless-upload.twilio.com/v1/Services/{ZS}", {}, {}, 201, {}, {}))

    assert len(contract.findings) == 1
    assert contract.findings[0].startswith(f"GET /v1/Services/{ZS}: answer $.sid")
    assert contract.seen == {"GET /v1/Services/{Sid}"}
