import { connect, type Socket } from 'node:net';

const KEEP_ALIVE_MS = 60_000;

/** A connection to a broker, as kafkajs treats it. */
export function openSocket({
  host,
  port,
  onConnect,
}: {
  host: string;
  port: number;
  onConnect: () => void;
}): Socket {
  const socket = connect({ host, port }, onConnect);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  // While its broker is away kafkajs 2.2.4 lets go of the same dead socket again and again; each time Node would wait,
  // by one more listener, for a connect that never comes (MaxListenersExceededWarning).
  socket.once('close', () => {
    socket.unref = () => socket;
  });
  return socket;
}
