/** Bytes from hex; blanks are for the reader. */
export const hex = (text: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));

/** The hex of ASCII or UTF-8 text, to put JSON into a vector written by hand. */
export const ascii = (text: string): string => Buffer.from(text, 'utf8').toString('hex');

export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
