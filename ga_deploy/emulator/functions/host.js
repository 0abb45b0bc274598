// A warm container of Twilio Functions: runs one request at a time, keeps module state between them.
//
// Frames are lines of JSON. The parent's first line sets the container up, every further line is a request. A line from
// here counts only when it begins with the token of the first line: user code owns standard output like everybody else
// and must not be able to speak for the host.
//
// Node's own modules alone (and egress.js), so that it starts fast and no package of the project can change it.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const querystring = require('node:querystring');
const readline = require('node:readline');
const util = require('node:util');
const { createRequire } = require('node:module');

const emit = process.stdout.write.bind(process.stdout);
const leave = process.reallyExit.bind(process);
let setup;
let requireFromProject;
// The request that is running, or that ran last: what it still logs is its own.
let current = { id: null, path: null, answered: true, lines: 0, context: {} };

function send(frame) {
  emit(`${setup.token}${JSON.stringify(frame)}\n`);
}

// Paths as they are on the platform (Twilio docs: Runtime Client), not as they are on this machine.
function tidy(text) {
  return text.replaceAll(setup.temporary, '/tmp').replaceAll(setup.root, '/var/task')
    .replaceAll(__filename, '/var/runtime/host.js');
}

// A function that logs without end must not fill the memory of those who read it.
const MOST_LINES = 2000;
const LONGEST_LINE = 64 * 1024;

function log(level, message) {
  current.lines += 1;
  if (current.lines > MOST_LINES + 1) return;
  if (current.lines > MOST_LINES) [level, message] = ['warning', 'further lines of this request are not kept'];
  if (message.length > LONGEST_LINE) message = `${message.slice(0, LONGEST_LINE)}… (cut off)`;
  send({ kind: 'log', id: current.id, path: current.path, level, message: tidy(message) });
}

function captureOutput() {
  const levels = { log: 'info', info: 'info', debug: 'debug', trace: 'debug', warn: 'warning', error: 'error' };
  for (const [method, level] of Object.entries(levels)) {
    console[method] = (...args) => log(level, util.format(...args));
  }
  console.dir = (value, options) => log('info', util.inspect(value, options));
  for (const [stream, level] of [[process.stdout, 'info'], [process.stderr, 'error']]) {
    stream.write = (chunk, encoding, done) => {
      log(level, Buffer.from(chunk, typeof encoding === 'string' ? encoding : undefined).toString().replace(/\n$/, ''));
      const after = typeof encoding === 'function' ? encoding : done;
      if (after) process.nextTick(after);
      return true;
    };
  }
}

class Response {
  constructor({ statusCode = 200, body = null, headers = {} } = {}) {
    this.statusCode = statusCode;
    this.body = body;
    this.headers = {};
    this.setHeaders(headers);
  }

  setStatusCode(statusCode) {
    this.statusCode = statusCode;
    return this;
  }

  setBody(body) {
    this.body = body;
    return this;
  }

  setHeaders(headers) {
    if (headers === null || typeof headers !== 'object') return this;
    this.headers = {};
    for (const [name, value] of Object.entries(headers)) this.appendHeader(name, value);
    return this;
  }

  appendHeader(name, value) {
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
      throw new Error('Header value cannot be an object');
    }
    const key = name.toLowerCase() === 'set-cookie' ? 'Set-Cookie' : name;
    const present = this.headers[key];
    this.headers[key] = present === undefined && key !== 'Set-Cookie' ? value : [present ?? [], value].flat();
    return this;
  }

  setCookie(name, value, attributes = []) {
    return this.appendHeader('Set-Cookie', [`${name}=${value}`, ...attributes].join(';'));
  }

  removeCookie(name) {
    const others = (this.headers['Set-Cookie'] ?? []).filter((cookie) => !String(cookie).startsWith(`${name}=`));
    this.headers['Set-Cookie'] = [...others, `${name}=;Max-Age=0`];
    return this;
  }
}

// The library is loaded when something of it is used: since runtime-handler 1.1.0 a function that does not use it does
// not pay for it (Twilio docs: Runtime Handler).
function lazyTwilio() {
  const read = (own, name) => (name in own ? own[name] : requireFromProject('twilio')[name]);
  return new Proxy({ Response }, {
    get: read,
    has: (own, name) => name in own || name in requireFromProject('twilio'),
    ownKeys: (own) => [...new Set([...Reflect.ownKeys(own), ...Object.keys(requireFromProject('twilio'))])],
    getOwnPropertyDescriptor: (own, name) => {
      const value = read(own, name);
      return value === undefined ? undefined : { value, writable: true, enumerable: true, configurable: true };
    },
  });
}

