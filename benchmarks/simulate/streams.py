"""How many calls with full-rate audio one process can carry, against the mock ASAPP in another.

    python benchmarks/simulate/streams.py [SECONDS] [CALLS ...]

Every caller speaks all the time; every agent talks and listens in turn. For each number of calls: how late the frames
left (their own deadlines are 20 ms apart), how much of a core each side used, and at last where the limit lies: the
largest number of calls whose 99th percentile stays under one frame.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import aiohttp

from ga_deploy.simulate.media.client import run_stream
from ga_deploy.simulate.media.stream import CallerVoice, StreamOptions, StreamOutcome, StreamRequest, Turn, When
from ga_deploy.simulate.scenario.load import ON_TIME_MS, LoadResult, run_load
from ga_deploy.simulate.voices import read_voice

MOCK = """
import asyncio, resource
from ga_deploy.asapp_mock.script import Ending, Listen, Say, Script
from ga_deploy.asapp_mock.server import MockAsapp

TALK = (Say("Hello, this is the virtual agent, how can I help you today?", interruptible=False), Listen(2.0)) * 200

async def main():
    mock = MockAsapp("id", "secret", script=Script("endless", TALK, Ending.STAY))
    print(await mock.start(), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def measure(url: str, calls: int, seconds: float) -> LoadResult[StreamOutcome]:
    speech = read_voice("us-woman", Path())
    # Says its sentence without end, a breath of half a second between.
    voice = CallerVoice((Turn(When.TIME, 0.5, audio=speech),) * int(seconds / 2.5 + 1))
    options = StreamOptions(max_seconds=seconds)

    async def place(number: int) -> StreamOutcome:
        request = StreamRequest(url, f"CA{number:032x}", "AC" + "0" * 32, f"MZ{number:032x}")
        return await run_stream(request, voice, options)

    return await run_load(place, calls, calls, start_every=0.005)


async def fetch_stream_url(base_url: str) -> str:
    headers = {"asapp-api-id": "id", "asapp-api-secret": "secret"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{base_url}/mg-genagent/v1/twilio-media-stream-url") as response,
    ):
        return str((await response.json())["streamingUrl"])


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    steps = [int(one) for one in sys.argv[2:]] or [50, 100, 200, 400, 600]
    with subprocess.Popen([sys.executable, "-c", MOCK], stdout=subprocess.PIPE, text=True) as mock:
        assert mock.stdout is not None
        url = await fetch_stream_url(mock.stdout.readline().strip())
        limit = 0
        idle = await run_load(lambda _: asyncio.sleep(3), 1, 1)
        print(f"{os.cpu_count()} cores, {seconds:g} s a call, both sides on this machine")
        print(f"with nothing to do this machine wakes a process {idle.loop.p99_ms:.1f} ms late (99 of 100)")
        print("calls   p50 ms   p99 ms   worst   lost    tester    mock   (share of a core)")
        for calls in steps:
            begun, cpu = time.monotonic(), cpu_seconds(mock.pid)
            result = await measure(url, calls, seconds)
            share = (cpu_seconds(mock.pid) - cpu) / (time.monotonic() - begun)
            late = [one.lateness for one in result.results]
            # Of the streams' own percentiles the 99th: a little more than that of all frames together.
            p99 = sorted(one.p99_ms for one in late)[len(late) * 99 // 100]
            p50 = sorted(one.p50_ms for one in late)[len(late) // 2]
            lost = sum(one.ending.value != "time_up" for one in result.results)
            worst = max(one.worst_ms for one in late)
            print(f"{calls:5} {p50:8.2f} {p99:8.2f} {worst:7.1f} {lost:6} {result.cpu_share:9.0%} {share:7.0%}")
            if p99 < ON_TIME_MS and not lost:
                limit = calls
        print(f"limit: {limit} calls at once, or more" if limit == steps[-1] else f"limit: {limit} calls at once")
        mock.terminate()


if __name__ == "__main__":
    asyncio.run(main())
