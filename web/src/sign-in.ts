import { element } from './elements.ts';

/** The page of the provider `local`: takes a name, and goes on with it to the callback of this sign-in. */
const CALLBACK = '/api/auth/local/callback';

const state = new URL(location.href).searchParams.get('state') ?? '';
const field = element<HTMLInputElement>('name');
const problem = element('problem');

element<HTMLFormElement>('form').addEventListener('submit', (event) => {
  event.preventDefault();
  const name = field.value.trim();
  const isName = /[\p{L}\p{N}]/u.test(name) && !name.includes('@');
  problem.hidden = isName;
  problem.textContent = isName ? '' : 'A name has letters, and is no e-mail address.';
  if (isName) location.assign(`${CALLBACK}?${new URLSearchParams({ state, name })}`);
  else field.focus();
});
field.focus();
