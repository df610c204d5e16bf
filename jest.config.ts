// The lanes: every project is one folder of test/. `npm test` and `npm run test:full` choose among
// them (scripts/test.ts), so that a missing component leaves whole projects out, never single tests.
const swc = { jsc: { target: 'es2024', parser: { syntax: 'typescript' } }, module: { type: 'es6' } };

const project = (displayName: string, folder: string, testTimeout = 20_000) => ({
  displayName,
  rootDir: import.meta.dirname,
  roots: [`<rootDir>/test/${folder}`],
  testMatch: ['**/*.test.ts'],
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': ['@swc/jest', swc] },
  setupFilesAfterEnv: ['<rootDir>/test/support/setup.ts'],
  modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/bench/node_modules'],
  testTimeout,
});

export default {
  projects: [
    project('unit', 'unit'),
    project('contract', 'contract', 60_000),
    project('services', 'services', 60_000),
    project('e2e', 'e2e', 120_000),
    project('kafka', 'kafka', 120_000),
    project('cluster', 'cluster', 180_000),
    project('browser', 'browser', 120_000),
    project('full', 'full', 900_000),
  ],
};
