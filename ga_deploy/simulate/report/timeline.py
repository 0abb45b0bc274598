"""A call on a time axis, as SVG: what the caller heard and said, what Twilio asked the functions, and the silences."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from ga_deploy.redact import redact
from ga_deploy.simulate.judge.measures import find_dead_air

if TYPE_CHECKING:
    from ga_deploy.simulate.interpreter.record import CallRecord

_WIDTH = 1000
_LEFT = 92
_RIGHT = 8
_LANE = 30
_BAR = 18
_TOP = 20
_NOTABLE_SILENCE = 1.0
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600)


@dataclass(frozen=True)
class Bar:
    """A stretch on the axis: its lane, its colour (a CSS class), and what it says."""

    lane: str
    colour: str
    start: float
    end: float
    label: str


def list_bars(record: CallRecord) -> tuple[Bar, ...]:
    """Return everything of a call that lasts, by lane: `webhooks`, `Twilio`, `agent`, `caller`, `others`."""
    bars: list[Bar] = []
    for event in record.events:
        if event.kind in {"webhook", "callback"}:
            bars.append(Bar("webhooks", "web", event.at, event.until, event.label))
        elif event.kind in {"say", "play", "gather", "record"}:
            bars.append(Bar("Twilio", "voice", event.at, event.until, event.label))
        elif event.kind == "error" and event.heard:
            bars.append(Bar("Twilio", "bad", event.at, event.until, event.label))
        elif event.kind in {"dial", "enqueue", "refer", "whisper"}:
            bars.append(Bar("others", "ring", event.at, event.until, event.label))
    for at, leg in record.streams:
        bars += [Bar("agent", "agent", at + span.start, at + span.end, "the agent speaks") for span in leg.agent]
        bars += [Bar("caller", "caller", at + span.start, at + span.end, "the caller speaks") for span in leg.caller]
    return tuple(bars)


def draw_timeline(record: CallRecord) -> str:
    """Return the call's timeline, a lane for each side that took part."""
    bars = list_bars(record)
    lanes = [lane for lane in ("webhooks", "Twilio", "agent", "caller", "others") if any(b.lane == lane for b in bars)]
    height = _TOP + _LANE * len(lanes) + 6
    axis = _Axis(record.seconds, _LEFT, _WIDTH - _RIGHT)
    parts = [
        f'<svg class="timeline" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="Timeline of {record.seconds:.0f} seconds">'
    ]
    for second in axis.ticks():
        x = axis.x(second)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 4}" y2="{height}"/>')
        parts.append(f'<text x="{x:.1f}" y="12" text-anchor="middle">{second:g} s</text>')
    silence = find_dead_air(record)
    if silence.seconds >= _NOTABLE_SILENCE:
        x, width = axis.span(silence.start, silence.start + silence.seconds)
        parts.append(
            f'<rect class="quiet" x="{x:.1f}" y="{_TOP - 2}" width="{width:.1f}" height="{height - _TOP}" rx="3">'
            f"<title>{silence.seconds:.1f} s of silence</title></rect>"
        )
    for index, lane in enumerate(lanes):
        y = _TOP + index * _LANE + (_LANE - _BAR) / 2
        parts.append(f'<text class="lane" x="{_LEFT - 12}" y="{y + 13:.1f}" text-anchor="end">{lane}</text>')
        parts += [_draw_bar(bar, axis, y) for bar in bars if bar.lane == lane]
    parts.append("</svg>")
    return "".join(parts)


def draw_strip(record: CallRecord) -> str:
    """Return the call in a single line, for the list of calls."""
    axis = _Axis(record.seconds, 0, 300)
    rects = []
    silence = find_dead_air(record)
    if silence.seconds >= _NOTABLE_SILENCE:
        x, width = axis.span(silence.start, silence.start + silence.seconds)
        rects.append(f'<rect class="quiet" x="{x:.1f}" y="0" width="{width:.1f}" height="18"/>')
    for bar in list_bars(record):
        x, width = axis.span(bar.start, bar.end)
        top, tall = (12, 4) if bar.lane in {"webhooks", "caller"} else (3, 8)
        rects.append(f'<rect class="{bar.colour}" x="{x:.1f}" y="{top}" width="{width:.1f}" height="{tall}" rx="1.5"/>')
    return (
        f'<svg class="strip" viewBox="0 0 300 18" preserveAspectRatio="none" aria-hidden="true">{"".join(rects)}</svg>'
    )


def _draw_bar(bar: Bar, axis: _Axis, y: float) -> str:
    x, width = axis.span(bar.start, bar.end)
    label = redact(bar.label)
    room = int((width - 12) / 6.2)
    shown = label if len(label) <= room else label[: max(0, room - 1)].rstrip() + "…"
    text = (
        f'<text class="on" x="{x + 6:.1f}" y="{y + 13:.1f}" aria-hidden="true">{escape(shown)}</text>'
        if room >= 6
        else ""
    )
    return (
        f'<rect class="{bar.colour}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{_BAR}" rx="3">'
        f"<title>{bar.start:.2f}–{bar.end:.2f} s  {escape(label)}</title></rect>{text}"
    )


class _Axis:
    def __init__(self, seconds: float, left: float, right: float) -> None:
        self._seconds = max(seconds, 0.1)
        self._left = left
        self._scale = (right - left) / self._seconds

    def x(self, second: float) -> float:
        return self._left + second * self._scale

    def span(self, start: float, end: float) -> tuple[float, float]:
        """Return where a stretch begins and how wide it is: always wide enough to be seen."""
        x = self.x(min(start, self._seconds))
        return x, max(2.0, self.x(min(end, self._seconds)) - x)

    def ticks(self) -> list[float]:
        step = next((step for step in _STEPS if self._seconds / step <= 12), _STEPS[-1])
        return [index * step for index in range(int(self._seconds / step) + 1)]
