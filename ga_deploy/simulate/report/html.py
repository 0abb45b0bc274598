"""One self-contained page about simulated calls: timelines, audio to see and play, TwiML and logs folded.

The page loads nothing and sends nothing: style, script and audio are inside, and a Content Security Policy forbids
everything else. All texts of functions and agents are escaped.
"""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ga_deploy.redact import redact
from ga_deploy.simulate.report.timeline import draw_strip, draw_timeline
from ga_deploy.simulate.report.waveform import draw_waveform, read_recording

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ga_deploy.simulate.interpreter.record import Event, StreamLeg
    from ga_deploy.simulate.judge.verdict import Verdict

_HERE = Path(__file__).parent
_MOST_AUDIO = 24 * 1024 * 1024  # bytes of µ-law in one page; the rest is left out, that of failed calls last
_OPEN = 3  # up to this many calls are unfolded
_FAILED_OPEN = 10  # of the failed calls, this many are unfolded
# SVG because not every font has these signs, with a name for screen readers.
_MARK = '<svg class="mark" viewBox="0 0 16 16" role="img" aria-label="{}"><path d="{}"/></svg>'
_MARKS = {
    True: _MARK.format("passed", "M2.5 8.5l3.5 4 7.5-9"),
    False: _MARK.format("failed", "M3 3l10 10M13 3L3 13"),
}
_CHECKS = {"dead_air": "longest silence", "first_twiml": "slowest to answer", "first_audio": "agent slowest to speak"}


def write_report(verdicts: Sequence[Verdict], *, seconds: float = 0.0, title: str = "Simulated calls") -> str:
    """Return the page as HTML, the failed calls first. Known secrets are masked."""
    verdicts = sorted(verdicts, key=lambda verdict: verdict.passed)
    failed = sum(not verdict.passed for verdict in verdicts)
    took = f", placed in {seconds:.0f} s" if seconds else ""
    count = len(verdicts)
    heading = (
        f'<span class="bad">{failed} of {count} calls failed</span>'
        if failed
        else f'<span class="good">{_calls(count)} passed</span>'
    )
    body = f"""<h1>{heading}</h1>
<p class="sub">{escape(title)}{took}. Twilio’s side of every call was played through the real functions.</p>
{_write_figures(verdicts)}
{_LEGEND}
{_write_calls(verdicts, failed)}
<footer>Written by ga-deploy. Times are those that the caller would have experienced.</footer>"""
    return _write_page(f"{escape(title)}: {failed or 'none'} of {count} failed", body)


def _write_calls(verdicts: Sequence[Verdict], failed: int) -> str:
    audio = _choose_audio(verdicts)
    unfolded = max(min(failed, _FAILED_OPEN), len(verdicts) if len(verdicts) <= _OPEN else 0)
    return "\n".join(
        _write_call(verdict, index in audio, unfolded=index < unfolded) for index, verdict in enumerate(verdicts)
    )


