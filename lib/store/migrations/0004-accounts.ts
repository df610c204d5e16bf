import { Migration } from '@mikro-orm/migrations';

/** People, their sessions, what they own, and who may do what with it. */
export class AccountsMigration extends Migration {
  override up(): void {
    this.addSql(
      `create table "access_changes" ("id" bigserial primary key, "change" jsonb not null, "at" timestamptz(3) not null default now())`,
    );
    this.addSql(
      `create table "sign_ins" ("state" text not null, "provider" text not null, "nonce" text not null, "code_verifier" text not null, "browser" text not null, "return_to" text null, "expires_at" timestamptz(3) not null, primary key ("state"))`,
    );
    this.addSql(
      `create table "signing_keys" ("kid" text not null, "algorithm" text not null, "public_jwk" jsonb not null, "private_jwk" text not null, "created_at" timestamptz(3) not null, "retires_at" timestamptz(3) not null, "expires_at" timestamptz(3) not null, primary key ("kid"))`,
    );
    this.addSql(
      `create table "users" ("id" uuid not null, "email" text null, "name" text not null, "avatar_url" text null, "oauth_provider" text not null, "oauth_id" text not null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), primary key ("id"))`,
    );
    this.addSql(`alter table "users" add constraint "users_email_unique" unique ("email")`);
    this.addSql(
      `alter table "users" add constraint "users_oauth_unique" unique ("oauth_provider", "oauth_id")`,
    );
    this.addSql(
      `create table "sessions" ("id" uuid not null, "user_id" uuid not null, "token" text not null, "user_agent" text null, "expires_at" timestamptz(3) not null, "refreshed_at" timestamptz(3) not null default now(), "created_at" timestamptz(3) not null default now(), primary key ("id"))`,
    );
    this.addSql(`alter table "sessions" add constraint "sessions_token_unique" unique ("token")`);
    this.addSql(`create index "sessions_user_index" on "sessions" ("user_id")`);
    this.addSql(
      `create table "session_spent_tokens" ("token" text not null, "session_id" uuid not null, "spent_at" timestamptz(3) not null, primary key ("token"))`,
    );
    this.addSql(`create index "session_spent_tokens_session_index" on "session_spent_tokens" ("session_id")`);
    this.addSql(
      `create table "workspaces" ("id" uuid not null, "name" text not null, "type" text not null, "owner_id" uuid not null, "created_at" timestamptz(3) not null default now(), "deleted_at" timestamptz(3) null, primary key ("id"))`,
    );
    this.addSql(`create index "workspaces_owner_index" on "workspaces" ("owner_id")`);
    this.addSql(
      `alter table "workspaces" add constraint "workspaces_type_check" check ("type" in ('personal', 'team'))`,
    );
    this.addSql(
      `create table "boards" ("id" uuid not null, "workspace_id" uuid not null, "name" text not null, "thumbnail_url" text null, "created_by" uuid not null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), "deleted_at" timestamptz(3) null, primary key ("id"))`,
    );
    this.addSql(`create index "boards_workspace_index" on "boards" ("workspace_id")`);
    this.addSql(
      `create table "board_members" ("board_id" uuid not null, "user_id" uuid not null, "role" text not null, "invited_by" uuid null, "joined_at" timestamptz(3) not null default now(), primary key ("board_id", "user_id"))`,
    );
    this.addSql(`create index "board_members_user_index" on "board_members" ("user_id")`);
    this.addSql(
      `alter table "board_members" add constraint "board_members_role_check" check ("role" in ('owner', 'editor', 'viewer'))`,
    );
    this.addSql(
      `create table "board_invites" ("id" uuid not null, "board_id" uuid not null, "token" text not null, "role" text not null, "expires_at" timestamptz(3) null, "max_uses" int null, "uses" int not null default 0, "revoked_at" timestamptz(3) null, "created_by" uuid not null, "created_at" timestamptz(3) not null default now(), primary key ("id"))`,
    );
    this.addSql(`alter table "board_invites" add constraint "board_invites_token_unique" unique ("token")`);
    this.addSql(`create index "board_invites_board_index" on "board_invites" ("board_id")`);
    this.addSql(
      `alter table "board_invites" add constraint "board_invites_role_check" check ("role" in ('owner', 'editor', 'viewer'))`,
    );
    this.addSql(
      `create table "board_document_rules" ("id" uuid not null, "board_id" uuid not null, "document" text not null, "read" text not null, "write" text not null, primary key ("id"))`,
    );
    this.addSql(
      `alter table "board_document_rules" add constraint "board_document_rules_document_unique" unique ("board_id", "document")`,
    );
    this.addSql(
      `alter table "board_document_rules" add constraint "board_document_rules_read_check" check ("read" in ('owner', 'editor', 'viewer'))`,
    );
    this.addSql(
      `alter table "board_document_rules" add constraint "board_document_rules_write_check" check ("write" in ('owner', 'editor'))`,
    );
    this.addSql(
      `create table "workspace_members" ("workspace_id" uuid not null, "user_id" uuid not null, "role" text not null, "joined_at" timestamptz(3) not null default now(), primary key ("workspace_id", "user_id"))`,
    );
    this.addSql(`create index "workspace_members_user_index" on "workspace_members" ("user_id")`);
    this.addSql(
      `alter table "workspace_members" add constraint "workspace_members_role_check" check ("role" in ('owner', 'admin', 'member'))`,
    );
    this.addSql(
      `alter table "sessions" add constraint "sessions_user_id_foreign" foreign key ("user_id") references "users" ("id") on delete cascade`,
    );
    this.addSql(
      `alter table "session_spent_tokens" add constraint "session_spent_tokens_session_id_foreign" foreign key ("session_id") references "sessions" ("id") on delete cascade`,
    );
    this.addSql(
      `alter table "workspaces" add constraint "workspaces_owner_id_foreign" foreign key ("owner_id") references "users" ("id") on delete restrict`,
    );
    this.addSql(
      `alter table "boards" add constraint "boards_workspace_id_foreign" foreign key ("workspace_id") references "workspaces" ("id") on delete cascade`,
    );
    this.addSql(
      `alter table "boards" add constraint "boards_created_by_foreign" foreign key ("created_by") references "users" ("id") on delete restrict`,
    );
    this.addSql(
      `alter table "board_members" add constraint "board_members_board_id_foreign" foreign key ("board_id") references "boards" ("id") on update cascade on delete cascade`,
    );
    this.addSql(
      `alter table "board_members" add constraint "board_members_user_id_foreign" foreign key ("user_id") references "users" ("id") on update cascade on delete cascade`,
    );
    this.addSql(
      `alter table "board_members" add constraint "board_members_invited_by_foreign" foreign key ("invited_by") references "users" ("id") on delete set null`,
    );
    this.addSql(
      `alter table "board_invites" add constraint "board_invites_board_id_foreign" foreign key ("board_id") references "boards" ("id") on delete cascade`,
    );
    this.addSql(
      `alter table "board_invites" add constraint "board_invites_created_by_foreign" foreign key ("created_by") references "users" ("id") on delete restrict`,
    );
    this.addSql(
      `alter table "board_document_rules" add constraint "board_document_rules_board_id_foreign" foreign key ("board_id") references "boards" ("id") on delete cascade`,
    );
    this.addSql(
      `alter table "workspace_members" add constraint "workspace_members_workspace_id_foreign" foreign key ("workspace_id") references "workspaces" ("id") on update cascade on delete cascade`,
    );
    this.addSql(
      `alter table "workspace_members" add constraint "workspace_members_user_id_foreign" foreign key ("user_id") references "users" ("id") on update cascade on delete cascade`,
    );
  }

  override down(): void {
    for (const table of [
      'access_changes',
      'board_invites',
      'board_document_rules',
      'board_members',
      'boards',
      'workspace_members',
      'workspaces',
      'signing_keys',
      'sign_ins',
      'session_spent_tokens',
      'sessions',
      'users',
    ])
      this.addSql(`drop table "${table}"`);
  }
}
