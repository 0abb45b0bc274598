"""Numbers as users write them: every mistake at once, each with its line and a way out."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ga_deploy.commands.bind_number import collect_bindings
from ga_deploy.errors import ConfigInvalid, ExitCode, Usage
from ga_deploy.invocation.phone_number_args import (
    check_flow,
    check_profiles,
    judge_number,
    read_arguments,
    read_number_file,
)
from ga_deploy.model.numbers import NumberBinding


def read(tmp_path: Path, content: str | bytes, **options: object) -> list[NumberBinding]:
    file = tmp_path / "numbers.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_number_file(file, **{"to": "engage", "profile": None, **options})  # type: ignore[arg-type]


def wrong(tmp_path: Path, content: str | bytes, **options: object) -> list[tuple[int, str, str]]:
    with pytest.raises(ConfigInvalid) as caught:
        read(tmp_path, content, **options)
    assert caught.value.exit_code is ExitCode.INVALID
    return [(finding.at.line if finding.at else 0, finding.what, finding.fix) for finding in caught.value.findings]


def test_one_column_is_enough(tmp_path: Path) -> None:
    wishes = read(tmp_path, "number\n+15550100000\n+15550100001\n")
    assert wishes == [NumberBinding("+15550100000"), NumberBinding("+15550100001")]


def test_columns_in_any_order_blank_lines_byte_order_mark_and_windows_lines(tmp_path: Path) -> None:
    text = '\ufeffProfile , NUMBER,fallback_url,to\r\n\r\nes, +15550100000 ,"https://x.example/?a=1,2",\r\n,,,\r\n'
    text += ",+15550100001,,Flow\r\n"
    assert read(tmp_path, text.encode()) == [
        NumberBinding("+15550100000", "engage", "es", "https://x.example/?a=1,2"),
        NumberBinding("+15550100001", "flow", None, None),
    ]


def test_empty_cells_take_the_options(tmp_path: Path) -> None:
    text = "number,profile\n+15550100000,\n+15550100001,fr\n"
    assert [wish.profile for wish in read(tmp_path, text, profile="es")] == ["es", "fr"]


def test_everything_wrong_is_told_with_its_line(tmp_path: Path) -> None:
    text = (
        "number,to,profile,fallback_url\n"
        "5550100000,,,\n"
        "+15550100000,agent,,http://plain.example/\n"
        "+15550100001,flow,es,\n"
        "+15550100002\n"
        "+15550100002,,,\n"
        "1.5550100003E+10,,,\n"
        "+15550100004,,,,surplus\n"
        ",,es,\n"
    )
    told = wrong(tmp_path, text)
    assert [(line, what) for line, what, _ in told] == [
        (2, "'5550100000' is not a phone number in E.164 form"),
        (3, "'agent' is not a target of a number"),
        (3, "'http://plain.example/' is not an https URL"),
        (4, "a flow has no profile"),
        (6, "duplicate number +15550100002"),
        (7, "'1.5550100003E+10' is not a phone number in E.164 form"),
        (8, "5 values under 4 columns"),
        (9, "the number is missing"),
    ]


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ("", "has no number", "number"),
        ("number\n", "has no number", "number"),
        ("\n \n", "has no number", "number"),
        ("+15550100000\n", "unknown column", "header line"),
        ("nummer\n+15550100000\n", "unknown column 'nummer'", "`number`"),
        ("number,color\n", "unknown column 'color'", "the columns are"),
        ("number,number\n", "duplicate column", "remove one"),
        ("to,profile\nflow,\n", "no column `number`", "number"),
        ('number\n"+15550100000\n', "not a CSV file", "quotes"),
        ('number\n"+1555"0100000\n', "not a CSV file", "quotes"),
    ],
)
def test_files_that_are_no_list(tmp_path: Path, text: str, what: str, fix: str) -> None:
    told = wrong(tmp_path, text)
    assert what in told[0][1]
    assert fix in told[0][2]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert "UTF-16" in str(_why(tmp_path, "number\n+15550100000\n".encode("utf-16")))
    assert "UTF-8" in str(_why(tmp_path, b"number\n\xff\xfe\xfa\n"))
    with pytest.raises(ConfigInvalid, match="cannot read"):
        read_number_file(tmp_path / "absent.csv", to="engage", profile=None)
    with pytest.raises(ConfigInvalid, match="cannot read"):
        read_number_file(tmp_path, to="engage", profile=None)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no endless file")
def test_a_file_that_does_not_end(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        read_number_file(Path("/dev/zero"), to="engage", profile=None)
    assert caught.value.why == "it is a device, not a file"


def _why(tmp_path: Path, content: bytes) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        read(tmp_path, content)
    return caught.value.findings[0].why


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("+1 (555) 010-0000", "+15550100000"),
        ("+1.555.010.0000", "+15550100000"),
        ("0049 30 1234567", "+49301234567"),
        ("15550100000", "+15550100000"),
        ("5550100000", "country code"),
        ("+1555010000O", "+15550100000"),
        ("+0123456789", "never 0"),
        ("+1234567890123456", "like"),
        ("+1555010", "too short"),
        ("+99912345678", "no country"),
        ("sip:me@example.com", "like"),
        ("", "like"),
        ("1.5550100000E+10", "text"),
        ("+१५५५०१०००००", "like"),
    ],
)
def test_a_number_is_put_right(text: str, fix: str) -> None:
    judged = judge_number(text)
    assert judged is not None
    assert fix in " ".join(judged)


@pytest.mark.parametrize("text", ["+15550100000", "+4930123456", "+882165123456", "+883510000000000"])
def test_e164_is_taken(text: str) -> None:
    assert judge_number(text) is None


def test_the_command_line_tells_all_that_is_wrong() -> None:
    with pytest.raises(Usage) as caught:
        read_arguments(["+15550100000", "555", "0049301234567"])
    assert caught.value.what.startswith("555, 0049301234567: not phone numbers")
    assert "+49301234567" in caught.value.fix


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "numbers.csv"
    file.write_text("number,profile\n+15550100000,es\n+15550100001,es\n")
    wishes = collect_bindings(["+15550100001", "+15550100001"], to="engage", profile="fr", from_file=file)
    assert wishes == [NumberBinding("+15550100000", profile="es"), NumberBinding("+15550100001", profile="fr")]


@pytest.mark.parametrize(("numbers", "to", "profile"), [([], "engage", None), (["+15550100000"], "flow", "es")])
def test_what_makes_no_sense_is_usage(numbers: list[str], to: str, profile: str | None) -> None:
    with pytest.raises(Usage):
        collect_bindings(numbers, to=to, profile=profile, from_file=None)  # type: ignore[arg-type]


def test_an_unknown_profile_names_the_nearest() -> None:
    with pytest.raises(Usage, match="no profile 'spanihs'") as caught:
        check_profiles([NumberBinding("+15550100000", profile="spanihs")], {"spanish", "french"}, "spanihs")
    assert "spanish" in caught.value.fix
    check_profiles([NumberBinding("+15550100000")], set())


def test_every_line_that_the_config_cannot_serve_is_named(tmp_path: Path) -> None:
    file = tmp_path / "numbers.csv"
    file.write_text("profile,number,to\nes,+15550100000,\nfr,+15550100001,\n,+15550100002,flow\nit,+15550100003,\n")
    wishes = read_number_file(file, to="engage", profile=None)
    with pytest.raises(ConfigInvalid) as caught:
        check_profiles(wishes, {"es"})
    assert [(f.what, str(f.at)) for f in caught.value.findings] == [
        ("the config has no profile 'fr'", f"{file}:3:4"),
        ("the config has no profile 'it'", f"{file}:5:4"),
    ]
    with pytest.raises(ConfigInvalid) as caught:
        check_flow(wishes, has_flow=False, asked="engage")
    assert [str(f.at) for f in caught.value.findings] == [f"{file}:4:2"]
    with pytest.raises(Usage):
        check_flow([NumberBinding("+15550100000", "flow")], has_flow=False, asked="flow")
    check_flow(wishes, has_flow=True, asked="engage")


def test_a_place_is_a_cell_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "numbers.csv"
    file.write_text('to,profile,number\nengage,"a ""b""","nonsense"\nengage,engage, engage\n\n"fl\now",,x\n')
    with pytest.raises(ConfigInvalid) as caught:
        read_number_file(file, to="engage", profile=None)
    places = {(finding.at.line, finding.at.column) for finding in caught.value.findings if finding.at}
    assert (3, 16) in places, "not the first cell that reads the same"
    assert {line for line, _ in places} == {2, 3, 6}


@given(st.text(max_size=40))
def test_no_text_breaks_the_judge(text: str) -> None:
    judged = judge_number(text)
    assert judged is None or all(judged)


@given(content=st.binary(max_size=300))
def test_no_file_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("any") / "numbers.csv"
    file.write_bytes(b"number,to\n" + content)
    with contextlib.suppress(ConfigInvalid):
        assert all(judge_number(wish.number) is None for wish in read_number_file(file, to="engage", profile=None))
