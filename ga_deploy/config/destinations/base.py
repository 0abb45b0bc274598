"""What every kind of destination declares, and what the rest of the program asks it.

A kind is one class in one file of this package: its keys, how the settings of the functions describe it, and what the
checks and the simulator have to know of it. `KINDS` in the package lists the classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from pydantic import BaseModel, Field

from ga_deploy.config.hours import Hours
from ga_deploy.config.values import Strict, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ga_deploy.config.steps import Notify
    from ga_deploy.redact import Secret
    from ga_deploy.yaml_tree.tree import Keys


class SecretVariables(Protocol):
    """Keeps secrets in environment variables while the settings are written."""

    def keep_sip_password(self, name: str, password: Secret) -> str:
        """Keep the password of the destination `name`; return the name of its variable."""
        ...

    def write_notify(self, step: Notify) -> dict[str, object]:
        """Return a web hook for the settings, its secret kept in a variable."""
        ...


class Destination(Strict):
    """A place where a call may go after the agent. The class variables and methods are the declaration of a kind."""

    hours: Hours | None = Field(None, description="when it is open; always, when empty")

    # The key that tells the kind, as in `destinations: {NAME: {KIND: ...}}`.
    kind: ClassVar[str] = ""
    # Why no later step can be reached, with "the step before it" as subject; empty when the call may come back.
    never_returns: ClassVar[str] = ""
    # Only a call that came in over SIP can go there.
    needs_sip: ClassVar[bool] = False
    # Keys inside the section `kind` of which one has to be there.
    one_of: ClassVar[frozenset[str]] = frozenset()

    @property
    def address(self) -> str:
        """Where the call goes, as TwiML names it; empty where TwiML names the destination itself."""
        return ""

    def write(self, name: str, secrets: SecretVariables) -> dict[str, object]:
        """Return what the functions read of the destination `name`: JSON-able, without `kind` and `hours`.

        A value of None is left out of the settings.
        """
        raise NotImplementedError

    def lookups(self) -> Iterator[tuple[Keys, Value]]:
        """Yield each value that may be looked up at call time, with the keys that lead to it."""
        yield from ()

    def spoken(self) -> Iterator[tuple[Keys, str]]:
        """Yield each text that the caller hears on the way there, with the keys that lead to it."""
        yield from ()

    def phone_numbers(self) -> Iterator[tuple[Keys, str]]:
        """Yield each phone number in it, with the keys that lead to it; a word such as `called` may stand for one."""
        yield from ()

    def why_not_static(self) -> str:
        """Return why a static public document cannot send a call there; empty when it can."""
        return "the fallback is a static public document: it can send to a number or a SIP address only"

    @classmethod
    def section(cls) -> type[BaseModel] | None:
        """Return the model of the value of `kind` where it is a mapping, such as `enqueue: {queue: NAME}`."""
        annotation = cls.model_fields[cls.kind].annotation
        return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
