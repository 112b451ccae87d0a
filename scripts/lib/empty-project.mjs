/*
 * The core package as its users get it: the packed tarball, installed into an empty project, used from an ESM script, from TypeScript, and from a page in
 * a browser. The same small program runs in all three, on all four systems, and must answer the same.
 */
import * as fs from 'node:fs';
import { createServer } from 'node:http';
import * as path from 'node:path';
import { node, npm, ROOT, tool } from './run.mjs';

const HOME = path.join(ROOT, 'temp', 'empty-project');
/** Debian's and others' names of the browser. */
const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** What is run everywhere. In TypeScript it is compiled with types; elsewhere they are left out. */
function program(types) {
  const as = (type) => (types ? ` as ${type}` : '');
  return `import { createMachine, MAP_ANON, MAP_PRIVATE, MAP_SHARED, O_RDWR, PROT_READ, PROT_WRITE } from '@faultline/core';
${types ? "import type { Process, SystemName } from '@faultline/core';\n" : ''}
export function answer(system${types ? ': SystemName' : ''})${types ? ': string' : ''} {
  const machine = createMachine({ system, memory: 2 ** 19, swap: 2 ** 21, files: { '/f': new Uint8Array(9000).fill(5) } });
  const parent = machine.spawn('parent');
  const at = parent.mmap(0, 2 ** 20, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE)${as('number')};
  for (let page = 0; page < 200; page++) parent.store32(at + page * 4096, page);
  const child = parent.fork()${as('Process')};
  child.store32(at, 1000);
  const fd = child.open('/f', O_RDWR)${as('number')};
  const file = child.mmap(0, 9000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)${as('number')};
  child.store8(file + 8999, 6);
  let sum = child.load8(file + 8999) + child.load8(file) + child.load32(at);
  for (let page = 0; page < 200; page++) sum += parent.load32(at + page * 4096);
  child.exit();
  machine.check();
  return system + ' ' + sum;
}

export const answers = (['csrg', 'freebsd', 'dragonfly', 'netbsd']${types ? ' as SystemName[]' : ''}).map(answer).join(', ');
`;
}

const EXPECTED = ['csrg', 'freebsd', 'dragonfly', 'netbsd'].map((system) => `${system} ${1011 + 19900}`).join(', ');

/** Installs the tarball into a fresh project. */
async function prepare() {
  fs.rmSync(HOME, { recursive: true, force: true });
  fs.mkdirSync(HOME, { recursive: true });
  fs.writeFileSync(path.join(HOME, 'package.json'), JSON.stringify({ name: 'empty', private: true, type: 'module' }));
  const packed = await npm(['pack', './packages/core', '--ignore-scripts', '--json', '--pack-destination', HOME]);
  if (packed.code !== 0) return packed;
  const [{ filename }] = JSON.parse(packed.stdout);
  return npm(['install', `./${filename}`, '--offline', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: HOME });
}

function judge(what, printed, output) {
  const right = printed.trim() === EXPECTED;
  return right ? { code: 0, output: '' } : { code: 1, output: `${what}: expected ${EXPECTED}, got\n${output}` };
}

async function fromJavaScript() {
  fs.writeFileSync(path.join(HOME, 'plain.js'), `${program(false)}console.log(answers);\n`);
  const { stdout, output } = await node(path.join(HOME, 'plain.js'), [], { cwd: HOME });
  return judge('an ESM script', stdout, output);
}

/** Strictly, and without the types of Node or the browser: the package must not need either. */
async function fromTypeScript() {
  fs.writeFileSync(path.join(HOME, 'typed.ts'), program(true));
  fs.writeFileSync(path.join(HOME, 'typed-main.js'), "import { answers } from './typed.js';\nconsole.log(answers);\n");
  const compilerOptions = { strict: true, target: 'ES2022', module: 'NodeNext', types: [], skipLibCheck: false };
  fs.writeFileSync(path.join(HOME, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['typed.ts'] }));
  const compiled = await tool('typescript', ['-p', HOME, '--pretty', 'false'], {}, 'tsc');
  if (compiled.code !== 0) return { ...compiled, output: `TypeScript\n${compiled.output}` };
  const { stdout, output } = await node(path.join(HOME, 'typed-main.js'), [], { cwd: HOME });
  return judge('TypeScript', stdout, output);
}

const PAGE = `<!doctype html><title>faultline</title>
<script type="importmap">{ "imports": { "@faultline/core": "/node_modules/@faultline/core/dist/index.js" } }</script>
<script type="module">
  try { window.answers = (await import('/page.js')).answers; } catch (error) { window.answers = String(error.stack); }
</script>`;

const TYPES = { '.js': 'text/javascript', '.html': 'text/html' };

/** Serves the project on the loopback address. */
async function serve() {
  const server = createServer((request, response) => {
    const file = path.join(HOME, path.normalize(new URL(request.url, 'http://localhost').pathname));
    if (!file.startsWith(HOME) || !fs.existsSync(file)) return response.writeHead(404).end();
    return response.writeHead(200, { 'content-type': TYPES[path.extname(file)] ?? '' }).end(fs.readFileSync(file));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

async function fromBrowser(executablePath) {
  fs.writeFileSync(path.join(HOME, 'index.html'), PAGE);
  fs.writeFileSync(path.join(HOME, 'page.js'), program(false));
  const { chromium } = await import('playwright-core');
  const server = await serve();
  const browser = await chromium.launch({ executablePath, args: FLAGS });
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/index.html`);
    await page.waitForFunction(() => window.answers !== undefined, undefined, { timeout: 60_000 });
    const answers = await page.evaluate(() => window.answers);
    return judge('a page', answers, answers);
  } finally {
    await browser.close();
    server.closeAllConnections();
    server.close();
  }
}

/** Three checks, or two where there is no browser. */
export async function checkEmptyProject() {
  const prepared = await prepare();
  if (prepared.code !== 0) return { passed: 0, failed: 1, output: prepared.output };
  const results = [await fromJavaScript(), await fromTypeScript()];
  const browser = BROWSERS.find((file) => fs.existsSync(file));
  if (browser !== undefined)
    results.push(await fromBrowser(browser).catch((error) => ({ code: 1, output: error.stack })));
  const failed = results.filter(({ code }) => code !== 0);
  return {
    passed: results.length - failed.length,
    failed: failed.length,
    output: failed.map(({ output }) => output).join('\n'),
    note: browser === undefined ? 'script, TypeScript; no Chromium here' : 'script, TypeScript, page in Chromium',
  };
}
