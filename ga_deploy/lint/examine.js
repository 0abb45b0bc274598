// Reads {files: [{name, source, role}], packages} from standard input and writes the findings as JSON.
// `role` is entry (Twilio calls it), module or hook. Node's own parser (acorn, behind --expose-internals) tells the
// structure, so that a word in a comment or a string is never mistaken for code.
'use strict';

const { builtinModules } = require('node:module');
const vm = require('node:vm');

const acorn = require('internal/deps/acorn/acorn/dist/acorn');
const walk = require('internal/deps/acorn/acorn-walk/dist/walk');

const BUILT_IN = new Set(builtinModules.map((name) => name.replace(/^node:/, '')));
const CONSOLE = new Set(['log', 'info', 'debug', 'warn', 'error', 'dir', 'dirxml', 'table', 'group', 'assert', 'trace']);
// Calls whose result still holds the whole of what they are given.
const PRINTERS = new Set(['stringify', 'inspect', 'format', 'values', 'entries', 'assign']);
// What of them is as telling as the whole: an axios error's `config` has the headers of the request.
const TELLING = { error: new Set(['config', 'request', 'response']), event: new Set(['request']), context: new Set() };
const REJECTED = { catch: 0, then: 1 }; // which argument of a promise's method is given the error
const WRAPPER = ['exports', 'require', 'module', '__filename', '__dirname'];

const isFunction = (node) => /Function/.test(node?.type ?? '');
const propertyOf = (node) => (node.computed ? node.property.value : node.property.name);
const isMember = (node, object, property) =>
  node?.type === 'MemberExpression' && node.object.name === object && propertyOf(node) === property;
const isExports = (node) => node.type === 'Identifier' ? node.name === 'exports' : isMember(node, 'module', 'exports');
const nameOf = (parameter) => (parameter?.type === 'AssignmentPattern' ? parameter.left : parameter)?.name;
const has = (functionNode, name) => functionNode.params.some((parameter) => nameOf(parameter) === name);

// exports.handler, module.exports.handler, or `handler` in an object given to module.exports.
function exportsHandler({ left, right }) {
  if (left.type === 'MemberExpression' && propertyOf(left) === 'handler' && isExports(left.object)) return true;
  if (!isMember(left, 'module', 'exports')) return false;
  if (right.type !== 'ObjectExpression') return true;
  return right.properties.some((one) => one.type === 'SpreadElement' || (one.key.name ?? one.key.value) === 'handler');
}

// Whether an expression is text for sure. Names are followed to their only definition.
function isText(node, constants, depth = 0) {
  if (!node || depth > 5) return false;
  const again = (inner) => isText(inner, constants, depth + 1);
  switch (node.type) {
    case 'Literal': return typeof node.value === 'string';
    case 'TemplateLiteral': return true;
    case 'BinaryExpression': return node.operator === '+' && (again(node.left) || again(node.right));
    case 'ConditionalExpression': return again(node.consequent) || again(node.alternate);
    case 'CallExpression':
      return node.callee.name === 'String' || (node.callee.type === 'MemberExpression' && node.callee.property.name === 'toString')
        || isMember(node.callee, 'JSON', 'stringify');
    case 'Identifier': return constants.has(node.name) && again(constants.get(node.name));
    default: return false;
  }
}

// The first thing that an argument of console.* shows whole: itself, spread, listed, or put into text. `kindOf` tells of
// a name what it stands for there: error, event or context.
function shown(node, kindOf, constants, depth = 0) {
  if (!node || depth > 20) return undefined;
  const again = (inner) => shown(inner, kindOf, constants, depth + 1);
  const first = (nodes) => nodes.map(again).find(Boolean);
  // As text, an error is no more than its message.
  const inText = (wanted) => (kindOf(wanted) === 'error' ? undefined : kindOf(wanted));
  const asText = (nodes) => nodes.map((inner) => shown(inner, inText, constants, depth + 1)).find(Boolean);
  switch (node.type) {
    case 'Identifier': return kindOf(node.name) ? node.name : again(constants.get(node.name));
    case 'MemberExpression': {
      const telling = TELLING[kindOf(node.object.name)]?.has(propertyOf(node));
      return telling ? `${node.object.name}.${propertyOf(node)}` : undefined;
    }
    case 'ChainExpression': return again(node.expression);
    case 'AwaitExpression': case 'SpreadElement': return again(node.argument);
    case 'ObjectExpression': return first(node.properties.map((one) => (one.type === 'SpreadElement' ? one : one.value)));
    case 'ArrayExpression': return first(node.elements);
    case 'TemplateLiteral': return asText(node.expressions);
    case 'BinaryExpression': return node.operator === '+' ? asText([node.left, node.right]) : undefined;
    case 'ConditionalExpression': return first([node.consequent, node.alternate]);
    case 'LogicalExpression': return first(node.operator === '&&' ? [node.right] : [node.left, node.right]);
    case 'CallExpression': {
      if (node.callee.name === 'String') return asText(node.arguments);
      return PRINTERS.has(node.callee.name ?? node.callee.property?.name) ? first(node.arguments) : undefined;
    }
    default: return undefined;
  }
}

// The functions that an exported value is: itself, by its name, or wrapped in a call.
function functionsIn(node, definitions) {
  if (isFunction(node)) return [node];
  if (node?.type === 'Identifier') return [definitions.get(node.name)].filter(isFunction);
  return node?.type === 'CallExpression' ? node.arguments.flatMap((one) => functionsIn(one, definitions)) : [];
}

