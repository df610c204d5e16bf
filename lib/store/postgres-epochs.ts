import { AppError } from '../errors.ts';
import type { TopicIdentity } from '../stream/port.ts';
import type { Sql } from './sql.ts';

interface RawTopic {
  epoch: number;
  topic_id: string;
  cluster_id: string;
  partitions: number;
}

/** Key of the advisory lock under which epochs are given out, once for all processes of a database. */
const EPOCH_LOCK = 7_211_001;

/** The valid row of a topic is the one with its highest epoch: an identity may come back, its epoch does not. */
async function currentTopic(sql: Sql, topic: string): Promise<RawTopic | undefined> {
  const [row] = await sql<RawTopic>(
    `select epoch, topic_id, cluster_id, partitions from stream_topics
     where name = $1 order by epoch desc limit 1`,
    [topic],
  );
  return row;
}

async function insertTopic(sql: Sql, identity: TopicIdentity): Promise<number> {
  const [row] = await sql<{ epoch: number }>(
    `insert into stream_topics (name, topic_id, cluster_id, partitions) values ($1, $2, $3, $4) returning epoch`,
    [identity.topic, identity.topicId, identity.clusterId, identity.partitions],
  );
  return row!.epoch;
}

const isSame = (row: RawTopic, identity: TopicIdentity): boolean =>
  row.topic_id === identity.topicId && row.cluster_id === identity.clusterId;

function recorded(topic: string, row: RawTopic): Record<string, unknown> {
  const { epoch, topic_id: topicId, cluster_id: clusterId, partitions } = row;
  return { topic, epoch, topicId, clusterId, partitions };
}

/** Records the identity at first sight; a known topic must be as it was. */
export async function readEpoch(sql: Sql, identity: TopicIdentity): Promise<number> {
  let row = await currentTopic(sql, identity.topic);
  if (!row) {
    await sql(`select pg_advisory_xact_lock($1)`, [EPOCH_LOCK]);
    row = await currentTopic(sql, identity.topic);
    if (!row) return insertTopic(sql, identity);
  }
  const data = recorded(identity.topic, row);
  if (!isSame(row, identity)) throw new AppError('STREAM_IDENTITY_CHANGED', { data });
  if (row.partitions !== identity.partitions) throw new AppError('STREAM_PARTITIONS_CHANGED', { data });
  return row.epoch;
}

export async function writeEpoch(sql: Sql, identity: TopicIdentity): Promise<number> {
  await sql(`select pg_advisory_xact_lock($1)`, [EPOCH_LOCK]);
  const row = await currentTopic(sql, identity.topic);
  const isKnown = row && isSame(row, identity) && row.partitions === identity.partitions;
  return isKnown ? row.epoch : insertTopic(sql, identity);
}
