"""What a web page that somebody has open can do to the emulator, its control plane and the mock in it: nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
import requests

from ga_deploy.asapp_mock.server import MockAsapp
from ga_deploy.emulator.control.run_token import find_token
from ga_deploy.strict_json import read_json
from tests.emulated.emulator.conftest import ACCOUNT, Api

if TYPE_CHECKING:
    from collections.abc import Callable

LOGIN = (ACCOUNT.sid, ACCOUNT.auth_token)
FOREIGN: list[dict[str, str]] = [
    {"Origin": "https://attacker.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1"},
    {"Origin": "http://localhost:3000"},
    {"Origin": "nonsense"},
    {"Origin": "http://[bad"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]
CHANGE = {"service": "page", "environment": "ui", "functions": {"/run": "exports.handler = 1"}}


@pytest.fixture(scope="module")
def page() -> Any:
    """An emulator with the mock in it, as a page would find it; nothing in these tests changes its state."""
    from ga_deploy.emulator.server import Emulator, EmulatorThread

    emulator = Emulator(accounts=[ACCOUNT], asapp=MockAsapp("an-id", "a-secret"))
    with EmulatorThread(emulator) as base_url:
        yield Api(base_url)


def ask(api: Api, path: str, headers: dict[str, str], method: str = "GET", **more: Any) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, api.base_url + path, headers=headers, timeout=30, **more)


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize(
    "path",
    ["/serverless/v1/Services", "/_emulator/health", "/asapp/v1/health", "/asapp/_mock/calls", "/webhooks/v1/x", "/no"],
)
def test_a_page_of_somebody_else_is_refused(page: Api, path: str, headers: dict[str, str]) -> None:
    answer = ask(page, path, headers, auth=LOGIN)
    assert answer.status_code == 403, answer.text
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_deployed_site_takes_requests_of_its_own_pages_only(page: Api) -> None:
    site = {"Host": "shop-1234.twil.io"}
    assert ask(page, "/a", {**site, "Origin": "https://shop-1234.twil.io"}).status_code == 404
    assert ask(page, "/a", {**site, "Origin": "https://other-1234.twil.io"}).status_code == 403
    assert ask(page, "/a", {**site, "Origin": page.base_url}).status_code == 403


def test_programs_and_its_own_pages_are_served(page: Api) -> None:
    for headers in ({}, {"Origin": page.base_url}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin"}):
        assert ask(page, "/serverless/v1/Services", headers, auth=LOGIN).status_code == 200


@pytest.mark.parametrize(
    "path", ["/serverless/v1/Services", "/_emulator/state", "/asapp/_mock/calls", "/asapp/v1/health"]
)
@pytest.mark.parametrize("host", ["attacker.example", "attacker.example:80", "127.0.0.1.attacker.example", "twil.io"])
def test_a_name_that_was_made_to_lead_here_is_not_answered(page: Api, path: str, host: str) -> None:
    assert ask(page, path, {"Host": host, "Origin": f"http://{host}"}, auth=LOGIN).status_code == 421


@pytest.mark.parametrize("path", ["/foreign-deploy", "/numbers", "/faults", "/rules", "/clock"])
def test_the_control_plane_demands_the_token_of_the_run(page: Api, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer é"}, {"Authorization": "Bearer"}):
        raw = {name: value.encode() for name, value in headers.items()}
        assert ask(page, f"/_emulator{path}", raw, "POST", json=CHANGE).status_code == 401  # type: ignore[arg-type]
    assert ask(page, "/_emulator/state", {}, auth=LOGIN).status_code == 401
    assert page.control("/state")["services"] == {}


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_the_control_plane_reads_json_only(page: Api, kind: str) -> None:
    token = find_token(int(page.base_url.rpartition(":")[2]))
    assert token is not None
    headers = {"Authorization": f"Bearer {token.reveal()}", "Content-Type": kind}
    answer = ask(page, "/_emulator/foreign-deploy", headers, "POST", data='{"service": "page", "environment": "ui"}')
    assert answer.status_code == 415
    assert page.control("/state")["services"] == {}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", '"nan"', "1e300"])
def test_what_is_no_number_never_moves_the_clock(page: Api, number: str) -> None:
    token = find_token(int(page.base_url.rpartition(":")[2]))
    assert token is not None
    headers = {"Authorization": f"Bearer {token.reveal()}", "Content-Type": "application/json"}
    answer = ask(page, "/_emulator/clock", headers, "POST", data=f'{{"advance": {number}}}')
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert math.isfinite(page.control("/clock")["now"])
    assert ask(page, "/serverless/v1/Services", {}, auth=LOGIN).status_code == 200
    if number != "1e300":
        assert ask(page, "/_emulator/rules", headers, "POST", data=f'{{"latency_ms": {number}}}').status_code == 400


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_no_number_is_stored_nowhere(start: Callable[..., Api], number: str) -> None:
    api = start(asapp=MockAsapp("an-id", "a-secret"))
    documents = "/sync/v1/Services/default/Documents"
    assert api.post(documents, {"UniqueName": "d", "Data": f'{{"n": {number}}}'}).status_code == 400
    definition = f'{{"description": "", "states": [], "initial_state": "", "flags": {{"n": {number}}}}}'
    form = {"FriendlyName": "f", "Status": "draft", "Definition": definition}
    assert api.post("/studio/v2/Flows", form).status_code == 400
    fault = f'{{"endpoint": "health", "latency_ms": {number}}}'
    assert ask(api, "/asapp/_mock/faults", {}, "POST", data=fault).status_code == 400
    script = f'{{"script": {{"steps": [{{"pause": {number}}}]}}}}'
    assert ask(api, "/asapp/_mock/scripts", {}, "POST", data=script).status_code == 400
    assert read_json(ask(api, "/asapp/_mock/faults", {}).content) == []
    assert api.control("/state")["documents"] == {}
