"""The 2010 API: accounts and incoming phone numbers. Numbers are neither bought nor released here."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ga_deploy.emulator.core.api import ApiRequest, ApiResponse, Routes, ok, rfc2822, unknown
from ga_deploy.emulator.core.paging import page_2010, page_window
from ga_deploy.emulator.core.problems import ApiError, invalid, unauthorized
from ga_deploy.emulator.core.store import Row, new_sid, to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.emulator.core.backend import Backend

routes = Routes("api")

_METHODS = {"GET", "POST"}

# Form name, name in answers, and how a value is checked. Source: the description of IncomingPhoneNumbers.
_FIELDS: dict[str, tuple[str, str]] = {
    "FriendlyName": ("friendly_name", "text"),
    "ApiVersion": ("api_version", "text"),
    "VoiceUrl": ("voice_url", "url"),
    "VoiceMethod": ("voice_method", "method"),
    "VoiceFallbackUrl": ("voice_fallback_url", "url"),
    "VoiceFallbackMethod": ("voice_fallback_method", "method"),
    "VoiceApplicationSid": ("voice_application_sid", "AP"),
    "VoiceCallerIdLookup": ("voice_caller_id_lookup", "flag"),
    "VoiceReceiveMode": ("voice_receive_mode", "voice fax"),
    "TrunkSid": ("trunk_sid", "TK"),
    "SmsUrl": ("sms_url", "url"),
    "SmsMethod": ("sms_method", "method"),
    "SmsFallbackUrl": ("sms_fallback_url", "url"),
    "SmsFallbackMethod": ("sms_fallback_method", "method"),
    "SmsApplicationSid": ("sms_application_sid", "AP"),
    "StatusCallback": ("status_callback", "url"),
    "StatusCallbackMethod": ("status_callback_method", "method"),
    "EmergencyStatus": ("emergency_status", "Active Inactive"),
    "EmergencyAddressSid": ("emergency_address_sid", "AD"),
    "AddressSid": ("address_sid", "AD"),
    "BundleSid": ("bundle_sid", "BU"),
    "IdentitySid": ("identity_sid", "RI"),
}

# What a number has that nobody set. As in the samples of the description, unset is "" for some fields and null for
# others.
_UNSET: dict[str, Any] = {
    "address_requirements": "none",
    "address_sid": None,
    "api_version": "2010-04-01",
    "beta": False,
    "bundle_sid": None,
    "capabilities": {"voice": True, "sms": True, "mms": True, "fax": False},
    "emergency_address_sid": None,
    "emergency_address_status": "unregistered",
    "emergency_status": "Inactive",
    "friendly_name": "",
    "identity_sid": None,
    "origin": "twilio",
    "sms_application_sid": "",
    "sms_fallback_method": "POST",
    "sms_fallback_url": "",
    "sms_method": "POST",
    "sms_url": "",
    "status": "in-use",
    "status_callback": "",
    "status_callback_method": "POST",
    "trunk_sid": None,
    "voice_application_sid": "",
    "voice_caller_id_lookup": False,
    "voice_fallback_method": "POST",
    "voice_fallback_url": None,
    "voice_method": "POST",
    "voice_receive_mode": "voice",
    "voice_url": None,
}


def seed_number(backend: Backend, account: str, number: str | Mapping[str, object]) -> Row:
    """Put a number into an account, as if bought; a number that is there already keeps its settings.

    `number` is E.164, or a mapping with `phone_number` and any fields of an answer. Raises ValueError for what is
    neither.
    """
    given = {"phone_number": number} if isinstance(number, str) else dict(number)
    phone_number = str(given.pop("phone_number", ""))
    if not re.fullmatch(r"\+\d{5,15}", phone_number):
        raise ValueError(f"not a phone number in E.164 form: {phone_number!r}")
    if strange := sorted(set(given) - set(_UNSET)):
        raise ValueError(f"a number has no {', '.join(strange)}")
    present = backend.store.one("numbers", phone_number=phone_number)
    if present is not None:
        return present
    now = backend.store.now()
    settings = {**_UNSET, "friendly_name": phone_number, **given}
    return backend.store.insert(
        "numbers",
        {
            "sid": new_sid("PN"),
            "account": account,
            "phone_number": phone_number,
            "settings": to_json(settings),
            "created": now,
            "updated": now,
        },
    )


def number_json(row: Row) -> dict[str, Any]:
    """Return a number as Twilio shows it; its `uri` is relative to the host."""
    root = f"/2010-04-01/Accounts/{row['account']}/IncomingPhoneNumbers/{row['sid']}"
    return {
        "sid": row["sid"],
        "account_sid": row["account"],
        "phone_number": row["phone_number"],
        **json.loads(row["settings"]),
        "date_created": rfc2822(row["created"]),
        "date_updated": rfc2822(row["updated"]),
        "subresource_uris": {"assigned_add_ons": f"{root}/AssignedAddOns.json"},
        "uri": f"{root}.json",
    }


def _own(request: ApiRequest) -> None:
    """An account sees nothing of another one."""
    if request.at["account"] != request.account.sid:
        raise unknown(request.path)


@routes.on("GET", "/2010-04-01/Accounts/{account:AC}.json")
def fetch_account(backend: Backend, request: ApiRequest) -> ApiResponse:
    """The account itself, which an API key may not read (Twilio docs, API keys)."""
    if request.by_key:
        raise unauthorized()
    _own(request)
    root = f"/2010-04-01/Accounts/{request.account.sid}"
    since = rfc2822(backend.store.now())
    subresources = ("Applications", "Calls", "Conferences", "IncomingPhoneNumbers", "Keys", "Recordings")
    return ok(
        {
            # Never shown, not even here: what the emulator answers may be printed.
            "auth_token": "",
            "date_created": since,
            "date_updated": since,
            "friendly_name": request.account.friendly_name,
            "owner_account_sid": request.account.sid,
            "sid": request.account.sid,
            "status": "active",
            "type": "Full",
            "subresource_uris": {_snake(name): f"{root}/{name}.json" for name in subresources},
            "uri": f"{root}.json",
        }
    )


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


@routes.on("GET", "/2010-04-01/Accounts/{account:AC}/IncomingPhoneNumbers.json")
def list_numbers(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Numbers of the account, newest first. `PhoneNumber` matches a part; `*` stands for any digit."""
    _own(request)
    window = page_window(request, clamp=True)
    where, bound = ["account=?"], [request.account.sid]
    if pattern := request.asked("PhoneNumber"):
        # GLOB knows `?` for one character; what a `+` became that nobody encoded, a space, is in no number.
        where, bound = [*where, "phone_number GLOB ?"], [*bound, f"*{_globbed(pattern)}*"]
    if name := request.asked("FriendlyName"):
        where, bound = [*where, "json_extract(settings, '$.friendly_name')=?"], [*bound, name]
    if origin := request.asked("Origin"):
        where, bound = [*where, "json_extract(settings, '$.origin')=?"], [*bound, origin]
    if (request.asked("Beta") or "").lower() == "false":
        where = [*where, "json_extract(settings, '$.beta')=0"]
    found = backend.store.window("numbers", window, where=where, bound=bound)
    return page_2010(request, "incoming_phone_numbers", window, found, (number_json(row) for row in found.rows))


