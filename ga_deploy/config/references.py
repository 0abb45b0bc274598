"""`${NAME}`, `${NAME:-default}` and `${file:path}`: what stands in the config for what must not stand there.

A resolved text remembers where it came from (`Referenced`), so that a secret written in clear can be told from one
that was looked up, and so that no message repeats a value that somebody chose to keep out of the file.
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

# A referenced file larger than this is a mistake: a Twilio variable holds 450 bytes, a spoken text 4,096 characters.
LARGEST_FILE = 64 * 1024


class Referenced(str):
    """A text that came, wholly or in part, out of references.

    `names` are the references as the user wrote them between the braces, `clear` tells that some of the text (a
    default included) stands in the config itself, `stand_in` that a value was missing and a made-up one is used.
    """

    names: tuple[str, ...]
    clear: bool
    stand_in: bool

    def __new__(cls, text: str, names: tuple[str, ...], *, clear: bool = False, stand_in: bool = False) -> Referenced:
        """Return `text` with its origin."""
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

    With `stand_in`, what is missing resolves to `local-NAME`. With `blind`, nothing is looked up at all and every
    reference is stood in for: that is how environments other than the selected one are checked.
    """

    environ: Mapping[str, str]
    dotenv: Mapping[str, str]
    folder: Path
    stand_in: bool = False
    blind: bool = False


def names_in(value: object) -> tuple[str, ...]:
    """Return the references in a value as it is written, each as it stands between the braces, without its default."""
    if not isinstance(value, str):
        return ()
    return tuple(inner.partition(":-")[0] for inner in _TOKEN.findall(value) if inner)


def resolve(text: str, around: Surroundings) -> str:
    """Return `text` with its references replaced: a `Referenced`, or `text` itself when it has none.

    Raises `Unresolved` with each malformed reference, unset name without a default, and file that cannot be read.
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
    """Return the value, whether the config itself offers one in clear (a default), and whether it is made up."""
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
        raise Unresolved(Problem(f"`{name}` is not UTF-8", "its bytes make no text", f"set `{name}` to a text"))
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
        raise Unresolved(Problem("`${file:}` names no file", "a path has to follow the colon", "write `${file:PATH}`"))
    if around.blind:
        return f"local-{path.stem}", False, True
    try:
        content = read_plain_file(path, LARGEST_FILE)
        if len(content) > LARGEST_FILE:
            raise Unresolved(
                Problem(
                    f"`{name}` is too large to be read into the config",
                    f"it has more than {LARGEST_FILE // 1024} KB",
                    "refer to a file that holds just the value",
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
