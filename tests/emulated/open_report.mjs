// Opens a page in a headless browser and tells what came of it, as JSON: node open_report.mjs NODE_MODULES FILE SHOT
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// Unpacks the libraries that the browser needs and that a bare machine lacks; they come in the same package.
process.env.AWS_LAMBDA_JS_RUNTIME ??= 'nodejs22.x';

const [, , modules, file, shot] = process.argv;
const load = async (name) => import(pathToFileURL(createRequire(`${modules}/`).resolve(name)));
const { default: chromium } = await load('@sparticuz/chromium');
const playwright = (await load('playwright-core')).default;

const seen = { requests: [], complaints: [], dialogs: [] };
const executablePath = await chromium.executablePath();
// As strict as a user's browser.
const args = chromium.args.filter((arg) => !/web-security|insecure-content/.test(arg));
const browser = await playwright.chromium.launch({ executablePath, args, headless: true });
const page = await browser.newPage({ viewport: { width: 1180, height: 1000 }, colorScheme: 'dark' });
page.on('request', (request) => { if (!/^(data|file):/.test(request.url())) seen.requests.push(request.url()); });
page.on('console', (message) => seen.complaints.push(message.text()));
page.on('pageerror', (error) => seen.complaints.push(String(error)));
page.on('dialog', (dialog) => { seen.dialogs.push(dialog.message()); return dialog.dismiss(); });
await page.goto(pathToFileURL(file).href);
await page.evaluate(() => document.querySelectorAll('details').forEach((one) => { one.open = true; }));
await page.waitForFunction(() => [...document.querySelectorAll('audio')].every((one) => one.readyState >= 1 || one.error));
seen.title = await page.title();
seen.heading = await page.textContent('h1');
seen.calls = await page.locator('details.call').count();
seen.failed = await page.locator('details.call.fail').count();
seen.images = await page.locator('img, iframe, object, embed, link').count();
seen.scripts = await page.locator('script').count();
seen.text = await page.evaluate(() => document.body.innerText);
seen.drawn = await page.evaluate(() => ['iiii', 'WWWW'].map((letters) => {
  const brush = document.createElement('canvas').getContext('2d');
  brush.font = '40px sans-serif';
  return brush.measureText(letters).width;
}));
seen.audio = await page.evaluate(() => [...document.querySelectorAll('audio')].map((one) => [one.duration, one.error?.message ?? '']));
await page.locator('.track svg').first().click({ position: { x: 300, y: 40 } });
await page.waitForFunction(() => document.querySelector('audio').currentTime > 0);
seen.playedFrom = await page.evaluate(() => document.querySelector('audio').currentTime);
seen.widest = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
await page.screenshot({ path: shot });
await browser.close();
console.log(JSON.stringify(seen));