// With an emulated API the client's requests go there, by product: https://sync.twilio.com/v1/… to BASE/sync/v1/….
function redirectingClient(RequestClient) {
  const client = new RequestClient();
  const request = client.request.bind(client);
  client.request = (options) => {
    const url = new URL(options.uri);
    if (!url.hostname.endsWith('.twilio.com')) return request(options);
    const product = url.hostname.split('.')[0];
    return request({ ...options, uri: `${setup.twilioApi}/${product}${url.pathname}${url.search}` });
  };
  return client;
}

function createTwilioClient(options = {}) {
  const { ACCOUNT_SID: account, AUTH_TOKEN: token } = current.context;
  const twilio = requireFromProject('twilio');
  const redirected = setup.twilioApi ? { httpClient: redirectingClient(twilio.RequestClient) } : {};
  return twilio(account, token, { lazyLoading: true, ...redirected, ...options });
}

function createRuntime() {
  return {
    getFunctions: () => Object.fromEntries(
      setup.handlers.map((handler) => [handler.path.slice(1), { path: handler.file }]),
    ),
    getAssets: () => Object.fromEntries(
      setup.assets.map((asset) => [asset.path, { path: asset.file, open: () => fs.readFileSync(asset.file, 'utf8') }]),
    ),
    getSync: ({ serviceName = 'default', ...options } = {}) => {
      const service = createTwilioClient(options).sync.v1.services(serviceName);
      service.maps = service.syncMaps;
      service.lists = service.syncLists;
      return service;
    },
  };
}

function furnishGlobalScope() {
  const Runtime = createRuntime();
  Object.assign(globalThis, { Twilio: lazyTwilio(), Runtime, Functions: Runtime.getFunctions(), Response });
  Object.defineProperty(globalThis, 'twilioClient', { get: () => createTwilioClient(), configurable: true });
}

// What never reaches a function (Twilio docs: Functions, headers and cookies).
const HIDDEN_HEADERS = new Set([
  'connection', 'expect', 'host', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection', 'referer', 'trailer',
  'transfer-encoding', 'upgrade', 'via', 'x-real-ip',
]);
const HIDDEN_PREFIXES = ['i-t-', 'i-twilio-', 'ot-', 'x-accel-', 'x-amz', 'x-forwarded-'];

function readHeaders(pairs) {
  const headers = {};
  for (const [rawName, value] of pairs) {
    const name = rawName.toLowerCase();
    if (HIDDEN_HEADERS.has(name) || HIDDEN_PREFIXES.some((prefix) => name.startsWith(prefix))) continue;
    headers[name] = name in headers ? [headers[name], value].flat() : value;
  }
  return headers;
}

function readCookies(header) {
  const cookies = {};
  for (const part of [header ?? []].flat().join(';').split(';')) {
    const at = part.indexOf('=');
    if (at > 0) cookies[part.slice(0, at).trim()] = querystring.unescape(part.slice(at + 1).trim().replace(/^"(.*)"$/, '$1'));
  }
  return cookies;
}

function readForm(text) {
  return { ...querystring.parse(text, '&', '=', { maxKeys: 0 }) };
}

function readBody(type, body) {
  if (body.length === 0) return {};
  if (type === 'application/json') return JSON.parse(body.toString());
  return type === 'application/x-www-form-urlencoded' ? readForm(body.toString()) : {};
}

function readEvent(request) {
  const headers = readHeaders(request.headers);
  const type = String(headers['content-type'] ?? '').split(';')[0].trim().toLowerCase();
  return {
    request: { headers, cookies: readCookies(headers.cookie) },
    ...readForm(request.query),
    ...readBody(type, Buffer.from(request.body, 'base64')),
  };
}

function applyVariables(variables) {
  for (const name of Object.keys(current.context)) if (!(name in variables)) delete process.env[name];
  Object.assign(process.env, variables);
}

function answer(status, type, body, headers = {}) {
  if (current.answered) return;
  current.answered = true;
  const content = Buffer.isBuffer(body) ? body : Buffer.from(body ?? '');
  const pairs = Object.entries(headers).flatMap(([name, value]) => [value].flat().map((one) => [name, String(one)]));
  if (type && !pairs.some(([name]) => name.toLowerCase() === 'content-type')) pairs.push(['Content-Type', type]);
  const frame = { kind: 'answer', id: current.id, status, headers: pairs, body: content.toString('base64') };
  // Not at once: what the handler still does in this turn (throw, or exit) belongs to this request.
  setImmediate(() => send(frame));
}

