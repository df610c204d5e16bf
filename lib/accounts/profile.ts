import type { Profile } from './users.ts';

const MAX_NAME_LENGTH = 100;
const MAX_EMAIL_LENGTH = 254;
const MAX_URL_LENGTH = 2_000;
/** Shown to others: never an address. */
const NAMELESS = 'Guest';

/** Claims of an ID token or of userinfo. */
export type Claims = Readonly<Record<string, unknown>> & { sub: string };

/** What is kept of what a provider says: only a verified e-mail address, only pictures by https. */
export function profileOf(provider: string, claims: Claims): Profile {
  const { sub, email, email_verified: isVerified, picture } = claims;
  const full = [claims.given_name, claims.family_name].filter((part) => typeof part === 'string').join(' ');
  const names = [claims.name, claims.preferred_username, claims.nickname, full];
  const name = names.map(lineOf).find((each) => each !== '' && !each.includes('@')) ?? NAMELESS;
  return {
    provider,
    subject: sub,
    name,
    ...(isVerified === true && isEmail(email) ? { email: email.toLowerCase() } : {}),
    ...(isPicture(picture) ? { avatarUrl: picture } : {}),
  };
}

function lineOf(value: unknown): string {
  if (typeof value !== 'string') return '';
  const line = value.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim();
  return [...line].slice(0, MAX_NAME_LENGTH).join('');
}

function isEmail(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_EMAIL_LENGTH && /^[^\s@]+@[^\s@]+$/.test(value);
}

function isPicture(value: unknown): value is string {
  if (typeof value !== 'string' || value.length > MAX_URL_LENGTH) return false;
  return URL.canParse(value) && new URL(value).protocol === 'https:';
}
