"""Is the ruler straight? What the emulator adds to the latency that it injects, side by side and one after another.

    python -m benchmarks.emulator.serving

A client in a process of its own updates a thousand phone numbers. "ratio" is the time taken over what the latency
alone would take, requests × latency ÷ concurrency; benchmarks of deployments carry this much of the emulator in them.
The rows without latency tell the cost of a request, client included; the last line the emulator's memory after it.
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys

from ga_deploy.emulator.core.accounts import Account
from ga_deploy.emulator.core.rules import Rules
from ga_deploy.emulator.server import Emulator

ACCOUNT = Account("AC" + "a" * 32, "token", numbers=[f"+1555{number:07}" for number in range(1000)])
CASES = [(0, 1, 1000), (0, 32, 1000), (20, 1, 100), (50, 4, 200), (50, 50, 1000), (200, 10, 200)]

CLIENT = """
import asyncio, base64, sys, time
import aiohttp

async def main(base, account, token, concurrency, count):
    login = "Basic " + base64.b64encode(f"{account}:{token}".encode()).decode()
    root = f"{base}/api/2010-04-01/Accounts/{account}/IncomingPhoneNumbers"
    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(headers={"Authorization": login}, connector=connector) as session:
        async with session.get(root + ".json?PageSize=1000") as answer:
            sids = [number["sid"] for number in (await answer.json())["incoming_phone_numbers"]][:count]
        turns = asyncio.Semaphore(concurrency)

        async def update(sid):
            form = {"VoiceUrl": f"https://example.com/{sid}"}
            async with turns, session.post(f"{root}/{sid}.json", data=form) as answer:
                assert answer.status == 200
                await answer.read()

        begun = time.perf_counter()
        await asyncio.gather(*map(update, sids))
        print(time.perf_counter() - begun)

asyncio.run(main(*sys.argv[1:4], *map(int, sys.argv[4:])))
"""


async def measure(latency: float, concurrency: int, count: int) -> float:
    """Return the seconds that `count` updates take."""
    emulator = Emulator(accounts=[ACCOUNT], rules=Rules(latency_ms=latency))
    base_url = await emulator.start()
    try:
        client = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", CLIENT, base_url, ACCOUNT.sid, ACCOUNT.auth_token, str(concurrency), str(count)),
            stdout=subprocess.PIPE,
        )
        out, _ = await client.communicate()
        return float(out)
    finally:
        await emulator.stop()


async def main() -> None:
    print(f"{'latency':>8}  {'at once':>7}  {'requests':>8}  {'ms each':>8}  {'ratio':>6}")
    for latency, concurrency, count in CASES:
        seconds = await measure(float(latency), concurrency, count)
        ideal = count * latency / 1000 / concurrency
        ratio = f"{seconds / ideal:.2f}" if ideal else "–"
        print(f"{latency:>5} ms  {concurrency:>7}  {count:>8}  {seconds / count * 1000:>8.2f}  {ratio:>6}")
    print(f"emulator: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB at most")


if __name__ == "__main__":
    asyncio.run(main())
