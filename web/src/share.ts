import { element } from './elements.ts';
import { make } from './make.ts';
import type { Session } from './session.ts';
import { offerCopy, view } from './shell.ts';

export type BoardRole = 'viewer' | 'editor' | 'owner';

interface Member {
  userId: string;
  name: string;
  role: BoardRole;
  /** It comes from the workspace, and is not taken away here. */
  inherited: boolean;
}

interface Named {
  id: string;
}

const ROLES: readonly BoardRole[] = ['viewer', 'editor', 'owner'];
/** As many as fit on the page; who has more uses the API. */
const SHOWN = 100;

/** Keeps the list of who has a role; an owner changes it there. */
export function showMembers(session: Session, { id }: Named): { refresh(role?: BoardRole): void } {
  const path = `/api/boards/${id}/members`;
  let own: BoardRole = 'viewer';
  let asked = 0;

  const change = (method: string, { userId }: Member, body?: object) => {
    session
      .ask(method, `${path}/${userId}`, body)
      .catch((error: Error) => view.showNotice(error.message))
      .finally(() => refresh());
  };
  const control = (member: Member): Node[] => {
    if (own !== 'owner' || (member.inherited && member.role === 'owner'))
      return [make('span', { className: 'role' }, member.role)];
    const select = make('select', { className: 'field', ariaLabel: `Role of ${member.name}` });
    select.append(
      ...ROLES.map((role) => make('option', { value: role, selected: role === member.role }, role)),
    );
    select.addEventListener('change', () => change('PATCH', member, { role: select.value }));
    if (member.inherited || member.userId === session.user.id) return [select];
    const remove = make('button', { className: 'button quiet', type: 'button' }, 'Remove');
    remove.ariaLabel = `Remove ${member.name}`;
    remove.addEventListener('click', () => change('DELETE', member));
    return [select, remove];
  };
  function refresh(role = own): void {
    own = role;
    const turn = ++asked;
    session.ask<{ rows: Member[] }>('GET', `${path}?sort=joinedAt&pageSize=${SHOWN}`).then(
      ({ rows }) => {
        // A later answer has come before.
        if (turn !== asked) return;
        const items = rows.map((member) =>
          make('li', {}, make('span', { className: 'member-name' }, member.name), ...control(member)),
        );
        element('members').replaceChildren(...items);
      },
      (error: Error) => view.showNotice(error.message),
    );
  }
  return { refresh };
}

/** Makes links that give a role. The token stands behind the #, so that no server is told of it by a mere visit. */
export function showInvites(session: Session, { id }: Named): void {
  const form = element<HTMLFormElement>('invite');
  const link = element<HTMLInputElement>('invite-link');
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const role = element<HTMLSelectElement>('invite-role').value;
    session.ask<{ token: string }>('POST', `/api/boards/${id}/invite`, { role }).then(
      ({ token }) => {
        link.value = inviteLink(token, location.origin);
        element('invite-result').hidden = false;
        link.focus();
        link.select();
      },
      (error: Error) => view.showNotice(error.message),
    );
  });
  offerCopy(element<HTMLButtonElement>('invite-copy'), () => link.value);
}

export function inviteLink(token: string, origin: string): string {
  return `${origin}/#invite=${token}`;
}
