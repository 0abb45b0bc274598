import base64
import json
import pickle
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ga_deploy import redact as redaction
from ga_deploy.redact import MASK, Secret, redact


@pytest.fixture(autouse=True)
def only_this_tests_secrets() -> Iterator[None]:
    """What other tests of this process called secret is none here, and what these do is none there."""
    known = redaction._known
    spellings = known._spellings
    known._spellings, known._pattern = set(), None
    yield
    known._spellings, known._pattern = spellings, None


secrets = st.text(min_size=6, max_size=40).filter(
    lambda text: text.strip() == text and MASK not in text and "*" not in text
)


@settings(max_examples=40)
@given(secrets)
def test_no_way_of_showing_a_secret_shows_it(text: str) -> None:
    secret = Secret(text)
    for shown in (
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret:>30}",
        f"{secret!r}",
        repr([secret]),
    ):
        assert text not in shown


@settings(max_examples=40)
@given(secrets, st.text(max_size=20), st.text(max_size=20))
def test_a_known_secret_is_masked_wherever_it_stands(text: str, before: str, after: str) -> None:
    Secret(text)
    assert text not in redact(f"{before}|{text}|{after}").replace(before, "", 1)


@settings(max_examples=40)
@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=8, max_size=40))
def test_its_other_spellings_are_masked_too(text: str) -> None:
    Secret(text)
    for spelling in (quote(text, safe=""), base64.b64encode(text.encode()).decode()):
        assert spelling not in redact(f"<{spelling}>") or "*" in spelling


def test_pickle_and_json_refuse() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret("correct horse"))
    with pytest.raises(TypeError):
        json.dumps({"secret": Secret("correct horse")})


def test_equality_and_fingerprint_tell_sameness_only() -> None:
    assert Secret("correct horse") == Secret("correct horse")
    assert Secret("correct horse") != Secret("battery staple")
    assert Secret("correct horse") != "correct horse"
    assert Secret("correct horse").fingerprint() == Secret("correct horse").fingerprint()
    assert Secret("correct horse").fingerprint() != Secret("battery staple").fingerprint()
    assert not Secret("")


@pytest.mark.parametrize(
    ("text", "kept", "gone"),
    [
        (
            "open wss://media.example.com/mg-twilio-genagent/twilio-media/eyJhbGci.x",
            "wss://media.example.com/",
            "eyJhbGci",
        ),
        ("Authorization: Basic QUMxMjM0NTY3ODkw", "Authorization: Basic", "QUMxMjM0NTY3ODkw"),
        ("{'asapp-api-secret': 'hunter2hunter2'}", "asapp-api-secret", "hunter2hunter2"),
        ("asapp-api-id: 12345678", "asapp-api-id", "12345678"),
        ("postgres://user:pass-word@db.example.com/x", "postgres://user:", "pass-word"),
        ("token eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.c2lnbmF0dXJl end", "end", "eyJzdWIiOiIxMjM0"),
    ],
)
def test_what_is_secret_by_its_shape(text: str, kept: str, gone: str) -> None:
    shown = redact(text)
    assert kept in shown
    assert gone not in shown


@pytest.mark.parametrize(
    "text",
    [
        '<Stream url="wss://api.example.com/twilio-media/token" track="inbound_track"/>',
        'curl -H "asapp-api-secret: very-secret-indeed" x',
        'proxy "https://user:password-of-it@proxy.example.com:8080"',
        "wss://host/path",
    ],
)
def test_redacted_json_is_still_json(text: str) -> None:
    redacted = json.loads(redact(json.dumps({"body": text, "after": 1})))
    assert redacted == {"body": redact(text), "after": 1}
    assert MASK in redacted["body"]
