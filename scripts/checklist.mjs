/*
 * npm run checklist: every check of the memory calls on every system to which it applies.
 *
 *     npm run checklist
 *     npm run checklist -- netbsd A13 M56
 *     npm run checklist -- --json
 *
 * Prints per system the checks passed by letter, each failure, and each check that does not apply with the reason. Ends with code 1 when one failed.
 */
import './lib/node-version.mjs';
import { built, runCommand } from './lib/command.mjs';
import './lib/typescript-hook.mjs';

const USAGE = 'usage: npm run checklist -- [--json] [SYSTEM ...] [ID ...]';

async function main(words) {
  const json = words.includes('--json');
  const names = words.filter((word) => word !== '--json');
  await built();
  const { SYSTEM_NAMES } = await import('@faultline/core');
  const { reportOf, linesOf, failuresOf } = await import('../tests/checklist/report.ts');
  const { CHECKS } = await import('../tests/checklist/all.ts');
  const systems = SYSTEM_NAMES.filter((name) => names.includes(name));
  const ids = names.filter((name) => !SYSTEM_NAMES.includes(name));
  const unknown = ids.find((id) => !CHECKS.some((check) => check.id === id));
  if (unknown !== undefined) throw new RangeError(`no system and no check '${unknown}'`);
  const reports = [];
  for (const system of systems.length > 0 ? systems : SYSTEM_NAMES) {
    const report = await reportOf(system, (id) => ids.length === 0 || ids.includes(id));
    reports.push(report);
    if (!json) console.log(linesOf(report).join('\n'));
  }
  if (json) console.log(JSON.stringify(reports, null, 2));
  return reports.some((report) => failuresOf(report).length > 0) ? 1 : 0;
}

runCommand(() => main(process.argv.slice(2)), USAGE);
