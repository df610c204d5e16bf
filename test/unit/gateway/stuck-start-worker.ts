Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);

// eslint-disable-next-line import-x/no-default-export -- the pool calls the default export
export default function check(): boolean {
  return true;
}
