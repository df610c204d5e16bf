/** PostgreSQL's text and jsonb cannot hold U+0000 nor lone surrogates; both become U+FFFD. */
export function storableText(text: string): string {
  return text.replaceAll('\u0000', '\ufffd').toWellFormed();
}

/** Whether a value, as JSON, can be stored as jsonb. */
export function isStorableJson(value: unknown): boolean {
  if (typeof value === 'string') return storableText(value) === value;
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([key, item]) => storableText(key) === key && isStorableJson(item));
}
