import { afterAll } from '@jest/globals';
import { toldOnly } from '../support/at-once.ts';
import { startEmbedded, stopServers, type TestServer } from '../support/embedded.ts';
import { documentRules } from './document-rules.suite.ts';
import { permissionsAway } from './permissions-away.suite.ts';
import { rolesGiven } from './role-given.suite.ts';

// One server for all: to load and to start one takes longer than most of these tests.
let server: Promise<TestServer> | undefined;
const start = () =>
  (server ??= startEmbedded({ auth: 'accounts', guessesPerMinute: 0 }, { clock: toldOnly }));
afterAll(stopServers);

documentRules(start);
permissionsAway(start);
rolesGiven(start);