function isTwiml(payload) {
  return ['VoiceResponse', 'MessagingResponse', 'FaxResponse'].some((name) => {
    let file;
    try {
      file = requireFromProject.resolve(`twilio/lib/twiml/${name}`);
    } catch {
      return false;
    }
    // Nothing is an instance of a class that was never loaded, and asking must not load the library.
    const exported = requireFromProject.cache[file]?.exports;
    const type = exported?.default ?? exported;
    return typeof type === 'function' && payload instanceof type;
  });
}

function fail(error, note = '') {
  log('error', note + util.format(error));
  if (error?.code === 'ERR_ACCESS_DENIED' || error?.code === 'ERR_DLOPEN_DISABLED') {
    log('warning', 'on this machine functions start no processes and no worker threads, load no native code, read their '
      + 'own build and its packages only, and write to os.tmpdir() only; Twilio may allow more');
  }
  if (util.types.isNativeError(error)) {
    answer(500, 'application/json', JSON.stringify({ message: tidy(error.message), name: error.name }));
  } else if (typeof error === 'string') answer(500, 'text/plain', error);
  else answer(500, 'application/json', JSON.stringify(error));
}

function answerResponse({ statusCode, body, headers }) {
  if (body === null || body === undefined) answer(statusCode, null, '', headers);
  else if (typeof body === 'string') answer(statusCode, 'text/plain', body, headers);
  else if (Buffer.isBuffer(body)) answer(statusCode, 'application/octet-stream', body, headers);
  else answer(statusCode, 'application/json', JSON.stringify(body), headers);
}

function succeed(payload) {
  if (payload === undefined || payload === null) answer(200, null, '');
  else if (typeof payload === 'string') answer(200, 'text/plain', payload);
  else if (payload instanceof Response) answerResponse(payload);
  else if (typeof payload === 'object' && isTwiml(payload)) answer(200, 'text/xml', payload.toString());
  else if (typeof payload === 'number') {
    fail(new Error(`callback got the number ${payload}, which some handlers send as the HTTP status; use Twilio.Response`));
  } else answer(200, 'application/json', JSON.stringify(payload));
}

function settle(error, payload) {
  if (error !== null && error !== undefined) {
    fail(error);
    return;
  }
  try {
    succeed(payload);
  } catch (problem) {
    fail(problem, 'the answer cannot be sent: ');
  }
}

// The time of day as the request has it: a client that leaves out waiting is ahead of the machine. Timers, and what a
// container that is never ahead sees, are the machine's own.
const MachineDate = Date;
let ahead = 0;
const timeOfDay = () => MachineDate.now() + ahead;

function setClock(seconds = 0) {
  ahead = Math.round(seconds * 1000);
  if (!ahead || globalThis.Date !== MachineDate) return;
  globalThis.Date = new Proxy(MachineDate, {
    construct: (date, given, made) => Reflect.construct(date, given.length ? given : [timeOfDay()], made),
    apply: () => new MachineDate(timeOfDay()).toString(),
    get: (date, name) => (name === 'now' ? timeOfDay : Reflect.get(date, name)),
  });
}

function run(request) {
  setClock(request.ahead);
  applyVariables(request.context);
  current = { id: request.id, path: request.path, answered: false, lines: 0, context: request.context };
  const mine = current;
  send({ kind: 'begun', id: mine.id });
  let event;
  try {
    event = readEvent(request);
  } catch (error) {
    answer(400, 'application/json', JSON.stringify({ message: error.message }));
    return;
  }
  try {
    const { handler } = require(request.file);
    if (typeof handler !== 'function') throw new Error(`there is no exports.handler in ${request.path}`);
    const context = { ...request.context, PATH: request.path, getTwilioClient: createTwilioClient };
    handler(context, event, (error, payload) => {
      if (current === mine && !mine.answered) settle(error, payload);
    });
  } catch (error) {
    fail(error);
  }
}

// A rejection that nobody handles ends the container, as any Node process; the request that caused it gets a 500.
function crash(error) {
  fail(error, 'unhandled: ');
  setImmediate(() => {
    send({ kind: 'crash', reason: tidy(util.format(error)) });
    leave(1);
  });
}

function start(line) {
  setup = JSON.parse(line);
  requireFromProject = createRequire(path.join(setup.root, 'handlers', 'any.js'));
  captureOutput();
  furnishGlobalScope();
  // Loaded only where the network demands it: most containers never speak TLS.
  if (setup.egress.proxy || setup.egress.certificates) require('./egress').open(setup.egress);
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);
  send({ kind: 'ready' });
}

readline.createInterface({ input: process.stdin })
  .on('line', (line) => (setup ? run(JSON.parse(line)) : start(line)))
  .on('close', () => leave(0));
