import { AppError } from '../errors.ts';
import { partitionOf } from './partitions.ts';
import type { TopicKind, TopicPartition, TopicSpec } from './port.ts';
import {
  HASHED_ID_BYTES,
  ID_PATTERN,
  LAST_ID_PATTERN,
  MAX_TOPIC_BYTES,
  topicPart,
  type TopicPartForm,
} from './topic-names.ts';
import type { RoomOfTenant, TopicResolver } from './topics.ts';

export interface TopicResolverOptions {
  /** Template over {channel} {tenant} {room}; `{channel}` is required. */
  pattern: string;
  /** Partitions of the sharded topics. */
  partitions: number;
}

type Placeholder = 'channel' | 'tenant' | 'room';
type Token = { literal: string } | { placeholder: Placeholder };

const LONGEST_CHANNEL = 'awareness'.length;

/** The resolver of one template. AppError BAD_CONFIG when the template could give two rooms one name. */
export function createTopicResolver({ pattern, partitions }: TopicResolverOptions): TopicResolver {
  const tokens = parseTemplate(pattern);
  const has = (name: Placeholder) => tokens.some((t) => 'placeholder' in t && t.placeholder === name);
  const perRoom = has('room');
  const perTenant = has('tenant');
  const maxIdBytes = idBudget(pattern, tokens);
  const last = tokens.findLast((t) => 'placeholder' in t);

  const part = (token: { placeholder: Placeholder }, kind: TopicKind, room: RoomOfTenant): string => {
    if (token.placeholder === 'channel') return kind;
    const id = token.placeholder === 'tenant' ? room.tenantId : room.roomId;
    // Only the last id may keep its hyphens: in an earlier one they would look like the separator.
    const form: TopicPartForm = { maxBytes: maxIdBytes, keepHyphens: token === last };
    return topicPart(id, form);
  };
  const nameOf = (kind: TopicKind, room: RoomOfTenant): string =>
    tokens.map((t) => ('literal' in t ? t.literal : part(t, kind, room))).join('');

  const controlTopic = controlTopicOf(tokens);
  const patternOf = (kind: TopicKind): RegExp =>
    new RegExp(`^${tokens.map((t) => sourceOf(t, kind, t === last)).join('')}$`);
  const patterns = { doc: patternOf('doc'), awareness: patternOf('awareness') };
  if (patterns.doc.test(controlTopic) || patterns.awareness.test(controlTopic))
    refuse(pattern, `the control topic ${controlTopic} could be a room's topic`);

  const spec = (kind: 'doc' | 'awareness', room: RoomOfTenant): TopicSpec => ({
    topic: nameOf(kind, room),
    kind,
    partitions: perRoom ? 1 : partitions,
  });
  const nowhere: RoomOfTenant = { tenantId: '', roomId: '' };
  const staticTopics: TopicSpec[] = [{ topic: controlTopic, kind: 'control', partitions: 1 }];
  if (!perRoom && !perTenant) staticTopics.unshift(spec('doc', nowhere), spec('awareness', nowhere));

  return {
    sharded: !perRoom,
    controlTopic,
    staticTopics,
    spec,
    target: (kind, room): TopicPartition => ({
      topic: nameOf(kind, room),
      partition: perRoom ? 0 : partitionOf(room.tenantId, room.roomId, partitions),
    }),
    isOfKind: (kind, topic) => {
      if (kind === 'control') return topic === controlTopic;
      return Buffer.byteLength(topic) <= MAX_TOPIC_BYTES && patterns[kind].test(topic);
    },
  };
}

function parseTemplate(pattern: string): Token[] {
  const tokens: Token[] = pattern
    .split(/(\{[^}]*\})/)
    .filter((text) => text !== '')
    .map((text) => {
      if (!text.startsWith('{') || !text.endsWith('}')) return { literal: text };
      const name = text.slice(1, -1);
      if (name === 'channel' || name === 'tenant' || name === 'room') return { placeholder: name };
      return refuse(pattern, `${text} is none of {channel} {tenant} {room}`);
    });
  const names = tokens.flatMap((t) => ('placeholder' in t ? [t.placeholder] : []));
  if (!names.includes('channel')) refuse(pattern, '{channel} is missing');
  if (new Set(names).size < names.length) refuse(pattern, 'a placeholder stands twice');
  tokens.forEach((token, at) => {
    if ('literal' in token) {
      if (!/^[a-zA-Z0-9._-]+$/.test(token.literal)) refuse(pattern, `${token.literal} is no topic name`);
      return;
    }
    const next = tokens[at + 1];
    const separated = next === undefined || ('literal' in next && next.literal.startsWith('-'));
    // The last placeholder may be followed by anything: a fixed end cannot be mistaken.
    const isLast = !tokens.slice(at + 1).some((t) => 'placeholder' in t);
    if (!separated && !isLast) refuse(pattern, `a hyphen must follow {${token.placeholder}}`);
  });
  return tokens;
}

/** Bytes that each id may take, so that the whole name always fits. */
function idBudget(pattern: string, tokens: readonly Token[]): number {
  let left = MAX_TOPIC_BYTES - LONGEST_CHANNEL;
  let ids = 0;
  for (const token of tokens) {
    if ('literal' in token) left -= token.literal.length;
    else if (token.placeholder !== 'channel') ids++;
  }
  const budget = Math.floor(left / Math.max(ids, 1));
  if (budget < (ids === 0 ? 0 : HASHED_ID_BYTES)) refuse(pattern, 'its fixed text is too long');
  return budget;
}

/** One for all tenants: the template without its ids and the hyphens around them. */
function controlTopicOf(tokens: readonly Token[]): string {
  return tokens
    .map((t) => ('literal' in t ? t.literal : t.placeholder === 'channel' ? 'control' : ''))
    .join('')
    .replace(/-{2,}/g, '-')
    .replace(/^-|-$/g, '');
}

function sourceOf(token: Token, kind: TopicKind, isLast: boolean): string {
  if ('literal' in token) return token.literal.replaceAll('.', '\\.');
  if (token.placeholder === 'channel') return kind;
  return isLast ? LAST_ID_PATTERN : ID_PATTERN;
}

function refuse(pattern: string, reason: string): never {
  throw new AppError('BAD_CONFIG', {
    message: `The topic template ${pattern} cannot be used: ${reason}.`,
    data: { pattern },
  });
}
