import html
import json
import pickle
import time
from collections.abc import Iterator
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ga_deploy import redact as redaction
from ga_deploy.redact import MASK, Secret, redact, redact_tree
from tests.spellings import SPELLINGS


@pytest.fixture(autouse=True)
def only_this_tests_secrets() -> Iterator[None]:
    """What other tests of this process called secret is none here, and what these do is none there."""
    known = redaction._known
    spelled = known._spelled
    known._spelled = {}
    yield
    known._spelled = spelled


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


# More often than chance would have it: signs that some encoding changes.
awkward = st.sampled_from("&<>\"'\\/%+=: ;#$`{}?é€😀\u2028\x7f")
passwords = st.text(st.one_of(awkward, st.characters(exclude_categories=["Cs", "Cc"])), min_size=6, max_size=24).filter(
    lambda text: "*" not in text
)


@settings(max_examples=30)
@given(
    passwords,
    st.sampled_from(["", " ", '"', "&", "\\\\", "x", "%", "%25"]),
    st.sampled_from(["", " ", '"', "&", "=", "x"]),
)
def test_a_secret_is_masked_in_every_spelling(password: str, before: str, after: str) -> None:
    Secret(password)
    for name, spell in SPELLINGS.items():
        spelled = spell(password)
        shown = redact(f"{before}{spelled}{after}")
        assert spelled not in shown, name
        assert MASK in shown, name
        assert password not in html.unescape(unquote(shown)), name


@settings(max_examples=60)
@given(st.recursive(passwords, lambda tree: st.lists(tree, max_size=3) | st.dictionaries(passwords, tree, max_size=3)))
def test_masked_json_is_json_whatever_the_secret_looks_like(tree: object) -> None:
    secret = Secret('", "')
    Secret('": ["x')
    assert not secret or json.loads(json.dumps(redact_tree(tree))) == redact_tree(tree)


@pytest.mark.parametrize(
    "text",
    [
        "\\",
        "&amp;",
        "%25",
        "wss://",
        "wss%3A//",
        "sip:",
        "sip:a:",
        'password="',
        "password=&quot;",
        "://a:",
        "Basic ",
        "asapp-api-id:",
        "0-Abcdefgh&amp;",
        "0-Abcdefgh\\",
    ],
)
def test_four_times_the_text_takes_no_more_than_some_four_times_as_long(text: str) -> None:
    """Whatever others write must not make a command hang: no pattern takes quadratic time."""
    Secret("0-Abcdefgh&<0/\"'\\\\&")

    def measure(times: int) -> float:
        began = time.process_time()
        redact(text * times)
        return time.process_time() - began

    times = 8_000 // len(text)
    redact(text * 10)
    assert measure(4 * times) < 10 * min(measure(times) for _ in range(3)) + 0.02


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
        ("open WSS://Media.example.com/token-of-a-call?x=%22tail", "WSS://Media.example.com/", "tail"),
        ("wss%3A%2F%2Fmedia.example.com%2Ftoken-of%2Dit&x", "wss%3A%2F%2Fmedia.example.com%2F", "token-of"),
        ("wss%3a%2f%2fmedia.example.com%2ftoken-of-it", "media.example.com", "token-of-it"),
        (r"wss:\/\/media.example.com\/a\/token-of-it", "media.example.com", "token-of-it"),
        ("&lt;Stream url=&quot;wss://h.example.com/token-of-it&quot; name=&quot;n&quot;", "name=", "token-of-it"),
        ("wss://h.example.com?token-of-it=1", "wss://h.example.com?", "token-of-it"),
        ('<Sip username="u" password="pass &amp; horse">sip:u@h</Sip>', 'password="', "horse"),
        ("<Sip password='it is \"so\"' username='u'>", "username='u'", "so"),
        ("&lt;Sip password=&quot;pass &amp;amp; &lt;horse&quot; x=&quot;", "password=&quot;", "horse"),
        (r"<Sip password=\"pass horse\" x=\"1\">", r"x=\"1\"", "horse"),
        (r"<Sip password=\\\"pass horse\\\" x", " x", "horse"),
        ("%3CSip+PassWord%3D%22hunter2%22+x%3D", "+x%3D", "hunter2"),
        ('<Sip password="hunter2 cut of', "password=", "hunter2"),
        ("sip:user:pass-word@example.com;transport=tls", "@example.com;transport=tls", "pass-word"),
        ("<Sip>SIPS:user:p&amp;w%40rd@example.com</Sip>", "@example.com", "w%40rd"),
        ("sip%3Auser%3Apass-word%40example.com", "%40example.com", "pass-word"),
        ("sip%3auser%3apass-word%40example.com", "%40example.com", "pass-word"),
        ("sip&#58;user&#x3a;pass-word&#64;example.com", "example.com", "pass-word"),
        ("Authorization%3A%20Basic%20QUMxMjM0NTY3ODkw", "Basic%20", "QUMxMjM0NTY3ODkw"),
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
