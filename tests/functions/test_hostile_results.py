"""What the agent returns may be of any size and shape; none of it may cost the caller the outcome that it names."""

from __future__ import annotations

import json
from typing import Any

import pytest

DEEP = b"[" * 200_000 + b"]" * 200_000


def result(kind: str, variables: bytes) -> bytes:
    context = b'{"transferType":"%s","currentTaskName":"Billing","transferVariables":%s,"referenceVariables":%s}'
    return b'{"status":"COMPLETED","outputContext":%s}' % (context % (kind.encode(), variables, variables))


HOSTILE: dict[str, bytes] = {
    "nested beyond writing": DEEP,
    "a member nested beyond writing": b'{"route":%s}' % DEEP,
    "one long text": json.dumps("x" * 400_000).encode(),
    "a list without end": json.dumps(list(range(60_000))).encode(),
    "names without end": json.dumps({f"name{at}": at for at in range(20_000)}).encode(),
    "one name without end": json.dumps({"n" * 400_000: 1}).encode(),
    "names of prototypes": b'{"__proto__":{"route":"support"},"constructor":1,"toString":2,"length":3}',
    "the same name twice": b'{"route":"nowhere","route":"also nowhere"}',
    "numbers beyond numbers": b'{"route":1e400,"a":-0,"b":12345678901234567890}',
    "half a pair": rb'{"route":"\ud800","\udfff":"x"}',
    "what XML cannot hold": rb'{"route":"\u0000\u0001\ufffe\uffff\u000b"}',
}


@pytest.mark.parametrize("variables", HOSTILE.values(), ids=HOSTILE)
def test_the_outcome_is_kept_whatever_the_variables_are(
    functions: Any, asapp: Any, bench: Any, variables: bytes
) -> None:
    for kind, verbs in (("AGENT", ["Say", "Dial"]), ("SYSTEM", ["Redirect"])):
        asapp.transfer = [bench.reply(body=result(kind, variables))]
        answer = functions.post(f"/call-complete?transfer={bench.transfer}")
        assert answer.verbs == verbs
        assert answer.event("ending")["outcome"] == kind.lower()
        assert max(len(message) for _, message in answer.lines) < 12_000, "a log line stays one that can be read"
    (told,) = asapp.of("notify")
    assert json.loads(told.body)["outcome"] == "system"


@pytest.mark.parametrize("variables", HOSTILE.values(), ids=HOSTILE)
def test_a_flow_is_told_the_outcome_whatever_the_variables_are(
    deploy: Any, asapp: Any, bench: Any, variables: bytes
) -> None:
    functions = deploy({"flow": {"enabled": True}})
    asapp.transfer = [bench.reply(body=result("AGENT", variables))]
    answer = functions.post("/flow/call-transfer", judged=False)
    assert answer.status == 200
    assert answer.json["outcome"] == "agent"
    assert len(answer.text.encode()) <= 64_000


def test_a_result_larger_than_a_megabyte_is_not_read(functions: Any, asapp: Any, bench: Any) -> None:
    asapp.transfer = [bench.reply(body=result("AGENT", json.dumps("x" * 1_000_000).encode()))]
    assert functions.post(f"/call-complete?transfer={bench.transfer}").verbs[-1] == "Redirect"


def test_a_destination_named_undefined_is_not_where_nothing_leads(deploy: Any, asapp: Any, bench: Any) -> None:
    by = {"by": {"from": "transferVariables.route"}, "map": {"undefined": "fixed"}, "default": "support"}
    functions = deploy(
        {"outcomes": {"system": [{"send": by}]}, "profiles": {"undefined": {"input": {"taskName": "x"}}}}
    )
    asapp.transfer = [bench.completed("SYSTEM", transferVariables={})]
    assert functions.post(f"/call-complete?transfer={bench.transfer}").find("Dial/Number").text == "+15550100001"
    assert functions.post("/engage").parameters["taskName"] == "customer_support"


def test_a_secret_that_is_gone_alarms(functions: Any, asapp: Any, bench: Any) -> None:
    functions.set(**{name: None for name in functions.variables if name.startswith(("GA_NOTIFY", "GA_SIP"))})
    answer = functions.post(f"/call-complete?transfer={bench.transfer}")
    assert answer.verbs == ["Say", "Dial"]
    assert answer.level("sip.no_password") == "error"
    asapp.transfer = [bench.completed("SYSTEM")]
    answer = functions.post(f"/call-complete?transfer={bench.transfer}")
    assert answer.level("notify.unsigned") == "error"
    assert "x-ga-signature" not in asapp.of("notify")[0].headers
