import { ApiDescription } from './api-description.ts';

export interface Answer {
  status: number;
  headers: Headers;
  /** Parsed when it is JSON; undefined when there is none. */
  body: unknown;
}

export interface ApiRequest {
  /** Who asks: an account's id; nobody when it is left out. */
  as?: string | undefined;
  body?: unknown;
  headers?: Record<string, string>;
}

/** The HTTP API of a gateway; every answer is held against its description. */
export class DescribedApi {
  readonly #url: string;
  readonly #tokenOf: (userId: string) => string;
  readonly #description = new ApiDescription();

  constructor(url: string, tokenOf: (userId: string) => string) {
    this.#url = url;
    this.#tokenOf = tokenOf;
  }

  async ask(method: string, path: string, { as, body, headers }: ApiRequest = {}): Promise<Answer> {
    const isText = typeof body === 'string';
    const response = await fetch(`${this.#url}${path}`, {
      method: method.toUpperCase(),
      // Where a browser is sent is a part of the answer.
      redirect: 'manual',
      headers: {
        ...(as === undefined ? {} : { authorization: `Bearer ${this.#tokenOf(as)}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: isText ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const contentType = response.headers.get('content-type') ?? '';
    const answer = {
      status: response.status,
      headers: response.headers,
      body: /json/.test(contentType) ? (JSON.parse(text) as unknown) : text === '' ? undefined : text,
    };
    this.#description.check(method, path, { ...answer, contentType });
    return answer;
  }
}
