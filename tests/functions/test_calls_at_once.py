"""Many calls at one moment in one Node process: nothing of one shows in another, and they share the stream URL.

Twilio is thought to give a container one request at a time, as the emulator does; the functions do not rely on it. So
these are called here by a few lines of Node in place of the emulator's host.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

from ga_deploy.lint import find_node

if TYPE_CHECKING:
    from pathlib import Path

CALLS = 12
HOST = """
const [files, context] = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
globalThis.Runtime = { getFunctions: () => files };
globalThis.Twilio = { Response: class { setStatusCode() {} appendHeader() {} setBody(body) { this.body = body; } } };
for (const level of ['log', 'warn', 'error']) console[level] = () => {};
const run = (name, event) => new Promise((resolve) => {
  require(files[name].path).handler(context, event, (problem, response) => resolve(response.body));
});
const one = async (number) => {
  const sid = `CA${String(number).padStart(32, '0')}`;
  const fields = { CallSid: sid, From: `+1555${1000000 + number}`, CallStatus: 'in-progress' };
  const engaged = await run('engage', { ...fields, ...(number % 2 ? { profile: 'es' } : {}) });
  const [, transfer] = /action="[^"]*transfer=([^&"]+)/.exec(engaged);
  return { ...fields, transfer, engaged, completed: await run('call-complete', { ...fields, transfer }) };
};
Promise.all([...Array(Number(process.argv[1])).keys()].map(one)).then((all) => {
  process.stdout.write(JSON.stringify(all), () => process.exit());
});
"""


def test_calls_at_once_do_not_meet(bench: Any, asapp: Any, fault_server: Any, packages: Path, tmp_path: Path) -> None:
    config = bench.base_config(fault_server.url)
    bundle = bench.load_bundle(config, tmp_path, fault_server.url)
    files = {}
    for function in bundle.functions:
        path = tmp_path / "functions" / f"{function.path[1:]}.js"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(function.content, encoding="utf-8")
        files[function.path[1:]] = {"path": str(path)}
    asapp.stream = [bench.reply(body={"streamingUrl": bench.stream_url}, delay=0.2)]
    asapp.transfer = [bench.completed("SYSTEM")]
    access = {"ASAPP_API_HOST": fault_server.url, "ASAPP_API_ID": "i", "ASAPP_API_SECRET": "s"}
    context = {"DOMAIN_NAME": "ga-1234.twil.io", **access}
    done = subprocess.run(
        [str(find_node()), "-e", HOST, str(CALLS)],
        input=json.dumps([files, context]),
        env={**os.environ, "NODE_PATH": str(packages / "node_modules")},
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    calls = json.loads(done.stdout)
    assert len(calls) == CALLS
    for number, call in enumerate(calls):
        engaged = bench.check_twiml(call["engaged"])
        told = {one.attrib["name"]: one.attrib["value"] for one in engaged.iter("Parameter")}
        assert told["asapp_externalConversationId"] == call["CallSid"]
        assert told["asapp_callTransferId"] == call["transfer"]
        assert call["transfer"].startswith(call["CallSid"])
        assert told["customerId"] == call["From"]
        assert told["taskName"] == ("soporte" if number % 2 else "customer_support")
        assert "Redirect" in call["completed"]
    asked = {one.path.rpartition("/")[2] for one in asapp.of("transfer")}
    assert asked == {call["transfer"] for call in calls}
    assert len(asapp.of("stream")) == 1
    assert all(call["From"][1:] in str(asapp.of("notify")) for call in calls)
