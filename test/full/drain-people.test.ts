import { describe, it, jest } from '@jest/globals';
import { outlivesDrain } from '../support/outlives-drain.ts';

jest.setTimeout(900_000);

describe('two gateways that are stopped in order, one after the other', () => {
  it('nobody is seen to leave who comes back at the other one, told by the awareness topic', () =>
    outlivesDrain());
});
