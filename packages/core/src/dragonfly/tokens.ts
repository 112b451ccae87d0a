/**
 * Tokens inside tasks: lwkt_gettoken.
 *
 * A token is the thread's while it runs and nobody's while it sleeps. Between taking and giving back, whatever slept in between has
 * to be looked at again; that is the whole protocol.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { Token } from '../kernel/token.js';

/** Takes a token, waiting while another thread that has not slept since holds it. */
export function* getToken(token: Token, thread: Thread): Task<void> {
  while (!token.acquire(thread)) yield;
}

/** Runs a task under a token. */
export function* withToken<T>(token: Token, thread: Thread, task: Task<T>): Task<T> {
  yield* getToken(token, thread);
  const result = yield* task;
  token.release(thread);
  return result;
}
