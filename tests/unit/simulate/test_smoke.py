"""`smoke` against a deployment made of a few lines: one that is right, and one wrong in every way that matters."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from twilio.request_validator import RequestValidator

from ga_deploy.commands.smoke import is_bypassed
from ga_deploy.config.load import LocalStandIn, load_config
from ga_deploy.errors import Unreachable
from ga_deploy.gateway.site import SiteAnswer
from ga_deploy.harness.smoke import Smoke
from ga_deploy.redact import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TOKEN = "auth-token-of-the-smoke-test"
BASE = "https://ga-1234.twil.io"
STREAM = (
    '<Response><Connect action="/call-complete"><Stream url="wss://asapp.example.com/media/x"/></Connect></Response>'
)
EXAMPLE = Path(__file__).parents[3] / "config.example.yaml"


class Deployment:
    """What a gateway sees of deployed functions; `faults` says what is wrong with them."""

    def __init__(
        self, *faults: str, engage: str = STREAM, early: int = 0, variables: Mapping[str, str] | None = None
    ) -> None:
        self._faults = faults
        self._engage = engage
        self._early = early
        self._variables = variables or {}

    def probe(self, url: str) -> SiteAnswer:
        if self._early:
            self._early -= 1
            return SiteAnswer(404, {}, "")
        if "untrusted" in self._faults:
            raise Unreachable("no answer", why="the TLS certificate shown for it is not trusted: self-signed")
        if "unreachable" in self._faults:
            raise Unreachable("no answer")
        return SiteAnswer(404 if "nothing" in self._faults else 200 if "open" in self._faults else 403, {}, "")

    def request_signed(self, url: str, params: Mapping[str, str], token: Secret) -> SiteAnswer:
        signature = RequestValidator(token.reveal()).compute_signature(url, dict(params))
        return self.request_with_signature(url, params, signature)

    def request_with_signature(self, url: str, params: Mapping[str, str], signature: str) -> SiteAnswer:
        validator = RequestValidator(TOKEN)
        believed = params if "ignores parameters" not in self._faults else {**params, "From": "+15550123456"}
        valid = validator.validate(url, dict(believed), signature) or "any signature" in self._faults
        if "wrong token" in self._faults or not valid:
            return SiteAnswer(403, {"content-type": "application/json"}, "{}")
        if params["CallStatus"] == "completed":
            status = 500 if "fails after hang-up" in self._faults else 200
            return SiteAnswer(status, {"content-type": "text/xml"}, "<Response/>")
        kind = "text/plain" if "plain text" in self._faults else "text/xml"
        return SiteAnswer(500 if "throws" in self._faults else 200, {"content-type": kind}, self._engage)

    def find_service(self, name: str) -> Any:
        return type("Service", (), {"sid": "ZS1"})

    def list_environments(self, service: str) -> list[Any]:
        return [type("Environment", (), {"sid": "ZE1", "domain_name": BASE.removeprefix("https://")})]

    def list_variables(self, service: str, environment: str) -> list[Any]:
        return [type("Variable", (), {"key": key, "value": value}) for key, value in self._variables.items()]


def check(
    deployment: Deployment,
    *,
    token: str = TOKEN,
    media: bool = False,
    window: float = 0.0,
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, str]:
    secret = Secret(token) if token else None
    stand_in = LocalStandIn("AC" + "1" * 32, secret, "http://127.0.0.1:9", Secret("i" * 9), Secret("s" * 9))  # type: ignore[arg-type]
    config = load_config(EXAMPLE, None, local=stand_in, environ={})
    domain = BASE.removeprefix("https://")
    bypassed = partial(is_bypassed, config, deployment, domain)  # type: ignore[arg-type]
    checks = Smoke(config, deployment, BASE, bypassed, window, 0.01, report=report).run(media=media)
    return {one.name: one.result for one in checks}


def failing(results: Mapping[str, str]) -> set[str]:
    return {name for name, result in results.items() if result != "pass"}


def test_a_good_deployment_passes() -> None:
    results = check(Deployment())
    assert not failing(results)
    assert {"signed request", "another token's signature", "altered parameter", "hang-up", "profile es"} <= set(results)


UNSIGNED = {"unsigned /engage", "unsigned /call-complete", "unsigned /stream-status"}


@pytest.mark.parametrize(
    ("deployment", "failed"),
    [
        (Deployment("open"), UNSIGNED),
        (Deployment("nothing"), UNSIGNED),
        (Deployment("any signature"), {"another token's signature", "altered parameter"}),
        (Deployment("ignores parameters"), {"altered parameter"}),
        (Deployment("wrong token"), {"signed request", "hang-up", "profile es"}),
        (Deployment("throws"), {"signed request", "profile es"}),
        (Deployment("plain text"), {"signed request", "profile es"}),
        (Deployment("fails after hang-up"), {"hang-up"}),
        (Deployment(engage="<Response><Say>x</Say>"), {"signed request", "profile es"}),
        (Deployment(engage="<Response><Speak>x</Speak></Response>"), {"signed request", "profile es"}),
        (Deployment(engage="<Response><Hangup/><Say>x</Say></Response>"), {"signed request", "profile es"}),
        (Deployment(engage="<Response><Say>Difficulties.</Say></Response>"), {"signed request", "profile es"}),
        (Deployment(engage=STREAM.replace("wss:", "https:")), {"signed request", "profile es"}),
    ],
)
def test_what_is_wrong_is_found(deployment: Deployment, failed: set[str]) -> None:
    assert failing(check(deployment)) == failed


def test_calls_that_are_kept_away_from_the_agent_need_no_stream() -> None:
    engage = "<Response><Dial>+15550100001</Dial></Response>"
    assert not failing(check(Deployment(engage=engage, variables={"GA_ENABLED": "false"})))
    assert failing(check(Deployment(engage=engage, variables={"GA_ENABLED": "true"}))) == {
        "signed request",
        "profile es",
    }


def test_an_early_answer_is_asked_again() -> None:
    assert not failing(check(Deployment(early=3), window=20.0))


@pytest.mark.parametrize(
    "deployment", [Deployment("wrong token"), Deployment("open"), Deployment("any signature"), Deployment("plain text")]
)
def test_a_clear_refusal_and_a_clear_answer_are_not_waited_for(deployment: Deployment) -> None:
    waits: list[str] = []
    began = time.monotonic()
    assert failing(check(deployment, window=30.0, report=waits.append))
    assert time.monotonic() - began < 30
    assert not waits


def test_what_is_waited_for_is_said() -> None:
    waits: list[str] = []
    assert not failing(check(Deployment(early=3), window=20.0, report=waits.append))
    assert len(waits) == 1
    assert waits[0].startswith("  … unsigned /engage: the answer was 404, which may only be early: trying again for ")
    waits.clear()
    assert failing(check(Deployment("throws"), window=0.2, report=waits.append)) == {"signed request", "profile es"}
    assert [wait.partition(",")[0] for wait in waits] == ["  … signed request: the answer was 500"]


def test_a_certificate_that_is_not_trusted_does_not_become_so_by_waiting() -> None:
    began = time.monotonic()
    with pytest.raises(Unreachable):
        check(Deployment("untrusted"), window=30.0)
    assert time.monotonic() - began < 30


def test_a_site_that_does_not_answer_is_an_error() -> None:
    with pytest.raises(Unreachable):
        check(Deployment("unreachable"))


def test_with_an_api_key_it_says_what_it_could_not_check() -> None:
    results = check(Deployment(), token="", media=True)
    assert {name for name, result in results.items() if result == "unknown"} == {"signed request", "media"}
    assert "fail" not in results.values()


def test_media_that_cannot_be_reached_fails() -> None:
    engage = STREAM.replace("wss://asapp.example.com/media/x", "ws://127.0.0.1:9/media")
    assert failing(check(Deployment(engage=engage), media=True)) == {"media"}
