import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { readCount, readText } from './bytes.ts';
import { decoded, failed, type Decoded } from './failures.ts';
import { isBoundedJson } from './json.ts';

/*
 * An awareness update, as y-protocols/awareness writes it:
 *   VarUint  number of states
 *   { VarUint clientId, VarUint clock, VarString JSON of the state, `null` when it is removed }*
 */

export interface AwarenessState {
  clientId: number;
  clock: number;
  /** JSON text of an object, or `null` when the client id is gone. */
  state: string;
}

/** Most states in one message: more travel as several (`splitAwarenessStates`), so that reading one is bounded. */
export const MAX_AWARENESS_STATES = 512;

/** Most UTF-8 bytes of the JSON of one state. */
export const MAX_AWARENESS_STATE_BYTES = 64 * 1024;

export const REMOVED_STATE = 'null';

const badAwareness = (message?: string) => failed('BAD_AWARENESS', message);

function isStateText(text: string): boolean {
  return text === REMOVED_STATE || (text.startsWith('{') && isBoundedJson(text));
}

/**
 * Reads the states without making documents or objects of them. Fails on truncated, trailing, over-long or
 * non-JSON input, so that what is sent on cannot throw in another client.
 */
export function decodeAwarenessUpdate(update: Uint8Array): Decoded<AwarenessState[]> {
  const decoder = decoding.createDecoder(update);
  const count = readCount(decoder);
  if (count === undefined) return badAwareness();
  if (count > MAX_AWARENESS_STATES) return badAwareness('The awareness message has too many states.');
  const states: AwarenessState[] = [];
  for (let i = 0; i < count; i++) {
    const clientId = readCount(decoder);
    const clock = readCount(decoder);
    if (clientId === undefined || clock === undefined) return badAwareness();
    const text = readText(decoder, MAX_AWARENESS_STATE_BYTES);
    if (text === undefined || !isStateText(text)) {
      return badAwareness('An awareness state is too large or not a JSON object.');
    }
    // The constant keeps a message full of removals from keeping as many strings.
    states.push({ clientId, clock, state: text === REMOVED_STATE ? REMOVED_STATE : text });
  }
  return decoding.hasContent(decoder) ? badAwareness() : decoded(states);
}

/** The reverse of `decodeAwarenessUpdate`; at most MAX_AWARENESS_STATES are readable again. */
export function encodeAwarenessUpdate(states: readonly AwarenessState[]): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, states.length);
  for (const { clientId, clock, state } of states) {
    encoding.writeVarUint(encoder, clientId);
    encoding.writeVarUint(encoder, clock);
    encoding.writeVarString(encoder, state);
  }
  return encoding.toUint8Array(encoder);
}

/** Cuts many states into lists that fit one message each, in order. */
export function* splitAwarenessStates(states: readonly AwarenessState[]): Generator<AwarenessState[]> {
  for (let from = 0; from < states.length; from += MAX_AWARENESS_STATES) {
    yield states.slice(from, from + MAX_AWARENESS_STATES);
  }
}
