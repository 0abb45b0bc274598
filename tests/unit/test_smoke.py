"""What `smoke` thinks of the TwiML that a deployment answers with."""

from pathlib import Path

import pytest

from ga_deploy.config.load import load_config
from ga_deploy.gateway import Credentials, Endpoints, Gateway
from ga_deploy.harness.smoke import Smoke
from ga_deploy.redact import Secret
from ga_deploy.simulate.interpreter.twiml import read_document
from tests.unit.config.cases import LOCAL

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"


def judge(url: str) -> str:
    document = f'<Response><Connect action="/call-complete"><Stream url="{url}"/></Connect></Response>'
    with Gateway(
        Credentials("AC" + "1" * 32, "AC" + "1" * 32, Secret("a-token")), endpoints=Endpoints.twilio()
    ) as none:
        smoke = Smoke(load_config(EXAMPLE, local=LOCAL), none, "https://sales-1234.twil.io")
        wrong, fix = smoke._judge_twiml(read_document(200, "text/xml", document.encode()))
    assert bool(wrong) == bool(fix)
    return wrong


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("wss://media.asapp.example/one/two", ""),
        ("ws://127.0.0.1:8790/stream", ""),
        ("ws://media.asapp.example/one", "not wss"),
        ("https://media.asapp.example/one", "not wss"),
        ("wss://media.asapp.example/one?key=value", "query string"),
        ("wss://[bad", "cannot be read"),
        ("", "not wss"),
    ],
)
def test_a_stream_that_twilio_would_not_open_fails(url: str, wrong: str) -> None:
    """Twilio docs, TwiML Stream: wss only, and no query string."""
    assert (wrong in judge(url)) if wrong else judge(url) == ""
