"""IncomingPhoneNumbers of the 2010 API: looked at and pointed elsewhere, never bought, released or moved.

There is no method here that POSTs to the list (that buys a number) or deletes one (that releases it).
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ga_deploy.gateway.deadline import sent_before
from ga_deploy.gateway.endpoints import Product
from ga_deploy.model.numbers import IncomingNumber, NumberSettings, SettingName
from ga_deploy.model.sids import NumberSid

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ga_deploy.gateway.answers import Answer
    from ga_deploy.gateway.http import TwilioHttp

_FORM_NAMES: dict[SettingName, str] = {
    "voice_url": "VoiceUrl",
    "voice_method": "VoiceMethod",
    "voice_fallback_url": "VoiceFallbackUrl",
    "voice_fallback_method": "VoiceFallbackMethod",
    "voice_application_sid": "VoiceApplicationSid",
    "trunk_sid": "TrunkSid",
}

# One lookup a number up to here; beyond, the account's whole list, in pages of a thousand, takes fewer requests.
FEW = 4
PAGE_SIZE = 1000

_NUMBER_SID = re.compile(r"PN[0-9a-fA-F]{32}\Z")


class NumberCalls:
    """The account's phone numbers; all methods raise errors of `errors`."""

    _http: TwilioHttp
    concurrency: int

    def list_numbers(self, numbers: Sequence[str] | None = None) -> dict[str, IncomingNumber]:
        """Return the account's numbers by E.164 number: all of them (None), or those asked for that it owns."""
        if numbers is None:
            return {number.number: number for number in self._list_all()}
        wanted = list(dict.fromkeys(numbers))
        if len(wanted) > FEW:
            asked = set(wanted)
            return {number.number: number for number in self._list_all() if number.number in asked}
        with ThreadPoolExecutor(max_workers=max(1, min(self.concurrency, len(wanted)))) as pool:
            found = pool.map(self.find_number, wanted)
            return {number.number: number for number in found if number is not None}

    def find_number(self, number: str) -> IncomingNumber | None:
        """Return one number of the account; None if it has no such number.

        Twilio's filter also finds numbers that only contain the text, so the answer is compared again.
        """
        answers = self._http.list(
            Product.API,
            self._numbers_path(),
            "incoming_phone_numbers",
            {"PhoneNumber": number, "PageSize": 50},
        )
        return next((read_number(a) for a in answers if a.text_or("phone_number") == number), None)

    def get_number(self, sid: NumberSid) -> IncomingNumber:
        """Return one number by its SID."""
        return read_number(self._http.get(Product.API, self._number_path(sid)))

    def update_number(
        self,
        sid: NumberSid,
        settings: NumberSettings,
        fields: Collection[SettingName],
        *,
        not_after: float | None = None,
    ) -> IncomingNumber:
        """Set the named voice settings of a number, and only those; returns the number as Twilio now has it.

        `not_after` (compare `IncomingNumber.read_at`): raises Outdated instead of sending, or repeating, it later.
        Raises ValueError for a SID that is not a number's, and without any field.
        """
        if not fields:
            raise ValueError("nothing to change")
        form = {_FORM_NAMES[name]: getattr(settings, name) for name in sorted(fields)}
        with sent_before(not_after):
            return read_number(self._http.update(Product.API, self._number_path(sid), form))

    def _list_all(self) -> list[IncomingNumber]:
        answers = self._http.list(Product.API, self._numbers_path(), "incoming_phone_numbers", {"PageSize": PAGE_SIZE})
        return [read_number(answer) for answer in answers]

    def _numbers_path(self) -> str:
        return f"/Accounts/{self._http.account_sid}/IncomingPhoneNumbers.json"

    def _number_path(self, sid: NumberSid) -> str:
        # An empty SID would turn an update into a POST to the list, which buys a number.
        if not _NUMBER_SID.match(sid):
            raise ValueError(f"not the SID of a phone number: {sid!r}")
        return f"/Accounts/{self._http.account_sid}/IncomingPhoneNumbers/{sid}.json"


def read_number(answer: Answer) -> IncomingNumber:
    """Read a number. Twilio gives unset values both as null and as empty text; here they are empty."""
    capabilities = answer.mapping("capabilities") if answer.fields.get("capabilities") is not None else {}
    return IncomingNumber(
        sid=NumberSid(answer.text("sid")),
        number=answer.text("phone_number"),
        friendly_name=answer.text_or("friendly_name"),
        can_voice=bool(capabilities.get("voice", capabilities.get("Voice", False))),
        receives=answer.text_or("voice_receive_mode") or "voice",
        read_at=answer.received,
        settings=NumberSettings(
            voice_url=answer.text_or("voice_url"),
            voice_method=answer.text_or("voice_method") or "POST",
            voice_fallback_url=answer.text_or("voice_fallback_url"),
            voice_fallback_method=answer.text_or("voice_fallback_method") or "POST",
            voice_application_sid=answer.text_or("voice_application_sid"),
            trunk_sid=answer.text_or("trunk_sid"),
        ),
    )
