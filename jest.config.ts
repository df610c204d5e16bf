// The lanes: every project is one folder of test/. `npm test` and `npm run test:full` choose among
// them (scripts/test.ts), so that a missing component leaves whole projects out, never single tests.
const swc = { jsc: { target: 'es2024', parser: { syntax: 'typescript' } }, module: { type: 'es6' } };

const project = (displayName: string) => ({
  displayName,
  rootDir: import.meta.dirname,
  roots: [`<rootDir>/test/${displayName}`],
  testMatch: ['**/*.test.ts'],
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': ['@swc/jest', swc] },
  setupFilesAfterEnv: ['<rootDir>/test/support/setup.ts'],
  modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/bench/node_modules'],
});

export default {
  testSequencer: '<rootDir>/test/support/sequencer.ts',
  // A bound against hanging for ever, not an expectation: conditions have deadlines of their own.
  testTimeout: 600_000,
  // A worker that has run many files takes longer to leave its memory than jest waits before it complains.
  workerIdleMemoryLimit: '400MB',
  // One that is renewed after its last file is still starting when it has to end, and half a second is too short for
  // that. What a test leaves open is told as before, only later.
  workerGracefulExitTimeout: 10_000,
  projects: [
    'unit',
    'contract',
    'redis',
    'services',
    'e2e',
    'kafka',
    'cluster',
    'faults',
    'browser',
    'full',
    'full-redis',
    'sim',
  ].map(project),
};
