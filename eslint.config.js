import importX from 'eslint-plugin-import-x';
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  {
    ignores: ['dist/**', 'web/dist/**', 'node_modules/**', 'bench/node_modules/**', 'coverage/**', 'data/**'],
  },
  ...tseslint.configs.recommended,
  {
    plugins: { 'import-x': importX },
    settings: { 'import-x/resolver-next': [createTypeScriptImportResolver({ project: './tsconfig.json' })] },
    rules: {
      'no-empty': ['error', { allowEmptyCatch: false }],
      'no-console': 'error',
      eqeqeq: 'error',
      'max-params': ['error', 4],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': 'error',
      'import-x/no-cycle': 'error',
      'import-x/no-default-export': 'error',
      'import-x/no-restricted-paths': [
        'error',
        {
          zones: [
            {
              target: './lib/protocol',
              from: './lib',
              except: ['./protocol'],
              message: 'lib/protocol imports nothing of ours.',
            },
            {
              target: './lib/provider',
              from: './lib',
              except: ['./protocol', './provider'],
              message: 'lib/provider imports lib/protocol only.',
            },
            { target: './lib', from: './services', message: 'The library does not know who runs it.' },
            { target: './lib', from: './scripts', message: 'The library does not know who runs it.' },
            { target: './lib', from: './test', message: 'The library does not know its tests.' },
            { target: './services', from: './scripts', message: 'Services import lib only.' },
            { target: './services', from: './test', message: 'Services import lib only.' },
          ],
        },
      ],
    },
  },
  {
    files: ['lib/protocol/**', 'lib/provider/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ group: ['node:*'], message: 'Browser-safe code.' }] },
      ],
      'no-restricted-globals': ['error', 'process', 'Buffer', 'setImmediate'],
    },
  },
  {
    files: ['lib/**/*.ts'],
    ignores: ['lib/broker/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        { paths: [{ name: 'moleculer', message: 'Domain logic does not know Moleculer.' }] },
      ],
    },
  },
  {
    files: ['lib/**/*.ts', 'services/**/*.ts'],
    ignores: ['lib/config.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Only lib/config.ts reads the environment.' },
      ],
    },
  },
  {
    files: ['services/**', '*.config.ts', 'eslint.config.js', 'test/support/sequencer.ts'],
    rules: { 'import-x/no-default-export': 'off' },
  },
  { files: ['scripts/**', 'bench/**', 'test/**'], rules: { 'no-console': 'off' } },
);
