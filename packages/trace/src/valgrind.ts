/**
 * What must be known of the valgrind on this machine before it records: that it is there, its version, and where it puts
 * things.
 *
 * Valgrind maps the first image of a program itself, so no system call shows it. With `-d` it prints the layout, but on the
 * standard error of the program, which a recorded script may have sent to a file or to another program: the layout
 * would be lost there and the other program disturbed. So `-d` is used once, on /bin/true, to learn valgrind's habits (where a
 * relocatable program goes, where the stack ends and how far it may grow), and the layout of each image is then computed from the
 * program's own headers. The first instruction fetched tells where the dynamic linker lies.
 */
import { spawnSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { type ElfFile, type Executable, firstPage, type ImageMapping, imageMappings, readExecutable } from './elf.js';
import { RecordError } from './errors.js';

/** Options of every run: stock settings whatever the user's configuration says, no debugger pipes, nothing but the trace. */
export const VALGRIND_OPTIONS: readonly string[] = ['--command-line-only=yes', '--tool=lackey', '--vgdb=no', '-q'];

/** Where this machine's valgrind puts what it maps itself. Addresses in bytes. */
export interface Valgrind {
  readonly version: string;
  /** Place of a relocatable program. */
  readonly programBase: number;
  /** Lowest address to which the stack may grow, and the end of the stack. */
  readonly stackStart: number;
  readonly stackEnd: number;
}

const SEGMENT = /aspacem\s+\d+: (\w+) ([0-9a-f]+)-([0-9a-f]+)\s+\S+ (\S{5})(.*)$/;
const NAME_INDEX = /\((\d+),\d+\)\s*$/;

/** Asks valgrind. Throws `RecordError` when it is missing or unusable. */
export function findValgrind(command = 'valgrind'): Valgrind {
  const version = spawnSync(command, ['--version'], { encoding: 'utf8' });
  if (version.error !== undefined || version.status !== 0) {
    throw new RecordError(
      `recording needs valgrind, and '${command}' cannot be run; install it: apt-get install valgrind`,
    );
  }
  const probe = spawnSync(command, [...VALGRIND_OPTIONS, '-d', '--log-file=/dev/null', '/bin/true'], {
    encoding: 'utf8',
  });
  const layout = parseLayout(probe.stderr ?? '');
  if (layout === null) {
    throw new RecordError(
      `valgrind's tool lackey does not run here (exit ${probe.status}); try: valgrind --tool=lackey /bin/true`,
    );
  }
  return { version: version.stdout.trim(), ...layout };
}

/** Finds the places in what `-d` prints; null when they are not there. */
export function parseLayout(text: string): Omit<Valgrind, 'version'> | null {
  const start = text.indexOf('Memory layout at client startup');
  if (start < 0) return null;
  let programBase = -1;
  let stackStart = -1;
  let growth = -1;
  for (const line of text.slice(start).split('\n')) {
    if (line.includes('aspacem >>>')) break;
    const match = SEGMENT.exec(line);
    if (match === null) continue;
    const [, kind, from, to, , rest] = match;
    const address = Number.parseInt(from, 16);
    const end = Number.parseInt(to, 16) + 1;
    // Name 0 is valgrind's own program, one segment of which is listed as the client's.
    const name = NAME_INDEX.exec(rest)?.[1];
    if (kind === 'file' && name !== undefined && name !== '0' && programBase < 0) programBase = address;
    if (kind === 'RSVN' && rest.includes('SmUpper')) growth = address;
    else if (kind === 'anon' && growth >= 0 && stackStart < 0) {
      stackStart = growth;
      return programBase < 0 ? null : { programBase, stackStart, stackEnd: end };
    } else if (kind !== 'RSVN') growth = -1;
  }
  return null;
}

/** A mapping of a program image and the file that it shows. */
export interface PlacedMapping extends ImageMapping {
  readonly path: string;
}

/** What exec maps for a program, stack not included. */
export interface Image {
  /** The program, or the interpreter of a script. */
  readonly program: string;
  readonly mappings: readonly PlacedMapping[];
}

/**
 * The image of the program at `path`, whose first instruction was fetched at `firstFetch` (bytes).
 * Throws `TypeError` or the file system's error when the headers cannot be read.
 */
export function programImage(path: string, firstFetch: number, valgrind: Valgrind): Image {
  const [program, elf] = resolveProgram(path);
  const mappings: PlacedMapping[] = [];
  const place = (file: ElfFile, filePath: string, shift: number): void => {
    for (const mapping of imageMappings(file, shift)) mappings.push({ ...mapping, path: filePath });
  };
  if (elf.interpreter === null) {
    place(elf, program, elf.relocatable ? firstFetch - elf.entry : 0);
  } else {
    place(elf, program, elf.relocatable ? valgrind.programBase - firstPage(elf) : 0);
    const linker = realpathSync(elf.interpreter);
    const found = readExecutable(linker);
    if (!('elf' in found)) throw new TypeError(`${linker} is no ELF file`);
    place(found.elf, linker, firstFetch - found.elf.entry);
  }
  return { program, mappings };
}

/** Follows the first lines of scripts to a program. */
function resolveProgram(path: string): [string, ElfFile] {
  let program = realpathSync(path);
  for (let depth = 0; depth < 5; depth++) {
    const found: Executable = readExecutable(program);
    if ('elf' in found) return [program, found.elf];
    program = realpathSync(found.script);
  }
  throw new TypeError(`${path}: scripts run by scripts, too deep`);
}
