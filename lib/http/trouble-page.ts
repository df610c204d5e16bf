import type { ServerResponse } from 'node:http';
import { APP_ERRORS } from '../errors.ts';
import type { Logger } from '../log.ts';
import { logFault, problemHeaders, problemOf } from './problem.ts';

export interface TroublePageParts {
  /** Where the sign-in begins anew. */
  beginUrl: string;
  logger: Logger;
}

/** The problem for a person whose browser stands at this address: what happened, and what to do about it. */
export function sendTroublePage(
  response: ServerResponse,
  error: unknown,
  { beginUrl, logger }: TroublePageParts,
): void {
  const problem = problemOf(error);
  logFault(problem, error, logger);
  const { retryable } = APP_ERRORS[problem.code];
  const title = retryable ? 'Signing in does not work at the moment' : 'The sign-in did not succeed';
  // Without an address the link leads to this same page, as asked for.
  const href = retryable ? '' : beginUrl;
  const text = retryable ? `${problem.detail} Nothing is lost: try again in a moment.` : problem.detail;
  response.writeHead(problem.status, {
    ...problemHeaders(problem, error),
    'content-type': 'text/html; charset=utf-8',
  });
  response.end(`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>${escape(title)} · y-kafka</title>
    <link rel="icon" href="/icon.svg" type="image/svg+xml" />
    <link rel="stylesheet" href="/style.css" />
    <link rel="stylesheet" href="/boards.css" />
  </head>
  <body>
    <main class="page">
      <section class="card">
        <h1>${escape(title)}</h1>
        <p>${escape(text)}</p>
        <p class="actions">
          <a class="button" href="${escape(href)}">${retryable ? 'Try again' : 'Sign in anew'}</a>
          <a class="button quiet" href="/">Start page</a>
        </p>
        <p class="fine">${escape(problem.code)}</p>
      </section>
    </main>
  </body>
</html>
`);
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character]!);
}
