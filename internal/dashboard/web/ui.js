// The few parts that all pages are made of.
import { h } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import htm from 'htm';
import { explain } from './session.js';

export const html = htm.bind(h);

/** Loads something at once and then every so often while the page is seen. */
export function useLoad(load, every = 0, deps = []) {
  const [state, set] = useState({ loading: true });
  const again = useRef(() => {});
  useEffect(() => {
    let gone = false, timer;
    const run = async () => {
      clearTimeout(timer);
      try {
        const data = document.hidden && every ? undefined : await load();
        if (!gone && data !== undefined) set({ data });
      } catch (error) {
        if (!gone) set((s) => ({ data: s.data, error }));
      }
      if (!gone && every) timer = setTimeout(run, every);
    };
    again.current = run;
    run();
    const seen = () => { if (!document.hidden && every) run(); };
    document.addEventListener('visibilitychange', seen);
    return () => { gone = true; clearTimeout(timer); document.removeEventListener('visibilitychange', seen); };
  }, deps);
  return { ...state, reload: () => again.current() };
}

export function Problem({ error }) {
  return html`<p class=${error ? 'notice problem' : 'hidden'} role="alert">${error ? explain(error) : ''}</p>`;
}

/** What a page shows while it loads, when that failed, and when there is nothing. */
export function Loaded({ of, empty, children }) {
  if (of.data === undefined && of.error) return html`<${Problem} error=${of.error} /><button onClick=${of.reload}>Try again</button>`;
  if (of.data === undefined) return html`<p class="loading" role="status">Loading…</p>`;
  return html`<${Problem} error=${of.error} />${empty?.(of.data) || children(of.data)}`;
}

export function Head({ title, children }) {
  const at = useRef();
  useEffect(() => { document.title = `${title} – edgegw`; at.current.focus({ preventScroll: true }); }, [title]);
  return html`<div class="head"><h1 tabindex="-1" ref=${at}>${title}</h1>${children}</div>`;
}

/** A form that says what went wrong, and is sent once at a time. */
export function Form({ onSubmit, submit, children, danger, id }) {
  const [busy, setBusy] = useState(false), [error, setError] = useState();
  const send = async (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    setBusy(true);
    setError();
    try {
      await onSubmit(Object.fromEntries(new FormData(form)), form);
    } catch (e) {
      setError(e);
    }
    setBusy(false);
  };
  return html`<form id=${id} onSubmit=${send}>${children}<div class="row end"><${Problem} error=${error} />
    <button class=${danger ? 'danger' : 'main'} disabled=${busy}>${submit}</button></div></form>`;
}

let fields = 0;

export function Field({ label, hint, as = 'input', children, ...rest }) {
  const own = useRef();
  const id = rest.id ?? (own.current ??= `field-${++fields}`);
  return html`<label for=${id}>${label}</label><${as} id=${id} aria-describedby=${hint && `${id}-hint`} ...${rest}>${children}<//>
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}`;
}

export function Dialog({ title, onClose, children }) {
  const at = useRef();
  useEffect(() => { at.current.showModal(); }, []);
  return html`<dialog ref=${at} onClose=${onClose} aria-label=${title}><div class="head"><h2>${title}</h2>
    <button class="plain" onClick=${() => at.current.close()}>Close</button></div>${children}</dialog>`;
}

export function Confirm({ title, text, action, onDone, onClose }) {
  return html`<${Dialog} title=${title} onClose=${onClose}><p>${text}</p>
    <${Form} danger submit=${title} onSubmit=${async () => { await action(); onDone(); }} /><//>`;
}

export function Table({ columns, rows, keyOf, label }) {
  return html`<div class="scroll"><table class="cards"><caption class="hidden">${label}</caption>
    <thead><tr>${columns.map((c) => html`<th scope="col">${c.title || html`<span class="hidden">Actions</span>`}</th>`)}</tr></thead>
    <tbody>${rows.map((r) => html`<tr key=${keyOf(r)}>${columns.map((c) => html`<td class=${c.title ? '' : 'end'} data-label=${c.title}><span>${c.of(r)}</span></td>`)}</tr>`)}</tbody></table></div>`;
}

export function Copy({ text }) {
  const [done, set] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch { // without TLS browsers have no clipboard
      const area = document.body.appendChild(document.createElement('textarea'));
      area.value = text;
      area.select();
      document.execCommand('copy');
      area.remove();
    }
    set(true);
    setTimeout(() => set(false), 2000);
  };
  return html`<button onClick=${copy}><span aria-live="polite">${done ? 'Copied' : 'Copy'}</span></button>`;
}

const number = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
export const count = (n) => number.format(n);
export function bytes(n) {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let i = 0;
  for (; n >= 1000 && i < units.length - 1; i++) n /= 1000;
  return `${count(n)} ${units[i]}`;
}
export function span(s) {
  if (s < 60) return `${Math.round(s)} s`;
  if (s < 3600) return `${Math.round(s / 60)} min`;
  if (s < 172800) return `${count(s / 3600)} h`;
  return `${Math.round(s / 86400)} days`;
}
export function when(ms) {
  if (!ms) return 'never';
  const d = new Date(ms);
  return html`<time datetime=${d.toISOString()}>${d.toLocaleString(undefined, { dateStyle: 'short', timeStyle: 'medium' })}</time>`;
}
