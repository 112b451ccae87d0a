/*
 * The public interface of each package as a text file under etc/, so that a change to it shows in the diff of the change.
 *
 *     npm run api                     writes etc/*.api.md from the compiled packages
 *     node scripts/api.mjs --check    fails when one of them is out of date
 */
import './lib/node-version.mjs';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';
import { builtPackages, entryPoints } from './lib/packages.mjs';
import { ROOT } from './lib/run.mjs';
import { build } from './lib/setup.mjs';

const ETC = path.join(ROOT, 'etc');
const FRESH = path.join(ROOT, 'temp', 'api');

/** `@faultline/core/node` is reported in core-node.api.md. */
const reportName = (entryName) => `${entryName.replace('@faultline/', '').replaceAll('/', '-')}.api.md`;

/** Writes the report of one entry point; answers with what the extractor complained of. */
function extract(folder, { name, file }) {
  const projectFolder = path.join(ROOT, folder);
  const config = ExtractorConfig.prepare({
    configObjectFullPath: undefined,
    packageJsonFullPath: path.join(projectFolder, 'package.json'),
    configObject: {
      ...JSON.parse(fs.readFileSync(path.join(ROOT, 'api-extractor.json'), 'utf8')),
      projectFolder,
      mainEntryPointFilePath: file.replace(/\.js$/, '.d.ts'),
      compiler: { tsconfigFilePath: path.join(projectFolder, 'tsconfig.json') },
      apiReport: {
        enabled: true,
        reportFileName: reportName(name),
        reportFolder: FRESH,
        reportTempFolder: path.join(FRESH, 'temp'),
      },
    },
  });
  const complaints = [];
  const result = Extractor.invoke(config, {
    localBuild: true,
    messageCallback: (message) => {
      if (message.logLevel === 'error') complaints.push(message.text);
      message.handled = true;
    },
  });
  return result.succeeded ? '' : `${name}: ${complaints.join('\n')}`;
}

/** Where two texts part, for a reader. */
function firstDifference(before, after) {
  const [a, b] = [before.split('\n'), after.split('\n')];
  const at = a.findIndex((line, i) => line !== b[i]);
  const i = at < 0 ? a.length : at;
  return `  line ${i + 1}\n  - ${a[i] ?? '(end)'}\n  + ${b[i] ?? '(end)'}`;
}

/** Compares the fresh reports with those in etc/, or puts them there. Answers with what is wrong. */
function compare(names, check) {
  const problems = [];
  for (const name of names) {
    const fresh = fs.readFileSync(path.join(FRESH, name), 'utf8');
    const committed = path.join(ETC, name);
    const known = fs.existsSync(committed) ? fs.readFileSync(committed, 'utf8') : '';
    if (fresh === known) continue;
    if (check) problems.push(`etc/${name} is out of date (npm run api)\n${firstDifference(known, fresh)}`);
    else fs.writeFileSync(committed, fresh);
  }
  for (const name of fs.readdirSync(ETC).filter((file) => file.endsWith('.api.md') && !names.includes(file))) {
    if (check) problems.push(`etc/${name} belongs to no package any more (npm run api)`);
    else fs.rmSync(path.join(ETC, name));
  }
  return problems;
}

const check = process.argv.includes('--check');
const complaints = check ? '' : await build(() => undefined);
const problems = complaints === '' ? [] : [complaints];
fs.mkdirSync(ETC, { recursive: true });
fs.rmSync(FRESH, { recursive: true, force: true });
fs.mkdirSync(FRESH, { recursive: true });
if (problems.length === 0) {
  const entries = builtPackages().flatMap(({ folder, manifest }) =>
    entryPoints(folder, manifest).map((entry) => ({ folder, entry })),
  );
  problems.push(...entries.map(({ folder, entry }) => extract(folder, entry)).filter((text) => text !== ''));
  if (problems.length === 0)
    problems.push(
      ...compare(
        entries.map(({ entry }) => reportName(entry.name)),
        check,
      ),
    );
}
if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exitCode = 1;
}
