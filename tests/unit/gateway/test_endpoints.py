"""Where requests go: Twilio's host names with region and edge, or one loopback address; nowhere else."""

from __future__ import annotations

import pytest

from ga_deploy.errors import DeployError, ExitCode
from ga_deploy.gateway.endpoints import Endpoints, Product, is_loopback


@pytest.mark.parametrize(
    ("region", "edge", "host", "said"),
    [
        (None, None, "serverless.twilio.com", "region us1 (default)"),
        ("", " ", "serverless.twilio.com", "region us1 (default)"),
        ("ie1", None, "serverless.dublin.ie1.twilio.com", "region ie1, edge dublin"),
        ("AU1", None, "serverless.sydney.au1.twilio.com", "region au1, edge sydney"),
        ("us1", None, "serverless.ashburn.us1.twilio.com", "region us1, edge ashburn"),
        (None, "frankfurt", "serverless.frankfurt.us1.twilio.com", "region us1, edge frankfurt"),
        ("jp1", "tokyo", "serverless.tokyo.jp1.twilio.com", "region jp1, edge tokyo"),
    ],
)
def test_region_and_edge(region: str | None, edge: str | None, host: str, said: str) -> None:
    endpoints = Endpoints.twilio(region, edge)
    assert endpoints.base(Product.SERVERLESS) == f"https://{host}"
    assert endpoints.base(Product.UPLOAD) == f"https://{host.replace('serverless', 'serverless-upload')}"
    assert endpoints.describe() == said
    environ = {"TWILIO_REGION": region or "", "TWILIO_EDGE": edge or ""}
    assert Endpoints.from_environ(environ) == endpoints


@pytest.mark.parametrize(
    ("region", "edge"), [("xx9", None), ("ie1.evil.example/", "dublin"), ("ie1", "a b"), ("-ie1", "x"), ("ie1", "é")]
)
def test_what_is_no_region_is_refused_before_anything_is_sent(region: str, edge: str | None) -> None:
    with pytest.raises(DeployError) as caught:
        Endpoints.twilio(region, edge)
    assert caught.value.exit_code is ExitCode.INVALID
    assert "TWILIO_" in caught.value.fix


def test_an_emulator_has_everything_under_one_address() -> None:
    endpoints = Endpoints.local("http://127.0.0.1:8080/")
    assert endpoints.base(Product.API) == "http://127.0.0.1:8080/api"
    assert endpoints.describe() == "emulator at http://127.0.0.1:8080"
    assert endpoints.site("https://ga-1234.twil.io/engage?profile=es") == (
        "http://127.0.0.1:8080/engage?profile=es",
        {"Host": "ga-1234.twil.io"},
    )


@pytest.mark.parametrize(
    "url", ["http://192.168.1.2:80", "https://serverless.twilio.com", "ftp://127.0.0.1", "127.0.0.1"]
)
def test_credentials_go_to_no_other_address_than_loopback(url: str) -> None:
    with pytest.raises(ValueError, match="not a loopback"):
        Endpoints.local(url)


def test_a_regional_site_is_a_site() -> None:
    url = "https://ga-1234-stage.dublin.ie1.twil.io/engage"
    assert Endpoints.twilio("ie1").site(url) == (url, {})


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("LOCALHOST", True),
        ("x.localhost.", True),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
