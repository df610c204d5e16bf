import { describeStream } from '../contract/stream.suite.ts';
import { makeKafka } from './support/kafka-harness.ts';

describeStream('the log on Kafka', makeKafka);
