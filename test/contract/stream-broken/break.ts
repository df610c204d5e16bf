import type {
  AppendOptions,
  ConsumeRequest,
  FollowRequest,
  RecordBatch,
  Stream,
  StreamRecord,
  TopicPartition,
} from '../../../lib/stream/port.ts';

/** What replaces methods of a good stream so that one promise of the port is broken. */
export type Break = (good: Stream) => Partial<Stream>;

/** Name of the check that must fail → name of the broken adapter → how it is broken. */
export type BreaksByCheck = Record<string, Record<string, Break>>;

export type AppendArguments = [TopicPartition, readonly StreamRecord[], AppendOptions?];

/** A network's delay, not a wait for something. */
export const later = (delayMs: number) => new Promise((resolve) => setTimeout(resolve, delayMs));

/** Breaks what is appended. */
export const mapAppended =
  (change: (record: StreamRecord) => StreamRecord): Break =>
  (good) => ({
    append: (target, records, options) => good.append(target, records.map(change), options),
  });

/** Breaks what a follow delivers; undefined delivers nothing. */
export function mapBatches(
  good: Stream,
  request: FollowRequest,
  change: (batch: RecordBatch) => RecordBatch | undefined,
) {
  return good.follow({
    ...request,
    onBatch: (batch) => {
      const changed = change(batch);
      return changed === undefined ? undefined : request.onBatch(changed);
    },
  });
}

/** Breaks what a group member asked for. */
export const editConsume = (
  good: Stream,
  edit: (request: ConsumeRequest) => Partial<ConsumeRequest>,
): Partial<Stream> => ({
  consume: (request) => good.consume({ ...request, ...edit(request) }),
});

/** The good stream with one promise broken. */
export function breakStream(good: Stream, how: Break): Stream {
  const broken = how(good);
  return new Proxy(good, {
    get(target, property) {
      const own = Object.hasOwn(broken, property);
      const value: unknown = own ? Reflect.get(broken, property) : Reflect.get(target, property, target);
      // Private fields are not on the proxy: methods need the real object.
      return typeof value === 'function' ? value.bind(own ? broken : target) : value;
    },
  });
}
