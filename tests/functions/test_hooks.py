"""Hooks: a user's own code beside ours, which may help but must never cost a caller the call."""

from __future__ import annotations

import json
from typing import Any

import pytest

BEFORE = {"hooks": {"before_engage": "./hooks/before.js"}}
AFTER = {"hooks": {"after_call": "./hooks/after.js"}}


def before(code: str) -> tuple[dict[str, Any], dict[str, str]]:
    return BEFORE, {"hooks/before.js": f"module.exports = {code};\n"}


def after(code: str) -> tuple[dict[str, Any], dict[str, str]]:
    return AFTER, {"hooks/after.js": f"module.exports = {code};\n"}


def test_before_engage_adds_input_variables(deploy: Any, bench: Any) -> None:
    given = "tier: 'gold', from: call.from, sid: call.callSid, plan: context.PLAN, age: 7, no: null"
    code = f"async (call, context) => ({{ {given} }})"
    functions = deploy(*before(code))
    functions.set(PLAN="premium")
    parameters = functions.post("/engage").parameters
    wanted = {"tier": "gold", "from": "+15551112222", "sid": bench.call, "plan": "premium", "age": "7"}
    assert wanted.items() <= parameters.items()
    assert "no" not in parameters


def test_a_hook_cannot_take_reserved_names_nor_replace_what_the_config_says(deploy: Any, bench: Any) -> None:
    names = ["asapp_callTransferId", "ASAPP_other", "customerId", "taskName", "channel", '"><Dial>', ""]
    answer = json.dumps(dict.fromkeys(names, "x"))
    parameters = deploy(*before(f"() => ({answer})")).post("/engage").parameters
    assert "x" not in parameters.values()


def test_an_answer_of_any_size_is_cut(deploy: Any) -> None:
    code = "() => Object.fromEntries([...Array(300)].map((_, at) => ['v' + at, 'y'.repeat(5000)]))"
    parameters = deploy(*before(code)).post("/engage").parameters
    assert 80 <= len(parameters) <= 99
    assert {"asapp_callTransferId", "customerId", "channel"} <= set(parameters)


TROUBLE = {
    "throws": "() => { throw new Error('number was +15551112222'); }",
    "throws nothing": "() => { throw null; }",
    "rejects": "async () => { throw new TypeError('secret'); }",
    "never answers": "() => new Promise(() => {})",
    "answers late": "() => new Promise((resolve) => setTimeout(() => resolve({ late: 'yes' }), 5000))",
    "is no function": "{}",
    "answers text": "() => 'hello'",
    "answers a number": "() => 7",
    "answers a list": "() => [1, 2]",
    "answers itself": "() => { const a = {}; a.a = a; return a; }",
    "answers a trap": "() => new Proxy({}, { ownKeys() { throw new Error('trap'); } })",
    "answers a trap later": "async () => ({ get length() { throw new Error('trap'); }, get a() { throw 1; } })",
    "answers what cannot be written": "() => ({ a: { toJSON() {} }, b: { toJSON() { throw 1; } }, c: 7n })",
    "throws a tale": "() => { throw Object.assign(new Error('at +15551112222:1:2'), { code: { phone: '+15551' } }); }",
    "throws a stack": "() => { throw { name: '+1555', stack: '    at +15551112222:1:2' }; }",
}


@pytest.mark.parametrize("code", TROUBLE.values(), ids=TROUBLE)
def test_a_hook_in_trouble_costs_nothing(deploy: Any, bench: Any, code: str) -> None:
    functions = deploy(*before(code))
    answer = functions.post("/engage")
    assert answer.verbs == ["Connect", "Redirect"], "the agent answers all the same"
    assert answer.event("engage")["ms"] < 2000, "a hook has a second"
    assert "+1555" not in json.dumps(answer.log)
    assert "late" not in answer.text
    functions = deploy(*after(code))
    answer = functions.post(f"/call-complete?transfer={bench.transfer}")
    assert answer.verbs == ["Say", "Dial"]
    assert "Number" in answer.text or "Sip" in answer.text


