"""The report in a real headless browser: complete, playable, and closed to whatever a function or an agent says."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from array import array
from pathlib import Path
from typing import Any

import pytest

from ga_deploy.emulator.functions.npm import NodePackages, NodeTools
from ga_deploy.redact import Secret
from ga_deploy.simulate.interpreter.record import CallRecord, Event, Route, Span, StreamLeg
from ga_deploy.simulate.judge.measures import measure
from ga_deploy.simulate.judge.verdict import Failing, Verdict
from ga_deploy.simulate.media.audio import wav_bytes
from ga_deploy.simulate.report.html import write_report

# One browser for all of these tests, not one a worker.
pytestmark = pytest.mark.xdist_group("browser")

PACKAGES = {"@sparticuz/chromium": "153.0.0", "playwright-core": "1.65.1"}
HOSTILE = "</pre></details><script>alert('x')</script><img src=x onerror=alert(1)>{{7*7}}"
SECRET = "a-secret-that-no-page-shows"

FONTS_CONF = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{folder}/fonts</dir><cachedir>{folder}/fonts-cache</cachedir></fontconfig>
"""


def make_verdicts() -> list[Verdict]:
    tone = array("h", [(index % 40 - 20) * 400 if index % 8000 < 5000 else 0 for index in range(3 * 8000 * 2)])
    leg = StreamLeg(
        opened=True,
        seconds=3.0,
        ended_by="agent",
        agent=(Span(0.2, 2.8),),
        caller=(Span(2.0, 2.4),),
        recording=wav_bytes(tone, channels=2),
    )
    events = (
        Event(
            0.0,
            "webhook",
            f"webhook /engage → {HOSTILE}",
            0.2,
            detail={"body": f"<Response>{HOSTILE}</Response>", "sent": {HOSTILE: HOSTILE}, "logs": [HOSTILE, SECRET]},
        ),
        Event(0.2, "answered", "Twilio answers the call"),
        Event(0.2, "stream", "media stream 1", 3.0, heard=True, detail={"stream_parameters": {"customerId": HOSTILE}}),
        Event(5.2, "say", HOSTILE, 2.0, heard=True, detail={"text": HOSTILE}),
        Event(
            7.2,
            "dial",
            f"rings {SECRET}",
            4.0,
            heard=True,
            detail={"targets": [{"kind": "number", "address": HOSTILE}]},
        ),
        Event(11.2, "error", "13223: Dial: invalid phone number"),
    )
    good = CallRecord(
        "good",
        "CA1",
        "+15550123456",
        "+15550100000",
        "hung-up",
        11.2,
        0.2,
        events,
        (Route("number", "+15550100001", "answered", 7.2),),
        ((0.2, leg),),
        3,
    )
    bad = CallRecord(HOSTILE, "CA2", HOSTILE, HOSTILE, "application-error", 11.2, 0.2, events, (), ((0.2, leg),), 3)
    empty = CallRecord("empty", "CA3", "", "", "caller-hung-up", 0.0, None, ())
    return [
        Verdict(good, (), measure(good), "A good call"),
        Verdict(bad, (Failing("course", HOSTILE),), measure(bad), HOSTILE),
        Verdict(empty, (), measure(empty), "A call that never was"),
    ]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, npm_cache: Path) -> dict[str, Any]:
    Secret(SECRET)
    folder = tmp_path_factory.mktemp("report")
    page = folder / "calls.html"
    page.write_text(write_report(make_verdicts(), seconds=1.0), encoding="utf-8")
    modules = asyncio.run(NodePackages(npm_cache).install(PACKAGES))
    script = Path(__file__).with_name("open_report.mjs")
    command = [
        str(NodeTools.find().node),
        str(script),
        str(modules / "node_modules"),
        str(page),
        str(folder / "shot.png"),
    ]
    # The browser unpacks itself and its fonts into the temporary folder: two that share one get in each other's way.
    # Its own `fonts.conf` knows only the system's temporary folder, so it gets one that names this.
    fonts = folder / "fontconfig"
    fonts.mkdir()
    (fonts / "fonts.conf").write_text(FONTS_CONF.format(folder=folder), encoding="utf-8")
    own = {"TMPDIR": str(folder), "HOME": str(folder), "XDG_CACHE_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    environ = {**os.environ, **own, "FONTCONFIG_PATH": str(fonts), "FONTCONFIG_FILE": str(fonts / "fonts.conf")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False, env=environ)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_page_is_complete(opened: dict[str, Any]) -> None:
    assert opened["heading"] == "1 of 3 calls failed"
    assert (opened["calls"], opened["failed"]) == (3, 1)
    assert "A good call" in opened["text"]
    assert "number +15550100001 (answered)" in opened["text"]


def test_letters_are_drawn(opened: dict[str, Any]) -> None:
    narrow, wide = opened["drawn"]
    assert 0 < narrow < wide


def test_both_sides_of_every_stream_can_be_played(opened: dict[str, Any]) -> None:
    assert [(round(seconds, 1), problem) for seconds, problem in opened["audio"]] == [(3.0, ""), (3.0, "")]
    assert opened["playedFrom"] > 0.5


def test_what_was_said_is_text_and_nothing_else(opened: dict[str, Any]) -> None:
    assert opened["dialogs"] == []
    assert opened["images"] == 0
    assert opened["scripts"] == 1
    assert HOSTILE in opened["text"]


def test_nothing_comes_from_elsewhere_and_nothing_is_refused(opened: dict[str, Any]) -> None:
    assert opened["requests"] == []
    assert opened["complaints"] == []


def test_no_secret_is_shown(opened: dict[str, Any]) -> None:
    assert SECRET not in opened["text"]
    assert SECRET not in opened["title"]


def test_nothing_sticks_out_sideways(opened: dict[str, Any]) -> None:
    assert opened["widest"] <= 0
