import { AppError } from '../errors.ts';
import { nowOf, type AccountsContext } from './context.ts';
import { UserEntity } from './entities.ts';
import type { UserView } from './views.ts';
import { makeWorkspace } from './workspaces.ts';

/** What a provider says of a person who has signed in there. */
export interface Profile {
  provider: string;
  /** The provider's `sub`. */
  subject: string;
  /** Only one that the provider has verified. */
  email?: string;
  name: string;
  avatarUrl?: string;
}

interface UserRow {
  id: string;
  email?: string | null;
  name: string;
  avatarUrl?: string | null;
  createdAt: Date;
}

const PERSONAL_WORKSPACE_NAME = 'Personal';

/** People with an account. */
export class Users {
  readonly #context: AccountsContext;

  constructor(context: AccountsContext) {
    this.#context = context;
  }

  /**
   * The account of who has signed in, by provider and subject alone; made with a personal workspace at the first time.
   * An e-mail address that another account has is left out: it proves nothing about that account.
   */
  signedIn(profile: Profile): Promise<UserView> {
    const { provider, subject, name, avatarUrl = null } = profile;
    return this.#context.database.entities(async (em) => {
      // Two first sign-ins at once make one account.
      await em.execute('select pg_advisory_xact_lock(hashtextextended(?, 0))', [`${provider} ${subject}`]);
      const now = nowOf(this.#context);
      const known = await em.findOne(UserEntity, { oauthProvider: provider, oauthId: subject });
      const holder = profile.email ? await em.findOne(UserEntity, { email: profile.email }) : null;
      const email = holder && holder.id !== known?.id ? null : (profile.email ?? null);
      if (known) {
        Object.assign(known, { name, avatarUrl, email, updatedAt: now });
        return viewOf(known);
      }
      const id = this.#context.newId();
      const made = em.create(
        UserEntity,
        {
          id,
          email,
          name,
          avatarUrl,
          oauthProvider: provider,
          oauthId: subject,
          createdAt: now,
          updatedAt: now,
        },
        { persist: true },
      );
      await em.flush();
      const workspaceId = this.#context.newId();
      await makeWorkspace(em, this.#context, {
        id: workspaceId,
        name: PERSONAL_WORKSPACE_NAME,
        type: 'personal',
        userId: id,
      });
      return viewOf(made);
    });
  }

  /** Rejects with NOT_FOUND. */
  get(userId: string): Promise<UserView> {
    return this.#context.database.entities(async (em) => {
      const user = await em.findOne(UserEntity, { id: userId });
      if (!user) throw new AppError('NOT_FOUND');
      return viewOf(user);
    });
  }
}

function viewOf({ id, email, name, avatarUrl, createdAt }: UserRow): UserView {
  return {
    id,
    email: email ?? null,
    name,
    avatarUrl: avatarUrl ?? null,
    createdAt: createdAt.toISOString(),
  };
}
