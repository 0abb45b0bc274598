"""Twilio's own Python SDK drives every operation of the emulator; `base_url` holds each exchange to the description."""

import inspect
import json
import re
from typing import Any

import pytest
import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest import Client

from ga_deploy.emulator.assembly import PRODUCTS
from ga_deploy.emulator.server import Emulator, EmulatorThread
from tests.contract.conftest import ACCOUNT, sdk_for
from tests.contract.openapi import Contract

SOURCE = "exports.handler = (context, event, callback) => callback(null, 'hello');"


def upload(
    base_url: str, service: str, sid: str, path: str, *, kind: str = "Functions", visibility: str = "public"
) -> dict:
    answer = requests.post(
        f"{base_url}/serverless-upload/v1/Services/{service}/{kind}/{sid}/Versions",
        data={"Path": path, "Visibility": visibility},
        files={"Content": (path, SOURCE, "application/javascript")},
        auth=(ACCOUNT.sid, ACCOUNT.auth_token),
        timeout=10,
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_services(sdk: Client) -> None:
    services = sdk.serverless.v1.services
    made = services.create(unique_name="Contract-Service", friendly_name="before", include_credentials=False)
    assert made.include_credentials is False
    assert made.ui_editable is False
    assert made.domain_base.startswith("contract-service-")

    changed = made.update(friendly_name="after", ui_editable=True, include_credentials=True)

    assert (changed.friendly_name, changed.ui_editable, changed.include_credentials) == ("after", True, True)
    assert services("Contract-Service").fetch().sid == made.sid
    assert [service.sid for service in services.list()] == [made.sid]
    with pytest.raises(TwilioRestException) as refusal:
        services.create(unique_name="Contract-Service", friendly_name="twice")
    assert (refusal.value.status, refusal.value.code) == (409, 20409)
    assert made.delete() is True
    with pytest.raises(TwilioRestException) as refusal:
        services(made.sid).fetch()
    assert (refusal.value.status, refusal.value.code) == (404, 20404)


def test_functions_and_their_versions(sdk: Client, base_url: str) -> None:
    service = sdk.serverless.v1.services.create(unique_name="s", friendly_name="s")
    functions = sdk.serverless.v1.services(service.sid).functions
    made = functions.create(friendly_name="/hello")
    assert functions.create(friendly_name="/hello").sid != made.sid  # friendly names may repeat
    assert made.update(friendly_name="/hello-again").friendly_name == "/hello-again"
    assert functions(made.sid).fetch().friendly_name == "/hello-again"
    first, second = upload(base_url, service.sid, made.sid, "hello"), upload(base_url, service.sid, made.sid, "/hello")
    versions = functions(made.sid).function_versions

    assert [version.sid for version in versions.list()] == [second["sid"], first["sid"]]
    assert versions(first["sid"]).fetch().path == "/hello"
    assert versions(first["sid"]).function_version_content().fetch().content == SOURCE
    assert made.delete() is True
    assert len(functions.list()) == 1


def test_assets_and_their_versions(sdk: Client, base_url: str) -> None:
    service = sdk.serverless.v1.services.create(unique_name="s", friendly_name="s")
    assets = sdk.serverless.v1.services(service.sid).assets
    made = assets.create(friendly_name="logo")
    assert made.update(friendly_name="logo.png").friendly_name == "logo.png"
    version = upload(base_url, service.sid, made.sid, "/logo.png", kind="Assets", visibility="private")

    assert [one.sid for one in assets(made.sid).asset_versions.list()] == [version["sid"]]
    assert assets(made.sid).asset_versions(version["sid"]).fetch().visibility == "private"
    assert assets(made.sid).fetch().friendly_name == "logo.png"
    assert [one.sid for one in assets.list()] == [made.sid]
    assert made.delete() is True


def test_builds_deployments_variables_and_logs(sdk: Client, base_url: str) -> None:
    service = sdk.serverless.v1.services(sdk.serverless.v1.services.create(unique_name="s", friendly_name="s").sid)
    function = service.functions.create(friendly_name="/hello")
    version = upload(base_url, service.fetch().sid, function.sid, "/hello", visibility="protected")
    dependencies = json.dumps([{"name": "axios", "version": "1.20.0"}])
    build = service.builds.create(function_versions=[version["sid"]], dependencies=dependencies, runtime="node22")
    assert build.status == "building"
    statuses = [service.builds(build.sid).build_status().fetch().status for _ in range(3)]
    assert statuses[-1] == "completed"
    assert service.builds(build.sid).fetch().function_versions[0]["visibility"] == "PROTECTED"
    assert {entry["name"] for entry in build.dependencies} == {"axios", "twilio", "@twilio/runtime-handler"}
    environment = service.environments.create(unique_name="dev", domain_suffix="dev")
    assert environment.build_sid is None
    inside = service.environments(environment.sid)

    deployment = inside.deployments.create(build_sid=build.sid)
    variable = inside.variables.create(key="GREETING", value="hello")

    assert inside.fetch().build_sid == build.sid
    assert inside.deployments(deployment.sid).fetch().build_sid == build.sid
    assert [one.sid for one in inside.deployments.list()] == [deployment.sid]
    assert inside.variables(variable.sid).fetch().value == "hello"
    assert variable.update(value="hello again").value == "hello again"
    assert [(one.key, one.value) for one in inside.variables.list()] == [("GREETING", "hello again")]
    assert variable.delete() is True
    assert inside.logs.list() == []
    with pytest.raises(TwilioRestException):
        inside.logs("NO" + "0" * 32).fetch()
    assert [one.unique_name for one in service.environments.list()] == ["dev"]
    assert [one.sid for one in service.builds.list()] == [build.sid]
    with pytest.raises(TwilioRestException, match="active Deployment"):
        build.delete()
    assert inside.deployments.create().build_sid is None  # an empty deployment takes everything offline
    assert build.delete() is True
    assert environment.delete() is True


def test_numbers_and_the_account(sdk: Client, base_url: str) -> None:
    numbers = sdk.incoming_phone_numbers
    assert {number.phone_number for number in numbers.list()} == {"+15550100001", "+15550100002", "+442071838750"}
    assert [number.phone_number for number in numbers.list(phone_number="+1555010000*")] == [
        "+15550100002",
        "+15550100001",
    ]
    (number,) = numbers.list(friendly_name="London", beta=False, origin="twilio")

    changed = numbers(number.sid).update(voice_url="https://example.com/engage", voice_method="POST")

    assert (changed.voice_url, changed.voice_method, changed.friendly_name) == (
        "https://example.com/engage",
        "POST",
        "London",
    )
    trunk, application = "TK" + "1" * 32, "AP" + "2" * 32
    assert numbers(number.sid).update(voice_application_sid=application).voice_application_sid == application
    moved = numbers(number.sid).update(trunk_sid=trunk)
    assert (moved.trunk_sid, moved.voice_application_sid) == (trunk, "")
    assert numbers(number.sid).fetch().voice_url == "https://example.com/engage"
    assert sdk.api.v2010.accounts(ACCOUNT.sid).fetch().status == "active"
    with pytest.raises(TwilioRestException) as refusal:
        sdk_for(base_url, "SK" + "b" * 32, "the-key-secret").api.v2010.accounts(ACCOUNT.sid).fetch()
    assert (refusal.value.status, refusal.value.code) == (401, 20003)
    assert len(sdk_for(base_url, "SK" + "b" * 32, "the-key-secret").incoming_phone_numbers.list()) == 3


def test_sync_documents(sdk: Client) -> None:
    service = sdk.sync.v1.services("default")
    assert service.fetch().sid.startswith("IS")
    assert [one.sid for one in sdk.sync.v1.services.list()] == [service.fetch().sid]
    made = service.documents.create(unique_name="lock", data={"holder": "me"}, ttl=60)
    assert made.date_expires is not None
    with pytest.raises(TwilioRestException) as refusal:
        service.documents.create(unique_name="lock", data={})
    assert (refusal.value.status, refusal.value.code) == (409, 54301)

    changed = service.documents("lock").update(data={"holder": "you"}, if_match=made.revision)

    assert changed.revision != made.revision
    with pytest.raises(TwilioRestException) as refusal:
        service.documents("lock").update(data={}, if_match=made.revision)
    assert (refusal.value.status, refusal.value.code) == (412, 54103)
    assert service.documents(made.sid).fetch().data == {"holder": "you"}
    assert [one.unique_name for one in service.documents.list()] == ["lock"]
    assert service.documents("lock").delete() is True
    with pytest.raises(TwilioRestException) as refusal:
        service.documents("lock").fetch()
    assert (refusal.value.status, refusal.value.code) == (404, 54100)
    with pytest.raises(TwilioRestException) as refusal:
        service.documents.create(data={"long": "x" * 16384})
    assert (refusal.value.status, refusal.value.code) == (413, 54006)


def test_sync_maps(sdk: Client) -> None:
    service = sdk.sync.v1.services(sdk.sync.v1.services.create(friendly_name="own").sid)
    made = service.sync_maps.create(unique_name="releases")
    assert [one.sid for one in service.sync_maps.list()] == [made.sid]
    assert service.sync_maps("releases").update(ttl=3600).date_expires is not None
    items = service.sync_maps("releases").sync_map_items
    for key in ("b", "a", "c"):
        items.create(key=key, data={"key": key})
    with pytest.raises(TwilioRestException) as refusal:
        items.create(key="a", data={})
    assert (refusal.value.status, refusal.value.code) == (409, 54208)

    changed = items("a").update(data={"key": "A"}, if_match=items("a").fetch().revision)

    assert changed.data == {"key": "A"}
    with pytest.raises(TwilioRestException) as refusal:
        items("a").update(data={}, if_match="nonsense")
    assert (refusal.value.status, refusal.value.code) == (412, 54205)
    assert [item.key for item in items.list(page_size=2)] == ["a", "b", "c"]
    assert [item.key for item in items.list(order="desc", from_="b", bounds="inclusive")] == ["b", "a"]
    assert [item.key for item in items.list(from_="a", bounds="exclusive")] == ["b", "c"]
    assert items("b").delete(if_match=items("b").fetch().revision) is True
    with pytest.raises(TwilioRestException) as refusal:
        items("b").fetch()
    assert (refusal.value.status, refusal.value.code) == (404, 54201)
    assert service.sync_maps("releases").delete() is True
    with pytest.raises(TwilioRestException) as refusal:
        service.sync_maps("releases").fetch()
    assert (refusal.value.status, refusal.value.code) == (404, 54200)


FLOW: dict[str, Any] = {
    "description": "Greets",
    "initial_state": "Trigger",
    "flags": {"allow_concurrent_calls": True},
    "states": [
        {
            "name": "Trigger",
            "type": "trigger",
            "properties": {"offset": {"x": 0, "y": 0}},
            "transitions": [{"event": "incomingCall", "next": "greet"}, {"event": "incomingMessage"}],
        },
        {
            "name": "greet",
            "type": "say-play",
            "properties": {"offset": {"x": 0, "y": 200}, "say": "Hello"},
            "transitions": [{"event": "audioComplete"}],
        },
    ],
}
BROKEN = {**FLOW, "states": [FLOW["states"][0]]}


def test_studio_flows(sdk: Client) -> None:
    flows = sdk.studio.v2.flows
    made = flows.create(friendly_name="Greeter", status="draft", definition=FLOW, commit_message="first")
    assert (made.revision, made.valid, made.commit_message) == (1, True, "first")
    assert made.webhook_url == f"https://webhooks.twilio.com/v1/Accounts/{ACCOUNT.sid}/Flows/{made.sid}"

    published = flows(made.sid).update(status="published", definition=FLOW)

    assert (published.revision, published.status) == (2, "published")
    assert flows(made.sid).update(status="draft", friendly_name="Greeter 2").revision == 3
    assert flows(made.sid).fetch().definition == FLOW
    assert [one.definition for one in flows.list()] == [None]
    revisions = flows(made.sid).revisions
    assert [one.revision for one in revisions.list()] == [3, 2, 1]
    assert revisions("LatestPublished").fetch().revision == 2
    assert revisions("LatestRevision").fetch().revision == 3
    assert revisions("1").fetch().definition == FLOW
    assert sdk.studio.v2.flow_validate.update(friendly_name="x", status="published", definition=FLOW).valid is True
    with pytest.raises(TwilioRestException) as refusal:
        sdk.studio.v2.flow_validate.update(friendly_name="x", status="published", definition=BROKEN)
    assert refusal.value.code == 81022
    assert refusal.value.details["errors"][0]["property_path"] == "#/states/0/transitions/0/next"
    assert flows(made.sid).test_users().update(test_users=["+15550100001"]).test_users == ["+15550100001"]
    assert flows(made.sid).test_users().fetch().test_users == ["+15550100001"]
    assert flows(made.sid).delete() is True
    with pytest.raises(TwilioRestException):
        flows(made.sid).fetch()


def test_studio_executions(sdk: Client, base_url: str) -> None:
    flow = sdk.studio.v2.flows.create(friendly_name="Greeter", status="published", definition=FLOW)
    call = {"CallSid": "CA" + "1" * 32, "AccountSid": ACCOUNT.sid, "From": "+15550100009", "To": "+15550100001"}
    webhook = f"{base_url}/webhooks/v1/Accounts/{ACCOUNT.sid}/Flows/{flow.sid}"
    assert "<Say>Hello</Say>" in requests.post(webhook, data=call, timeout=300).text
    executions = sdk.studio.v2.flows(flow.sid).executions

    (execution,) = executions.list()

    assert execution.contact_channel_address == "+15550100009"
    assert executions(execution.sid).fetch().status == "active"
    assert (
        executions(execution.sid).execution_context().fetch().context["trigger"]["call"]["CallSid"] == call["CallSid"]
    )
    (step,) = executions(execution.sid).steps.list()
    assert (step.transitioned_from, step.transitioned_to) == ("Trigger", "greet")


def test_pages_hold_together(sdk: Client) -> None:
    service = sdk.serverless.v1.services(sdk.serverless.v1.services.create(unique_name="s", friendly_name="s").sid)
    made = [service.functions.create(friendly_name=f"/{number}").friendly_name for number in range(7)]

    assert [one.friendly_name for one in service.functions.list(page_size=3)] == made[::-1]
    second = service.functions.page(page_size=3).next_page()
    assert [one.friendly_name for one in second] == ["/3", "/2", "/1"]
    assert [one.friendly_name for one in second.previous_page()] == ["/6", "/5", "/4"]
    assert second.next_page().next_page() is None
    assert [len(list(sdk.incoming_phone_numbers.stream(page_size=size))) for size in (1, 2, 3)] == [3, 3, 3]
    with pytest.raises(TwilioException):
        service.functions.page(page_size=3, page_token="PAnonsense")


def test_wrong_credentials_are_told_apart_from_wrong_accounts(base_url: str) -> None:
    for username, password in (
        (ACCOUNT.sid, "wrong"),
        ("AC" + "0" * 32, ACCOUNT.auth_token),
        ("SK" + "b" * 32, "wrong"),
    ):
        with pytest.raises(TwilioRestException) as refusal:
            sdk_for(base_url, username, password).serverless.v1.services.create("s", "s")
        assert (refusal.value.status, refusal.value.code) == (401, 20003)
    foreign = sdk_for(base_url, ACCOUNT.sid, ACCOUNT.auth_token).api.v2010.accounts("AC" + "0" * 32)
    with pytest.raises(TwilioRestException) as refusal:
        foreign.fetch()
    assert refusal.value.status == 404


DRIVES = (
    test_services,
    test_functions_and_their_versions,
    test_assets_and_their_versions,
    test_builds_deployments_variables_and_logs,
    test_numbers_and_the_account,
    test_sync_documents,
    test_sync_maps,
    test_studio_flows,
    test_studio_executions,
)

# What the emulator does not have, see docs/emulator.md.
LEFT_OUT = {
    "serverless": r"^$",
    "sync": r"/(Lists|Streams|Permissions)|(POST|DELETE) /v1/Services/\{Sid\}",
    "studio": r"(POST|DELETE) .*/Executions|/Steps/",
}


@pytest.mark.parametrize("product", LEFT_OUT)
def test_together_they_drive_every_operation_there_is(contract: Contract, product: str) -> None:
    for drive in DRIVES:
        with EmulatorThread(Emulator(accounts=[ACCOUNT], on_exchange=contract.observe)) as url:
            given = {"sdk": sdk_for(url, ACCOUNT.sid, ACCOUNT.auth_token), "base_url": url}
            drive(**{name: given[name] for name in inspect.signature(drive).parameters})

    described = contract.operations(product)

    assert {name for name in described - contract.seen if not re.search(LEFT_OUT[product], name)} == set()
    assert contract.findings == []


def test_every_path_of_the_emulator_is_described(contract: Contract) -> None:
    """The other way round: nothing is emulated that Twilio does not have."""
    for product in ("serverless", "api", "studio", "sync"):
        described = {re.sub(r"\{\w+\}", "{}", name) for name in contract.operations(product)}
        emulated = {re.sub(r"\{[^}]+\}", "{}", name) for name in PRODUCTS[product].templates()}
        assert emulated - described == set()
