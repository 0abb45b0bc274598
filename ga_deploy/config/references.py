"""References in the config: `${NAME}`, `${NAME:-default}` and `${file:path}`.

A resolved text remembers its references (`Referenced`). So a secret in plain text can be told from one that was looked
up, and no message repeats a value that is kept out of the file on purpose.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ga_deploy.plain_file import read_plain_file
from ga_deploy.yaml_tree.tree import is_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# `$${` is a literal `${`; everything else that begins with `${` has to be a whole reference.
_TOKEN = re.compile(r"\$\$\{|\$\{([^{}\r\n]*)\}|\$\{")
_NAMED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)

# A larger file is a mistake: a Twilio variable holds 450 bytes, a spoken text 4,096 characters.
LARGEST_FILE = 64 * 1024


class Referenced(str):
    """A text with references, after they were resolved.

    `names` are the references as written between the braces. `clear`: some of the text is written in the config itself,
    for example a default. `stand_in`: a value was missing and a made-up one is used.
    """

    names: tuple[str, ...]
    clear: bool
    stand_in: bool

    def __new__(cls, text: str, names: tuple[str, ...], *, clear: bool = False, stand_in: bool = False) -> Referenced:
        """Return `text` with its references."""
        made = super().__new__(cls, text)
        made.names = names
        made.clear = clear
        made.stand_in = stand_in
        return made


class Problem(NamedTuple):
    """Why a reference could not be resolved, in the words of a finding."""

    what: str
    why: str
    fix: str


class Unresolved(Exception):
    """Some references of a text could not be resolved."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(problems[0].what)
        self.problems = problems


@dataclass(frozen=True)
class Surroundings:
    """Where references are looked up: the environment, then `.env`; files relative to `folder`.

    With `stand_in`, a missing value resolves to `local-NAME`. With `blind`, nothing is looked up and every reference
    gets a stand-in: so the environments that are not selected are checked.
    """

    environ: Mapping[str, str]
    dotenv: Mapping[str, str]
    folder: Path
    stand_in: bool = False
    blind: bool = False


def names_in(value: object) -> tuple[str, ...]:
    """Return the references in a value as written: the text between the braces, without the default."""
    if not isinstance(value, str):
        return ()
    return tuple(inner.partition(":-")[0] for inner in _TOKEN.findall(value) if inner)


def resolve(text: str, around: Surroundings) -> str:
    """Return `text` with its references replaced: a `Referenced`, or `text` itself when it has none.

    Raises `Unresolved` with each malformed reference, each unset name without a default and each unreadable file.
    """
    if "${" not in text:
        return text
    pieces: list[str] = []
    names: list[str] = []
    clear = stand_in = False
    problems: list[Problem] = []
    end = 0
    for token in _TOKEN.finditer(text):
        literal = text[end : token.start()]
        end = token.end()
        pieces.append(literal)
        clear = clear or bool(literal)
        if token.group() == "$${":
            pieces.append("${")
            clear = True
            continue
        inner = token.group(1)
        try:
            value, from_text, made_up = _look_up(inner, around)
        except Unresolved as error:
            problems += error.problems
            continue
        pieces.append(value)
        names.append(inner.partition(":-")[0])
        clear = clear or from_text
        stand_in = stand_in or made_up
    if problems:
        raise Unresolved(*problems)
    rest = text[end:]
    pieces.append(rest)
    joined = "".join(pieces)
    if not names:
        return joined
    return Referenced(joined, tuple(names), clear=clear or bool(rest), stand_in=stand_in)


def _look_up(inner: str | None, around: Surroundings) -> tuple[str, bool, bool]:
    """Return the value, whether the config has a default for it in plain text, and whether the value is a stand-in."""
    if inner is None:
        raise Unresolved(
            Problem(
                "`${` without a matching `}`",
                "references are `${NAME}`, `${NAME:-default}` or `${file:path}`; they do not nest",
                "close the reference, or write `$${` for a literal `${`",
            )
        )
    if inner.startswith("file:"):
        return _read_file(inner.removeprefix("file:"), around)
    named = _NAMED.fullmatch(inner)
    if not named:
        raise Unresolved(
            Problem(
                f"`${{{inner}}}` is not a reference",
                "it is `${NAME}`, `${NAME:-default}` or `${file:path}`; a NAME has letters, digits and underscores",
                "correct the name, or write `$${` for a literal `${`",
            )
        )
    name, default = named.groups()
    in_clear = bool(default)
    if around.blind:
        return (default, in_clear, True) if default else (f"local-{name}", in_clear, True)
    value = around.environ.get(name, around.dotenv.get(name))
    if value and not is_whole(value):
        raise Unresolved(Problem(f"`{name}` is not UTF-8", "its bytes are not valid UTF-8", f"set `{name}` to a text"))
    if value:
        return value, in_clear, False
    if default is not None:
        return default, in_clear, False
    if around.stand_in:
        return f"local-{name}", False, True
    raise _unset(name, around, is_empty=value is not None)


def _unset(name: str, around: Surroundings, *, is_empty: bool) -> Unresolved:
    state = "set, but empty" if is_empty else "not set"
    return Unresolved(
        Problem(
            f"`{name}` is {state}",
            f"`${{{name}}}` has no default, and neither the environment nor `.env` beside the config gives it a value",
            f"run `export {name}=...`, or add the line `{name}=...` to {around.folder / '.env'}",
        )
    )


def _read_file(name: str, around: Surroundings) -> tuple[str, bool, bool]:
    path = around.folder / name
    if not name.strip():
        raise Unresolved(Problem("`${file:}` has no path", "a path has to follow the colon", "write `${file:PATH}`"))
    if around.blind:
        return f"local-{path.stem}", False, True
    try:
        content = read_plain_file(path, LARGEST_FILE)
        if len(content) > LARGEST_FILE:
            raise Unresolved(
                Problem(
                    f"`{name}` is too large for the config",
                    f"it has more than {LARGEST_FILE // 1024} KB",
                    "use a file that has only the value",
                )
            )
        text = content.decode("utf-8-sig")
    except OSError as error:
        if around.stand_in:
            return f"local-{path.stem}", False, True
        raise Unresolved(
            Problem(
                f"`{name}` cannot be read",
                f"{path}: {error.strerror or 'not readable'}",
                "create the file, or correct the path",
            )
        ) from error
    except ValueError as error:  # not UTF-8, or a NUL in the path
        raise Unresolved(
            Problem(f"`{name}` is not text", f"{path}: {type(error).__name__}", "save the file as UTF-8")
        ) from error
    for newline in ("\r\n", "\n"):
        if text.endswith(newline):
            return text[: -len(newline)], False, False
    return text, False, False
