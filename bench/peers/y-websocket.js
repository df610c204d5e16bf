// y-websocket's server as published, on the port of argv[2].
process.env.PORT = process.argv[2];
process.env.HOST = '127.0.0.1';
await import('@y/websocket-server/server');
