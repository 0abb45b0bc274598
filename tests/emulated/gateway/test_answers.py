"""What no healthy Twilio says: every odd answer is an error of ours, with the request's id and without a traceback."""

from __future__ import annotations

import contextlib
import gzip
import json
import logging
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest

from ga_deploy.errors import ApiProblem, Denied, DeployError, EmulatorGone, ExitCode, NotFound, Throttled, Unreachable
from ga_deploy.gateway import AccessDenied, Credentials, Endpoints, Gateway, Retries, Timeouts
from ga_deploy.model.bundle import FunctionFile
from ga_deploy.model.numbers import NumberSettings
from ga_deploy.model.sids import EnvironmentSid, FunctionSid, NumberSid, ServiceSid, VariableSid
from ga_deploy.redact import Secret

from .conftest import ACCOUNT, KEY, OTHER_ACCOUNT, PatientClock
from .scripted import Asked, Said, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SERVICE = ServiceSid("ZS" + "a" * 32)
ENVIRONMENT = EnvironmentSid("ZE" + "b" * 32)
TOKEN = "token-nobody-may-see"
REQUEST = "RQ" + "5" * 32


def service_json(**changes: object) -> dict[str, object]:
    return {
        "sid": SERVICE,
        "account_sid": ACCOUNT,
        "unique_name": "Name",
        "friendly_name": None,
        "include_credentials": True,
        "ui_editable": False,
        **changes,
    }


class Lab:
    """Opens gateways to scripted servers."""

    def __init__(self) -> None:
        self.clock = PatientClock()
        self._opened: list[Any] = []

    def serve(
        self, script: Callable[[Asked], Said], *, username: str = ACCOUNT, **retries: Any
    ) -> tuple[Gateway, ScriptedServer]:
        server = ScriptedServer(script).__enter__()
        gateway = Gateway(
            Credentials(ACCOUNT, username, Secret(TOKEN)),
            endpoints=Endpoints.local(server.url),
            retries=Retries(**{"attempts": 3, "throttled": 3, "jitter": lambda: 1.0, **retries}),
            timeouts=Timeouts(connect=2, read=2, upload=2),
            clock=self.clock,
        )
        self._opened += [gateway, server]
        return gateway, server

    def always(self, said: Said) -> tuple[Gateway, ScriptedServer]:
        return self.serve(lambda asked: said)

    def close(self) -> None:
        for each in self._opened:
            each.__exit__(None, None, None)


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab()
    yield lab
    lab.close()


UNUSABLE: dict[str, Said] = {
    "empty": Said(200, b""),
    "HTML": Said(200, b"<html>Please log in</html>", {"Content-Type": "text/html"}),
    "a list": Said(200, []),
    "a number": Said(200, 7),
    "half of it": Said(200, b'{"sid": "ZS'),
    "not UTF-8": Said(200, b'{"sid": "\xff\xfe"}'),
    "deeply nested": Said(200, b"[" * 100_000),
    "null": Said(200, b"null"),
    "shorter than it says": Said(200, b"{}", {"Content-Length": "500", "Connection": "close"}),
    "not gzip": Said(200, b"{}", {"Content-Encoding": "gzip"}),
    "a sid that is a number": Said(200, service_json(sid=7)),
    "no sid": Said(200, {k: v for k, v in service_json().items() if k != "sid"}),
    "a flag that is a text": Said(200, service_json(include_credentials="yes")),
}


