/** The end of every fault, good or bad: an anon that was kept for the next try and not needed goes back. */
import { anonUnref } from './anon.js';
import type { Fault, FaultStage } from './fault-state.js';
import { branch } from './fault-state.js';

/** `done:` */
export function finish(f: Fault): FaultStage | null {
  if (f.spare !== null) {
    branch(f, 'F135');
    anonUnref(f.vm, f.spare);
    f.spare = null;
  }
  return null;
}

/** Ends the fault with an errno. */
export function fail(f: Fault, error: number): FaultStage | null {
  f.result = error;
  return finish(f);
}
