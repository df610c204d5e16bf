// Hocuspocus as published, without extensions, on the port of argv[2].
import { Server } from '@hocuspocus/server';

await new Server({ port: Number(process.argv[2]), address: '127.0.0.1', quiet: true }).listen();
console.log('running');
