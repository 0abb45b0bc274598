"""The parts that others measure and upload by, for any input: depth, multipart bodies, dependencies, page tokens."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from requests import Request

from ga_deploy.emulator.control.journal import Entry, Journal
from ga_deploy.emulator.core.multipart import read_multipart
from ga_deploy.emulator.core.problems import ApiError
from ga_deploy.emulator.core.store import Store, Window
from ga_deploy.emulator.serverless.builds import read_dependencies

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\%'), min_size=1, max_size=10)


def refusal_of(work: Callable[..., object], *given: object) -> tuple[int, int] | None:
    try:
        work(*given)
    except ApiError as refusal:
        return refusal.status, refusal.code
    return None


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 10), st.booleans()), max_size=25))
def test_depth_is_the_longest_chain_of_requests_that_waited(spans: list[tuple[int, int, bool]]) -> None:
    journal = Journal()
    for start, took, answered in sorted(spans):
        entry = journal.begin("GET", "api", "h", "/x", "RQ")
        entry.started, entry.ended = float(start), float(start + took) if answered else None

    report = journal.report()

    # The same by comparing every pair.
    longest: list[int] = []
    entries: list[Entry] = list(journal._entries)
    for index, entry in enumerate(entries):
        ends = [(entries[i].ended, longest[i]) for i in range(index)]
        before = [depth for ended, depth in ends if ended is not None and ended < entry.started]
        longest.append(1 + max(before, default=0))
    assert [request["depth"] for request in report["requests"]] == longest
    assert report["depth"] == max(longest, default=0)


@given(
    st.dictionaries(NAMES, st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=3),
    NAMES,
    st.binary(max_size=200) | st.sampled_from([b"\r\n", b"--", b"\r\n--", b"\n\n", b"\r\n\r\n", b""]),
)
def test_multipart_bodies_come_out_as_they_went_in(fields: dict[str, str], name: str, content: bytes) -> None:
    upload = {f"file-{name}": ("f.js", content, "text/plain")}
    sent = Request("POST", "https://example.com", files=upload, data=fields).prepare()
    body, content_type = sent.body, sent.headers["Content-Type"]
    assert isinstance(body, bytes)

    found, files = read_multipart(content_type, body)

    assert found == {key: [value] for key, value in fields.items()}
    assert files[f"file-{name}"].content == content
    assert files[f"file-{name}"].content_type == "text/plain"


@given(st.binary(max_size=100), st.sampled_from(["multipart/form-data; boundary=b", "multipart/form-data", "x"]))
def test_any_bytes_are_read_or_refused(body: bytes, content_type: str) -> None:
    for text in (body, b"--b\r\n" + body + b"\r\n--b--", b"--b" + body + b"\r\n--b--"):
        assert refusal_of(read_multipart, content_type, text) in {None, (400, 20001)}


@given(st.dictionaries(NAMES, NAMES, max_size=4), st.booleans(), st.booleans())
def test_dependencies_mean_the_same_however_they_are_quoted(wanted: dict[str, str], quoted: bool, spaced: bool) -> None:
    listed = [{"name": name, "version": version} for name, version in wanted.items()]
    text = json.dumps(listed, indent=2 if spaced else None)

    assert read_dependencies(json.dumps(text) if quoted else text) == wanted
    assert read_dependencies(f'"{text}"') == wanted


@given(st.text(max_size=20))
def test_any_text_for_dependencies_is_read_or_refused(text: str) -> None:
    assert refusal_of(read_dependencies, text) in {None, (400, 20001)}


@settings(deadline=None)
@given(st.lists(st.text(max_size=3), unique=True, max_size=12), st.integers(1, 5), st.booleans())
def test_windows_cover_a_list_once_in_both_directions(keys: list[str], size: int, newest_first: bool) -> None:
    store = Store(None)
    for key in keys:
        store.insert("meta", {"key": key, "value": ""})
    expected = sorted(keys, key=lambda key: key.encode(), reverse=newest_first)

    def slices(start: Window) -> list[list[str]]:
        found, window = [], start
        while True:
            part = store.window("meta", window, order="key", newest_first=newest_first)
            rows = [row["key"] for row in part.rows]
            found.append(rows)
            more = part.after if window.forward else part.before
            if not more or not rows:
                return found
            window = Window(size, rows[-1] if window.forward else rows[0], forward=window.forward)

    forwards = slices(Window(size))
    assert [key for part in forwards for key in part] == expected
    assert all(len(part) == size for part in forwards[:-1])
    if expected:
        backwards = slices(Window(size, expected[-1], forward=False))
        assert [key for part in backwards[::-1] for key in part] == expected[:-1]
    store.close()


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "state")

    def fail() -> None:
        with store.transaction():
            store.set_meta("inner", "1")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with store.transaction():
        store.set_meta("outer", "1")
        with pytest.raises(KeyError):
            fail()
    store.close()
    again = Store(tmp_path / "state")
    assert again.meta("outer") == "1"
    again.close()
