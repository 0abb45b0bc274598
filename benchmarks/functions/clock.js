// Moves the clock of its container to `now`, in milliseconds since 1970: minutes of calls pass in seconds.
'use strict';
const real = Date.now;

exports.handler = (context, event, callback) => {
  const offset = Number(event.now) - real();
  Date.now = () => real() + offset;
  callback(null, {});
};
