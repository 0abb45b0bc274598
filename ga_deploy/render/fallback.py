"""The fallback of a config as a static TwiML document. Everybody can read it, so it contains nothing private."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from ga_deploy.config.destinations.dialled import DialledDestination
from ga_deploy.config.schema import Hangup, Pause, Play, Say, Send
from ga_deploy.model.bundle import AssetFile
from ga_deploy.render.settings import account_number

if TYPE_CHECKING:
    from ga_deploy.config.schema import Config


def render_fallback(config: Config, folder: str) -> tuple[AssetFile, ...]:
    """Return the document; empty if the config has no fallback.

    `folder` is the directory of engage's path, ending in `/`. The path depends on the content: `fallback-` and the
    first eight digits of its SHA-256. The document cannot look up values, so a dialled call shows the caller id of
    the destination if that is a number, else a number of the account.
    """
    if not config.fallback:
        return ()
    document = ET.Element("Response")
    for step in config.fallback:
        match step:
            case Say():
                voice, language = step.voice or config.voice.name, step.language or config.voice.language
                ET.SubElement(document, "Say", voice=voice, language=language).text = step.text
            case Play():
                ET.SubElement(document, "Play").text = step.url
            case Pause():
                ET.SubElement(document, "Pause", length=str(step.seconds))
            case Send():
                _add_dial(document, config, step)
            case Hangup():
                ET.SubElement(document, "Hangup")
    content = f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(document, encoding="unicode")}\n'
    digits = hashlib.sha256(content.encode()).hexdigest()[:8]
    return (AssetFile(f"{folder}fallback-{digits}.xml", content),)


def _add_dial(document: ET.Element, config: Config, step: Send) -> None:
    to = config.destinations.get(step.to or "")
    if not isinstance(to, DialledDestination):
        raise TypeError(f"the fallback cannot send to {step.to}")
    caller_id = to.caller_id if to.caller_id.startswith("+") else account_number(config)
    attributes = {
        "timeout": str(to.timeout),
        **({"callerId": caller_id} if caller_id else {}),
        **({"answerOnBridge": "true"} if to.answer_on_bridge else {}),
        **({"timeLimit": str(to.time_limit)} if to.time_limit is not None else {}),
        **({"record": to.record} if to.is_recorded else {}),
    }
    dial = ET.SubElement(document, "Dial", attributes)
    ET.SubElement(dial, to.noun).text = to.address
