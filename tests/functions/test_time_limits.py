"""A function has ten seconds. Whatever the config allows and however slow everybody else is, it answers within them."""

from __future__ import annotations

from typing import Any

import pytest

NEVER = "module.exports = () => new Promise(() => {});\n"
# With how much faster a clock: what is close to the limit is tried nearly in real time, for the sake of a busy machine.
ASKED: dict[str, tuple[dict[str, int], int]] = {
    "one long try": ({"timeout_ms": 9000, "budget_ms": 9000}, 3),
    "many short tries": ({"timeout_ms": 100, "budget_ms": 9000}, 5),
}


@pytest.mark.parametrize(("asapp_times", "speed"), ASKED.values(), ids=ASKED)
def test_all_that_can_be_slow_at_once_leaves_time_to_answer(
    deploy: Any, asapp: Any, bench: Any, fault_server: Any, asapp_times: dict[str, int], speed: int
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
    functions.clock(speed=speed)
    hang = bench.reply(hang=True)
    asapp.stream, asapp.notify, asapp.transfer = [hang], [hang], [bench.ongoing]
    for url, polls in (("/engage", 0), (f"/call-complete?transfer={bench.transfer}", 1)):
        answer = functions.post(url)
        assert answer.verbs == ["Dial"]
        assert answer.seconds * speed < 10, "Twilio would have ended the function"
        assert len(asapp.of("stream")) >= 1
        assert bool(asapp.of("transfer")) == bool(polls)
    assert len(asapp.of("notify")) == 8


def test_a_container_may_wake_with_any_date(deploy: Any, asapp: Any, bench: Any) -> None:
    functions = deploy({"asapp": {"timeout_ms": 300, "budget_ms": 700}})
    asapp.stream = [bench.reply(hang=True)]
    for now in ("2026-03-02T12:00:00Z", "2031-01-01T00:00:00Z", "2019-01-01T00:00:00Z"):
        functions.clock(now=now)
        answer = functions.post("/engage")
        assert answer.verbs == ["Say", "Dial"]
        assert answer.seconds < 3
