// One's own account: password, sessions, leaving.
import { useState } from 'preact/hooks';
import { Field, Form, Head, html, Loaded, Table, useLoad, when } from './ui.js';
import { api, client } from './session.js';

export function Account({ me }) {
  const sessions = useLoad(async () => (await api('GET', '/auth/sessions')).sessions);
  const [said, say] = useState('');
  const change = async ({ current, password }, form) => {
    await api('POST', '/auth/password', { current_password: current, new_password: password });
    form.reset();
    say('The password is changed; every other session has ended.');
    sessions.reload();
  };
  const leave = async () => { await client.logout(); location.reload(); };
  const end = async (s) => { await api('DELETE', `/auth/sessions/${encodeURIComponent(s.id)}`); sessions.reload(); };
  return html`<${Head} title="Account"><button onClick=${leave}>Log out</button><//>
    <p>You are <b>${me.username}</b>, ${me.role === 'admin' ? 'an administrator' : 'a member'}.</p>
    <section class="card" aria-labelledby="sessions"><h2 id="sessions">Your sessions</h2><${Loaded} of=${sessions}>${(l) => html`<${Table} label="Sessions" rows=${l} keyOf=${(s) => s.id} columns=${[
      { title: 'Since', of: (s) => html`${when(s.created)}${s.current && html` <span class="pill good">this one</span>`}` }, { title: 'Last used', of: (s) => when(s.last_used) }, { title: 'Address', of: (s) => s.ip },
      { of: (s) => !s.current && html`<button onClick=${() => end(s)}>End<span class="hidden"> the session from ${s.ip}</span></button>` }]} />`}<//></section>
    <section class="card" aria-labelledby="password-title"><h2 id="password-title">Password</h2><p role="status">${said}</p><${Form} submit="Change the password" onSubmit=${change}>
      <input type="hidden" name="username" autocomplete="username" value=${me.username} />
      <${Field} label="Password of now" name="current" type="password" required autocomplete="current-password" />
      <${Field} label="New password" name="password" type="password" required autocomplete="new-password" hint="At least 15 characters, unless the gateway is configured otherwise." /><//></section>`;
}
