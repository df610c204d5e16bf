import { afterAll } from '@jest/globals';
import { startEmbedded, stopServers, type TestServer } from '../support/embedded.ts';
import { protocolSurface } from './protocol-surface.suite.ts';
import { thinClient } from './thin-client.suite.ts';

// One server for all: to load and to start one takes longer than most of these tests.
let server: Promise<TestServer> | undefined;
const start = () => (server ??= startEmbedded());
afterAll(stopServers);

protocolSurface(start);
thinClient(start);
