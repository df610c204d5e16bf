import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Context, Service, ServiceSchema } from 'moleculer';
import ApiGateway, { type ApiSettingsSchema } from 'moleculer-web';
import { pause } from '../lib/clock.ts';
import { declareActions } from '../lib/broker/actions.ts';
import { openAccess } from '../lib/broker/gateway-access.ts';
import { openTokenVerifier } from '../lib/broker/open-token-verifier.ts';
import { peopleActions } from '../lib/broker/people-actions.ts';
import { openPresenceBus } from '../lib/broker/presence-bus.ts';
import { runtimeOf, type Runtime } from '../lib/broker/runtime.ts';
import { openWebRoutes, type WebRoutes } from '../lib/broker/web-routes.ts';
import { isAppError } from '../lib/errors.ts';
import { Gateway } from '../lib/gateway/gateway.ts';
import type { RoomView } from '../lib/gateway/port.ts';
import { openSocketServer, type SocketServer } from '../lib/gateway/socket-io.ts';
import { createUpdateChecker } from '../lib/gateway/threaded-update-check.ts';
import { isOfPage, notFound } from '../lib/http/api.ts';
import { createFrontDoor } from '../lib/http/front-door.ts';
import { listen, urlOf } from '../lib/http/listen.ts';
import { sendProblem } from '../lib/http/problem.ts';
import { createRemoteSyncSource, JOIN_ACTION } from '../lib/sync/remote.ts';

/** Requests that are still being answered at the stop get this long. */
const CLOSE_LIMIT_MS = 2_000;
const RETRY_MS = 1_000;
const MAX_LISTED_ROOMS = 1_000;
const PAGE_FOLDER = join(import.meta.dirname, '../web/dist');

interface GatewayService extends Service {
  runtime: Runtime;
  gateway: Gateway | undefined;
  httpServer: Server;
  web: WebRoutes;
  socketServer: SocketServer | undefined;
  url: string;
  isStopping: boolean;
  httpHandler(request: IncomingMessage, response: ServerResponse): Promise<void>;
  addRoute(route: object): void;
  serve(request: IncomingMessage, response: ServerResponse, next: () => void): void;
}

async function openGateway(service: GatewayService): Promise<Gateway> {
  const { config, clock, logger, topics, blobs, metrics, randomId, stream } = service.runtime;
  const gateway = new Gateway({
    config,
    clock,
    logger: logger.child({ part: 'gateway' }),
    topics,
    randomId,
    metrics,
    stream: await stream(),
    ...openAccess(service.broker, service.runtime),
    ...openPresenceBus(service.runtime),
    checker: createUpdateChecker({ clock, logger, inlineBytes: config.inlineCheckBytes }),
    sync: createRemoteSyncSource({
      blobs,
      timeoutMs: config.joinTimeoutMs,
      call: (action, params) => service.broker.call(action, params, { timeout: config.joinTimeoutMs }),
    }),
  });
  await gateway.start();
  return gateway;
}

/** A log that is away at the start is waited for; anything else stops the process. */
async function openWhenPossible(service: GatewayService): Promise<Gateway | undefined> {
  const { clock, logger } = service.runtime;
  while (!service.isStopping) {
    try {
      return await openGateway(service);
    } catch (error) {
      if (!isAppError(error) || !error.retryable) throw error;
      logger.warn({ err: error }, 'gateway waits for the log');
      await pause(clock, RETRY_MS);
    }
  }
  return undefined;
}

/** Joins need fastsync; without it the gateway is up but not ready. */
function canJoin(service: GatewayService): boolean {
  const { registry } = service.broker as unknown as {
    registry: { actions: { isAvailable(action: string): boolean } };
  };
  return registry.actions.isAvailable(JOIN_ACTION);
}

