"""Copies of our modules that somebody broke: the caller still hears a sentence, and the log says where to look."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import pytest

from ga_deploy.render import built_in_templates

# The two that stand between a caller and the platform's own error message. Their copies have nobody behind them.
LAST = {"lib/answer", "lib/modules"}
MODULES = sorted(
    name.removeprefix("functions/").removesuffix(".private.js.j2")
    for name in built_in_templates()
    if name.endswith(".private.js.j2")
)
BROKEN = {
    "throws": "throw new Error('the key is hunter2');\n",
    "requires what is not there": "require('left-pad');\n",
    "does not parse": "module.exports = {;\n",
    "exports nothing": "",
    "throws a text": "throw 'the key is hunter2';\n",
}


ALL_MODULES = [name for name in MODULES if name not in LAST]
EACH = [*zip(ALL_MODULES, cycle(BROKEN)), *(("lib/steps", kind) for kind in BROKEN)]


@pytest.mark.parametrize(("module", "kind"), dict.fromkeys(EACH))
def test_a_module_that_does_not_load_costs_no_call(deploy: Any, bench: Any, module: str, kind: str) -> None:
    files = {f"templates/functions/{module}.private.js.j2": BROKEN[kind]}
    if module == "lib/hooks":
        files["after.js"] = "module.exports = () => undefined;\n"
    changes = {"templates": "./templates", "flow": {"enabled": True}}
    hooks = {"hooks": {"after_call": "./after.js", "before_engage": "./after.js"}} if module == "lib/hooks" else {}
    functions = deploy({**changes, **hooks}, files=files)
    for url in ("/engage", "/engage?FlowEvent=return", f"/call-complete?transfer={bench.transfer}", "/flow/engage"):
        answer = functions.post(url)
        assert answer.verbs, "silence is no answer"
        assert answer.verbs != ["Hangup"]
    told = functions.post("/flow/call-transfer", judged=False)
    assert told.status in {200, 500, 502}
    assert "hunter2" not in str(told.lines)
