import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

const HOST = '127.0.0.1';

interface Pair {
  client: Socket;
  upstream: Socket;
}

/** open: bytes pass. delayed: each piece later, in order. silent: everything is swallowed, as by a dead route. */
type Mode = { kind: 'open' } | { kind: 'delayed'; delayMs: number } | { kind: 'silent' };

/** A TCP proxy on the loopback interface whose connections can be cut, delayed, half closed and silenced. */
export class TcpProxy {
  readonly #server: Server;
  readonly #targetPort: number;
  readonly #pairs = new Set<Pair>();
  #mode: Mode = { kind: 'open' };

  private constructor(server: Server, targetPort: number) {
    this.#server = server;
    this.#targetPort = targetPort;
    server.on('connection', (client) => this.#accept(client));
  }

  static async open(port: number, targetPort: number): Promise<TcpProxy> {
    // `allowHalfOpen`: the end of one direction is passed on as such.
    const server = createServer({ allowHalfOpen: true });
    const proxy = new TcpProxy(server, targetPort);
    server.listen(port, HOST);
    await once(server, 'listening');
    return proxy;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** Ends every connection at once, as a reset; new ones are taken. */
  cut(): void {
    for (const { client, upstream } of this.#pairs) {
      client.resetAndDestroy();
      upstream.resetAndDestroy();
    }
    this.#pairs.clear();
  }

  /** Ends one direction of every connection: one side hears that nothing more comes, the other side nothing. */
  halfClose(towards: 'client' | 'server'): void {
    for (const { client, upstream } of this.#pairs) (towards === 'client' ? client : upstream).end();
  }

  delay(delayMs: number): void {
    this.#mode = { kind: 'delayed', delayMs };
  }

  /** Nothing passes any more and nobody is told. */
  silence(): void {
    this.#mode = { kind: 'silent' };
  }

  /** Bytes pass again. Connections that have lost bytes end. */
  heal(): void {
    if (this.#mode.kind === 'silent') this.cut();
    this.#mode = { kind: 'open' };
  }

  async close(): Promise<void> {
    this.#server.close();
    this.cut();
    if (this.#server.listening) await once(this.#server, 'close');
  }

  #accept(client: Socket): void {
    const upstream = connect({ port: this.#targetPort, host: HOST, allowHalfOpen: true });
    const pair = { client, upstream };
    this.#pairs.add(pair);
    const end = () => {
      this.#pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.setNoDelay(true);
      let last: Promise<unknown> = Promise.resolve();
      let waiting = 0;
      const pass = (forward: () => void) => {
        const mode = this.#mode;
        if (mode.kind === 'silent') return;
        if (mode.kind === 'open' && waiting === 0) return forward();
        // What comes behind a delayed piece may not overtake it.
        waiting++;
        const delayMs = mode.kind === 'delayed' ? mode.delayMs : 0;
        const due = new Promise((resolve) => setTimeout(resolve, delayMs));
        last = Promise.all([last, due]).then(() => {
          waiting--;
          forward();
        });
      };
      from.on('data', (bytes) => pass(() => to.writable && to.write(bytes)));
      from.on('end', () => pass(() => to.end()));
      from.on('error', end); // the other side has reset it, or is not there: so does this one
      from.on('close', end);
    }
  }
}
