"""What is built and deployed truly runs: npm, Node, variables, propagation, logs, a restart."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.emulated.emulator.conftest import ACCOUNT, Api, Shop

# One process at a time fetches the packages of a set.
pytestmark = pytest.mark.xdist_group("npm")

GREET = """
exports.handler = (context, event, callback) => {
  console.log(`greeting ${event.name}`);
  callback(null, `hello ${event.name} from ${context.GREETER}`);
};
"""


@pytest.fixture
def node(start: Callable[..., Api], npm_cache: Path) -> Api:
    """A client of an emulator that really builds."""
    return start(npm_cache=npm_cache)


def deploy(api: Api, shop: Shop, source: str, path: str = "/f", visibility: str = "public") -> str:
    build = api.build(shop.service, api.function(shop.service, path, source, visibility))
    assert build["status"] == "completed"
    api.make(f"{shop.inside}/Deployments", BuildSid=build["sid"])
    return build["sid"]


def test_a_function_answers_with_its_packages_and_variables(node: Api) -> None:
    shop = Shop(node)
    node.make(f"{shop.inside}/Variables", Key="GREETER", Value="Twilio")
    uses = "const axios = require('axios'); const twilio = require('twilio');" + GREET.replace(
        "hello", "${axios.VERSION} ${typeof twilio.twiml.VoiceResponse} hello"
    )
    dependencies = '[{"name": "axios", "version": "1.20.0"}]'
    build = node.build(shop.service, node.function(shop.service, "/f", uses), Dependencies=dependencies)
    assert node.site(shop.domain, "/f?name=Ann").status_code == 404
    deployment = node.make(f"{shop.inside}/Deployments", BuildSid=build["sid"])

    answer = node.site(shop.domain, "/f?name=Ann")

    assert (answer.status_code, answer.text) == (200, "1.20.0 function hello Ann from Twilio")
    (log,) = node.get(f"{shop.inside}/Logs").json()["logs"]
    assert log["message"] == "greeting Ann"
    assert log["build_sid"] == build["sid"]
    assert log["deployment_sid"] == deployment["sid"]
    assert log["function_sid"] == build["function_versions"][0]["function_sid"]
    assert log["request_sid"] == answer.headers["Twilio-Request-Id"]
    assert node.get(f"{shop.inside}/Logs?FunctionSid={log['function_sid']}").json()["logs"] == [log]
    assert node.get(f"{shop.inside}/Logs?FunctionSid=ZH{'0' * 32}").json()["logs"] == []
    assert node.get(f"{shop.inside}/Logs?EndDate=2020-01-01T00:00:00Z").json()["logs"] == []
    assert node.get(f"{shop.inside}/Logs/{log['sid']}").json() == log


def test_variables_are_live_at_once(node: Api) -> None:
    shop = Shop(node)
    deploy(node, shop, "exports.handler = (context, event, callback) => callback(null, JSON.stringify(context));")
    assert "COLOUR" not in node.site(shop.domain, "/f").json()

    variable = node.make(f"{shop.inside}/Variables", Key="COLOUR", Value="red")
    seen = node.site(shop.domain, "/f").json()
    assert seen["COLOUR"] == "red"
    assert (seen["ACCOUNT_SID"], seen["AUTH_TOKEN"]) == (ACCOUNT.sid, ACCOUNT.auth_token)
    assert (seen["DOMAIN_NAME"], seen["SERVICE_SID"], seen["ENVIRONMENT_SID"]) == (
        shop.domain,
        shop.service,
        shop.environment,
    )
    assert node.post(f"{shop.inside}/Variables/{variable['sid']}", {"Value": "blue"}).json()["value"] == "blue"
    assert node.site(shop.domain, "/f").json()["COLOUR"] == "blue"
    assert node.delete(f"{shop.inside}/Variables/{variable['sid']}").status_code == 204
    assert node.post(shop.url, {"IncludeCredentials": "false"}).status_code == 200
    seen = node.site(shop.domain, "/f").json()
    assert not {"COLOUR", "ACCOUNT_SID", "AUTH_TOKEN"} & set(seen)


def test_visibility(node: Api) -> None:
    shop = Shop(node)
    deploy(node, shop, GREET, "/protected", "protected")
    assert node.site(shop.domain, "/protected").status_code == 403
    deploy(node, shop, GREET, "/private", "private")
    assert node.site(shop.domain, "/private").status_code == 404
    assert node.site(shop.domain, "/protected").status_code == 404  # not in this build, so not there any more


def test_assets_are_served(node: Api) -> None:
    shop = Shop(node)
    asset = node.make(f"{shop.url}/Assets", FriendlyName="logo")["sid"]
    version = node.upload(shop.service, asset, "/logo.svg", "<svg/>", kind="Assets", content_type="image/svg+xml")
    build = node.build(shop.service, node.function(shop.service, "/f", GREET), AssetVersions=version["sid"])
    node.make(f"{shop.inside}/Deployments", BuildSid=build["sid"])

    answer = node.site(shop.domain, "/logo.svg")

    assert (answer.status_code, answer.text, answer.headers["Content-Type"]) == (200, "<svg/>", "image/svg+xml")


def test_a_deployment_propagates_and_calls_in_progress_end_well(node: Api) -> None:
    shop = Shop(node)
    slow = "exports.handler = (c, e, callback) => setTimeout(() => callback(null, 'old'), Number(e.wait || 0));"
    deploy(node, shop, slow)
    answers: list[str] = []
    waiting = threading.Thread(target=lambda: answers.append(node.site(shop.domain, "/f?wait=700").text))
    waiting.start()
    time.sleep(0.2)
    node.control("/rules", {"propagation_ms": 60_000})
    deploy(node, shop, "exports.handler = (c, e, callback) => callback(null, 'new');")

    assert node.site(shop.domain, "/f").text == "old"
    node.control("/clock", {"advance": 61})
    assert node.site(shop.domain, "/f").text == "new"
    waiting.join()
    assert answers == ["old"]


def test_builds_fail_without_a_reason(node: Api) -> None:
    shop = Shop(node)
    good = node.function(shop.service, "/good", GREET)
    broken = node.function(shop.service, "/broken", "exports.handler = (context, event, callback) => {")

    build = node.build(shop.service, good, broken)

    assert build["status"] == "failed"
    assert not {"reason", "error", "errors", "message"} & set(build)
    assert "not completed" in node.post(f"{shop.inside}/Deployments", {"BuildSid": build["sid"]}).json()["message"]
    (reason,) = node.control("/state")["services"]["shop"]["spare"]["failed_builds"]
    assert reason.startswith("/broken: SyntaxError")
    node.control("/rules", {"fail_builds": 1})
    assert [node.build(shop.service, good)["status"] for _ in range(2)] == ["failed", "completed"]


def test_an_unknown_version_is_refused_at_once(node: Api) -> None:
    shop = Shop(node)
    version = node.function(shop.service, "/f", GREET)

    answer = node.post(
        f"{shop.url}/Builds",
        {"FunctionVersions": version, "Dependencies": '[{"name": "axios", "version": "999.0.0"}]'},
    )

    assert answer.status_code == 400
    expected = "Some dependencies could not be validated. No matching version found for axios@999.0.0"
    assert (answer.json()["code"], answer.json()["message"]) == (20001, expected)
    assert node.get(f"{shop.url}/Builds").json()["builds"] == []


def test_builds_take_their_time(start: Callable[..., Api]) -> None:
    api = start(build_polls=3)
    shop = Shop(api)
    version = api.function(shop.service, "/f", GREET)
    build = api.make(f"{shop.url}/Builds", FunctionVersions=version)["sid"]
    status = f"{shop.url}/Builds/{build}/Status"
    assert [api.get(status).json()["status"] for _ in range(4)] == ["building", "building", "completed", "completed"]
    api.control("/rules", {"build_polls": 0, "build_ms": 5000})
    build = api.make(f"{shop.url}/Builds", FunctionVersions=version)["sid"]
    status = f"{shop.url}/Builds/{build}/Status"
    assert api.get(status).json()["status"] == "building"
    api.control("/clock", {"advance": 6})
    assert api.get(status).json()["status"] == "completed"


def test_packages_that_cannot_be_had_are_told_not_thrown(node: Api) -> None:
    """Somebody else's build may ask for what npm does not have (any more), on this machine for the first time."""
    change = {"service": "shop", "environment": "ui", "functions": {"/f": GREET}, "visibility": "public"}
    domain = node.control("/foreign-deploy", {**change, "dependencies": {"axios": "999.0.0"}})["domain_name"]

    answers = [node.site(domain, "/f") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [500, 500]
    assert "axios@999.0.0" in answers[0].json()["message"]
    assert "axios@999.0.0" in node.control("/journal?only=/f$")["requests"][0]["problem"]
    node.control("/foreign-deploy", {**change, "dependencies": {"axios": "1.20.0"}})
    assert node.site(domain, "/f?name=Ann").status_code == 200


def test_what_was_deployed_answers_after_a_restart(start: Callable[..., Api], npm_cache: Path, tmp_path: Path) -> None:
    from ga_deploy.emulator.server import Emulator, EmulatorThread

    state = tmp_path / "emulator.sqlite3"
    thread = EmulatorThread(Emulator(state, accounts=[ACCOUNT], npm_cache=npm_cache))
    api = Api(thread.start())
    shop = Shop(api)
    api.make(f"{shop.inside}/Variables", Key="GREETER", Value="SQLite")
    deploy(api, shop, GREET)
    unfinished = api.make(f"{shop.url}/Builds", FunctionVersions=api.function(shop.service, "/g", GREET))["sid"]
    thread.stop()

    again = start(state=state, npm_cache=npm_cache)

    assert again.site(shop.domain, "/f?name=Ann").text == "hello Ann from SQLite"
    for _ in range(200):
        if again.get(f"{shop.url}/Builds/{unfinished}/Status").json()["status"] != "building":
            break
    assert again.get(f"{shop.url}/Builds/{unfinished}").json()["status"] == "completed"
