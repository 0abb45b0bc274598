"""Whatever a valid config says: the JavaScript parses, holds no secret, and answers TwiML that Twilio understands.

The strategy writes configs as a user would, over the whole language; the bench judges every answer (see conftest).
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from ga_deploy.errors import ConfigInvalid
from ga_deploy.lint import find_node, lint

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60).filter(str.strip)
# Short words, awkward ones among them. `${` would be a reference.
WORD = st.one_of(
    st.sampled_from(
        ["support", "__proto__", "constructor", "toString", "a b", "ünïcode", "x-y", "</script>", "it's", "1"]
    ),
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True),
)
NAME = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True).filter(
    lambda name: not name.lower().startswith("asapp_") and name not in {"customerId", "taskName"}
)
FROM = st.one_of(
    st.sampled_from(
        ["call.From", "call.FromCity", "call.SipHeader_X-Account", "query.campaign", "outcome.currentTaskName"]
    ),
    st.sampled_from(
        ["outcome.status", "outcome.name", "transferVariables.reason", "referenceVariables.a.b", "query.__proto__"]
    ),
)
LOOKED_UP = st.fixed_dictionaries(
    {"from": FROM}, optional={"default": TEXT, "map": st.dictionaries(TEXT, TEXT, max_size=3)}
)
VALUE = st.one_of(TEXT, LOOKED_UP)
ATTRIBUTE = st.recursive(
    st.one_of(VALUE, st.booleans(), st.integers(-(2**31), 2**31)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(NAME, inner, max_size=2)),
    max_leaves=3,
)
NUMBER = st.from_regex(r"\+1555[0-9]{7}", fullmatch=True)
URL = st.sampled_from(["https://x.example.com", "https://x.example.com/a?b=1&c=2", "https://x.example.com/%22%3E#z"])
HOURS = st.fixed_dictionaries(
    {
        "timezone": st.sampled_from(["UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Chatham"]),
        "open": st.sampled_from(
            [{"mon-sun": "00:00-24:00"}, {"tue": ["08:00-12:00", "13:00-17:00"], "fri": "22:00-06:00"}]
        ),
    },
    optional={"closed": st.lists(st.sampled_from(["2026-12-25", "2024-02-29"]), max_size=2)},
)
HOOK = {"url": "https://crm.example.invalid/x", "secret": "${HOOK}"}
RECORDING = st.fixed_dictionaries(
    {}, optional={"announce": TEXT, "channels": st.sampled_from(["mono", "dual"]), "status_callback": URL}
)
SMS = st.fixed_dictionaries(
    {"text": TEXT}, optional={"to": st.one_of(NUMBER, st.just({"from": "call.customer"})), "from": NUMBER}
)
SPOKEN = st.one_of(
    st.fixed_dictionaries(
        {"say": st.one_of(TEXT, st.fixed_dictionaries({"text": TEXT, "voice": st.just("Polly.Amy")}))}
    ),
    st.fixed_dictionaries({"play": URL}),
    st.fixed_dictionaries({"pause": st.integers(1, 60)}),
)


def destination() -> st.SearchStrategy[dict[str, Any]]:
    hours = {"hours": HOURS}
    dialled = {
        "answer_on_bridge": st.booleans(),
        "time_limit": st.integers(1, 86400),
        "record": st.sampled_from(["do-not-record", "record-from-answer-dual"]),
    }
    caller = st.one_of(st.sampled_from(["called", "caller"]), NUMBER)
    sip = {"username": TEXT, "password": st.just("${PBX}"), "caller_id": caller, "timeout": st.integers(5, 600)}
    headers = st.dictionaries(st.sampled_from(["X-Task", "X-A-B", "User-to-User"]), VALUE, max_size=3)
    queue = st.fixed_dictionaries(
        {"workflow_sid": st.just("WW" + "0" * 32), "attributes": st.dictionaries(WORD, ATTRIBUTE, max_size=3)},
        optional={"priority": st.integers(0, 9), "timeout": st.integers(1, 9000), "wait_url": URL},
    )
    mailbox = {"say": TEXT, "max_seconds": st.integers(2, 3600), "notify": st.just(HOOK)}
    address = st.sampled_from(["sip:a@b.example", "sips:queue@[::1]:5061;transport=tls"])
    return st.one_of(
        st.fixed_dictionaries(
            {"number": NUMBER}, optional={"caller_id": caller, "timeout": st.integers(5, 600), **dialled, **hours}
        ),
        st.fixed_dictionaries({"enqueue": st.fixed_dictionaries({"queue": WORD}, optional={"wait_url": URL})}),
        st.fixed_dictionaries({"voicemail": st.fixed_dictionaries({}, optional=mailbox)}, optional=hours),
        st.fixed_dictionaries({"sip": address}, optional={**sip, "headers": headers, **dialled, **hours}),
        st.fixed_dictionaries({"enqueue": queue}, optional=hours),
        st.fixed_dictionaries(
            {"redirect": URL}, optional={"params": st.dictionaries(WORD, VALUE, max_size=3), **hours}
        ),
        st.fixed_dictionaries({"refer": address}, optional=hours),
    )


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a config. Not every one is valid (a step may be out of reach); what is not is passed over.

    Long because each key of the language is drawn here, a line or two each.
    """
    destinations = draw(st.dictionaries(WORD, destination(), min_size=1, max_size=4))
    target = st.sampled_from(sorted(destinations))
    choice = st.fixed_dictionaries(
        {"by": st.fixed_dictionaries({"from": FROM})},
        optional={"map": st.dictionaries(TEXT, target, min_size=1, max_size=3), "default": target},
    )
    step = st.one_of(
        SPOKEN,
        st.fixed_dictionaries({"send": st.one_of(target, choice)}),
        st.just({"notify": HOOK}),
        st.fixed_dictionaries({"sms": SMS}),
    )
    steps = st.lists(step, max_size=4).flatmap(lambda made: st.sampled_from([made, [*made, "hangup"]]))
    plain = [name for name, one in destinations.items() if one.keys() & {"number", "sip"} and not one.keys() & PRIVATE]
    send: list[Any] = [{"send": name} for name in sorted(plain)]
    kept = st.one_of(SPOKEN, st.sampled_from(send or ["hangup"]))
    part = {
        "input": st.fixed_dictionaries(
            {}, optional={"customerId": VALUE, "variables": st.dictionaries(NAME, VALUE, max_size=4)}
        ),
        "greeting": st.lists(SPOKEN, max_size=3),
        "voice": st.just({"name": "Polly.Lupe-Neural", "language": "es-US"}),
        "waiting": st.fixed_dictionaries({}, optional={"play": URL, "max_seconds": st.integers(0, 120)}),
        "outcomes": st.fixed_dictionaries({}, optional=dict.fromkeys(OUTCOMES, steps)),
        "hours": HOURS,
        "recording": RECORDING,
    }
    asapp = {"api_host": "api.example.com", "api_id": "${ID}", "api_secret": "${SECRET}"}
    more = {"voice_agent_mode": st.sampled_from(["cascade", "s2s"]), "reconnect": st.integers(0, 5)}
    return {
        "version": 1,
        "twilio": {"account_sid": "AC" + "0" * 32},
        "asapp": {**asapp, **draw(st.fixed_dictionaries({}, optional=more))},
        "destinations": destinations,
        "profiles": draw(st.dictionaries(WORD, st.fixed_dictionaries({}, optional=part), max_size=2)),
        "flow": {"enabled": draw(st.booleans())},
        **draw(
            st.fixed_dictionaries({}, optional={**part, "caller_id": NUMBER, "fallback": st.lists(kept, max_size=3)})
        ),
    }


