import io
import json
from pathlib import Path

import pytest

from ga_deploy.errors import ConfigInvalid, DeployError, Finding, Place
from ga_deploy.events import ApiCall, StepDone, StepProgress, StepStarted, Warned
from ga_deploy.redact import Secret
from ga_deploy.ui import Ui

BUILD_FAILED = DeployError(
    "build failed in environment `staging`",
    why="Twilio rejected dependency `axios@9.9.9` (code 20001)",
    fix="set `service.dependencies.axios` to a published version, then run `ga-deploy up`",
    at=Place("config.yaml", 42, 5),
    request_id="RQab12",
)


class Screen:
    def __init__(self, **options: object) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        self.ui = Ui(out=self.out, err=self.err, environ=options.pop("environ", {}), **options)  # type: ignore[arg-type]


def test_an_error_has_the_form_of_the_contract() -> None:
    screen = Screen()
    screen.ui.error(BUILD_FAILED)
    assert screen.err.getvalue() == (
        "error: build failed in environment `staging`\n"
        "  why: Twilio rejected dependency `axios@9.9.9` (code 20001) (request RQab12)\n"
        "  fix: set `service.dependencies.axios` to a published version, then run `ga-deploy up`\n"
        "  at:  config.yaml:42:5\n"
    )
    assert screen.out.getvalue() == ""


def test_json_is_one_object_and_no_more() -> None:
    screen = Screen(as_json=True)
    screen.ui.result({"numbers": []}, "human")
    assert json.loads(screen.out.getvalue()) == {"format_version": 1, "numbers": []}
    with pytest.raises(RuntimeError):
        screen.ui.result({}, "")


def test_an_error_is_the_object_when_there_is_no_result() -> None:
    screen = Screen(as_json=True)
    screen.ui.error(ConfigInvalid((Finding("unknown key `astpp`", at=Place("c.yaml", 3, 1)), Finding("another"))))
    error = json.loads(screen.out.getvalue())["error"]
    assert error["exit_code"] == 3
    assert [finding["line"] for finding in error["findings"]] == [3, None]


def test_nothing_printed_holds_a_secret() -> None:
    secret = Secret('hush"hush\\hush')
    screen = Screen(as_json=True)
    screen.ui.result({"oops": secret.reveal()})
    screen.ui.warn(f"it is {secret.reveal()}")
    assert "hush" not in screen.out.getvalue() + screen.err.getvalue()


def test_a_secret_object_in_a_result_is_our_bug_not_output() -> None:
    with pytest.raises(TypeError):
        Screen(as_json=True).ui.result({"oops": Secret("correct horse")})


def test_consent_without_a_terminal_names_the_flag() -> None:
    with pytest.raises(DeployError) as caught:
        Screen().ui.confirm("Replace the foreign function /engage?")
    assert "--yes" in caught.value.fix
    Screen(agreed=True).ui.confirm("Replace the foreign function /engage?")
    with pytest.raises(DeployError):
        Screen(agreed=True).ui.confirm("Take the number off its trunk?", flag="--force")


def test_progress_without_a_terminal_is_plain_lines() -> None:
    screen = Screen()
    for event in (
        StepStarted("build", "build"),
        StepProgress("build", 2, 3, "building"),
        Warned("Sync cannot be reached", fix="allow it"),
        StepStarted("build", "build"),
        StepDone("build", "build completed", "ZB12"),
    ):
        screen.ui.event(event)
    assert screen.err.getvalue() == (
        "  … build\n  … build  2/3 building\nwarning: Sync cannot be reached\n  fix: allow it\n"
        "  … build\n  ✓ build completed  ZB12\n"
    )


def test_quiet_keeps_warnings_and_verbose_shows_calls() -> None:
    quiet, verbose = Screen(verbosity=-1), Screen(verbosity=1)
    call = ApiCall("GET", "serverless.twilio.com", "/v1/Services", 200, 12.3, "RQ1", 2)
    for screen in (quiet, verbose):
        screen.ui.event(StepStarted("a", "a"))
        screen.ui.event(call)
    assert quiet.err.getvalue() == ""
    assert "GET    serverless.twilio.com/v1/Services  200  12 ms  RQ1 (try 2)" in verbose.err.getvalue()


def test_github_actions(tmp_path: Path) -> None:
    environ = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": str(tmp_path / "out"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "sum"),
    }
    screen = Screen(environ=environ)
    screen.ui.error(BUILD_FAILED)
    assert "::error file=config.yaml,line=42,col=5::build failed" in screen.err.getvalue()
    screen.ui.outputs({"url": "https://example.twil.io/engage", "bad": "two\nlines"}, "# done")
    assert (tmp_path / "out").read_text() == "url=https://example.twil.io/engage\n"
    assert (tmp_path / "sum").read_text() == "# done\n"


def test_a_result_may_be_a_table() -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("ending")
    table.add_column("heard")
    table.add_row("agent", "Please hold")
    screen = Screen()
    screen.ui.result({}, table)
    assert screen.out.getvalue().splitlines() == ["ending  heard", "agent   Please hold"]


