"""Configs for the tests of flows: a small whole one, with sections laid over it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from ga_deploy.config.load import LocalStandIn, load_config
from ga_deploy.redact import Secret
from ga_deploy.studio import FlowTarget

if TYPE_CHECKING:
    from ga_deploy.config.schema import Config

TARGET = FlowTarget("generativeagent-1234.twil.io", "ZS" + "1" * 32, "ZE" + "2" * 32, "ZH" + "3" * 32)

BASE = """
version: 1
twilio: {account_sid: "${TWILIO_ACCOUNT_SID}", auth_token: "${TWILIO_AUTH_TOKEN}"}
asapp: {api_id: "${ASAPP_API_ID}", api_secret: "${ASAPP_API_SECRET}", api_host: https://api.sandbox.asapp.com}
destinations:
  support: {number: "+15550100001"}
outcomes:
  agent: [{say: Please hold.}, {send: support}]
  dropped: [{send: support}]
  unknown: [{send: support}]
  failed: [{send: support}]
  bypass: [{send: support}]
flow: {enabled: true}
"""


def config_of(sections: str = "") -> Config:
    """Return the base config with `sections` (YAML) laid over it, one level deep."""
    content = yaml.safe_load(BASE)
    for key, value in (yaml.safe_load(sections) or {}).items():
        both = isinstance(value, dict) and isinstance(content.get(key), dict)
        content[key] = {**content[key], **value} if both else value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        stand_in = LocalStandIn(
            "AC" + "0" * 32, Secret("0" * 32), "http://127.0.0.1:1", Secret("an-id"), Secret("a-secret")
        )
        return load_config(path, None, local=stand_in, environ={})