OUTCOMES = (
    *("agent", "system", "completed", "dropped", "unknown", "failed", "closed", "machine", "bypass", "exhausted"),
)
PRIVATE = {"hours", "username", "password", "headers"}  # what no static public document can have
SECRETS = ("api-id-for-tests", "api-secret-for-tests", "hook-secret-1", "pbx-password-1")


@pytest.fixture
def check(bench: Any, deploy_bundle: Any, asapp: Any) -> Any:
    """Return the check of one config. Long because the check is written out in it."""

    def check(config: dict[str, Any], field: str) -> None:
        """Render a config, call its functions, hold the answers to the rules.

        Long because these steps share the bundle, the folder and the field.
        """
        with tempfile.TemporaryDirectory() as folder:
            try:
                bundle = bench.load_bundle(config, Path(folder), "")
            except ConfigInvalid as problem:
                event(f"not valid: {problem.what[:40]}")
                return
        event("valid")
        assert [one for one in lint(bundle, find_node()) if one.level == "error"] == []
        for function in bundle.functions:
            assert not [secret for secret in SECRETS if secret in function.content]
        for asset in bundle.assets:
            bench.check_twiml(asset.content)
            assert not [secret for secret in SECRETS if secret in asset.content]
        reply = bench.completed("AGENT", transferVariables={"reason": field}, referenceVariables={"a": {"b": field}})
        with deploy_bundle(bundle) as functions:
            asapp.transfer = [reply]
            profiles = ["", *config["profiles"]]
            for profile in profiles:
                asked = {"FromCity": field, "SipHeader_X-Account": field}
                engaged = functions.post(f"/engage?{functions.quote(profile=profile, campaign=field)}", **asked)
                if "Connect" not in engaged.verbs:
                    event("closed")
                    assert engaged.event("engage.closed")
                    functions.walk(engaged)
                    continue
                functions.walk(functions.post(engaged.action))
            for outcome in OUTCOMES[1:]:
                query = functions.quote(outcome=outcome, step="0", transfer=bench.transfer, profile=profiles[-1])
                functions.walk(functions.post(f"/call-complete?{query}"))
            machine = functions.post("/engage", Direction="outbound-api", AnsweredBy="machine_start")
            assert machine.event("engage.machine")
            functions.walk(machine)
            functions.set(GA_ENABLED="off")
            functions.walk(functions.post("/engage"))
            if config["flow"]["enabled"]:
                flow = functions.post("/flow/engage?FlowSid=FW" + "0" * 32)
                assert flow.verbs[-1] == "Redirect"
                answer = functions.post("/flow/call-transfer", judged=False)
                assert answer.status == 200
                assert json.loads(answer.text)["outcome"] == "agent"

    return check


COMMON: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck), "print_blob": True}


@settings(max_examples=12, **COMMON)
@given(config=configs(), field=TEXT)
def test_any_config_makes_functions_that_answer(check: Any, config: dict[str, Any], field: str) -> None:
    check(config, field)


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(max_examples=250, **COMMON)
@given(config=configs(), field=TEXT)
def test_any_config_at_length(check: Any, config: dict[str, Any], field: str) -> None:
    check(config, field)
