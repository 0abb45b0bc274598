// Reads {files: [{name, source, role}], packages} from standard input and writes the findings as JSON.
// `role` is entry (Twilio calls it), module or hook. Node's own parser (acorn, behind --expose-internals) tells the
// structure, so that a word in a comment or a string is never mistaken for code.
'use strict';

const { builtinModules } = require('node:module');
const vm = require('node:vm');

const acorn = require('internal/deps/acorn/acorn/dist/acorn');
const walk = require('internal/deps/acorn/acorn-walk/dist/walk');

const BUILT_IN = new Set(builtinModules.map((name) => name.replace(/^node:/, '')));
const CONSOLE = new Set(['log', 'info', 'debug', 'warn', 'error', 'dir', 'trace']);
const PRINTERS = new Set(['stringify', 'inspect', 'format', 'String']);
const WRAPPER = ['exports', 'require', 'module', '__filename', '__dirname'];

const isMember = (node, object, property) =>
  node?.type === 'MemberExpression' && !node.computed && node.object.name === object && node.property.name === property;

// exports.handler, module.exports.handler, or `handler` in an object given to module.exports.
function exportsHandler(node) {
  const { left, right } = node;
  const named = left.type === 'MemberExpression' && !left.computed && left.property.name === 'handler';
  if (named && (left.object.name === 'exports' || isMember(left.object, 'module', 'exports'))) return true;
  if (!isMember(left, 'module', 'exports')) return false;
  return right.type !== 'ObjectExpression' || right.properties.some((one) => one.type === 'SpreadElement' || one.key.name === 'handler');
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

// The first of `names` that an argument of console.* shows whole: itself, spread, listed, or put into text.
function shown(node, names) {
  const first = (nodes) => nodes.map((inner) => shown(inner, names)).find(Boolean);
  switch (node?.type) {
    case 'Identifier': return names.has(node.name) ? node.name : undefined;
    case 'SpreadElement': return shown(node.argument, names);
    case 'ObjectExpression': return first(node.properties.map((one) => (one.type === 'SpreadElement' ? one : one.value)));
    case 'ArrayExpression': return first(node.elements);
    case 'TemplateLiteral': return first(node.expressions);
    case 'BinaryExpression': return first([node.left, node.right]);
    case 'ConditionalExpression': return first([node.consequent, node.alternate]);
    case 'LogicalExpression': return first([node.left, node.right]);
    case 'CallExpression': return PRINTERS.has(node.callee.name ?? node.callee.property?.name) ? first(node.arguments) : undefined;
    default: return undefined;
  }
}

const isFunction = (node) => /Function/.test(node?.type ?? '');

// The functions that an exported value is: itself, by its name, or wrapped in a call.
function functionsIn(node, definitions) {
  if (isFunction(node)) return [node];
  if (node?.type === 'Identifier') return [definitions.get(node.name)].filter(isFunction);
  return node?.type === 'CallExpression' ? node.arguments.flatMap((one) => functionsIn(one, definitions)) : [];
}

const nameOf = (parameter) => (parameter?.type === 'AssignmentPattern' ? parameter.left : parameter)?.name;

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
  const kinds = { context: new Set(['context']), event: new Set(['event']), callback: new Set(['callback']), error: new Set() };
  const constants = new Map();
  const exported = [];
  let handles = false;
  walk.full(tree, (node) => {
    if (node.type === 'FunctionDeclaration' && node.id) constants.set(node.id.name, node);
    if (node.type === 'CatchClause' && node.param?.name) kinds.error.add(node.param.name);
    if (node.type === 'VariableDeclaration' && node.kind === 'const') {
      for (const { id, init } of node.declarations) if (id.name) constants.set(id.name, constants.has(id.name) ? undefined : init);
    }
    if (node.type === 'AssignmentExpression') {
      handles ||= exportsHandler(node);
      if (/^(module\.)?exports\b/.test(source.slice(node.left.start, node.left.end))) exported.push(node.right);
    }
  });
  if (role === 'entry' && !handles) add('handler');
  if (role === 'hook' && !exported.length) add('hook');
  // Exported functions are called by others: a handler with (context, event, callback), a hook with (call, context).
  const order = { entry: ['context', 'event', 'callback'], hook: ['event', 'context'], module: [] }[role];
  for (const { params } of exported.flatMap((node) => functionsIn(node, constants))) {
    order.forEach((kind, at) => { if (nameOf(params[at])) kinds[kind].add(nameOf(params[at])); });
  }
  const secretive = new Set([...kinds.context, ...kinds.event, ...kinds.error]);
  walk.simple(tree, {
    CallExpression(node) {
      const { callee, arguments: given } = node;
      if (kinds.callback.has(callee.name) && given.length > 1 && isText(given[1], constants)) add('string', node);
      if (callee.type === 'MemberExpression' && callee.object.name === 'console' && CONSOLE.has(callee.property.name)) {
        const subject = given.map((one) => shown(one, secretive)).find(Boolean);
        if (subject) add('logging', node, subject);
      }
      if (callee.name !== 'require' || given[0]?.type !== 'Literal' || typeof given[0].value !== 'string') return;
      const wanted = given[0].value;
      if (wanted.startsWith('.') || wanted.startsWith('/')) add('relative', node, wanted);
      else if (!wanted.startsWith('node:') && !BUILT_IN.has(wanted.split('/')[0])) {
        const root = wanted.split('/').slice(0, wanted.startsWith('@') ? 2 : 1).join('/');
        if (!packages.includes(root)) add('undeclared', node, root);
      }
    },
  });
  return findings;
}

let input = '';
process.stdin.setEncoding('utf8').on('data', (chunk) => { input += chunk; }).on('end', () => {
  const { files, packages } = JSON.parse(input);
  process.stdout.write(JSON.stringify(files.flatMap((file) => examine(file, packages))));
});
