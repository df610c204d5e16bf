// Preloaded (`--import`) by processes whose wall clock is to be wrong: every Date of the process, also those of its
// libraries, is off by as many hours as YKAFKA_TEST_CLOCKS gives its node: `gateway-1=1,gateway-2=-1`.
const shifts = (process.env.YKAFKA_TEST_CLOCKS ?? '').split(',').map((pair) => pair.split('='));
const hours = Number(shifts.find(([node]) => node === process.env.YKAFKA_NODE_ID)?.[1] ?? 0);
const shiftMs = hours * 3_600_000;
const RealDate = Date;

if (shiftMs !== 0) {
  globalThis.Date = class Date extends RealDate {
    constructor(...args) {
      if (args.length === 0) super(RealDate.now() + shiftMs);
      else super(...args);
    }

    static now() {
      return RealDate.now() + shiftMs;
    }
  };
}
