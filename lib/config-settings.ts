export const KB = 1024;
export const MB = 1024 * KB;
/** In ms. */
export const SECOND = 1000;

/** One row of the configuration: how the text of its variable becomes a value. `parse` throws what the operator reads. */
export interface Setting<T> {
  env: string;
  default: T;
  doc: string;
  secret?: boolean;
  range: string;
  parse: (text: string) => T;
}

type Bounds = { min: number; max: number };

export const int = (env: string, fallback: number, { min, max }: Bounds, doc: string): Setting<number> => ({
  env,
  default: fallback,
  doc,
  range: `${min}–${max}`,
  parse: (text) => {
    const value = /^-?\d+$/.test(text) ? Number(text) : NaN;
    if (!Number.isSafeInteger(value) || value < min || value > max)
      throw new Error(`must be an integer from ${min} to ${max}`);
    return value;
  },
});

export const text = (
  env: string,
  fallback: string,
  doc: string,
  options: { secret?: boolean; pattern?: RegExp } = {},
): Setting<string> => ({
  env,
  default: fallback,
  doc,
  ...(options.secret ? { secret: true } : {}),
  range: options.pattern ? String(options.pattern) : 'text',
  parse: (value) => {
    if (options.pattern && !options.pattern.test(value)) throw new Error(`must match ${options.pattern}`);
    return value;
  },
});

export const choice = <T extends string>(
  env: string,
  values: readonly T[],
  fallback: T,
  doc: string,
): Setting<T> => ({
  env,
  default: fallback,
  doc,
  range: values.join(' | '),
  parse: (value) => {
    if (!(values as readonly string[]).includes(value))
      throw new Error(`must be one of ${values.join(', ')}`);
    return value as T;
  },
});

export const list = (env: string, fallback: readonly string[], doc: string): Setting<readonly string[]> => ({
  env,
  default: fallback,
  doc,
  range: 'comma-separated',
  parse: (value) =>
    Object.freeze(
      value
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== ''),
    ),
});
