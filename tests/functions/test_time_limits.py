"""A function has ten seconds. Whatever the config allows and however slow everybody else is, it answers within them."""

from __future__ import annotations

from typing import Any

import pytest

NEVER = "module.exports = () => new Promise(() => {});\n"
ASKED: dict[str, dict[str, int]] = {
    "one long try": {"timeout_ms": 9000, "budget_ms": 9000},
    "many short tries": {"timeout_ms": 100, "budget_ms": 9000},
}


@pytest.mark.parametrize("asapp_times", ASKED.values(), ids=ASKED)
def test_all_that_can_be_slow_at_once_leaves_time_to_answer(
    deploy: Any, asapp: Any, bench: Any, fault_server: Any, asapp_times: dict[str, int]
) -> None:
    told = [{"notify": f"{fault_server.url}/notified?{at}"} for at in range(4)]
    steps = [*told, {"send": "support"}]
    changes = {
        "asapp": asapp_times,
        "waiting": {"max_seconds": 0},
        "outcomes": {"failed": steps, "dropped": steps},
        "hooks": {"before_engage": "./never.js", "after_call": "./never.js"},
    }
    functions = deploy(changes, files={"never.js": NEVER})
    hang = bench.reply(hang=True)
    asapp.stream, asapp.notify, asapp.transfer = [hang], [hang], [bench.ongoing]
    for url, polls in (("/engage", 0), (f"/call-complete?transfer={bench.transfer}", 1)):
        began = functions.now
        answer = functions.post(url)
        assert answer.verbs == ["Dial"]
        assert functions.now - began < 10, "Twilio would have ended the function"
        assert len(asapp.of("stream")) >= 1
        assert bool(asapp.of("transfer")) == bool(polls)
    assert len(asapp.of("notify")) == 8


def test_a_container_may_wake_with_any_date(deploy: Any, asapp: Any, bench: Any) -> None:
    functions = deploy({"asapp": {"timeout_ms": 300, "budget_ms": 700}})
    asapp.stream = [bench.reply(hang=True)]
    for now in ("2026-03-02T12:00:00Z", "2031-01-01T00:00:00Z", "2019-01-01T00:00:00Z"):
        functions.clock(now=now)
        began = functions.now
        answer = functions.post("/engage")
        assert answer.verbs == ["Say", "Dial"]
        assert functions.now - began < 3
