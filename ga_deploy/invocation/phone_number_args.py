"""Phone numbers from the command line or from a CSV file. All errors are reported at once."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from ga_deploy.errors import ConfigInvalid, Finding, Place, Usage
from ga_deploy.model.numbers import NumberBinding
from ga_deploy.numbering_plan import find_impossible
from ga_deploy.plain_file import read_plain_file
from ga_deploy.twilio_rules.e164 import is_e164

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

COLUMNS = ("number", "to", "profile", "fallback_url")

# Bytes. No account has so many numbers; a larger file is not a list of numbers.
LARGEST_FILE = 16 * 2**20

_EXAMPLE = "+15550100000"


def judge_number(text: str) -> tuple[str, str] | None:
    """Return why a text is not a phone number in E.164 form, and the fix; None if it is a possible number."""
    if is_e164(text):
        why = find_impossible(text)
        return (why, "correct the number") if why else None
    if re.fullmatch(r"\d(?:[.,]\d+)?[eE]\+?\d+", text):
        return (
            "a spreadsheet has turned it into a floating-point number",
            "format the column as text and save the file again",
        )
    digits = re.sub(r"[^0-9]", "", text)
    suggestion = f"+{digits.removeprefix('00')}"
    if re.fullmatch(r"\+?[0-9\s().\-/]+", text) and is_e164(suggestion):
        if digits.startswith("00"):
            return ("it has 00 in place of the plus sign", f"write {suggestion}")
        if text.strip().startswith("+"):
            return ("it has blanks or punctuation", f"write {suggestion}")
        return (
            "it has no plus sign, and perhaps no country code",
            f"write {suggestion} if it begins with the country code; if not, put a plus and the country code before it",
        )
    return (
        "a number is a plus sign, the country code (never 0) and the rest: 7 to 15 digits in total",
        f"write it like {_EXAMPLE}",
    )


def read_arguments(numbers: Sequence[str]) -> list[str]:
    """Return the numbers of the command line without duplicates. Raises Usage that names all wrong ones."""
    wrong = [(number, judged) for number in numbers if (judged := judge_number(number)) is not None]
    if wrong:
        shown = "\n".join(f"{number!r}: {why}" for number, (why, _) in wrong)
        fixes = "\n".join(dict.fromkeys(fix for _, (_, fix) in wrong))
        form = "" if any(is_e164(number) for number, _ in wrong) else " in E.164 form"
        what = ("not a phone number" if len(wrong) == 1 else "not phone numbers") + form
        raise Usage(f"{', '.join(number for number, _ in wrong)}: {what}", why=shown, fix=fixes)
    return list(dict.fromkeys(numbers))


def read_number_file(path: Path, *, to: Literal["engage", "flow"], profile: str | None) -> list[NumberBinding]:
    """Return the rows of a CSV file. Its header has `number` and any of `to`, `profile`, `fallback_url`, in any order.

    `to` and `profile` are the values of empty cells. Raises ConfigInvalid with every error and its line.
    """
    text = _read(path)
    written = io.StringIO(text, newline="").readlines()
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    findings: list[Finding] = []
    bindings: dict[str, NumberBinding] = {}
    lines: dict[str, int] = {}
    header: list[str] | None = None
    try:
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            line = rows.line_num
            if header is None:
                header = _read_header(row, str(path), line)
                continue
            place = _Line(str(path), line, written[line - 1], row)
            binding = _read_row(row, header, place, findings, to=to, profile=profile)
            if binding is None:
                continue
            if binding.number in bindings:
                findings.append(
                    Finding(
                        f"duplicate number {binding.number}",
                        why=f"line {lines[binding.number]} has it already",
                        fix="remove one of the lines",
                        at=binding.at,
                    )
                )
                continue
            bindings[binding.number] = binding
            lines[binding.number] = line
    except csv.Error as problem:
        findings.append(
            Finding("not a CSV file", why=str(problem), fix="check the quotes", at=Place(str(path), rows.line_num))
        )
    if header is None or (not bindings and not findings):
        findings.append(
            Finding(
                f"{path} has no number",
                why="the file needs a header line and at least one number",
                fix=f"write `number` in the first line and numbers such as {_EXAMPLE} below it",
                at=Place(str(path)),
            )
        )
    if findings:
        raise ConfigInvalid(tuple(findings))
    return list(bindings.values())


def check_profiles(bindings: Sequence[NumberBinding], profiles: Collection[str], asked: str | None = None) -> None:
    """Raise if a binding names a profile that the config does not have.

    Raises ConfigInvalid with every such line of a file, and Usage for `asked`, the profile of the command line.
    """
    if asked and asked not in profiles:
        unknown = _unknown_profile(asked, profiles)
        raise Usage(unknown.what, why=unknown.why, fix=unknown.fix)
    findings = [
        replace(_unknown_profile(binding.profile, profiles), at=binding.at)
        for binding in bindings
        if binding.profile and binding.profile not in profiles
    ]
    if findings:
        raise ConfigInvalid(tuple(findings))


def check_flow(bindings: Sequence[NumberBinding], *, has_flow: bool, asked: str) -> None:
    """Raise if a binding is for the flow and the config has none: the same errors as `check_profiles`."""
    fix = "set `flow.enabled: true` and run `ga-deploy up`, or bind with `--to engage`"
    what, why = "the config has no flow to bind a number to", "`flow.enabled` is false"
    lines = [binding.at for binding in bindings if binding.to == "flow"]
    if has_flow or not lines:
        return
    if asked == "flow":
        raise Usage(what, why=why, fix=fix)
    raise ConfigInvalid(tuple(Finding(what, why=why, fix=fix, at=at) for at in lines))


def _unknown_profile(name: str, profiles: Collection[str]) -> Finding:
    near = get_close_matches(name, sorted(profiles), n=1)
    return Finding(
        f"the config has no profile {name!r}",
        why=f"its profiles: {', '.join(sorted(profiles)) or 'none'}",
        fix=f"did you mean `{near[0]}`?" if near else "add it under `profiles`, or leave it out",
    )


def _read(path: Path) -> str:
    content = b""
    try:
        content = read_plain_file(path, LARGEST_FILE)
        if len(content) > LARGEST_FILE:
            raise _unreadable(path, "it is too large for a list of numbers")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        if content[:2] in {b"\xff\xfe", b"\xfe\xff"}:
            raise _unreadable(path, "it is UTF-16, as some spreadsheets write it") from None
        raise _unreadable(path, f"it is not UTF-8: {problem.reason} at byte {problem.start}") from None
    except OSError as problem:
        raise _unreadable(path, problem.strerror or str(problem)) from None


def _unreadable(path: Path, why: str) -> ConfigInvalid:
    finding = Finding(f"cannot read {path}", why=why, fix="pass a CSV file in UTF-8", at=Place(str(path)))
    return ConfigInvalid((finding,))


def _read_header(row: Sequence[str], path: str, line: int) -> list[str]:
    names = [cell.strip().lower() for cell in row]
    at = Place(path, line)
    findings = []
    for name in dict.fromkeys(names):
        if name not in COLUMNS:
            near = get_close_matches(name, COLUMNS, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"the columns are {', '.join(COLUMNS)}"
            if judge_number(name) is None:
                hint = "put a header line `number` above the first number"
            findings.append(
                Finding(f"unknown column {name!r}", why="the first line names the columns", fix=hint, at=at)
            )
        elif names.count(name) > 1:
            why = "each column may appear once"
            findings.append(Finding(f"duplicate column `{name}`", why=why, fix="remove one", at=at))
    if "number" not in names and not findings:
        why = "the first line names the columns"
        fix = "name the column of the numbers `number`"
        findings.append(Finding("there is no column `number`", why=why, fix=fix, at=at))
    if findings:
        raise ConfigInvalid(tuple(findings))
    return names


def _read_row(
    row: Sequence[str],
    header: Sequence[str],
    line: _Line,
    findings: list[Finding],
    *,
    to: Literal["engage", "flow"],
    profile: str | None,
) -> NumberBinding | None:
    found = len(findings)

    def place(name: str) -> Place:
        return line.place(header.index(name))

    if len(row) > len(header) and any(cell.strip() for cell in row[len(header) :]):
        findings.append(
            Finding(
                f"{len(row)} values under {len(header)} columns",
                why="a value with a comma needs double quotes",
                fix="put quotes around the value, or remove it",
                at=line.place(len(header)),
            )
        )
    cells = {name: cell.strip() for name, cell in zip(header, row, strict=False)}
    number = cells.get("number", "")
    judged = judge_number(number)
    if judged is not None:
        form = "" if is_e164(number) else " in E.164 form"
        what = f"{number!r} is not a phone number{form}" if number else "the number is missing"
        findings.append(Finding(what, why=judged[0], fix=judged[1], at=place("number")))
    reached: Literal["engage", "flow"] = to
    match cells.get("to", "").lower():
        case "engage":
            reached = "engage"
        case "flow":
            reached = "flow"
        case "":
            pass
        case other:
            why = "a number is bound to the engage function or to the flow"
            what = f"{other!r} is not a target of a number"
            findings.append(Finding(what, why=why, fix="write engage or flow", at=place("to")))
    fallback = cells.get("fallback_url") or None
    if fallback is not None and not _is_https(fallback):
        findings.append(
            Finding(
                f"{fallback!r} is not an https URL",
                why="Twilio sends the caller's data to it if the function fails",
                fix="write it like https://example.com/voice",
                at=place("fallback_url"),
            )
        )
    if len(findings) > found:
        return None
    chosen = cells.get("profile") or (profile if reached == "engage" else None)
    if reached == "flow" and chosen:
        why = f"profile {chosen!r}"
        findings.append(Finding("a flow has no profile", why=why, fix="leave the profile out", at=place("profile")))
        return None
    return NumberBinding(number, reached, chosen, fallback, at=place("number"))


@dataclass(frozen=True)
class _Line:
    """A line of the file with its cells, to find the position of each cell."""

    file: str
    number: int
    written: str
    cells: Sequence[str]

    def place(self, index: int = 0) -> Place:
        """Return the position of a cell; without its column if it spans lines or has doubled quotes."""
        start = 0
        for cell in self.cells[:index]:
            start = max(start, self.written.find(cell, start) + len(cell))
        found = self.written.find(self.cells[index].strip(), start) if index < len(self.cells) else -1
        return Place(self.file, self.number, found + 1)


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) and not re.search(r"[\s<>\"]", url) and parts.port != 0
    except ValueError:
        return False