def test_an_output_that_cannot_show_a_character_still_gets_the_rest() -> None:
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Ui(err=ascii_only, environ={}).note("✓ “done” … ✗ 失")
    ascii_only.seek(0)
    assert ascii_only.read() == 'v "done" . x ?\n'


def test_json_loses_no_character_to_an_encoding_and_no_secret_by_it() -> None:
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    secret = Secret("gehéim-✓-for-this-test")
    Ui(out=ascii_only, as_json=True, environ={}).result({"name": "Zoë ✓", "leak": f"<{secret.reveal()}>"}, "")
    ascii_only.seek(0)
    told = json.loads(ascii_only.read())
    assert told["name"] == "Zoë ✓"
    assert "for-this-test" not in told["leak"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("around", ["dumb", "xterm", None])
def test_what_is_redrawn_in_place_is_gone_at_the_end(around: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if around is None:
        monkeypatch.delenv("TERM", raising=False)
    else:
        monkeypatch.setenv("TERM", around)
    terminal = Terminal()
    ui = Ui(out=io.StringIO(), err=terminal, environ={"TERM": "xterm"}, colour=False)
    ui.redraw("3 of 9 calls")
    ui.redraw("9 of 9 calls")
    ui.redraw(None)
    ui.redraw(None)
    drawn = terminal.getvalue()
    assert "9 of 9 calls" in drawn
    assert "\x1b[2K" in drawn.rpartition("9 of 9 calls")[2]


def test_without_a_terminal_nothing_is_redrawn() -> None:
    screen = Screen()
    screen.ui.redraw("3 of 9 calls")
    screen.ui.close()
    assert screen.err.getvalue() == ""


def test_colours_of_others_never_reach_a_terminal() -> None:
    from rich.table import Table
    from rich.text import Text

    theirs = "\x1b[32mall is well\x1b[0m \x1b[8mhidden"
    screen = Screen(colour=True)
    screen.ui.event(StepStarted("a", theirs))
    screen.ui.event(StepDone("a", theirs, theirs))
    screen.ui.error(DeployError(theirs, why=theirs, fix=theirs))
    table = Table()
    table.add_row(Text(theirs, "bold"), theirs)
    screen.ui.result({}, table)
    shown = screen.out.getvalue() + screen.err.getvalue()
    assert "[32mall is well" in shown
    assert "\x1b[32mall" not in shown
    assert "\x1b[8m" not in shown
    assert "\x1b[1;31merror:\x1b[0m" in shown, "ours do"
    assert "\x1b[1m[32mall is well" in shown
    in_json = Screen(as_json=True)
    in_json.ui.result({"name": "\x9b31m \x1b[31m \u202e"})
    assert not set(in_json.out.getvalue()) & set("\x9b\x1b\u202e")
    assert json.loads(in_json.out.getvalue())["name"] == "\x9b31m \x1b[31m \u202e"


def test_no_line_of_a_message_is_a_command_to_github() -> None:
    hostile = "fine\n::error::no\n \t\u00a0::add-path::/x\n\x07::set-env name=PATH::/x\nx ##[add-mask]a\n##[error]b"
    screen = Screen(environ={"GITHUB_ACTIONS": "true"})
    screen.ui.note(hostile)
    screen.ui.error(DeployError(hostile, why=hostile, fix=hostile))
    screen.ui.result({}, hostile)
    lines = [*screen.err.getvalue().splitlines(), *screen.out.getvalue().splitlines()]
    commands = [line for line in lines if line.strip().startswith("::")]
    assert [line.partition("::")[2].partition("::")[0] for line in commands] == ["error"], "our own annotation"
    assert not [line for line in lines if line not in commands and "##[" in line]
    assert ": :error::no" in lines
    in_json = Screen(as_json=True)
    in_json.ui.result({"name": hostile})
    assert "##[" not in in_json.out.getvalue()
    assert json.loads(in_json.out.getvalue())["name"] == hostile


def test_no_name_or_message_can_command_the_terminal() -> None:
    hostile = "bad \x1b]0;title\x07\x1b[2J\u202e\r\x00\x9b31m\nerror: all is well"
    screen = Screen(colour=True)
    screen.ui.error(DeployError("refused", why=hostile, fix="-"))
    screen.ui.note(hostile)
    shown = screen.err.getvalue()
    assert shown.startswith("\x1b[1;31merror:\x1b[0m refused\n  why: bad ")
    assert "\n       error: all is well\n" in shown
    assert not set(shown.replace("\x1b[1;31m", "").replace("\x1b[0m", "")) & set("\x1b\x07\x00\r\x9b\u202e")
    in_json = Screen(as_json=True)
    in_json.ui.error(DeployError("refused", why=hostile, fix="-"))
    assert json.loads(in_json.out.getvalue())["error"]["why"] == hostile