// What a name stands for at the end of `ancestors`, by the innermost function or catch that declares it. `handlers` has
// the exported functions with the kinds of their parameters. A parameter of an inline callback (`list.map((event) => …)`)
// is the callback's own, but for `.catch((error) => …)`; any other parameter is taken at its name.
function kindAt(name, ancestors, handlers) {
  if (!name) return undefined;
  for (let at = ancestors.length - 1; at >= 0; at -= 1) {
    const node = ancestors[at];
    if (node.type === 'CatchClause' && node.param?.name === name) return 'error';
    if (isFunction(node) && has(node, name)) {
      const index = node.params.findIndex((parameter) => nameOf(parameter) === name);
      if (handlers.has(node)) return handlers.get(node)[index];
      const call = ancestors[at - 1];
      const place = call?.type === 'CallExpression' ? call.arguments.indexOf(node) : -1;
      if (place === -1) return name === 'event' || name === 'context' || (name === 'callback' && index === 2) ? name : undefined;
      return index === 0 && REJECTED[call.callee.property?.name] === place ? 'error' : undefined;
    }
  }
  return undefined;
}

const isGuarded = (ancestors) =>
  ancestors.some((node, at) => node.type === 'TryStatement' && ancestors[at + 1] === node.block && node.handler);

function examine({ name, source, role }, packages) {
  const findings = [];
  const add = (rule, node, subject) => findings.push({ name, rule, line: node?.loc.start.line ?? 1, subject });
  try {
    vm.compileFunction(source, WRAPPER, { filename: name });
  } catch (problem) {
    const line = Number(/:(\d+)$/m.exec(String(problem.stack).split('\n')[0])?.[1] ?? 1);
    return [{ name, rule: 'syntax', line, subject: String(problem.message) }];
  }
  const tree = acorn.parse(source, { ecmaVersion: 'latest', locations: true, allowReturnOutsideFunction: true, allowHashBang: true });
  const constants = new Map();
  const exported = [];
  let handles = false;
  walk.full(tree, (node) => {
    if (node.type === 'FunctionDeclaration' && node.id) constants.set(node.id.name, node);
    if (node.type === 'VariableDeclaration' && node.kind === 'const') {
      for (const { id, init } of node.declarations) if (id.name) constants.set(id.name, constants.has(id.name) ? undefined : init);
    }
    if (node.type === 'AssignmentExpression') {
      handles ||= exportsHandler(node);
      if (/^(module\.)?exports\b/.test(source.slice(node.left.start, node.left.end))) exported.push(node);
    }
  });
  if (role === 'entry' && !handles) add('handler');
  if (role === 'hook') {
    const whole = exported.filter(({ left }) => isMember(left, 'module', 'exports'));
    if (!exported.length) add('hook');
    else if (!whole.some(({ right }) => !['ObjectExpression', 'ArrayExpression', 'Literal'].includes(right.type))) add('shape', exported[0]);
  }
  // Exported functions are called by others: a handler with (context, event, callback), a hook with (call, context).
  const order = { entry: ['context', 'event', 'callback'], hook: ['event', 'context'], module: [] }[role];
  const handlers = new Map();
  if (order.length) for (const one of exported.flatMap(({ right }) => functionsIn(right, constants))) handlers.set(one, order);
  const look = (node, ancestors) => {
    const { callee, arguments: given } = node;
    const kindOf = (wanted) => kindAt(wanted, ancestors, handlers);
    if (kindOf(callee.name) === 'callback' && given.length > 1 && isText(given[1], constants)) add('string', node);
    if (callee.type === 'MemberExpression' && callee.object.name === 'console' && CONSOLE.has(callee.property.name)) {
      const secretive = (wanted) => ['error', 'event', 'context'].find((kind) => kind === kindOf(wanted));
      const subject = given.map((one) => shown(one, secretive, constants)).find(Boolean);
      if (subject) add('logging', node, subject);
    }
    if (callee.property?.name === 'catch' && given.some((one) => one.object?.name === 'console')) add('logging', node, 'the error');
    if (callee.name === 'require') require_(node, given[0], ancestors);
  };
  const require_ = (node, given, ancestors) => {
    if (given?.type !== 'Literal' || typeof given.value !== 'string' || isGuarded(ancestors)) return;
    const wanted = given.value;
    if (wanted.startsWith('.') || wanted.startsWith('/')) add('relative', node, wanted);
    else if (!wanted.startsWith('node:') && !BUILT_IN.has(wanted.split('/')[0])) {
      const root = wanted.split('/').slice(0, wanted.startsWith('@') ? 2 : 1).join('/');
      if (!packages.includes(root)) add('undeclared', node, root);
    }
  };
  walk.ancestor(tree, {
    CallExpression: (node, _, ancestors) => look(node, ancestors),
    ImportExpression: (node, _, ancestors) => require_(node, node.source, ancestors),
  });
  return findings;
}

let input = '';
process.stdin.setEncoding('utf8').on('data', (chunk) => { input += chunk; }).on('end', () => {
  const { files, packages } = JSON.parse(input);
  process.stdout.write(JSON.stringify(files.flatMap((file) => examine(file, packages))));
});
