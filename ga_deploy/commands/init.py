"""`init`: write a new project. It is valid and runs on the emulator without any change."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ga_deploy.errors import DeployError, ExitCode, Usage
from ga_deploy.installation import find_installation
from ga_deploy.numbering_plan import find_impossible, is_premium_rate
from ga_deploy.plain_file import read_plain_text
from ga_deploy.twilio_rules.e164 import PATTERN as E164

if TYPE_CHECKING:
    from ga_deploy.installation import Installation
    from ga_deploy.invocation.context import Context
    from ga_deploy.ui import Ui

# Reserved for examples: nobody is called until the user writes a real number.
PLACEHOLDER = "+15550100001"
_ACCOUNT = r"AC[0-9a-fA-F]{32}"
_TRIES = 3


def run(ctx: Context, directory: Path, *, flow: bool = False, templates: bool = False, force: bool = False) -> ExitCode:
    """Write the files of a new project into `directory`.

    If one of the files exists, nothing is written, unless `force` is set. An existing `.gitignore` is extended.
    """
    origin = find_installation()
    wheel = _read_wheel(origin)
    files = _compose(ctx, directory, origin, wheel, flow=flow, templates=templates, force=force)
    written = []
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode() if isinstance(text, str) else text)
        except OSError as error:
            raise DeployError(
                f"cannot write {path}",
                why=error.strerror or str(error),
                fix="make the folder writable, or name another folder",
            ) from error
        written.append(str(path))
    ctx.ui.result({"directory": str(directory), "files": written}, _next_steps(ctx, directory, written, origin, wheel))
    return ExitCode.OK


def _compose(
    ctx: Context,
    directory: Path,
    origin: Installation,
    wheel: tuple[Path, bytes] | None,
    *,
    flow: bool,
    templates: bool,
    force: bool,
) -> dict[Path, str | bytes]:
    if directory.exists() and not directory.is_dir():
        raise Usage(f"{directory} is a file", why="a folder is expected", fix="name a folder")
    config = ctx.config_path.name
    workflow = Path(".github") / "workflows" / "ga-deploy.yml"
    own = _own_templates() if templates else {}
    ignored = directory / ".gitignore"
    shipped = dict([wheel]) if wheel else {}
    names_of_files = [Path(config), Path(".env.example"), workflow, *own, *shipped]
    taken = [name for name in names_of_files if _is_there(directory / name)]
    if taken and not force:
        raise DeployError(
            f"{directory} already has " + ", ".join(map(str, taken[:5])) + (", ..." if len(taken) > 5 else ""),
            why="init does not overwrite files; it has written nothing",
            fix="name another folder, or overwrite the files with `--force`",
        )
    answers = _ask(ctx.ui)
    environment = ctx.environment or "ui"
    names: dict[str, object] = {
        **answers,
        "transfer_is_placeholder": answers["transfer_number"] == PLACEHOLDER,
        "flow": flow,
        "templates": templates,
        "environment": _checked_environment(environment),
        "suffix": "" if environment == "ui" else environment[:16].strip("-_").replace("_", "-").lower(),
        "requirement": _workflow_requirement(origin, wheel),
        "config_option": "" if config == "config.yaml" else f" --config {config}",
    }
    return {
        directory / config: _fill("config.yaml", names),
        directory / ".env.example": _fill("env.example", names),
        ignored: _complete(ignored, _fill("gitignore", names)),
        directory / workflow: _fill("workflow.yml", names),
        **{directory / name: text for name, text in own.items()},
        **{directory / name: content for name, content in shipped.items()},
    }


def _read_wheel(origin: Installation) -> tuple[Path, bytes] | None:
    """Return the wheel that ga-deploy was installed from, if it still exists: its path in the project, its content."""
    if origin.origin != "wheel":
        return None
    try:
        content = Path(origin.place).read_bytes()
    except OSError:
        return None
    if origin.sha256 and hashlib.sha256(content).hexdigest() != origin.sha256:
        return None
    return Path("wheels") / Path(origin.place).name, content


def _workflow_requirement(origin: Installation, wheel: tuple[Path, bytes] | None) -> str | None:
    """Return the argument of `pip install` in the workflow; None if only the user can know it."""
    if wheel:
        return f"./{wheel[0].as_posix()}[local]"
    # The machine that runs the workflow does not have a folder of this machine.
    return origin.requirement("local") if origin.origin in {"index", "git"} else None


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _own_templates() -> dict[Path, str]:
    from ga_deploy.render.own_templates import copies

    return {Path("templates") / name: text for name, text in copies().items()}


def _ask(ui: Ui) -> dict[str, str]:
    """Ask on a terminal; return the defaults if there is none."""
    account = _ask_for(ui, "Twilio account SID (leave empty to read it from the environment)", _ACCOUNT)
    number = _ask_for(ui, "Your Twilio number, for example +15550100000 (leave empty if you have none yet)", E164)
    transfer = _ask_for(ui, "Phone number to which calls are transferred (leave empty for a placeholder)", E164)
    return {
        "account_sid": account or "${TWILIO_ACCOUNT_SID}",
        "number": number,
        "transfer_number": transfer or PLACEHOLDER,
    }


def _ask_for(ui: Ui, question: str, form: str) -> str:
    for _ in range(_TRIES):
        answer = re.sub(r"[ ().-]", "", ui.ask(question))
        is_number = form == E164 and bool(re.fullmatch(E164, answer))
        why = find_impossible(answer) if is_number else ""
        if why:
            ui.note(f"{answer} is not a phone number: {why}.")
            continue
        if is_number and is_premium_rate(answer):
            ui.warn(f"{answer} is a premium-rate number", why="callers pay more for a call to such a number")
        if not answer or re.fullmatch(form, answer):
            return answer
        ui.note("This is not valid: an account SID is AC and 32 hex digits, a number is like +15550100000.")
    raise Usage("no valid answer", why=question, fix="run `ga-deploy init` again, or leave the answer empty")


def _checked_environment(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,99}", name):
        raise Usage(
            f"`{name[:60]}` is not a valid name of an environment",
            why="a name begins with a letter and has up to 100 letters, digits, dashes and underscores",
            fix="pass another name with `--env`",
        )
    return name


def _fill(template: str, names: dict[str, object]) -> str:
    from jinja2 import Environment, StrictUndefined

    from ga_deploy.render import template_root

    # Brackets as delimiters: braces have a meaning in GitHub workflows and in references.
    jinja = Environment(
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - YAML, from values that were checked
        keep_trailing_newline=True,
        variable_start_string="[[",
        variable_end_string="]]",
        block_start_string="[%",
        block_end_string="%]",
        trim_blocks=True,
    )
    text = (template_root() / "project" / template).read_text(encoding="utf-8")
    return jinja.from_string(text).render(names)


def _complete(path: Path, lines: str) -> str:
    """Return the content of the file with the missing lines added."""
    try:
        there = read_plain_text(path) if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise DeployError(f"cannot read {path}", why=str(error), fix="make it a readable text file") from error
    missing = [line for line in lines.splitlines() if line not in there.splitlines()]
    gap = "\n" if there and not there.endswith("\n") else ""
    return there + gap + "".join(f"{line}\n" for line in missing)


def _next_steps(
    ctx: Context, directory: Path, written: list[str], origin: Installation, wheel: tuple[Path, bytes] | None
) -> str:
    option = "" if ctx.config_path.name == "config.yaml" else f" --config {ctx.config_path.name}"
    enter = "" if directory == Path() else f"  cd {directory}\n"
    return (
        "wrote " + ", ".join(written if len(written) <= 6 else [*written[:4], f"{len(written) - 4} templates"]) + "\n\n"
        "Try it without an account:\n"
        f"{enter}  ga-deploy up --local{option}\n\n"
        "Deploy: write your numbers into the config and your credentials into .env (a copy of .env.example), then\n"
        f"  ga-deploy validate{option}\n"
        f"  ga-deploy up{option}" + _explain_workflow(origin, wheel)
    )


def _explain_workflow(origin: Installation, wheel: tuple[Path, bytes] | None) -> str:
    if wheel:
        return f"\n\nThe workflow installs ga-deploy from {wheel[0].as_posix()}: commit this file."
    if _workflow_requirement(origin, wheel) is None:
        return (
            "\n\nBefore the workflow runs, set the repository variable GA_DEPLOY_REQUIREMENT to a pip requirement,\n"
            "for example a wheel in this repository: ./wheels/ga_deploy-VERSION-py3-none-any.whl[local]"
        )
    return ""
