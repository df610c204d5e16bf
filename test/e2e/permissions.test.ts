import { afterAll } from '@jest/globals';
import { startEmbedded, stopServers, type TestServer } from '../support/embedded.ts';
import { documentRules } from './document-rules.suite.ts';
import { permissionsAway } from './permissions-away.suite.ts';
import { rolesGiven } from './role-given.suite.ts';

// One server for all: to load and to start one takes longer than most of these tests.
let server: Promise<TestServer> | undefined;
const start = () => (server ??= startEmbedded({ auth: 'accounts', guessesPerMinute: 0 }));
afterAll(stopServers);

documentRules(start);
permissionsAway(start);
rolesGiven(start);
