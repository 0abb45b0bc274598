// The way out of this machine: the proxy and the certificates that its network demands. The platform has neither, so
// functions do not see them: what an https.Agent connects to is connected through here.
'use strict';

const http = require('node:http');
const https = require('node:https');
const tls = require('node:tls');

// A request that is given up has no socket yet to destroy while the proxy thinks.
const LONGEST_CONNECT = 3000;
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1)$/;

// `proxy` is a URL or empty, `exceptions` host names (or '*') as in NO_PROXY, `certificates` PEM to believe besides
// those that Node brings, or empty.
function open({ proxy: address, exceptions, certificates }) {
  const proxy = URL.canParse(address) && new URL(address);
  let context;
  const believe = (options) => {
    if (!certificates || options.ca || options.secureContext) return options;
    context ??= tls.createSecureContext({ ca: [...tls.rootCertificates, certificates] });
    return { ...options, secureContext: context };
  };
  const isDirect = (host) => !proxy || LOOPBACK.test(host)
    || exceptions.some((name) => name === '*' || host === name || host.endsWith(`.${name}`));
  const connect = https.Agent.prototype.createConnection;
  https.Agent.prototype.createConnection = function createConnection(options, done) {
    const host = options.host.toLowerCase();
    if (isDirect(host)) return connect.call(this, believe(options), done);
    tunnel(proxy, `${host.includes(':') ? `[${host}]` : host}:${options.port}`, believe)
      .then((socket) => done(null, connect.call(this, { ...believe(options), socket })))
      .catch(done);
    return undefined;
  };
}

// Resolves to a socket that leads to `target` behind the proxy.
function tunnel(proxy, target, believe) {
  const headers = { host: target };
  if (proxy.username) {
    const login = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
    headers['proxy-authorization'] = `Basic ${Buffer.from(login).toString('base64')}`;
  }
  const place = { host: proxy.hostname.replace(/^\[|\]$/g, ''), method: 'CONNECT', path: target, headers, agent: false };
  const secure = proxy.protocol === 'https:';
  const port = proxy.port || (secure ? 443 : 80);
  const call = secure
    ? https.request({ ...place, port, createConnection: (options) => tls.connect(believe(options)) })
    : http.request({ ...place, port });
  return new Promise((resolve, reject) => {
    const refuse = (code, connection) => {
      reject(Object.assign(new Error(`the proxy: ${code}`), { code }));
      connection.destroy();
    };
    call.setTimeout(LONGEST_CONNECT, () => refuse('ERR_PROXY_TIMEOUT', call));
    call.on('connect', ({ statusCode }, socket) => {
      socket.setTimeout(0);
      if (statusCode === 200) resolve(socket);
      else refuse(`ERR_PROXY_${statusCode}`, socket);
    });
    call.on('response', ({ statusCode }) => refuse(`ERR_PROXY_${statusCode}`, call));
    call.on('error', reject);
    call.end();
  });
}

module.exports = { open };
