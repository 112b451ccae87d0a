/** A server for the example and its test: one file, served by ranges, on the loopback address only. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface RangeServer {
  readonly url: string;
  /** From now on every request fails. */
  break(): void;
  close(): Promise<void>;
}

function serve(file: Uint8Array, request: IncomingMessage, response: ServerResponse): void {
  response.setHeader('accept-ranges', 'bytes');
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  const from = Number(range?.[1] ?? 0);
  const to = Math.min(Number(range?.[2] ?? file.length - 1), file.length - 1);
  const part = file.subarray(from, to + 1);
  response.writeHead(range === null ? 200 : 206, { 'content-length': part.length });
  response.end(request.method === 'HEAD' ? undefined : part);
}

/** Serves `file` until it is closed. */
export async function serveRanges(file: Uint8Array): Promise<RangeServer> {
  let broken = false;
  const server: Server = createServer((request, response) => {
    if (broken) response.writeHead(500).end();
    else serve(file, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/file`,
    break: () => {
      broken = true;
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
