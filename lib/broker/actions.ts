import type { ActionSchema, Service, ServiceSchema } from 'moleculer';
import { AppError } from '../errors.ts';

/**
 * What a second run of an action with the same params does. A request may run late (its node was frozen and the
 * caller has given up) or more than once (an answer was lost, the caller has asked again), so every action says it:
 * `idempotent`: the same as one run; `{ key }`: the param by which the action knows a request again.
 */
export type Repetition = 'idempotent' | { key: string };

export type DeclaredAction<S> = ActionSchema<S> & { repetition: Repetition };

/** The actions of a service, each with its declaration; `false` takes away one that a mixin brings. */
export function declareActions<S extends Service>(
  actions: Record<string, DeclaredAction<S> | false>,
): NonNullable<ServiceSchema['actions']> {
  for (const [name, action] of Object.entries(actions))
    if (action !== false) requireDeclaration(name, action);
  return actions as NonNullable<ServiceSchema['actions']>;
}

function requireDeclaration(name: string, action: { params?: unknown }): void {
  const params = (action.params ?? {}) as Record<string, unknown>;
  const fault =
    repetitionOf(action) === undefined
      ? 'does not say what a second run does'
      : params.$$strict !== true
        ? 'takes unknown params'
        : undefined;
  if (fault) throw new AppError('INTERNAL', { message: `The action ${name} ${fault}.` });
}

/** The declaration of an action, here or at another node; undefined when it has none that can be relied on. */
export function repetitionOf(action: object): Repetition | undefined {
  const { repetition, params = {} } = action as { repetition?: unknown; params?: Record<string, unknown> };
  if (repetition === 'idempotent') return repetition;
  const key = (repetition as { key?: unknown } | null | undefined)?.key;
  return typeof key === 'string' && key in params ? { key } : undefined;
}
