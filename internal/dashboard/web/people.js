// The people of the site.
import { useState } from 'preact/hooks';
import { Confirm, Copy, Dialog, Field, Form, Head, html, Loaded, span, Table, useLoad, when } from './ui.js';
import { api } from './session.js';
import { grantsOf, grantsText } from './grants.js';

export function People({ me }) {
  const list = useLoad(async () => (await api('GET', '/users')).users, 15000);
  const [doing, set] = useState({});
  const done = () => { set({}); list.reload(); };
  const path = (u) => `/users/${encodeURIComponent(u.username)}`;
  const act = async (does) => { try { await does(); set({}); } catch (error) { set({ error }); } list.reload(); };
  return html`<${Head} title="People"><button class="main" onClick=${() => set({ add: true })}>Add a person</button><//>
    <div class="card"><${Loaded} of=${{ ...list, error: doing.error ?? list.error }}>${(l) => html`<${Table} label="People" rows=${l} keyOf=${(u) => u.username} columns=${[
      { title: 'Name', of: (u) => html`<b>${u.username}</b>${u.username === me.username && html` <span class="soft">(you)</span>`}` }, { title: 'Role', of: (u) => u.role },
      { title: 'Grants', of: (u) => (u.role === 'admin' ? 'everything' : grantsText(u.grants) || 'none') }, { title: 'Since', of: (u) => when(u.created) },
      { title: 'State', of: (u) => html`${u.disabled && html`<span class="pill bad">disabled</span> `}${u.locked && html`<span class="pill warn">locked</span> `}${u.reset_requested && html`<span class="pill warn">asks for a new password</span>`}${!u.disabled && !u.locked && !u.reset_requested && html`<span class="pill good">active</span>`}` },
      { of: (u) => html`<span class="row"><button onClick=${() => set({ edit: u })}>Edit<span class="hidden"> ${u.username}</span></button>
        ${u.locked && html`<button onClick=${() => act(() => api('POST', `${path(u)}/unlock`))}>Unlock<span class="hidden"> ${u.username}</span></button>`}
        <button onClick=${() => set({ reset: u })}>Reset code<span class="hidden"> for ${u.username}</span></button>
        <button onClick=${() => act(() => api('PATCH', path(u), { disabled: !u.disabled }))}>${u.disabled ? 'Enable' : 'Disable'}<span class="hidden"> ${u.username}</span></button>
        <button class="danger" onClick=${() => set({ remove: u })}>Delete<span class="hidden"> ${u.username}</span></button></span>` }]} />`}<//></div>
    ${doing.add && html`<${Dialog} title="Add a person" onClose=${() => set({})}><${Form} submit="Add" onSubmit=${async ({ username, password, role }) => { await api('POST', '/users', { username, password, role }); done(); }}>
      <${Field} label="Name" name="username" required autocapitalize="none" spellcheck=${false} autocomplete="off" /><${Field} label="Password" name="password" type="password" required autocomplete="new-password" hint="At least 15 characters, unless the gateway is configured otherwise." />
      <${Role} /><//><//>`}
    ${doing.edit && html`<${Dialog} title=${`Edit ${doing.edit.username}`} onClose=${() => set({})}><${Form} submit="Save" onSubmit=${async ({ role, grants }) => { await api('PATCH', path(doing.edit), { role, grants: grantsOf(grants) }); done(); }}>
      <${Role} now=${doing.edit.role} /><${Field} label="Grants" as="textarea" name="grants" value=${grantsText(doing.edit.grants, '\n')} hint="One PATTERN:RIGHTS a line, for example plant.*:rw. Administrators may everything." /><//><//>`}
    ${doing.reset && html`<${Confirm} title="Make a reset code" text=${`With it ${doing.reset.username} sets a new password, once; a code of before is void.`} action=${async () => {
      set({ code: await api('POST', `${path(doing.reset)}/password-reset`), of: doing.reset });
    }} onDone=${list.reload} onClose=${() => set((s) => (s.code ? s : {}))} />`}
    ${doing.code && html`<${Dialog} title=${`A code for ${doing.of.username}`} onClose=${() => set({})}><p>Good once, for ${span(doing.code.expires_in)}. It is used at the login, under “I have forgotten my password”.</p>
      <pre class="key" tabindex="0" aria-label="Reset code">${doing.code.reset_token}</pre><${Copy} text=${doing.code.reset_token} /><//>`}
    ${doing.remove && html`<${Confirm} title="Delete" text=${`Delete ${doing.remove.username}? The messages stay.`} action=${() => api('DELETE', path(doing.remove))} onDone=${done} onClose=${() => set({})} />`}`;
}

function Role({ now = 'member' }) {
  return html`<${Field} label="Role" as="select" name="role">${['member', 'admin'].map((r) => html`<option value=${r} selected=${r === now}>${r}</option>`)}<//>`;
}
