"""Faults as data: every mishap, seen from a client, and what the platform made of the request."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from ga_deploy.emulator.control.faults import Fault, FaultPlan, read_fault
from tests.emulated.emulator.conftest import Api, Shop

CREATE = {"method": "POST", "path": r"^/serverless/v1/Services$"}
SERVICE = {"UniqueName": "s", "FriendlyName": "s"}


def services(api: Api) -> list[str]:
    return [one["unique_name"] for one in api.get("/serverless/v1/Services").json()["services"]]


@pytest.mark.parametrize("processed", [False, True])
@pytest.mark.parametrize(
    ("fault", "status", "content_type"),
    [
        ({"status": 429}, 429, "application/json"),
        ({"status": 500}, 500, "application/json"),
        ({"status": 503}, 503, "text/html"),
        ({"status": 403, "body": "<html>proxy</html>"}, 403, "text/html"),
    ],
)
def test_statuses(api: Api, fault: dict[str, Any], status: int, content_type: str, processed: bool) -> None:
    api.control("/faults", {"action": "status", "processed": processed, **CREATE, **fault})

    answer = api.post("/serverless/v1/Services", SERVICE)

    assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (status, content_type)
    if status == 429:
        assert answer.json()["moreInfo"].endswith("20429")
        assert "more_info" not in answer.json()
    if status == 500:
        assert "code" not in answer.json()
    assert services(api) == (["s"] if processed else [])


@pytest.mark.parametrize("processed", [False, True])
def test_a_dropped_connection(api: Api, processed: bool) -> None:
    api.control("/faults", {"action": "drop", "processed": processed, **CREATE})

    with pytest.raises(requests.ConnectionError):
        api.post("/serverless/v1/Services", SERVICE)

    assert services(api) == (["s"] if processed else [])
    entry = api.control("/journal?only=POST")["requests"][0]
    assert (entry["status"], entry["fault"]) == (0, "drop")


def test_a_broken_answer(api: Api) -> None:
    api.control("/faults", {"action": "malformed", **CREATE})

    answer = api.post("/serverless/v1/Services", SERVICE)

    assert answer.status_code == 201
    with pytest.raises(requests.JSONDecodeError):
        answer.json()
    assert services(api) == ["s"]


def test_a_second_page_that_is_cut(api: Api, shop: Shop) -> None:
    for number in range(4):
        api.make(f"{shop.url}/Functions", FriendlyName=f"f{number}")
    api.control("/faults", {"action": "cut", "path": r"/Functions\?.*PageToken="})
    first = api.get(f"{shop.url}/Functions?PageSize=2").json()
    path = first["meta"]["next_page_url"].removeprefix(api.base_url)

    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        api.get(path).json()

    assert len(api.get(path).json()["functions"]) == 2


@pytest.mark.parametrize("processed", [False, True])
def test_a_stall_until_the_client_gives_up(api: Api, processed: bool) -> None:
    api.control("/faults", {"action": "stall", "processed": processed, **CREATE})

    with pytest.raises(requests.ReadTimeout):
        requests.post(
            f"{api.base_url}/serverless/v1/Services",
            data=SERVICE,
            auth=("AC" + "a" * 32, "token-of-a"),
            timeout=(5, 0.2),
        )

    assert api.control("/faults")["faults"][0]["hits"] == 1
    time.sleep(0.1)
    assert services(api) == (["s"] if processed else [])


def test_which_requests_are_hit(api: Api) -> None:
    api.control("/faults", [{"action": "status", "nth": 2, "times": 2, "path": "Services$", "method": "get"}])

    statuses = [api.get("/serverless/v1/Services").status_code for _ in range(5)]

    assert statuses == [200, 500, 500, 200, 200]
    assert (api.control("/faults")["faults"][0]["seen"], api.control("/faults")["faults"][0]["hits"]) == (5, 2)
    api.control("/faults", {"action": "status", "times": None})
    assert {api.get("/serverless/v1/Services").status_code for _ in range(3)} == {500}
    assert api.control("/faults", method="DELETE") == {"faults": []}
    assert api.get("/serverless/v1/Services").status_code == 200


def test_the_first_ending_wins_and_others_wait_their_turn() -> None:
    plan = FaultPlan([Fault("latency", times=None), Fault("drop"), Fault("status")])

    assert [[fault.action for fault in plan.strike("GET", "/x")] for _ in range(3)] == [
        ["latency", "drop"],
        ["latency"],
        ["latency"],
    ]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"action": "explode"},
        {"action": "drop", "path": "("},
        {"action": "drop", "nth": 0},
        {"action": "drop", "x": 1},
    ],
)
def test_nonsense_is_no_fault(api: Api, given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_fault(given)
    answer = api.ask_control("/faults", [{"action": "drop"}, given])
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert api.control("/faults") == {"faults": []}


@pytest.mark.parametrize("processed", [False, True])
def test_somebody_deploys_around_a_request(api: Api, shop: Shop, processed: bool) -> None:
    source = "exports.handler = (context, event, callback) => callback();"
    version = api.function(shop.service, "/mine", source)
    build = api.build(shop.service, version)["sid"]
    change = {"service": "shop", "environment": "dev-environment", "functions": {"/theirs": source}}
    api.control("/faults", {"action": "foreign", "processed": processed, "path": "/Deployments$", "foreign": change})

    api.make(f"{shop.inside}/Deployments", BuildSid=build)

    live = api.get(shop.inside).json()["build_sid"]
    paths = {one["path"] for one in api.get(f"{shop.url}/Builds/{live}").json()["function_versions"]}
    # Before: ours has dropped theirs, a lost update. After: theirs was built on top of ours.
    assert paths == ({"/mine", "/theirs"} if processed else {"/mine"})
    assert len(api.get(f"{shop.inside}/Deployments").json()["deployments"]) == 2


def test_somebody_deploys_and_the_answer_is_lost_too(api: Api, shop: Shop) -> None:
    change = {"service": "shop", "environment": "dev-environment", "functions": {"/theirs": "exports.handler = 1"}}
    api.control(
        "/faults",
        [
            {"action": "foreign", "processed": True, **CREATE, "foreign": change},
            {"action": "drop", "processed": True, **CREATE},
        ],
    )

    with pytest.raises(requests.ConnectionError):
        api.post("/serverless/v1/Services", SERVICE)

    assert services(api) == ["s", "shop"]
    assert list(api.control("/state")["services"]["shop"]["environments"]["dev-environment"]["paths"]) == ["/theirs"]


def test_a_foreign_deployment_from_nothing(api: Api) -> None:
    change = {
        "service": "console",
        "environment": "ui",
        "functions": {"/a": "exports.handler = 1", "/b": "exports.handler = 2"},
        "assets": {"/names.json": "[]"},
        "dependencies": {"lodash": "4.17.21"},
        "variables": {"KEY": "value"},
    }
    api.control("/foreign-deploy", change)
    api.control("/foreign-deploy", {**change, "functions": {"/a": "changed"}, "remove": ["/b"], "assets": {}})

    state = api.control("/state")["services"]["console"]["environments"]["ui"]

    assert list(state["paths"]) == ["/a", "/names.json"]
    assert state["dependencies"]["lodash"] == "4.17.21"
    assert list(state["variables"]) == ["KEY"]
    assert api.ask_control("/foreign-deploy", {"service": "console"}).status_code == 400
    assert api.ask_control("/foreign-deploy", {**change, "shop": 1}).status_code == 400


def test_too_many_at_once(start: Callable[..., Api]) -> None:
    api = start(latency_ms=150)
    api.control("/rules", {"concurrency": 3})
    statuses: list[int] = []

    def ask() -> None:
        statuses.append(Api(api.base_url).get("/serverless/v1/Services").status_code)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(statuses) == {200, 429}
    assert statuses.count(200) >= 3
    assert int(api.get("/serverless/v1/Services").headers["Twilio-Concurrent-Requests"]) == 1


def test_latency_is_per_request_and_tells_depth(start: Callable[..., Api]) -> None:
    api = start(latency_ms=60)
    for _ in range(2):
        threads = [threading.Thread(target=Api(api.base_url).get, args=("/serverless/v1/Services",)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    journal = api.control("/journal")

    assert journal["count"] == 8
    assert journal["depth"] == 2  # four side by side, twice
    assert all(entry["took"] >= 0.06 for entry in journal["requests"])
    assert api.control("/journal?exclude=Services")["count"] == 0
    api.control("/journal", method="DELETE")
    assert api.control("/journal") == {"count": 0, "depth": 0, "requests": []}


def test_the_journal_holds_no_secret(api: Api, shop: Shop) -> None:
    api.make(f"{shop.inside}/Variables", Key="API_SECRET", Value="sentinel-of-a-secret")
    api.function(shop.service, "/f", "// sentinel-of-a-secret in a long source " + "x" * 300)

    journal = str(api.control("/journal"))

    assert "API_SECRET" in journal
    assert "sentinel-of-a-secret" not in journal
    assert "token-of-a" not in journal
    assert "sentinel-of-a-secret" not in str(api.control("/state"))