def _write_page(title: str, body: str) -> str:
    """Return the page with style and script inside, and a policy that allows nothing else."""
    style = (_HERE / "report.css").read_text(encoding="utf-8")
    script = (_HERE / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; media-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
<script>{script}</script>
</body>
</html>
"""


_LEGEND = "".join(
    [
        '<div class="legend">',
        *(
            f'<span><i style="background:var(--{colour})"></i>{name}</span>'
            for colour, name in (
                ("agent", "the agent"),
                ("caller", "the caller"),
                ("voice", "speech and sounds"),
                ("ring", "ringing and talking"),
                ("web", "webhooks"),
                ("quiet", "silence"),
            )
        ),
        "</div>",
    ]
)


def _calls(count: int) -> str:
    return "The call" if count == 1 else f"All {count} calls"


def _write_figures(verdicts: Sequence[Verdict]) -> str:
    boxes = []
    for measure, label in _CHECKS.items():
        measured = [(one.measures[measure], one.record.name) for one in verdicts if measure in one.measures]
        value, name = max(measured, default=(0.0, ""))
        if value >= 0.05:
            boxes.append((f"{value:.1f} s", label, name))
    reached = sum(one.record.reached is not None for one in verdicts)
    boxes.append((str(reached), "callers reached somebody", f"of {len(verdicts)}"))
    cells = "".join(
        f'<div class="figure"><b>{escape(value)}</b><span>{escape(label)}</span><small>{escape(name)}</small></div>'
        for value, label, name in boxes
    )
    return f'<div class="figures">{cells}</div>'


def _choose_audio(verdicts: Sequence[Verdict]) -> set[int]:
    """Return the calls whose audio goes on the page: those that failed come first when there is too much of it."""
    chosen: set[int] = set()
    left = _MOST_AUDIO
    for index in sorted(range(len(verdicts)), key=lambda index: (verdicts[index].passed, index)):
        # 16-bit samples become one byte of µ-law each.
        size = sum(len(leg.recording or b"") // 2 for _, leg in verdicts[index].record.streams)
        if size <= left:
            left -= size
            chosen.add(index)
    return chosen


def _write_call(verdict: Verdict, with_audio: bool, *, unfolded: bool) -> str:
    record = verdict.record
    reasons = "".join(
        f"<li><b>{escape(failing.check.replace('_', ' '))}</b>{_text(failing.what)}</li>"
        for failing in verdict.failings
    )
    facts = [("heard", verdict.heard), ("went", verdict.went), ("from", record.from_number), ("call", record.call_sid)]
    rows = "".join(f"<dt>{name}</dt><dd>{_text(value)}</dd>" for name, value in facts)
    audio = "".join(_write_leg(number, leg) for number, (_, leg) in enumerate(record.streams, 1)) if with_audio else ""
    left_out = "" if with_audio else "<p>The audio is left out: the page would become too large.</p>"
    events = "".join(_write_event(event) for event in record.events)
    return f"""<details class="call {"pass" if verdict.passed else "fail"}"{" open" if unfolded else ""}>
<summary>{_MARKS[verdict.passed]}
<span class="what"><b>{_text(verdict.title or record.name)}</b>
<span>{_text(record.name)} · {_text(verdict.went)}</span></span>
{draw_strip(record)}<span class="long">{record.seconds:.1f} s</span></summary>
<div class="inside">
{f'<ul class="reasons">{reasons}</ul>' if reasons else ""}
<dl>{rows}</dl>
<div class="wide">{draw_timeline(record)}</div>
{f"<h3>Audio</h3>{audio}" if audio else left_out}
<h3>What happened</h3>
{events}
</div>
</details>"""


def _write_leg(number: int, leg: StreamLeg) -> str:
    recording = read_recording(leg.recording) if leg.recording else None
    if recording is None:
        return ""
    source = base64.b64encode(recording.as_wav()).decode()
    label = f"Media stream {number}: the caller above, the agent below"
    return (
        f'<div class="track">{draw_waveform(recording, label)}'
        f'<audio controls preload="metadata" aria-label="{label}" src="data:audio/wav;base64,{source}"></audio></div>'
    )


def _write_event(event: Event) -> str:
    took = f"{event.seconds:.2f} s" if event.seconds >= 0.005 else ""
    summary = (
        f'<summary><span class="at">{event.at:.2f}</span><span class="label">{_text(event.label)}</span>'
        f'<span class="took">{took}</span></summary>'
    )
    folded = _write_detail(event)
    if not folded:
        return f'<details class="fold plain {escape(event.kind)}">{summary}</details>'
    return f'<details class="fold {escape(event.kind)}">{summary}{folded}</details>'


def _write_detail(event: Event) -> str:
    detail = event.detail
    parts = []
    if detail.get("sent"):
        parts.append("\n".join(f"{name} = {value}" for name, value in detail["sent"].items()))
    if detail.get("stream_parameters"):
        sent = "\n".join(f"{name} = {value}" for name, value in detail["stream_parameters"].items())
        parts.append(f"The agent got:\n{sent}")
    if detail.get("body"):
        parts.append(_indent(str(detail["body"])))
    if detail.get("logs"):
        parts.append("\n".join(map(str, detail["logs"])))
    if detail.get("targets"):
        parts.append("\n".join(", ".join(f"{k} {v}" for k, v in target.items()) for target in detail["targets"]))
    return "".join(f"<pre>{_text(part)}</pre>" for part in parts)


def _indent(twiml: str) -> str:
    """Return XML with a line for each element; text that is none is left as it is."""
    if not twiml.lstrip().startswith("<"):
        return twiml
    depth = 0
    lines = []
    for line in re.sub(r">\s*<", ">\n<", twiml).split("\n"):
        closes = line.startswith("</")
        depth -= closes
        lines.append("  " * max(0, depth) + line)
        opens = re.match(r"<[^/?!]", line) and not line.endswith("/>") and "</" not in line
        depth += bool(opens)
    return "\n".join(lines)


def _text(text: str) -> str:
    return escape(redact(text))
