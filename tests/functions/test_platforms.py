"""The functions on other Node versions than the one here, and with other releases of the `twilio` package."""

from __future__ import annotations

import asyncio
import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from ga_deploy.emulator.functions.npm import NodePackages
from ga_deploy.lint import find_node

if TYPE_CHECKING:
    from pathlib import Path

# Node 18 knows ES2022; every later one knows more.
PARSE = """
const acorn = require('internal/deps/acorn/acorn/dist/acorn');
const files = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
for (const [path, source] of Object.entries(files)) {
  try { acorn.parse(source, { ecmaVersion: 2022, allowReturnOutsideFunction: true }); }
  catch (problem) { console.log(path, problem.message); }
}
"""


def test_every_file_is_in_the_javascript_of_node_18(deploy: Any) -> None:
    changes = {"flow": {"enabled": True}, "hooks": {"after_call": "./h.js"}}
    made = deploy(changes, files={"h.js": "module.exports = () => undefined;\n"})
    files = {one.path: one.content for one in made.bundle.functions}
    assert "/lib/hooks" in files
    done = subprocess.run(
        [str(find_node()), "--expose-internals", "-e", PARSE],
        input=json.dumps(files),
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout == ""


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("version", ["5.13.1", "6.2.0"])
def test_another_release_of_twilio_writes_the_same_twiml(
    deploy: Any,
    deploy_bundle: Any,
    loop: asyncio.AbstractEventLoop,
    npm_cache: Path,
    asapp: Any,
    bench: Any,
    version: str,
) -> None:
    wanted = {"twilio": version, "axios": "1.20.0"}
    other = asyncio.run_coroutine_threadsafe(NodePackages(npm_cache).install(wanted), loop).result(280)
    usual = deploy()
    usual.clock(now="2026-03-02T12:00:00Z")
    with deploy_bundle(usual.bundle, other) as functions:
        functions.clock(now="2026-03-02T12:00:00Z")
        for route in ("support", "billing", "flex", "ivr", "carrier", "night_desk"):
            asapp.transfer = [bench.completed("SYSTEM", transferVariables={"route": route, "reason": "é 🙂 <&>"})]
            url = f"/call-complete?transfer={bench.transfer}"
            assert functions.post(url).text == usual.post(url).text
        assert functions.post("/engage").verbs == ["Connect", "Redirect"]
        asapp.transfer = [bench.completed("AGENT")]
        assert functions.post(f"/call-complete?transfer={bench.transfer}").verbs == ["Say", "Dial"]