@pytest.mark.parametrize("said", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_an_unusable_answer_is_an_error_of_ours(lab: Lab, said: Said) -> None:
    gateway, _ = lab.always(said)
    with pytest.raises(Unreachable) as caught:
        gateway.find_service("Name")
    assert caught.value.what
    assert caught.value.why
    assert caught.value.fix
    assert caught.value.exit_code is ExitCode.FAILED
    if said.body not in (b"{}",):
        assert caught.value.request_id == REQUEST


def test_what_is_null_or_missing_and_may_be_is_read(lab: Lab) -> None:
    gateway, _ = lab.always(Said(200, service_json(include_credentials=None, ui_editable=None)))
    found = gateway.find_service("Name")
    assert found is not None
    assert (found.friendly_name, found.include_credentials) == ("", False)


def test_an_answer_without_a_content_type_is_read_all_the_same(lab: Lab) -> None:
    """The upload host labels its JSON as text."""
    body = gzip.compress(json.dumps(service_json()).encode())
    gateway, server = lab.always(Said(200, body, {"Content-Type": "text/plain", "Content-Encoding": "gzip"}))
    for _ in range(3):
        assert gateway.find_service("Name")
    assert len(server.peers) == 1, "the connection is kept"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(lab: Lab, status: int) -> None:
    gateway, server = lab.always(Said(status, b"", {"Location": "http://127.0.0.1:1/steal"}))
    with pytest.raises(ApiProblem, match="refused") as caught:
        gateway.find_service("Name")
    assert "redirect" in caught.value.why
    assert len(server.asked) == 1


class TestOtherAccounts:
    def test_an_answer_about_another_account_is_refused(self, lab: Lab) -> None:
        gateway, _ = lab.always(Said(200, service_json(account_sid=OTHER_ACCOUNT)))
        with pytest.raises(Denied, match=f"another account, {OTHER_ACCOUNT}") as caught:
            gateway.find_service("Name")
        assert caught.value.exit_code is ExitCode.DENIED
        assert ACCOUNT in caught.value.why

    def test_so_is_a_list_with_one_of_its_things(self, lab: Lab) -> None:
        functions = [{"sid": "ZH1", "friendly_name": "a", "account_sid": sid} for sid in (ACCOUNT, OTHER_ACCOUNT)]
        gateway, _ = lab.always(Said(200, {"functions": functions, "meta": {"key": "functions"}}))
        with pytest.raises(Denied):
            gateway.list_functions(SERVICE)

    def test_it_does_not_count_as_not_found(self, lab: Lab) -> None:
        gateway, server = lab.always(Said(201, service_json(account_sid=OTHER_ACCOUNT)))
        with pytest.raises(Denied):
            gateway.create_service("Name")
        assert [asked.method for asked in server.asked] == ["POST"]

    def test_a_key_of_another_account_writes_nothing(self, lab: Lab) -> None:
        """A service that is not found says nothing about whose account was searched."""
        default = {"sid": "IS1", "account_sid": OTHER_ACCOUNT}
        gateway, server = lab.serve(
            lambda asked: Said(200, default) if asked.target.endswith("/Services/default") else Said(404, {}),
            username=KEY,
        )
        assert gateway.find_service("Name") is None
        for write in (
            lambda: gateway.create_service("Name"),
            lambda: gateway.delete_service(SERVICE),
            lambda: gateway.upload_version(SERVICE, FunctionSid("ZH1"), FunctionFile("/x", "public", "")),
            lambda: gateway.put_item("record", "k", {}),
        ):
            with pytest.raises(Denied, match="another account"):
                write()
        assert {asked.method for asked in server.asked} == {"GET"}

    def test_a_key_without_sync_is_seen_by_the_services(self, lab: Lab) -> None:
        services = {"services": [service_json(account_sid=OTHER_ACCOUNT)], "meta": {"key": "services"}}

        def script(asked: Asked) -> Said:
            if "/sync/" in asked.target:
                return Said(403, {"code": 20403, "message": "Forbidden", "status": 403})
            return Said(200, services) if "PageSize=1" in asked.target else Said(404, {})

        gateway, server = lab.serve(script, username=KEY)
        with pytest.raises(Denied, match="another account"):
            gateway.create_service("Name")
        assert {asked.method for asked in server.asked} == {"GET"}

    def test_an_answer_that_names_the_account_saves_asking(self, lab: Lab) -> None:
        gateway, server = lab.serve(lambda asked: Said(200, service_json()), username=KEY)
        gateway.find_service("Name")
        gateway.update_service(SERVICE, ui_editable=True)
        assert [asked.method for asked in server.asked] == ["GET", "POST"]


class TestLists:
    @staticmethod
    def page(names: list[str], following: str | None) -> Said:
        functions = [{"sid": f"ZH{name}", "friendly_name": name, "account_sid": ACCOUNT} for name in names]
        return Said(200, {"functions": functions, "meta": {"key": "functions", "next_page_url": following}})

    def test_pages_are_followed(self, lab: Lab) -> None:
        def script(asked: Asked) -> Said:
            base = f"http://{asked.headers['host']}/serverless/v1/Services/{SERVICE}/Functions"
            if "PageToken=2" in asked.target:
                return self.page(["c"], None)
            return self.page(["a", "b"], f"{base}?PageSize=2&PageToken=2")

        gateway, _ = lab.serve(script)
        assert [function.friendly_name for function in gateway.list_functions(SERVICE)] == ["a", "b", "c"]

    @pytest.mark.parametrize("link", ["/v1/x?PageToken=2", "/serverless/v1/x?PageToken=2"])
    def test_links_may_be_relative(self, lab: Lab, link: str) -> None:
        gateway, server = lab.serve(
            lambda asked: self.page(["b"], None) if "PageToken" in asked.target else self.page(["a"], link)
        )
        assert len(gateway.list_functions(SERVICE)) == 2
        assert server.asked[-1].target == "/serverless/v1/x?PageToken=2"

    @pytest.mark.parametrize(
        "link",
        [
            "https://evil.example/v1/Services",
            "//evil.example/v1",
            "http://127.0.0.1:1/serverless/v1",
            "ftp://127.0.0.1/x",
            "https://127.0.0.1/serverless/v1",
            "http://user@127.0.0.1/x",
        ],
    )
    def test_a_link_to_another_host_is_refused(self, lab: Lab, link: str) -> None:
        gateway, server = lab.always(self.page(["a"], link))
        with pytest.raises(ApiProblem, match="another host"):
            gateway.list_functions(SERVICE)
        assert len(server.asked) == 1

    def test_a_link_that_is_no_url_is_refused(self, lab: Lab) -> None:
        gateway, _ = lab.always(self.page(["a"], "https://[bad/v1"))
        with pytest.raises(ApiProblem, match="no URL"):
            gateway.list_functions(SERVICE)

    def test_a_page_that_cannot_be_had_is_an_error(self, lab: Lab) -> None:
        """A truncated list taken for the whole one ends in duplicates and wrong decisions."""
        gateway, server = lab.serve(
            lambda asked: (
                Said(500, {"message": "broken", "status": 500})
                if "PageToken" in asked.target
                else self.page(["a"], "/v1/x?PageToken=2")
            )
        )
        with pytest.raises(ApiProblem) as caught:
            gateway.list_functions(SERVICE)
        assert caught.value.status == 500
        assert caught.value.request_id == REQUEST
        assert len(server.asked) == 4

    def test_a_circle_of_pages_ends(self, lab: Lab) -> None:
        gateway, _ = lab.always(self.page(["a"], "/v1/x?PageToken=2"))
        with pytest.raises(Unreachable, match="cannot be understood"):
            gateway.list_functions(SERVICE)

    @pytest.mark.parametrize("functions", [None, {}, "x", [1], [None]])
    def test_a_list_that_is_none_is_an_error(self, lab: Lab, functions: object) -> None:
        gateway, _ = lab.always(Said(200, {"functions": functions, "meta": {}}))
        with pytest.raises(Unreachable, match="cannot be understood"):
            gateway.list_functions(SERVICE)


class TestRefusals:
    def test_401_ends_with_4_and_says_what_to_check(self, lab: Lab) -> None:
        gateway, server = lab.always(Said(401, {"code": 20003, "message": "Authenticate", "status": 401}))
        with pytest.raises(AccessDenied) as caught:
            gateway.list_variables(SERVICE, ENVIRONMENT)
        assert caught.value.exit_code is ExitCode.DENIED
        assert isinstance(caught.value, Denied)
        assert "TWILIO_AUTH_TOKEN" in caught.value.fix
        assert "TWILIO_REGION" in caught.value.fix
        assert len(server.asked) == 1, "a refusal is not repeated"

    def test_the_odd_429_of_the_front_door(self, lab: Lab) -> None:
        body = {"status": 429, "message": "Too many requests", "detail": "slow down", "code": 20429, "moreInfo": "x"}
        gateway, server = lab.always(Said(429, body))
        with pytest.raises(Throttled) as caught:
            gateway.create_function(SERVICE, "/engage")
        assert caught.value.code == 20429
        assert [asked.method for asked in server.asked] == ["POST"] * 3, "429 was never processed: POST is repeated"

    def test_rfc_9457(self, lab: Lab) -> None:
        body = {"type": "t", "title": "Bad key", "status": 400, "code": 20001, "detail": "Key is reserved"}
        gateway, _ = lab.always(Said(400, body))
        with pytest.raises(ApiProblem) as caught:
            gateway.update_variable(SERVICE, ENVIRONMENT, VariableSid("ZV1"), "v")
        assert "Bad key; Key is reserved" in caught.value.why
        assert "code 20001, request RQ" in caught.value.why

    def test_html_from_a_gateway_on_the_way(self, lab: Lab) -> None:
        gateway, server = lab.always(Said(503, b"<html>Service Unavailable</html>", {"Content-Type": "text/html"}))
        with pytest.raises(ApiProblem) as caught:
            gateway.find_service("Name")
        assert "proxy or gateway" in caught.value.why
        assert len(server.asked) == 3

    @pytest.mark.parametrize(
        "body", [b"", b"[]", b"null", b'"x"', {"code": "20404"}, {"code": True, "message": 7}, {"message": ["a"]}]
    )
    def test_whatever_a_refusal_says(self, lab: Lab, body: object) -> None:
        gateway, _ = lab.always(Said(400, body))
        with pytest.raises(ApiProblem) as caught:
            gateway.get_environment(SERVICE, ENVIRONMENT)
        assert caught.value.status == 400

    def test_deleting_what_is_gone_is_done(self, lab: Lab) -> None:
        gateway, server = lab.serve(lambda asked: Said(drop=True) if len(server.asked) == 1 else Said(404, {}))
        gateway.delete_variable(SERVICE, ENVIRONMENT, VariableSid("ZV1"))
        assert [asked.method for asked in server.asked] == ["DELETE", "DELETE"]

    def test_what_is_not_found_says_so(self, lab: Lab) -> None:
        gateway, _ = lab.always(Said(404, {"code": 20404, "message": "not found", "status": 404}))
        with pytest.raises(NotFound, match="read the environment"):
            gateway.get_environment(SERVICE, ENVIRONMENT)


class TestRetries:
    def test_retry_after_is_obeyed_in_both_forms(self, lab: Lab) -> None:
        date = formatdate(1_000_000_007, usegmt=True)
        said = [
            Said(429, {}, {"Retry-After": "17"}),
            Said(503, {}, {"Retry-After": date, "Date": formatdate(1_000_000_000, usegmt=True)}),
            Said(200, service_json()),
        ]
        gateway, _ = lab.serve(lambda asked: said.pop(0))
        assert gateway.find_service("Name")
        assert lab.clock.slept == [17.0, 7.0]

    def test_a_long_retry_after_is_capped(self, lab: Lab) -> None:
        said = [Said(429, {}, {"Retry-After": "86400"}), Said(200, service_json())]
        gateway, _ = lab.serve(lambda asked: said.pop(0))
        assert gateway.find_service("Name")
        assert lab.clock.slept == [60.0]

    def test_the_deadline_ends_it(self, lab: Lab) -> None:
        said = Said(429, {}, {"Retry-After": "60"})
        gateway, server = lab.serve(lambda asked: said, throttled=100, deadline=150.0)
        with pytest.raises(Throttled):
            gateway.find_service("Name")
        assert len(server.asked) == 3

    def test_waits_double_and_are_jittered(self, lab: Lab) -> None:
        gateway, _ = lab.serve(lambda asked: Said(500, {}), attempts=7, first=1.0, longest=10.0, jitter=lambda: 0.0)
        with pytest.raises(ApiProblem):
            gateway.find_service("Name")
        assert lab.clock.slept == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]

    def test_an_update_of_a_number_is_repeated(self, lab: Lab) -> None:
        sid = NumberSid("PN" + "c" * 32)
        number = {"sid": sid, "account_sid": ACCOUNT, "phone_number": "+15550100000", "capabilities": {"voice": True}}
        said = [Said(drop=True), Said(503, b"<html>"), Said(200, number)]
        gateway, server = lab.serve(lambda asked: said.pop(0))
        gateway.update_number(sid, NumberSettings(voice_url="https://x.example/"), ["voice_url"])
        assert len(server.asked) == 3
        assert {asked.body for asked in server.asked} == {"VoiceUrl=https%3A%2F%2Fx.example%2F"}

    def test_where_nobody_listens(self, lab: Lab) -> None:
        gateway = Gateway(
            Credentials(ACCOUNT, ACCOUNT, Secret(TOKEN)),
            endpoints=Endpoints.local("http://127.0.0.1:1"),
            clock=lab.clock,
        )
        with gateway, pytest.raises(EmulatorGone, match="has ended") as caught:
            gateway.create_service("Name")
        assert "3 tries" in caught.value.why
        assert "refused" in caught.value.why.lower()
        assert not caught.value.maybe_processed

    def test_an_unknown_host(self, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        endpoints = Endpoints.twilio("nowhere1", "does-not-exist")
        gateway = Gateway(Credentials(ACCOUNT, ACCOUNT, Secret(TOKEN)), endpoints=endpoints, clock=lab.clock)
        with gateway, pytest.raises(Unreachable) as caught:
            gateway.find_service("Name")
        assert "serverless.does-not-exist.nowhere1.twilio.com" in caught.value.why


def test_nothing_is_sent_after_closing(lab: Lab) -> None:
    gateway, server = lab.always(Said(200, service_json()))
    gateway.close()
    with pytest.raises(DeployError):
        gateway.find_service("Name")
    assert not server.asked


def test_no_secret_leaves_by_logs_or_events(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    events: list[object] = []
    variable = {"sid": "ZV1", "account_sid": ACCOUNT, "key": "K", "value": "value-nobody-may-see"}
    with ScriptedServer(lambda asked: Said(201, variable)) as server:
        credentials = Credentials(ACCOUNT, ACCOUNT, Secret(TOKEN))
        with Gateway(credentials, endpoints=Endpoints.local(server.url), on_call=events.append) as gateway:
            made = gateway.create_variable(SERVICE, ENVIRONMENT, "K", Secret("value-nobody-may-see"))
    said = f"{caplog.text} {events} {made} {credentials}"
    assert "nobody-may-see" not in said
    assert "Basic" not in said


def test_site_requests_carry_no_credentials(lab: Lab) -> None:
    gateway, server = lab.always(Said(403, b"no"))
    url = "https://generativeagent-1234.twil.io/engage"
    assert gateway.probe(url).status == 403
    answer = gateway.request_signed(url, {"CallSid": "CA1"}, Secret(TOKEN))
    assert answer.status == 403
    assert all("authorization" not in asked.headers for asked in server.asked)
    assert {asked.headers["host"] for asked in server.asked} == {"generativeagent-1234.twil.io"}
    assert server.asked[1].headers["x-twilio-signature"]
    assert TOKEN not in str(server.asked)


@pytest.mark.parametrize("said", [Said(503, b"<html>"), Said(429, b"no"), Said(drop=True)])
def test_a_site_is_asked_once(lab: Lab, said: Said) -> None:
    gateway, server = lab.always(said)
    with contextlib.suppress(Unreachable):
        assert gateway.probe("https://generativeagent-1234.twil.io/engage").status == said.status
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "url", ["http://x.twil.io/", "https://twil.io.evil.example/", "https://example.com/", "https://u:p@x.twil.io/"]
)
def test_only_sites_are_probed(lab: Lab, url: str) -> None:
    gateway, server = lab.always(Said(200, b""))
    with pytest.raises(ValueError, match="not the URL"):
        gateway.probe(url)
    assert not server.asked
