// The guide's way with the least that a cache takes.
'use strict';
const axios = require('axios');

let known = { url: undefined, since: 0 };

exports.handler = async function handler(context, event, callback) {
  if (Date.now() - known.since > 240_000) {
    const { data } = await axios.get(`${context.ASAPP_API_HOST}/mg-genagent/v1/twilio-media-stream-url`, {
      headers: { 'asapp-api-id': context.ASAPP_API_ID, 'asapp-api-secret': context.ASAPP_API_SECRET },
    });
    known = { url: data.streamingUrl, since: Date.now() };
  }
  const twiml = new Twilio.twiml.VoiceResponse();
  const stream = twiml.connect({ action: '/call-complete' }).stream({ url: known.url });
  stream.parameter({ name: 'asapp_callTransferId', value: event.CallSid });
  stream.parameter({ name: 'asapp_externalConversationId', value: event.CallSid });
  stream.parameter({ name: 'customerId', value: event.From });
  stream.parameter({ name: 'taskName', value: 'customer_support' });
  callback(null, twiml);
};