def _globbed(pattern: str) -> str:
    return "".join("[0-9]" if letter == "*" else f"[{letter}]" if letter in "?[" else letter for letter in pattern)


def _find(backend: Backend, request: ApiRequest) -> Row:
    _own(request)
    row = backend.store.one("numbers", account=request.account.sid, sid=request.at["number"])
    if row is None:
        raise unknown(request.path)
    return row


_ONE = "/2010-04-01/Accounts/{account:AC}/IncomingPhoneNumbers/{number:PN}.json"


@routes.on("GET", _ONE)
def fetch_number(backend: Backend, request: ApiRequest) -> ApiResponse:
    """One number."""
    return ok(number_json(_find(backend, request)))


@routes.on("POST", _ONE)
def update_number(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Change the fields that were sent and no others. A trunk drops the application, and the other way round."""
    row = _find(backend, request)
    if request.text("AccountSid") not in {None, "", request.account.sid}:
        raise invalid("Moving a number to another account is not possible here", 21452)
    settings = json.loads(row["settings"])
    for form_name, (name, check) in _FIELDS.items():
        value = request.text(form_name)
        if value is not None:
            settings[name] = _checked(form_name, value, check, settings[name])
    if request.text("TrunkSid"):
        settings["voice_application_sid"] = ""
    elif request.text("VoiceApplicationSid"):
        settings["trunk_sid"] = None
    changes = {"settings": to_json(settings), "updated": backend.store.now()}
    backend.store.update("numbers", row["seq"], changes)
    return ok(number_json({**row, **changes}))


def _checked(name: str, value: str, check: str, before: object) -> object:
    """Return the value to keep, or raise the refusal of Twilio. An empty value clears a SID or a URL."""
    if check == "text":
        return value
    if check == "flag":
        return value.lower() == "true"
    if check == "method":
        if value and value.upper() not in _METHODS:
            raise invalid(f"{name} is not valid: {value}", 21403)
        return value.upper() or before
    if check == "url":
        if value and not re.fullmatch(r"https?://[^\s/]+\S*", value):
            raise invalid(f"{name} is not valid: {value}", 21402)
        return value
    if " " in check:
        if value not in check.split():
            raise invalid(f"{name} is not valid: {value}")
        return value
    if value and not re.fullmatch(check + "[0-9a-fA-F]{32}", value):
        raise invalid(f"{name} is not valid: {value}", 21451 if check == "AP" else 20001)
    return value or ("" if check == "AP" else None)


@routes.on("POST", "/2010-04-01/Accounts/{account:AC}/IncomingPhoneNumbers.json")
def buy_number(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Buying costs money and no tool that is tested here may do it: refused, so that one that tries is noticed."""
    raise ApiError(403, 20403, "Numbers cannot be bought from this emulator; seed them at /_emulator/numbers")


@routes.on("DELETE", _ONE)
def release_number(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Releasing loses a number for good and no tool that is tested here may do it: refused."""
    _find(backend, request)
    raise ApiError(403, 20403, "Numbers cannot be released from this emulator")
