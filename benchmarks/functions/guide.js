// The way of ASAPP's guide: axios for every call, TwiML by the whole `twilio` package.
'use strict';
const axios = require('axios');

exports.handler = async function handler(context, event, callback) {
  const { data } = await axios.get(`${context.ASAPP_API_HOST}/mg-genagent/v1/twilio-media-stream-url`, {
    headers: { 'asapp-api-id': context.ASAPP_API_ID, 'asapp-api-secret': context.ASAPP_API_SECRET },
  });
  const twiml = new Twilio.twiml.VoiceResponse();
  const stream = twiml.connect({ action: '/call-complete' }).stream({ url: data.streamingUrl });
  stream.parameter({ name: 'asapp_callTransferId', value: event.CallSid });
  stream.parameter({ name: 'asapp_externalConversationId', value: event.CallSid });
  stream.parameter({ name: 'customerId', value: event.From });
  stream.parameter({ name: 'taskName', value: 'customer_support' });
  callback(null, twiml);
};
