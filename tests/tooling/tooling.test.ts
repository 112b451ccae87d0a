/** The scripts that newcomers run: what they say when something is wrong, and how they count. */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { countCases, countTests } from '../../scripts/lib/counts.mjs';
import { examplesIn, missingLine } from '../../scripts/lib/examples.mjs';
import { sameVersions } from '../../scripts/lib/setup.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

function runNode(...args: string[]): { code: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  return { code: status, output: stdout + stderr };
}

describe('npm start and npm test', () => {
  it.each(['start', 'test'])('%s tells an old Node of its age', (script) => {
    const pretend = "Object.defineProperty(process.versions, 'node', { value: '18.20.1' });";
    const { code, output } = runNode('--eval', `${pretend} import('./scripts/${script}.mjs')`);
    expect(output).toContain('faultline needs Node 20.19 or newer; this is Node 18.20.1.');
    expect(code).toBe(1);
  });

  it('names the stages when one is unknown, and ends with the counts', () => {
    const { code, output } = runNode('scripts/test.mjs', 'nonsense');
    expect(output).toContain("no stage 'nonsense'; there are build, types, lint, vitest, conformance,");
    expect(output.trimEnd().split('\n').pop()).toBe('0 passed, 1 failed');
    expect(code).toBe(1);
  });
});

describe('installing', () => {
  const wanted = { version: '1.0.0' };
  const lock = (more: object): { packages: object } => ({ packages: { '': {}, 'node_modules/a': wanted, ...more } });

  it('is not needed when the same versions are there', () => {
    expect(sameVersions(lock({ 'packages/core': {} }), lock({}))).toBe(true);
  });

  it('is needed when one is missing or another version', () => {
    expect(sameVersions(lock({ 'node_modules/b': wanted }), lock({}))).toBe(false);
    expect(sameVersions(lock({}), lock({ 'node_modules/a': { version: '1.0.1' } }))).toBe(false);
  });

  it('does without the packages that are for other systems', () => {
    expect(sameVersions(lock({ 'node_modules/b': { ...wanted, optional: true } }), lock({}))).toBe(true);
  });
});

describe('package-lock.json', () => {
  interface Entry {
    readonly version?: string;
    readonly optionalDependencies?: Record<string, string>;
  }
  const { packages } = JSON.parse(fs.readFileSync(`${ROOT}/package-lock.json`, 'utf8')) as {
    packages: Record<string, Entry>;
  };

  it('lists the optional packages of every system, without which npm ci refuses', () => {
    const missing = Object.values(packages).flatMap(({ optionalDependencies = {} }) =>
      Object.keys(optionalDependencies).filter((name) => packages[`node_modules/${name}`]?.version === undefined),
    );
    expect(missing).toEqual([]);
  });
});

describe('counting', () => {
  const file = (status: string, tests: number): object => ({ status, assertionResults: Array(tests).fill({}) });
  const report = (failed: number, ...testResults: object[]): object => ({
    numPassedTests: 7,
    numFailedTests: failed,
    testResults,
  });

  it('adds up the tests of vitest', () => {
    expect(countTests(report(2, file('passed', 7), file('failed', 2)), 1)).toEqual({ passed: 7, failed: 2, files: 2 });
  });

  it('counts a file that did not load, and an error outside the tests', () => {
    expect(countTests(report(0, file('passed', 7), file('failed', 0)), 1).failed).toBe(1);
    expect(countTests(report(0, file('passed', 7)), 1).failed).toBe(1);
    expect(countTests(report(0, file('passed', 7)), 0).failed).toBe(0);
  });

  it('adds up the conformance cases', () => {
    const text = 'freebsd: a mismatch in 3/4\nfreebsd cases 30/30 random 99/100\nnetbsd cases 2/2 programs 2/2\n';
    expect(countCases(text, 1)).toEqual({ passed: 133, failed: 1, systems: ['freebsd', 'netbsd'] });
  });

  it('takes a conformance run without cases, or with a bad end, for a failure', () => {
    expect(countCases('', 0).failed).toBe(1);
    expect(countCases('freebsd cases 1/1\n', 2).failed).toBe(1);
    expect(countCases('freebsd cases 1/1\n', 0).failed).toBe(0);
  });
});

describe('examples in the documentation', () => {
  const fence = '```';

  it('are found in Markdown', () => {
    const text = `# Title\n\n${fence}ts\nconst a = 1;\n\nconst b = 2;\n${fence}\n\n${fence}sh\nls\n${fence}\n`;
    expect(examplesIn(text)).toEqual([{ line: 3, sketch: false, runs: true, code: 'const a = 1;\n\nconst b = 2;\n' }]);
  });

  it('are freed from the margin of a comment', () => {
    const text = `/**\n * Words.\n *\n * ${fence}ts no-run\n * if (a) {\n *   b();\n * }\n *\n * c();\n * ${fence}\n */`;
    expect(examplesIn(text)).toEqual([{ line: 4, sketch: false, runs: false, code: 'if (a) {\n  b();\n}\n\nc();\n' }]);
  });

  it('are left alone when they are sketches', () => {
    expect(examplesIn(`${fence}ts sketch\nwhat ever\n${fence}\n`)).toEqual([]);
  });
});

describe('what an example promises to print', () => {
  const code = 'console.log(a); // one\nif (b) console.log(b);\n  console.log(c); // two words\n';

  it('is there, in order', () => {
    expect(missingLine(code, 'one\nother\ntwo words\n')).toBeNull();
    expect(missingLine(code, 'two words\none\n')).toBe('two words');
    expect(missingLine(code, '1\n')).toBe('one');
  });
});
