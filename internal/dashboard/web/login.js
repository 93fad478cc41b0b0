// Logging in, and setting a new password with a code.
import { useState } from 'preact/hooks';
import { Field, Form, Head, html } from './ui.js';
import { EdgegwError } from 'edgegw';
import { client } from './session.js';

export function Login({ ended, onDone }) {
  const [reset, setReset] = useState(false), [done, setDone] = useState('');
  if (reset) return html`<${Reset} onBack=${() => setReset(false)} onDone=${() => { setReset(false); setDone('The new password is set. Log in with it.'); }} />`;
  const login = async ({ username, password }) => {
    await client.login({ username, password });
    onDone();
  };
  return html`<main class="narrow" key="login"><${Head} title="Log in" />
    <p class="notice" role="status" hidden=${!ended && !done}>${done || (ended && 'Your session has ended. Log in again.')}</p>
    <div class="card"><${Form} id="login-form" submit="Log in" onSubmit=${login}>
      <${Field} id="username" label="Name" name="username" required autocomplete="username" autocapitalize="none" spellcheck=${false} />
      <${Field} id="password" label="Password" name="password" type="password" required autocomplete="current-password" /><//></div>
    <button class="plain" onClick=${() => setReset(true)}>I have forgotten my password</button></main>`;
}

function Reset({ onBack, onDone }) {
  const [asked, setAsked] = useState(false);
  const ask = async ({ username }) => {
    await open('POST', '/auth/password-reset', { username });
    setAsked(true);
  };
  const set = async ({ token, password }) => {
    await open('POST', '/auth/password-reset/confirm', { token: token.trim(), new_password: password });
    onDone();
  };
  return html`<main class="narrow" key="reset"><${Head} title="A new password" />
    <div class="card"><h2>1. Ask for a code</h2><p class="soft">It comes the way that this gateway is set up for, or an administrator sees that you ask and gives you one.</p>
      <${Form} submit="Ask" onSubmit=${ask}><${Field} label="Name" name="username" required autocomplete="username" autocapitalize="none" /><//>
      <p role="status">${asked && 'It has been asked for, if there is such an account.'}</p></div>
    <div class="card"><h2>2. Use the code</h2><${Form} submit="Set the password" onSubmit=${set}>
      <${Field} label="Code" name="token" required autocomplete="off" spellcheck=${false} />
      <${Field} label="New password" name="password" type="password" required autocomplete="new-password" hint="At least 15 characters, unless the gateway is configured otherwise." /><//></div>
    <button class="plain" onClick=${onBack}>Back to the login</button></main>`;
}

// For what needs no login.
async function open(method, path, body) {
  let answer;
  try {
    answer = await fetch(path, { method, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  } catch {
    throw new EdgegwError('network', '');
  }
  const said = await answer.json().catch(() => ({}));
  if (answer.ok) return said;
  throw new EdgegwError(said.code, said.detail ?? `the gateway answered ${answer.status}`, { status: answer.status, retryAfterMs: 1000 * (answer.headers.get('Retry-After') ?? 0) });
}

export { open };