@pytest.mark.parametrize("code", ["throw new Error('at load');", "require('not-there');", "module.exports = ;"])
def test_a_hook_that_does_not_load_costs_nothing(deploy: Any, bench: Any, code: str) -> None:
    functions = deploy(BEFORE, {"hooks/before.js": code})
    engaged = functions.post("/engage")
    assert engaged.verbs == ["Connect", "Redirect"]
    assert engaged.level("hook.failed") == "error"
    answer = deploy(AFTER, {"hooks/after.js": code}).post(f"/call-complete?transfer={bench.transfer}")
    assert answer.verbs == ["Say", "Dial"]
    assert answer.level("hook.failed") == "error"


def test_a_hook_that_fails_is_told_as_an_error(deploy: Any) -> None:
    answer = deploy(*before(TROUBLE["rejects"])).post("/engage")
    assert answer.level("hook.failed") == "error"
    assert answer.event("hook.failed")["error"] == "TypeError"


def test_after_call_chooses_the_steps(deploy: Any, bench: Any, asapp: Any) -> None:
    code = """(outcome) => outcome.name !== 'agent' ? undefined : [
      { say: 'Just a moment.' }, { say: { text: 'Hi.', voice: 'Polly.Amy', language: 'en-GB' } },
      { play: 'https://cdn.example.com/a.mp3' }, { pause: 2 },
      { send: 'flex' }, { send: { to: 'support' } }, 'hangup']"""
    functions = deploy(*after(code))
    answer = functions.post(f"/call-complete?transfer={bench.transfer}")
    assert answer.verbs == ["Say", "Say", "Play", "Pause", "Enqueue"]
    second = functions.post(answer.action, QueueResult="queue-full")
    assert second.verbs == ["Dial"]
    assert functions.post(second.action, DialCallStatus="busy").verbs == ["Hangup"]
    asapp.transfer = [bench.completed("SYSTEM")]
    assert functions.post(f"/call-complete?transfer={bench.transfer}").verbs == ["Redirect"]


def test_after_call_is_told_the_outcome(deploy: Any, bench: Any) -> None:
    code = """async (outcome, context) => [{ say: [outcome.name, outcome.transferType, outcome.currentTaskName,
      outcome.transferVariables.reason, outcome.from, outcome.transferId, context.DOMAIN_NAME].join(' ') }, 'hangup']"""
    said = deploy(*after(code)).post(f"/call-complete?transfer={bench.transfer}").find("Say").text
    assert said == f"agent AGENT Billing refund +15551112222 {bench.transfer} ga-1234.twil.io"


@pytest.mark.parametrize(
    "steps",
    [
        "[{ send: '+19005550000' }]",
        "[{ send: '__proto__' }]",
        "[{ send: null }]",
        "[{ dial: 'support' }]",
        "[{ play: 'http://cdn.example.com/a.mp3' }]",
        "[{ play: 'https://a\" b' }]",
        "[{ say: '' }]",
        "[{ say: { text: { a: 1 } } }]",
        "[{ say: ['a', 'b'] }]",
        "[{ say: 7 }]",
        "[{ play: ['https://cdn.example.com/a.mp3'] }]",
        "[{ pause: [7] }]",
        "[{ pause: 'long' }]",
        "[null]",
        "['say']",
        "[[]]",
        "{ say: 'x' }",
        "'hangup'",
        "true",
    ],
)
def test_one_bad_step_and_the_config_decides(deploy: Any, bench: Any, steps: str) -> None:
    answer = deploy(*after(f"() => ({steps})")).post(f"/call-complete?transfer={bench.transfer}")
    assert answer.verbs == ["Say", "Dial"]
    assert answer.find("Dial/Sip") is not None
    assert answer.level("hook.bad_steps") == "error"


def test_a_voice_that_is_none_does_not_spoil_the_document(deploy: Any, bench: Any) -> None:
    steps = "[{ say: { text: 'Hi.', voice: { a: 1 }, language: 'en\\u0000GB' } }, 'hangup']"
    answer = deploy(*after(f"() => ({steps})")).post(f"/call-complete?transfer={bench.transfer}")
    assert answer.verbs == ["Say", "Hangup"]


def test_hooks_are_only_deployed_when_there_are_some(deploy: Any) -> None:
    assert not [one.path for one in deploy().bundle.functions if "hooks" in one.path]
    with_hook = {one.path: one for one in deploy(*before("() => ({})")).bundle.functions}
    assert with_hook["/hooks/before-engage"].visibility == "private"
    assert "/lib/hooks" in with_hook
