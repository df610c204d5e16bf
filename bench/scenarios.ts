import type { LoadSpec } from './load/messages.ts';

export interface Scenario {
  name: string;
  title: string;
  rooms: number;
  clientsPerRoom: number;
  pace: LoadSpec['pace'];
}

const DELIVERIES_PER_SECOND = 1000;

/** The rate of updates at which all clients together receive 1,000 a second. */
const paced = (clientsPerRoom: number): LoadSpec['pace'] => ({
  kind: 'paced',
  updatesPerSecond: DELIVERIES_PER_SECOND / (clientsPerRoom - 1),
});

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'paced-1x100',
    title: '1 room × 100 clients, 1,000 deliveries/s',
    rooms: 1,
    clientsPerRoom: 100,
    pace: paced(100),
  },
  {
    name: 'paced-100x10',
    title: '100 rooms × 10 clients (1,000 connections), 1,000 deliveries/s',
    rooms: 100,
    clientsPerRoom: 10,
    pace: paced(10),
  },
  {
    name: 'full-1x100',
    title: '1 room × 100 clients, saturated',
    rooms: 1,
    clientsPerRoom: 100,
    pace: { kind: 'full', window: 8 },
  },
  {
    name: 'full-20x10',
    title: '20 rooms × 10 clients, saturated',
    rooms: 20,
    clientsPerRoom: 10,
    pace: { kind: 'full', window: 32 },
  },
];
