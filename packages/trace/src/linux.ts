/**
 * System calls as valgrind prints them, and the little of a Linux process that is needed to understand them.
 *
 *     SYSCALL[11,1](9) sys_mmap ( 0x0, 8192, 3, 34, 4294967295, 0 ) --> [pre-success] Success(0x4835000)
 *     SYSCALL[11,1](257) sys_openat ( 4294967196, 0x40290b1(/etc/ld.so.cache), 524288 ) --> [async] ...
 *     SYSCALL[11,1](257) ... [async] --> Success(0x4)
 *     SYSCALL[11,1](58) sys_fork ( )   fork: process 11 created child 12
 *     SYSCALL[11,1](59) sys_execve ( 0x4844d30(/usr/bin/true), 0x1fff000650, 0x1fff000798 )
 *
 * Traps found by trying: a call that may block is printed in two lines, to be paired by thread; an exec that succeeds has no
 * result, and no end of line; numbers are decimal, 0x-hexadecimal or bare hexadecimal (clone's flags) as the author of
 * each wrapper liked; a path stands in brackets and may contain anything, ") -->" included.
 *
 * The rest of the call is understood in syscalls.ts; here is only the reading of lines.
 */

/** A system call that has come to its end. */
export interface SystemCall {
  readonly number: number;
  /** Text between the parentheses. */
  readonly text: string;
  /** Arguments split at commas; one with a path is whole only if the path has no ", " in it. */
  readonly args: readonly string[];
  /** The result, or -1 when it failed. */
  readonly result: number;
  /** 0 or the errno. */
  readonly error: number;
  /** Process id of the child of a fork, else 0. */
  readonly child: number;
  /** True for an exec that is under way: no result was printed. */
  readonly open: boolean;
}

const LINE = /^SYSCALL\[(\d+),(\d+)\]\(\s*(\d+)\) (.*)$/s;
const OUTCOME = /(?:Success\(0x([0-9a-f]+)\)|Failure\(0x([0-9a-f]+)\))\s*$/;
const CREATED = /: process \d+ created child (\d+)\s*$/;
const CALL = /^\S+?\s*\((.*)$/s;
/** What can follow the arguments. */
const TAIL = /\s*\)\s*(?:\[sync\] --> .*|--> .*|(?:v?fork|clone\(fork\)): .*)?$/s;

/** Pairs the two lines of calls that blocked. One a process. */
export class SystemCallReader {
  private readonly pending = new Map<string, { number: number; text: string }>();

  /** The call that a line completes, or null: no call, not complete, or one that valgrind does not print. */
  read(line: string): SystemCall | null {
    const match = LINE.exec(line);
    if (match === null) return null;
    const [, , thread, digits, rest] = match;
    const number = Number(digits);
    const outcome = OUTCOME.exec(rest);
    if (rest.startsWith('... ')) {
      const begun = this.pending.get(thread);
      if (begun === undefined || begun.number !== number || outcome === null) return null;
      this.pending.delete(thread);
      return finished(number, begun.text, outcome, 0);
    }
    const call = CALL.exec(rest);
    if (call === null) return null;
    const text = call[1].replace(TAIL, '').trim();
    if (/--> \[async\] \.\.\.\s*$/.test(rest)) {
      this.pending.set(thread, { number, text });
      return null;
    }
    const created = CREATED.exec(rest);
    return finished(number, text, outcome, created === null ? 0 : Number(created[1]));
  }
}

function finished(number: number, text: string, outcome: RegExpExecArray | null, child: number): SystemCall {
  const error = outcome?.[2] === undefined ? 0 : Number.parseInt(outcome[2], 16);
  const result = outcome?.[1] === undefined ? child || -1 : Number.parseInt(outcome[1], 16);
  return { number, text, args: text.split(', '), result, error, child, open: outcome === null && child === 0 };
}

/** An argument as a number: `0x` hexadecimal, decimal; what follows (a path in brackets) is left out. NaN if there is none. */
export function numberArgument(call: SystemCall, index: number): number {
  const text = call.args[index] ?? '';
  const hex = /^0x([0-9a-f]+)/.exec(text);
  if (hex !== null) return Number.parseInt(hex[1], 16);
  return /^\d+/.test(text) ? Number.parseInt(text, 10) : Number.NaN;
}

/** The path in brackets behind the first pointer that has one, or null. Greedy: the path may contain brackets itself. */
export function pathArgument(call: SystemCall): string | null {
  const match = /0x[0-9a-f]+\((.*)\)/s.exec(call.text);
  return match === null ? null : match[1];
}

/** An argument as a signed 32-bit number, as a file descriptor is. */
export function descriptorArgument(call: SystemCall, index: number): number {
  return numberArgument(call, index) | 0;
}
