// The session of this tab. The access token is in memory only; the refresh token
// is in a cookie that no script can read, which all tabs share.
import { Client } from 'edgegw';

export const client = new Client({ url: location.origin, cookie: true });

export const api = (method, path, body, options) => client.request(method, path, body, options);

/** Says what went wrong in words that help. */
export function explain(error) {
  const after = error.retryAfterMs ? ` Try again in ${Math.ceil(error.retryAfterMs / 1000)} s.` : '';
  switch (error.code) {
    case 'network': return 'The gateway does not answer. Are you still in its network?';
    case 'busy': case 'unavailable': return `The gateway is busy or restarting.${after}`;
  }
  const text = error.message || String(error);
  // The name of a member stays as it is written.
  const first = /^[a-z]+\b(?![_:])/.test(text) ? text[0].toUpperCase() : text[0];
  return first + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.') + after;
}

/** Where this visitor stands: `{step: 'setup' | 'login' | 'in' | 'offline', me}`. */
export async function arrive() {
  try {
    await client.token();
    return { step: 'in', me: await api('GET', '/auth/me') };
  } catch (error) {
    if (error.code === 'setup_required') return { step: 'setup' };
    if (error.loginNeeded || error.status === 401) return { step: 'login' };
    return { step: 'offline', error };
  }
}
