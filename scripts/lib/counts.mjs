/*
 * Reading off what the larger stages have found. A stage that failed without a failed check still counts one.
 */

/** Tests of vitest's JSON report, given the code it ended with. */
export function countTests(report, code) {
  const { numPassedTests: passed, numFailedTests, testResults } = report;
  // A file that does not even load has no tests that could fail.
  const unloaded = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  );
  const failed = numFailedTests + unloaded.length;
  return { passed, failed: failed === 0 && code !== 0 ? 1 : failed, files: testResults.length };
}

/** Conformance cases: the lines `SYSTEM cases a/b random a/b ...`, added up. Not a single case counts as a failure. */
export function countCases(stdout, code) {
  let passed = 0;
  let failed = 0;
  const systems = [];
  for (const line of stdout.split('\n')) {
    // Listed as known to differ: neither right nor news.
    if (/^ {2}known to differ/.test(line)) failed--;
    const system = /^(csrg|freebsd|dragonfly|netbsd)\b(?= \w+ \d+\/\d+)/.exec(line);
    if (system === null) continue;
    systems.push(system[1]);
    for (const [, good, all] of line.matchAll(/ \w+ (\d+)\/(\d+)/g)) {
      passed += Number(good);
      failed += Number(all) - Number(good);
    }
  }
  return { passed, failed: failed === 0 && (code !== 0 || passed === 0) ? 1 : failed, systems };
}
