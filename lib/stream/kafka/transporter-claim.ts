import { hostname } from 'node:os';
import { decode, Encoder } from 'cbor-x';
import { pause, type Clock } from '../../clock.ts';
import { AppError } from '../../errors.ts';
import type { TopicPartition } from '../port.ts';
import { ClusterClient } from './cluster-client.ts';
import { PartitionReader } from './partition-reader.ts';
import { ProducerSlot } from './producer-slot.ts';
import { transporterTopic } from './transporter-names.ts';
import { settingsOfTransporter, type TransporterTopicsOptions } from './transporter-topics.ts';

/** A node that is alive answers within milliseconds; one that is busy, within this. */
const ANSWER_WAIT_MS = 1_500;
const POLL_MS = 50;
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
/** What the transporter speaks: version 5 of Moleculer's protocol, CBOR without records. */
const PROTOCOL = '5';
const encoder = new Encoder({ useRecords: false, tagUint8Array: false });

export interface NodeClaimRequest extends TransporterTopicsOptions {
  clock: Clock;
  /** Of this start of the process. */
  instanceId: string;
  /** The topics of this node have just been made: nobody can run under its id. */
  isNewNode: boolean;
}

/** Who runs under a node id, as it says of itself. */
export interface NodeHolder {
  instanceId: string;
  host: string;
}

/** Addressed to whoever runs under the node id: it answers with its INFO. */
export interface ClaimQuestion {
  claimant: string;
}

/**
 * Asks whether a process that is alive runs under the node id, and gives the place of the claim in the order of all
 * claims of this id. NODE_ID_TAKEN when one answers. Only a live answer counts, no record of a former one: after a
 * kill the id is free at once.
 */
export async function claimNodeId(request: NodeClaimRequest): Promise<number> {
  const { config, nodeId, clock } = request;
  const settings = settingsOfTransporter(request);
  const cluster = new ClusterClient(settings);
  const reader = new PartitionReader(settings, cluster);
  const producer = new ProducerSlot(settings, 'log', () => settings.brokers);
  const answers = { topic: transporterTopic(config.namespace, 'INFO', nodeId), partition: 0 };
  const questions = { topic: transporterTopic(config.namespace, 'PING', nodeId), partition: 0 };
  try {
    const from = (await cluster.offset(answers, 'end')) ?? 0;
    const order = await cluster.retrying(() => producer.send(questions, [question(request)]));
    const deadline = clock.now() + ANSWER_WAIT_MS;
    for (let next = from; !request.isNewNode && clock.now() < deadline; await pause(clock, POLL_MS)) {
      const found = await readInfos({ cluster, reader }, answers, next);
      next = found.next;
      const holder = found.infos.find(
        ({ sender, instanceID }) => sender === nodeId && instanceID !== request.instanceId,
      );
      if (holder) {
        const { instanceID = '', hostname: host = '' } = holder;
        throw nodeIdTaken(
          nodeId,
          { instanceId: instanceID, host },
          { instanceId: request.instanceId, host: hostname() },
        );
      }
    }
    return order;
  } finally {
    await Promise.all([producer.close(), reader.close(), cluster.close()]);
  }
}

/** What the one that has to leave tells its operator. */
export function nodeIdTaken(nodeId: string, holder: NodeHolder, own: NodeHolder): AppError {
  return new AppError('NODE_ID_TAKEN', {
    message:
      `Another process runs as node ${nodeId}: instance ${holder.instanceId} on host ${holder.host}. It stays; ` +
      `this one, instance ${own.instanceId} on host ${own.host}, ends. Give each process a YKAFKA_NODE_ID of its ` +
      'own, or stop the other one first.',
    data: { nodeId, holder, own },
  });
}

function question({ nodeId, instanceId }: NodeClaimRequest) {
  const payload: ClaimQuestion & Record<string, unknown> = {
    ver: PROTOCOL,
    sender: nodeId,
    id: instanceId,
    time: 0,
    claimant: instanceId,
  };
  return { key: '', value: new Uint8Array(encoder.encode(payload)), headers: {} };
}

interface Info {
  sender?: string;
  instanceID?: string;
  hostname?: string;
}

async function readInfos(
  { cluster, reader }: { cluster: ClusterClient; reader: PartitionReader },
  at: TopicPartition,
  from: number,
): Promise<{ infos: Info[]; next: number }> {
  const end = (await cluster.offset(at, 'end')) ?? 0;
  if (end <= from) return { infos: [], next: from };
  const batch = await reader.read({ ...at, fromOffset: from, toOffset: end, maxBytes: MAX_ANSWER_BYTES });
  return { infos: batch.records.map(({ value }) => readInfo(value)), next: batch.nextOffset };
}

function readInfo(value: Uint8Array): Info {
  try {
    return (decode(value) ?? {}) as Info;
  } catch {
    return {}; // written by somebody else, in another serialization: no answer to this question
  }
}
