import { makeEmbedded } from './stream-checks/embedded-harness.ts';
import { describeStream } from './stream.suite.ts';

// Nobody can delete a topic of the embedded log behind its back: the file is held by one process.
describeStream('the embedded log', makeEmbedded, { without: ['deleteTopic'] });