const schema: ServiceSchema<ApiSettingsSchema, GatewayService> = {
  name: 'gateway',
  mixins: [ApiGateway as unknown as ServiceSchema],
  settings: {
    // The server is ours: it also carries Socket.IO, and its stop has an order.
    server: false,
    logRequest: null,
    logRequestParams: null,
    logResponse: null,
    logRouteRegistration: null,
    assets: { folder: PAGE_FOLDER },
    // Keys of a query are taken as they are written.
    qsOptions: { depth: 0, parseArrays: false, plainObjects: true },
    // They are added when the runtime is there. Not an empty list: that would open every action to everybody.
    routes: false as unknown as [],
  },
  actions: declareActions<GatewayService>({
    // Its routes are written in this file; nobody may change them from another node.
    listAliases: false,
    addRoute: false,
    removeRoute: false,
    /** Rooms, documents and subscriptions of this node, for an operator. */
    'rooms.list': {
      repetition: 'idempotent',
      params: {
        $$strict: true,
        limit: { type: 'number', integer: true, min: 1, max: MAX_LISTED_ROOMS, default: 100 },
      },
      handler(this: GatewayService, ctx: Context<{ limit: number }>): RoomView[] {
        return this.gateway?.registry.inspect(ctx.params.limit) ?? [];
      },
    },
    ...peopleActions,
    'connections.count': {
      repetition: 'idempotent',
      params: { $$strict: true },
      handler(this: GatewayService): { connections: number } {
        return { connections: this.gateway?.connections ?? 0 };
      },
    },
    'addresses.get': {
      repetition: 'idempotent',
      params: { $$strict: true },
      handler(this: GatewayService): { url: string } {
        return { url: this.url };
      },
    },
  }),
  methods: {
    errorHandler(this: GatewayService, _request: IncomingMessage, response: ServerResponse, error: unknown) {
      sendProblem(response, error, this.runtime.logger);
    },
    send404(this: GatewayService, request: IncomingMessage, response: ServerResponse) {
      sendProblem(response, notFound(request), this.runtime.logger);
    },
  },
  created(this: GatewayService) {
    const runtime = runtimeOf(this.broker);
    this.runtime = runtime;
    this.isStopping = false;
    runtime.health.register('gateway', () => ({
      ready: !this.isStopping && this.gateway?.canServe === true && canJoin(this),
      log: this.gateway?.hasLog === false ? 'away' : 'ok',
      connections: this.gateway?.connections ?? 0,
      rooms: this.gateway?.registry.rooms ?? 0,
      url: this.url,
    }));
    openTokenVerifier(this.broker, runtime);
    this.web = openWebRoutes(runtime, async (who) =>
      this.gateway ? this.gateway.refusalOf(who) : 'UNAVAILABLE',
    );
    for (const route of this.web.routes) this.addRoute(route);
    const { serve } = this;
    this.serve = (request, response, next) => (isOfPage(request) ? serve(request, response, next) : next());
    this.httpServer = createServer(
      createFrontDoor(runtime, (request, response) => void this.httpHandler(request, response)),
    );
    this.socketServer = openSocketServer({
      config: runtime.config,
      clock: runtime.clock,
      logger: runtime.logger,
      httpServer: this.httpServer,
      gateway: () => this.gateway,
    });
  },
  async started(this: GatewayService) {
    const { config, logger } = this.runtime;
    // Listens first: /health answers, and connections are refused as `UNAVAILABLE` until the log is there.
    this.url = urlOf(config.host, await listen(this.httpServer, config.host, config.port));
    this.broker.metadata.gatewayUrl = this.url;
    logger.info({ url: this.url }, 'gateway listening');
    const gateway = await openWhenPossible(this);
    // Stopped while it waited: nobody else would end it.
    if (this.isStopping) await gateway?.stop();
    else this.gateway = gateway;
  },
  async stopped(this: GatewayService) {
    // Not ready from here on, and no new connections; those that are open go on until it is their turn.
    this.isStopping = true;
    const gateway = this.gateway;
    // An embedded server has no other one to move to.
    if (this.runtime.config.mode === 'cluster') await gateway?.drain();
    this.gateway = undefined;
    await gateway?.stop();
    const forced = this.runtime.clock.setTimeout(() => this.httpServer.closeAllConnections(), CLOSE_LIMIT_MS);
    await this.socketServer?.close();
    forced.cancel();
    await this.web.close();
  },
};

export default schema;
