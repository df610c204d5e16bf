import { waitFor } from '../wait.ts';
import { RecordingClient, type SeenNack } from './recording-client.ts';

export interface TypingRoomsOptions {
  /** Gateways; every second client tries them from the end. */
  urls: readonly string[];
  rooms: readonly string[];
  clientsOfARoom: number;
}

const TYPING_MS = 150;
const JOIN_LIMIT_MS = 120_000;
const ACK_LIMIT_MS = 180_000;

/** People in several rooms who type until they are told to stop. */
export class TypingRooms {
  readonly clients: RecordingClient[];
  readonly #options: TypingRoomsOptions;
  #typing: NodeJS.Timeout | undefined;

  constructor(options: TypingRoomsOptions) {
    this.#options = options;
    this.clients = options.rooms.flatMap((room) =>
      Array.from({ length: options.clientsOfARoom }, (_, at) => this.#client(room, `${room}${at}`, at)),
    );
  }

  get nacks(): SeenNack[] {
    return this.clients.flatMap(({ nacks }) => nacks);
  }

  get slowestAnswerMs(): number {
    return Math.max(...this.clients.map(({ slowestAnswerMs }) => slowestAnswerMs));
  }

  /** Resolves when all have joined. */
  async start(): Promise<void> {
    await waitFor(() => this.clients.every(({ isSynced }) => isSynced), {
      timeoutMs: JOIN_LIMIT_MS,
      what: 'all joined',
    });
    this.#typing = setInterval(() => this.clients.forEach((client) => client.edit(Math.random)), TYPING_MS);
  }

  /** Every client gets so many more acks than it has now. */
  untilAcked(count: number, what: string): Promise<unknown> {
    const before = new Map(this.clients.map((client) => [client, client.acks.length]));
    return waitFor(() => this.clients.every((client) => client.acks.length >= before.get(client)! + count), {
      timeoutMs: ACK_LIMIT_MS,
      what,
    });
  }

  /** Somebody new comes into each room, and stays. */
  async untilNewcomersJoined(name: string, what: string): Promise<void> {
    const { rooms } = this.#options;
    const newcomers = rooms.map((room, at) => this.#client(room, `${room}-${name}`, at));
    try {
      await waitFor(() => newcomers.every(({ isSynced }) => isSynced), { timeoutMs: JOIN_LIMIT_MS, what });
    } finally {
      this.clients.push(...newcomers);
    }
  }

  stopTyping(): void {
    clearInterval(this.#typing);
  }

  close(): void {
    this.stopTyping();
    for (const client of this.clients) client.close();
  }

  #client(room: string, name: string, at: number): RecordingClient {
    const { urls } = this.#options;
    return new RecordingClient({ urls: at % 2 === 0 ? urls : [...urls].reverse(), room, name });
  }
}
