"""Every create, with its answer lost in every way: made exactly once, and the caller gets what was made."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from ga_deploy.errors import ApiProblem, Conflict, DeployError, Throttled, Unreachable
from ga_deploy.gateway import Credentials, Endpoints, Gateway, Retries
from ga_deploy.model.bundle import FunctionFile
from ga_deploy.model.sids import BuildSid, EnvironmentSid, ServiceSid
from ga_deploy.redact import Secret

from .conftest import ACCOUNT, PatientClock
from .scripted import Asked, Said, ScriptedServer

if TYPE_CHECKING:
    from .conftest import Twilio

SOURCE = FunctionFile("/engage", "protected", "exports.handler = (c, e, done) => done(null, 1);\n")


class World:
    """A service with an environment, a function and a version, made before anything goes wrong."""

    def __init__(self, gateway: Gateway) -> None:
        self.service = gateway.create_service("Existing").sid
        self.environment = gateway.create_environment(self.service, "dev", "dev").sid
        self.function = gateway.create_function(self.service, "/engage").sid
        self.version = gateway.upload_version(self.service, self.function, SOURCE)
        self.build = gateway.create_build(self.service, [self.version.sid], [], {"axios": "1.20.0"}, "node22").sid
        for _ in range(10):
            if gateway.build_status(self.service, self.build) == "completed":
                break


Make = Callable[[Gateway, World], Any]
Count = Callable[[Gateway, World], int]

# What is created ▸ the path of the POST, how it is made, how many there are, how many are made besides.
CREATES: dict[str, tuple[str, Make, Count]] = {
    "service": (
        "/v1/Services$",
        lambda g, w: g.create_service("Made").unique_name,
        lambda g, w: int(g.find_service("Made") is not None),
    ),
    "environment": (
        "/Environments$",
        lambda g, w: g.create_environment(w.service, "stage", "stage").unique_name,
        lambda g, w: len(g.list_environments(w.service)) - 1,
    ),
    "function": (
        "/Functions$",
        lambda g, w: g.create_function(w.service, "/call-complete").friendly_name,
        lambda g, w: len(g.list_functions(w.service)) - 1,
    ),
    "version": (
        "serverless-upload.*/Versions$",
        lambda g, w: g.upload_version(w.service, w.function, FunctionFile("/engage", "protected", "// two")).path,
        lambda g, w: len(g.list_versions(w.service, w.function)) - 1,
    ),
    "build": (
        "/Builds$",
        lambda g, w: g.create_build(w.service, [w.version.sid], [], {"axios": "1.21.1"}, "node22").runtime,
        lambda g, w: len(g.list_builds(w.service)) - 1,
    ),
    "variable": (
        "/Variables$",
        lambda g, w: g.create_variable(w.service, w.environment, "KEY", "value").key,
        lambda g, w: len(g.list_variables(w.service, w.environment)),
    ),
    "deployment": (
        "/Deployments$",
        lambda g, w: g.create_deployment(w.service, w.environment, w.build).build_sid,
        lambda g, w: len(g.list_deployments(w.service, w.environment)),
    ),
    "document": (
        "/Documents$",
        lambda g, w: g.create_document("lock", {"holder": "me"}, ttl=60).data,
        lambda g, w: int(g.get_document("lock") is not None),
    ),
    "item": (
        "/Items$",
        lambda g, w: g.put_item("record", "release.1", {"n": 1}).data,
        lambda g, w: len(g.list_items("record")),
    ),
}

LOSSES = {
    "dropped before": {"action": "drop", "processed": False},
    "dropped after": {"action": "drop", "processed": True},
    "500 before": {"action": "status", "status": 500},
    "503 HTML after": {"action": "status", "status": 503, "processed": True},
    "malformed": {"action": "malformed"},
    "429": {"action": "status", "status": 429},
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", CREATES)
def test_a_lost_answer_creates_nothing_twice(twilio: Twilio, gateway: Gateway, kind: str, loss: str) -> None:
    path, make, count = CREATES[kind]
    world = World(gateway)
    gateway.ensure_map("record")
    twilio.fault(method="POST", path=path, **LOSSES[loss])  # type: ignore[arg-type]
    made = make(gateway, world)
    assert made
    assert count(gateway, world) == 1
    assert twilio.emulator.faults.describe()[0]["hits"] == 1, "the fault did not strike, so nothing was proven"


@pytest.mark.parametrize("kind", ["version", "build", "item"])
def test_a_stalled_create_is_looked_for(twilio: Twilio, kind: str) -> None:
    path, make, count = CREATES[kind]
    world = World(twilio.open())
    impatient = twilio.open(read_timeout=0.4)
    impatient.ensure_map("record")
    twilio.fault("stall", "POST", path, seconds=1.0, processed=True)
    assert make(impatient, world)
    assert count(impatient, world) == 1


def test_what_a_lost_attempt_made_is_waited_for_until_it_is_listed() -> None:
    """Twilio's lists may lag behind: the second attempt is refused, and the first one's work not to be seen yet."""
    made = {"sid": "ZV" + "1" * 32, "account_sid": ACCOUNT, "key": "KEY", "value": "wanted"}
    posts, looks = 0, 0

    def script(asked: Asked) -> Said:
        nonlocal posts, looks
        if asked.method == "POST":
            posts += 1
            return Said(drop=True) if posts == 1 else Said(409, {"code": 20409, "message": "taken", "status": 409})
        looks += 1
        return Said(200, {"variables": [made] if looks > 3 else [], "meta": {"key": "variables"}})

    clock = PatientClock()
    with (
        ScriptedServer(script) as server,
        Gateway(
            Credentials(ACCOUNT, ACCOUNT, Secret("a-token-of-twilio")),
            endpoints=Endpoints.local(server.url),
            retries=Retries(jitter=lambda: 1.0),
            clock=clock,
        ) as gateway,
    ):
        service, environment = ServiceSid("ZS" + "2" * 32), EnvironmentSid("ZE" + "3" * 32)
        assert gateway.create_variable(service, environment, "KEY", "wanted").sid == made["sid"]
    assert (posts, looks) == (2, 4)
    assert clock.slept == sorted(clock.slept)


def test_creating_gives_up_when_the_server_stays_broken(twilio: Twilio, gateway: Gateway) -> None:
    twilio.fault("status", "POST", "/v1/Services$", status=500, times=None)
    with pytest.raises(ApiProblem) as caught:
        gateway.create_service("Never")
    assert caught.value.status == 500
    assert len(twilio.requests("POST /serverless/v1/Services$")) == 4


def test_throttling_that_does_not_end_is_told(twilio: Twilio, gateway: Gateway) -> None:
    twilio.fault("status", "POST", "/v1/Services$", status=429, times=None)
    with pytest.raises(Throttled) as caught:
        gateway.create_service("Never")
    assert "too many requests" in caught.value.why
    assert twilio.clock.slept == sorted(twilio.clock.slept), "waits grow"


def test_a_service_that_somebody_made_meanwhile_is_adopted(gateway: Gateway) -> None:
    first = gateway.create_service("Same")
    assert gateway.create_service("Same") == first


def test_a_taken_suffix_names_who_has_it(gateway: Gateway) -> None:
    service = gateway.create_service("Suffixes").sid
    gateway.create_environment(service, "production", None)
    gateway.create_environment(service, "stage", "st")
    with pytest.raises(Conflict, match="'other'") as caught:
        gateway.create_environment(service, "other", "st")
    assert "'stage'" in caught.value.why


def test_a_variable_that_exists_gets_the_value(gateway: Gateway) -> None:
    world = World(gateway)
    gateway.create_variable(world.service, world.environment, "KEY", "old")
    assert gateway.create_variable(world.service, world.environment, "KEY", "new").value == "new"
    assert [v.value for v in gateway.list_variables(world.service, world.environment)] == ["new"]


def test_deploying_what_is_live_is_no_error(gateway: Gateway) -> None:
    world = World(gateway)
    first = gateway.create_deployment(world.service, world.environment, world.build)
    assert gateway.create_deployment(world.service, world.environment, world.build) == first


@pytest.mark.parametrize("sid", ["", "ZE" + "0" * 32])
def test_an_empty_deployment_cannot_be_asked_for(gateway: Gateway, twilio: Twilio, sid: str) -> None:
    world = World(gateway)
    with pytest.raises(ValueError, match="needs a build"):
        gateway.create_deployment(world.service, world.environment, BuildSid(sid))
    assert not twilio.requests("POST .*/Deployments")


def test_an_empty_build_is_never_sent(gateway: Gateway, twilio: Twilio) -> None:
    world = World(gateway)
    before = len(twilio.requests("POST .*/Builds"))
    with pytest.raises(DeployError, match="without functions"):
        gateway.create_build(world.service, [], [], {}, None)
    assert len(twilio.requests("POST .*/Builds")) == before


def test_a_foreign_function_of_the_same_name_is_not_taken_for_a_lost_one(twilio: Twilio, gateway: Gateway) -> None:
    service = gateway.create_service("Names").sid
    old = gateway.create_function(service, "/engage")
    twilio.emulator.backend.advance(3600)
    gateway.list_functions(service)
    twilio.fault("drop", "POST", "/Functions$", processed=False)
    assert gateway.create_function(service, "/engage").sid != old.sid


def test_a_lost_lock_is_ours_only_with_our_name_in_it(twilio: Twilio, gateway: Gateway) -> None:
    gateway.create_document("lock", {"holder": "them"}, ttl=60)
    with pytest.raises(Conflict):
        gateway.create_document("lock", {"holder": "me"}, ttl=60)
    twilio.fault("drop", "POST", "/Documents$", processed=True)
    with pytest.raises((Conflict, Unreachable)):
        gateway.create_document("lock", {"holder": "me"}, ttl=60)
    found = gateway.get_document("lock")
    assert found is not None
    assert found.data == {"holder": "them"}
