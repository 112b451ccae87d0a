/**
 * Standard output in large pieces: a script may print a hundred thousand lines, and a system call for each would be
 * most of the time taken.
 */
const PIECE_CHARACTERS = 1 << 16;

export class LineWriter {
  #pending = '';
  constructor(readonly sink: (text: string) => void) {}

  readonly line = (text: string): void => {
    this.#pending += text;
    this.#pending += '\n';
    if (this.#pending.length >= PIECE_CHARACTERS) this.flush();
  };

  flush(): void {
    if (this.#pending === '') return;
    const text = this.#pending;
    this.#pending = '';
    this.sink(text);
  }
}
