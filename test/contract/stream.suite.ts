import { describe, it } from '@jest/globals';
import { appendChecks } from './stream-checks/append.ts';
import { consumeChecks } from './stream-checks/consume.ts';
import { followChecks } from './stream-checks/follow.ts';
import { World, type Capability, type StreamCheck, type StreamHarness } from './stream-checks/harness.ts';
import { lifecycleChecks } from './stream-checks/lifecycle.ts';
import { readChecks } from './stream-checks/read.ts';
import { topicChecks } from './stream-checks/topics.ts';

export type { Capability, StreamHarness } from './stream-checks/harness.ts';

export type MakeStream = () => Promise<StreamHarness>;

export interface NamedStreamCheck {
  name: string;
  needs?: Capability;
  /** Makes an adapter, checks it, disposes of it. Rejects when the promise in `name` is broken. */
  run(make: MakeStream): Promise<void>;
}

const groups: Record<string, StreamCheck[]> = {
  append: appendChecks,
  follow: followChecks,
  read: readChecks,
  consume: consumeChecks,
  topics: topicChecks,
  lifecycle: lifecycleChecks,
};

/** Everything that lib/stream/port.ts promises, as plain functions. */
export const streamChecks: NamedStreamCheck[] = Object.entries(groups).flatMap(([group, checks]) =>
  checks.map((check) => ({
    name: `${group}: ${check.name}`,
    ...(check.needs ? { needs: check.needs } : {}),
    run: async (make) => {
      const world = new World(await make());
      try {
        await check.run(world);
      } finally {
        await world.stream.close();
        await world.harness.dispose();
      }
    },
  })),
);

/** Declares the suite for one adapter; checks that need a capability which it cannot have are left out. */
export function describeStream(
  name: string,
  make: MakeStream,
  options: { without?: readonly Capability[] } = {},
): void {
  describe(`${name} is a stream`, () => {
    for (const check of streamChecks) {
      if (check.needs && options.without?.includes(check.needs)) continue;
      it(check.name, () => check.run(make));
    }
  });
}
