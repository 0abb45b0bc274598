"""One listener, all of Twilio's hosts: by Host header, by prefix, through a plain proxy."""

import http.client
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
import requests

from tests.emulated.emulator.conftest import ACCOUNT, Api, Shop

LOGIN = (ACCOUNT.sid, ACCOUNT.auth_token)


def ask(api: Api, host: str, path: str) -> requests.Response:
    return requests.get(api.base_url + path, headers={"Host": host}, auth=LOGIN, timeout=300)


@pytest.mark.parametrize(
    "host", ["serverless.twilio.com", "serverless.dublin.ie1.twilio.com", "Serverless.Twilio.com:443"]
)
def test_links_stay_with_the_host_that_was_asked(api: Api, shop: Shop, host: str) -> None:
    services = ask(api, host, "/v1/Services").json()["services"]

    asked = host.lower().removesuffix(":443")
    assert services[0]["url"] == f"https://{asked}/v1/Services/{shop.service}"
    assert services[0]["links"]["builds"].startswith(f"https://{asked}/")
    assert api.get("/serverless/v1/Services").json()["services"][0]["url"] == api.base_url + shop.url


@pytest.mark.parametrize(
    ("host", "path", "status"),
    [
        ("api.twilio.com", f"/2010-04-01/Accounts/{ACCOUNT.sid}.json", 200),
        ("studio.twilio.com", "/v2/Flows", 200),
        ("sync.twilio.com", "/v1/Services/default", 200),
        ("serverless.twilio.com", "/v2/Services", 404),
        ("video.twilio.com", "/v1/Rooms", 421),
        ("serverless.example.com", "/v1/Services", 421),
        ("nobody-1234.twil.io", "/engage", 404),
    ],
)
def test_hosts(api: Api, host: str, path: str, status: int) -> None:
    assert ask(api, host, path).status_code == status


def test_the_control_plane_is_on_loopback_only(api: Api) -> None:
    assert api.control("/health")["status"] == "ok"
    for host, status in (("serverless.twilio.com", 404), ("nobody-1234.twil.io", 404), ("attacker.example", 421)):
        assert ask(api, host, "/_emulator/state").status_code == status
    answer = api.ask_control("/nonsense")
    assert (answer.status_code, "GET /health" in answer.json()["controls"]) == (404, True)


def test_a_client_that_takes_it_for_a_proxy(api: Api) -> None:
    connection = http.client.HTTPConnection(urlsplit(api.base_url).netloc, timeout=300)
    connection.request("GET", "http://sync.twilio.com/v1/Services/default?x=1", headers={"Authorization": "Basic x"})
    assert connection.getresponse().status == 401
    connection.close()


def test_paths_and_queries_reach_a_function_as_they_were_sent(start: Callable[..., Api], npm_cache: Path) -> None:
    """A signature covers the very URL, so nothing may be tidied on the way."""
    from twilio.request_validator import RequestValidator

    api = start(npm_cache=npm_cache)
    shop = Shop(api)
    echo = "exports.handler = (context, event, callback) => callback(null, JSON.stringify(event));"
    build = api.build(shop.service, api.function(shop.service, "/deep/echo", echo, "protected"))
    api.make(f"{shop.inside}/Deployments", BuildSid=build["sid"])
    tail = "/deep/echo?a=%7e%2B+%20!&b=%c3%bc&empty=&c='x'"
    form = {"From": "+15550100001", "Text": "ü & co"}
    signature = RequestValidator(ACCOUNT.auth_token).compute_signature(f"https://{shop.domain}{tail}", form)

    connection = http.client.HTTPConnection(urlsplit(api.base_url).netloc, timeout=300)
    headers = {
        "Host": shop.domain,
        "X-Twilio-Signature": signature,
        "Content-Type": "application/x-www-form-urlencoded",
    }
    connection.request("POST", tail, urlencode(form), headers)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()

    assert answer.status == 200, body
    assert '"a":"~+  !"' in body
    assert '"Text":"ü & co"' in body
