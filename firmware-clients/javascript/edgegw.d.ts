/** What went wrong: a code of PROTOCOL section 8, or `network`. */
export class EdgegwError extends Error {
  constructor(code: string, message: string, more?: { status?: number; retryAfterMs?: number; requestId?: string; cause?: unknown });
  code: string;
  /** The HTTP status, 0 where there was none. */
  status: number;
  /** How long the gateway asks to wait, in milliseconds; 0 if it does not. */
  retryAfterMs: number;
  requestId?: string;
  /** Only a new login helps. */
  loginNeeded?: boolean;
}

export type Action = 'reconnect' | 'refresh' | 'skip' | 'login' | 'stop';
export function actionFor(closeCode: number): Action;
export function retryAfter(closeReason: string): number;

export interface Resume { after?: number; epoch?: string; latest?: boolean }
export function resumeQuery(resume?: Resume): string;

export interface Options extends Resume {
  /** `http://…` or `https://…`; in a browser the page's own origin by default. */
  url?: string;
  /** The default room; the account's own, else `lobby`, if it is not given. */
  room?: string;
  /** One of these logs in. With `cookie` the refresh token is in a cookie of the browser. */
  deviceKey?: string;
  username?: string;
  password?: string;
  cookie?: boolean;
  accessToken?: string;
  refreshToken?: string;
  /** Gives tokens in the place of a login; `fresh`: the one of before is no good. */
  getToken?: (fresh: boolean) => Promise<string>;
  /** Called with each new refresh token, to keep it. */
  onTokens?: (tokens: { refreshToken: string }) => void;
  /** How many messages may be under way; 64. */
  maxOutbox?: number;
  WebSocket?: unknown;
  fetch?: typeof fetch;
  /** Milliseconds that never jump. */
  now?: () => number;
  random?: () => number;
  setTimeout?: (f: () => void, ms: number) => unknown;
  clearTimeout?: (timer: unknown) => void;
}

export interface Frame { type: string; room?: string; [member: string]: unknown }
export interface Message extends Frame { room: string; seq: number; ts: number; user: string; id?: string; encoding?: 'base64'; data: unknown }
export interface Subscribed extends Frame { room: string; epoch: string; seq: number; recovered?: boolean; replay?: number; from?: number }
export interface Gap extends Frame { room: string; from: number; to: number; reason: string }
export interface Lost { room: string; epoch: string; seq: number; from: number; to: number }
export interface State { state: 'idle' | 'connecting' | 'connected' | 'waiting' | 'stopped'; code?: number; reason?: string; error?: EdgegwError; retryAt?: number; user?: string; room?: string }
export interface Receipt { room: string; id: string; seq: number; ts: number; durability: 'memory' | 'queued' | 'fsynced' }

export interface Events {
  state: State; welcome: Frame; subscribed: Subscribed; message: Message; gap: Gap; lost: Lost; typing: Frame; presence: Frame;
  unsubscribed: Frame; error: Frame; auth_ok: Frame; login: { how: 'password' | 'device' | 'refresh' }; 'login-needed': { reason: string };
  closed: { code: number; reason: string; waitMs: number };
}

export class Client {
  constructor(options?: Options);
  readonly state: State;
  on<E extends keyof Events>(event: E, fn: (value: Events[E]) => void): () => void;
  login(given?: { username?: string; password?: string; deviceKey?: string; cookie?: boolean }): Promise<{ username: string; role: string }>;
  adopt(pair: { access_token: string; expires_in: number; refresh_token?: string }): void;
  logout(): Promise<void>;
  token(fresh?: boolean): Promise<string>;
  request(method: string, path: string, body?: unknown, options?: { signal?: AbortSignal }): Promise<any>;
  connect(): void;
  close(code?: number): void;
  publish(data: unknown, options?: { room?: string; id?: string }): Promise<Receipt>;
  subscribe(room: string, resume?: Resume): void;
  unsubscribe(room: string): void;
  typing(state: 'start' | 'stop', room?: string): void;
  position(room?: string): { seq: number; epoch: string } | undefined;
  /** The gateway's time in Unix milliseconds. */
  serverTime(): number | undefined;
}
