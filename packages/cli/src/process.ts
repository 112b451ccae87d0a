/** The environment of a real process: its streams, the finished systems, the version of this package. */
import { readFileSync } from 'node:fs';
import type { Environment } from './environment.js';
import { FINISHED } from './systems.js';

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** Ends the process quietly when nobody reads a stream any more. */
function endWhenReaderLeaves(stream: NodeJS.WriteStream): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
}

export function processEnvironment(): Environment {
  endWhenReaderLeaves(process.stdout);
  endWhenReaderLeaves(process.stderr);
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    errIsTerminal: process.stderr.isTTY === true,
    systems: FINISHED,
    version: version(),
  };
}
