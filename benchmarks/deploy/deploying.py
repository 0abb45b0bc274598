"""What a deployment costs: requests, round trips deep, time as a ratio to what latency alone would take, memory.

    python benchmarks/deploy/deploying.py [LATENCY_MS]

The command line runs as a process of its own against an emulator with LATENCY_MS (default 200) on each request. A round
trip deep is a link in the longest chain of requests of which each began after the one before was answered; polls of
the build's status are counted apart. "ratio" is the time taken over (round trips × latency).

Then numbers are bound: a thousand, a thousand where Twilio takes five requests at once, and two hundred where the list
of numbers is too old when it has come. Their ratio is the time over (requests × latency ÷ concurrency). "Places
in use" is the share of what Twilio takes at once that is under way between the first write and the last: the emulator's
own work counts there as latency, so it tells about the command on a busy machine, too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ga_deploy.emulator.control.faults import Fault
from ga_deploy.emulator.core.accounts import Account
from ga_deploy.emulator.core.rules import Rules
from ga_deploy.emulator.server import Emulator, EmulatorThread
from ga_deploy.local import ACCOUNT_SID, AUTH_TOKEN

ROOT = Path(__file__).parents[2]
NUMBERS = [f"+1555{index:07d}" for index in range(2000)]
CONFIG = """\
version: 1
twilio: {account_sid: "${TWILIO_ACCOUNT_SID}", auth_token: "${TWILIO_AUTH_TOKEN}"}
asapp: {api_host: https://api.sandbox.asapp.com, api_id: "${ASAPP_API_ID}", api_secret: "${ASAPP_API_SECRET}"}
destinations: {support: {number: "+15550100001"}}
outcomes: {agent: [{say: WORDS}, {send: support}], dropped: [{send: support}], unknown: [{send: support}], \
failed: [{send: support}], bypass: [{send: support}]}
phone_numbers: [{number: "+15550000000"}]
state: STATE
"""

# Reports the peak of the process's own memory on the last line of standard error.
MEASURED = """
import resource, sys
from ga_deploy.cli.run import run
code = run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


@dataclass
class Measure:
    """One command: its requests without polls, how deep they were, polls, seconds, and the peak memory in MB."""

    name: str
    requests: int
    depth: int
    polls: int
    seconds: float
    megabytes: float

    def tell(self, latency: float) -> str:
        """Return a row of the table."""
        least = (self.depth + self.polls) * latency
        return (
            f"{self.name:<44} {self.requests:>8} {self.depth:>6} {self.polls:>6}"
            f" {self.seconds / least:>6.2f} {self.megabytes:>7.0f}"
        )


def run(folder: Path, base_url: str, *argv: str) -> tuple[int, float]:
    """Run the command line; returns its exit code and its peak memory in MB."""
    ended = subprocess.run(
        [sys.executable, "-c", MEASURED, "--local", "-c", str(folder / "config.yaml"), "-q", *argv],
        env={**os.environ, "PYTHONPATH": str(ROOT), "GA_DEPLOY_EMULATOR": base_url},
        capture_output=True,
        text=True,
        check=False,
    )
    last = ended.stderr.strip().split("\n")[-1]
    if not last.isdigit():
        raise SystemExit(ended.stderr)
    return ended.returncode, int(last) / (1024 if sys.platform != "darwin" else 1024 * 1024)


def measure(name: str, emulator: Emulator, folder: Path, base_url: str, *argv: str) -> Measure:
    """Run a command and count what it asked for."""
    emulator.journal.reset()
    code, megabytes = run(folder, base_url, *argv)
    if code:
        raise SystemExit(f"{name}: exit code {code}")
    asked: dict[str, Any] = emulator.journal.report(exclude="/Status$")
    polls = emulator.journal.report(only="/Status$")["count"]
    everything = emulator.journal.report()["requests"]
    seconds = max(r["ended"] or 0 for r in everything) - min(r["started"] for r in everything)
    return Measure(name, asked["count"], asked["depth"], polls, seconds, megabytes)


def configure(folder: Path, state: str, words: str, variables: str = "{}") -> None:
    """Write the config."""
    text = CONFIG.replace("STATE", state).replace("WORDS", words)
    (folder / "config.yaml").write_text(f"{text}variables: {variables}\n")


def deployments(latency_ms: float, state: str) -> list[Measure]:
    """Measure a life of a service: made, left alone, changed."""
    emulator = Emulator(None, accounts=[Account(ACCOUNT_SID, AUTH_TOKEN, numbers=NUMBERS[:3])], latency_ms=latency_ms)
    with tempfile.TemporaryDirectory() as name, EmulatorThread(emulator) as base_url:
        folder = Path(name)
        configure(folder, state, "Hello.")
        measures = [measure(f"{state}: first deployment", emulator, folder, base_url, "up")]
        measures.append(measure(f"{state}: nothing changed", emulator, folder, base_url, "up"))
        configure(folder, state, "Hello again.")
        measures.append(measure(f"{state}: a settings change", emulator, folder, base_url, "up"))
        configure(folder, state, "Hello again.", "{HOOK_URL: 'https://hooks.example.com'}")
        measures.append(measure(f"{state}: only a variable", emulator, folder, base_url, "up"))
        measures.append(measure(f"{state}: plan --diff", emulator, folder, base_url, "plan", "--diff"))
        measures.append(measure(f"{state}: status", emulator, folder, base_url, "status"))
        return measures


def many_numbers(
    latency_ms: float, *, count: int = 1000, account: int = 1000, at_once: int | None = None, slow_list: float = 0.0
) -> str:
    """Bind so many numbers of an account of `account`; returns what it cost.

    Twilio takes `at_once` requests (None: any number); a page of the list takes `slow_list` seconds longer.
    """
    emulator = Emulator(
        None,
        accounts=[Account(ACCOUNT_SID, AUTH_TOKEN, numbers=NUMBERS[:account])],
        latency_ms=latency_ms,
        rules=Rules(concurrency=at_once),
    )
    with tempfile.TemporaryDirectory() as name, EmulatorThread(emulator) as base_url:
        folder = Path(name)
        configure(folder, "sync", "Hello.")
        run(folder, base_url, "up")
        if slow_list:
            emulator.faults.add(Fault("latency", "GET", r"/IncomingPhoneNumbers\.json", times=None, seconds=slow_list))
        (folder / "numbers.csv").write_text("number\n" + "\n".join(NUMBERS[:count]) + "\n")
        title = f"{count} numbers of {account}" + (f", {at_once} at once" if at_once else "")
        argv = ("bind-number", "--from-file", str(folder / "numbers.csv"))
        bound = measure(title, emulator, folder, base_url, *argv)
        updates = emulator.journal.report(only=r"POST /api/.*IncomingPhoneNumbers/PN")["requests"]
        lists = emulator.journal.report(only=r"GET /api/.*IncomingPhoneNumbers\.json")["count"]
        refused = sum(one["status"] == 429 for one in emulator.journal.report()["requests"])
        most = at_once or concurrency(updates)
        spent = sum(one["ended"] - one["started"] for one in updates if one["ended"])
        writing = max(one["ended"] or 0 for one in updates) - min(one["started"] for one in updates)
        ratio = bound.seconds / (bound.requests * latency_ms / 1000 / most)
        limit = round((2.1 if slow_list else 1.15) * count)
        used = f"places in use {spent / writing / most:.0%}"
        judged = "" if slow_list else f"{ratio:.2f} of requests × latency ÷ {most} (at most 1.3), {used}, "
        return (
            f"{title}{', a slow list' if slow_list else ''}: {bound.requests} requests (at most {limit}; {lists} for "
            f"lists, {refused} refused), {judged}{bound.seconds:.1f} s, {bound.megabytes:.0f} MB"
        )


def concurrency(requests: list[dict[str, Any]]) -> int:
    """Return how many of the requests were under way at most."""
    moments = [(r["started"], 1) for r in requests] + [(r["ended"], -1) for r in requests]
    under_way = most = 0
    for _, step in sorted(moments):
        under_way += step
        most = max(most, under_way)
    return most


def main() -> None:
    """Measure and print."""
    latency_ms = float(sys.argv[1]) if len(sys.argv) > 1 else 200.0
    print(f"{'at ' + str(int(latency_ms)) + ' ms a request':<44} requests  depth  polls  ratio      MB")
    budgets = {"sync: first deployment": 14, "local: first deployment": 11}
    for state in ("sync", "local"):
        for one in deployments(latency_ms, state):
            budget = budgets.get(one.name, 4 if "nothing" in one.name else 0)
            print(one.tell(latency_ms / 1000) + (f"   depth at most {budget}" if budget else ""))
    print(f"at {latency_ms:.0f} ms a request:")
    print(many_numbers(latency_ms))
    print(many_numbers(latency_ms, at_once=5))
    print(many_numbers(latency_ms, count=200, account=2000, slow_list=2.5))


if __name__ == "__main__":
    main()
