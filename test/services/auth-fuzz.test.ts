import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { openAuth } from '../../lib/broker/auth-of.ts';
import { ApiClient } from '../support/api-client.ts';
import { fuzzedAuthRequests, sendFuzzedAuth, type AuthWorld } from '../support/auth-fuzz.ts';
import { startEmbedded, stopServers } from '../support/embedded.ts';

const SEED = 20_261_122;
const REQUESTS = 300;

let api: ApiClient;
let world: AuthWorld;

beforeAll(async () => {
  const server = await startEmbedded({ auth: 'accounts', guessesPerMinute: 0 });
  api = new ApiClient(server);
  const userId = await api.person('Ada');
  const { token, sessionId } = await (await openAuth(server.runtime)).sessions.create(userId);
  world = { url: server.url, userId, sessionId, sessionToken: token };
});
afterAll(stopServers);

it('no request to the routes of sign-in is answered by a fault of the server, or otherwise than described', async () => {
  const statuses = new Set<number>();
  const property = fc.asyncProperty(fuzzedAuthRequests(world), async (request) => {
    statuses.add(await sendFuzzedAuth(api, request));
  });
  await fc.assert(property, { seed: SEED, numRuns: REQUESTS, endOnFailure: true });
  // Right ones were among them.
  expect([...statuses].sort()).toEqual([200, 204, 302, 400, 401, 403, 404, 422]);
});
