import { afterAll } from '@jest/globals';
import { toldOnly } from '../support/at-once.ts';
import { startEmbedded, stopServers, type TestServer } from '../support/embedded.ts';
import { localSignIn } from './local-sign-in.suite.ts';
import { serviceTokens } from './service-tokens.suite.ts';

// One server for all: to load and to start one takes longer than most of these tests.
let server: Promise<TestServer> | undefined;
const start = () =>
  (server ??= startEmbedded({ auth: 'accounts', guessesPerMinute: 0 }, { clock: toldOnly }));
afterAll(stopServers);

localSignIn(start);
serviceTokens(start);
