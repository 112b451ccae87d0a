/*
 * Says clearly that this Node is too old, instead of failing on some syntax later.
 *
 * Imported first, and by itself, by the scripts that people run. It therefore keeps to what every Node with modules
 * understands, and asks package.json for the version that is needed.
 */
// biome-ignore lint/style/useNodejsImportProtocol: old versions do not know the prefix
import { readFileSync } from 'fs';

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
const needed = manifest.engines.node.replace('>=', '');

function older(a, b) {
  const [x, y] = [a, b].map((version) => version.split('.').map(Number));
  for (let i = 0; i < 3; i++) {
    if ((x[i] || 0) !== (y[i] || 0)) return (x[i] || 0) < (y[i] || 0);
  }
  return false;
}

if (older(process.versions.node, needed)) {
  console.error(`faultline needs Node ${needed} or newer; this is Node ${process.versions.node}.`);
  console.error('Newer versions are at https://nodejs.org');
  process.exit(1);
}
