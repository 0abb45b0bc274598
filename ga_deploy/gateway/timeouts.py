"""Every limit on waiting for an answer, in one place."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ga_deploy.errors import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

# `GA_DEPLOY_TIMEOUTS="read=60,upload=240"`: for a slow network, and for tests that cannot wait for minutes.
VARIABLE = "GA_DEPLOY_TIMEOUTS"

# Which pair of limits holds for an answer.
Patience = Literal["read", "upload", "site"]


@dataclass(frozen=True)
class Timeouts:
    """Seconds to wait.

    For a connection (`connect`); for the next bytes of an answer (`read`), of an answer to an upload (`upload`) and of
    a deployed function (`site`: a function has 10 s by Twilio's docs, and Twilio itself gives a webhook 15 s); for one
    answer in all, however slowly it comes (`whole`), and for one to an upload (`whole_upload`); for all pages of a list
    (`listing`); and for any whole answer at all, over everything that a command asks (`silence`).
    """

    connect: float = 10.0
    read: float = 30.0
    upload: float = 60.0
    site: float = 15.0
    whole: float = 60.0
    whole_upload: float = 120.0
    listing: float = 120.0
    silence: float = 240.0

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> Timeouts:
        """Return the limits, changed as GA_DEPLOY_TIMEOUTS asks. Raises Usage for what it does not understand."""
        text = environ.get(VARIABLE, "").strip()
        known = [field.name for field in dataclasses.fields(cls)]
        changed: dict[str, float] = {}
        for part in text.split(",") if text else ():
            name, _, value = part.partition("=")
            try:
                seconds = float(value)
            except ValueError:
                seconds = 0.0
            if name.strip() not in known or not 0 < seconds < 86_400:
                raise Usage(
                    f"{VARIABLE} cannot be understood: `{part.strip()}`",
                    why=f"it sets limits in seconds; they are {', '.join(known)}",
                    fix=f"set it to for instance `read=60,{known[-2]}=240`, or unset it",
                )
            changed[name.strip()] = seconds
        return dataclasses.replace(cls(), **changed)

    def pause(self, patience: Patience) -> float:
        """Return the seconds from one byte to the next."""
        return {"read": self.read, "upload": self.upload, "site": self.site}[patience]

    def answer(self, patience: Patience) -> float:
        """Return the seconds for a whole answer."""
        return self.whole_upload if patience == "upload" else self.whole
