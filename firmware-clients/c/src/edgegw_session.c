/* The way to a connection and back to one: login, refresh, handshake, waits
 * (sections 7 and 9). */
#include "edgegw_internal.h"

#define RENEW_BEFORE 10000  /* ms that a token has to live to be connected with */
#define STABLE_AFTER 30000u /* ms that a connection has to be open to count as a good one */
#define TOKENS_SPARE 256u   /* bytes behind the tokens, for a line and a short answer */

uint32_t edgegw_spread(struct edgegw *c, uint32_t most)
{
    uint32_t mask = most, v;
    for (unsigned n = 1; n < 32; n <<= 1) {
        mask |= mask >> n;
    }
    /* Evenly: what is too much is drawn again, unless the source is stuck. */
    for (unsigned tries = 0; tries < 64; tries++) {
        c->config.random(c->config.user, (uint8_t *)&v, sizeof v);
        v &= mask;
        if (v < most) {
            return v + 1;
        }
    }
    return most ? most : 1;
}

uint32_t edgegw_backoff(struct edgegw *c, uint8_t *tries)
{
    uint32_t most = *tries < 6 ? 500u << *tries : 20000u;
    *tries = (uint8_t)(*tries + (*tries < 6));
    return edgegw_spread(c, most);
}

uint32_t edgegw_ms(uint64_t s)
{
    return s > 1728000 ? UINT32_C(1728000000) : (uint32_t)s * 1000;
}

static void ask(struct edgegw *c, unsigned purpose)
{
    unsigned channel = purpose == ASK_SHAKE ? EDGEGW_CHANNEL_WS : EDGEGW_CHANNEL_HTTP;
    memset(&c->http, 0, sizeof c->http);
    c->http.purpose = (uint8_t)purpose;
    /* The lowest bit is the channel, so that no two connections have one number. */
    c->serial = (uint16_t)(c->serial + 2);
    c->conn[channel] = (uint16_t)((c->serial | 2) + channel);
    if (c->phase == PHASE_OPEN) {
        c->renew = RENEW_ASKING;
        c->renew_at = c->now + c->config.timeout_ms;
        return;
    }
    c->phase = purpose == ASK_SHAKE ? PHASE_SHAKE : purpose == ASK_ME ? PHASE_ASK : PHASE_LOGIN;
    c->deadline = c->now + c->config.timeout_ms;
}

static void shake(struct edgegw *c)
{
    c->sending = SEND_NOTHING;
    c->close_code = 0;
    c->config.random(c->config.user, c->nonce, sizeof c->nonce);
    ask(c, ASK_SHAKE);
}

/* Goes on with the session if there is one, and else begins one. */
void edgegw_login(struct edgegw *c)
{
    if (c->refresh_len) {
        ask(c, ASK_REFRESH);
    } else if (c->config.device_key) {
        ask(c, ASK_DEVICE);
    } else if (c->config.password) {
        ask(c, ASK_PASSWORD);
    } else {
        edgegw_over(c, c->http.status, "a new login is needed", 0, ACT_STOP);
    }
}

void edgegw_attempt(struct edgegw *c)
{
    if (!c->access_len || (c->flags & FLAG_ACCESS_ENDED)) {
        edgegw_login(c);
    } else if (c->flags & FLAG_UNSURE) {
        ask(c, ASK_ME);
    } else {
        shake(c);
    }
}

static void end_rooms(struct edgegw *c)
{
    for (size_t i = 0; i < c->config.room_count; i++) {
        struct edgegw_room *r = c->config.rooms + i;
        unsigned keep = ROOM_USED | ROOM_LATEST | ROOM_HAS | ROOM_WAITING;
        r->flags = (uint16_t)(r->flags & (r->flags & ROOM_USED ? keep : 0u));
    }
}

void edgegw_over(struct edgegw *c, unsigned status, const char *reason, uint32_t told, enum action a)
{
    struct edgegw_event e;
    memset(&e, 0, sizeof e);
    e.status = (uint16_t)status;
    edgegw_set_text(&e.reason, reason);
    if (c->phase == PHASE_OPEN && c->now - c->welcomed >= STABLE_AFTER) {
        c->tries = 0;
    }
    c->conn[EDGEGW_CHANNEL_HTTP] = 0;
    c->renew = RENEW_NONE;
    if (!c->close_code) {
        c->conn[EDGEGW_CHANNEL_WS] = 0; /* else the goodbye goes first */
    }
    end_rooms(c);
    if (a == ACT_LOGIN) {
        c->refresh_len = 0;
    }
    if (a == ACT_LOGIN || a == ACT_REFRESH) {
        c->access_len = 0;
    }
    e.wait_ms = EDGEGW_NEVER;
    c->phase = PHASE_STOPPED;
    if (a != ACT_STOP) {
        e.wait_ms = edgegw_backoff(c, &c->tries);
        if (told) {
            e.wait_ms = told;
        }
        c->phase = PHASE_WAIT;
        c->deadline = c->now + e.wait_ms;
    }
    edgegw_tell(c, &e, EDGEGW_EVENT_CLOSED);
    if (a == ACT_STOP) {
        edgegw_tell(c, &e, EDGEGW_EVENT_STOPPED);
    }
    if (a == ACT_SKIP) {
        edgegw_skip_longest(c);
    }
}

void edgegw_not_taken(struct edgegw *c, const struct edgegw_text *code)
{
    c->access_len = 0;
    if (!edgegw_is(code, "token_expired")) {
        /* When that happens to two in a row and not for their age, refreshing does
         * not help. */
        if (c->flags & FLAG_REFUSED) {
            c->refresh_len = 0;
        }
        c->flags |= FLAG_REFUSED;
    }
}

/* Moves the tokens of an answer to the front, in the order in which they stand. */
static bool keep(struct edgegw *c, struct edgegw_event *e)
{
    struct edgegw_text *access = &e->internal[0], *refresh = &e->refresh_token;
    bool access_first = !refresh->p || access->p < refresh->p;
    char *at = c->config.tokens;
    if (access->len + refresh->len + 2 + TOKENS_SPARE > c->config.tokens_size) {
        return false;
    }
    for (unsigned i = 0; i < 2; i++) {
        bool is_access = access_first == (i == 0);
        struct edgegw_text *t = is_access ? access : refresh;
        if (t->len) {
            memmove(at, t->p, t->len);
            at[t->len] = 0;
        }
        if (is_access) {
            c->access = at;
            c->access_len = (uint16_t)t->len;
        } else {
            c->refresh = at;
            c->refresh_len = (uint16_t)t->len;
            t->p = t->len ? at : NULL;
        }
        at += t->len + (t->len != 0);
    }
    return true;
}

static bool temporary(unsigned status)
{
    return status >= 500 || status == 429 || status == 408;
}

/* The time to wait that the answer gives: those who got the same are spread. */
static uint32_t told_by(struct edgegw *c)
{
    return c->http.retry_s ? edgegw_ms(c->http.retry_s) + edgegw_spread(c, 1000) : 0;
}

void edgegw_renew_failed(struct edgegw *c, uint32_t told)
{
    uint32_t wait = edgegw_backoff(c, &c->renew_tries);
    c->conn[EDGEGW_CHANNEL_HTTP] = 0;
    c->renew = RENEW_WAIT;
    c->renew_at = c->now + (told ? told : wait);
}

static void answered_login(struct edgegw *c, unsigned purpose, struct edgegw_event *e, const char *reason)
{
    static const char how[][9] = {"refresh", "device", "password"};
    unsigned status = c->http.status;
    if (status == 200 && e->internal[0].len && keep(c, e)) {
        /* Counted from now, though the answer was on its way for a while: a token
         * is not used to its end. */
        c->access_until = c->now + edgegw_ms(e->expires_in);
        c->flags &= (uint16_t)~FLAG_ACCESS_ENDED;
        edgegw_set_text(&e->reason, how[purpose - ASK_REFRESH]);
        edgegw_tell(c, e, EDGEGW_EVENT_LOGIN);
        if (c->phase == PHASE_LOGIN) {
            shake(c);
        } else if (c->phase == PHASE_OPEN) {
            c->renew = RENEW_READY;
        }
        return;
    }
    if (status >= 400 && !temporary(status)) {
        /* The gateway has looked at what it was given, and does not take it. */
        if (purpose == ASK_REFRESH) {
            c->access_len = 0;
            c->refresh_len = 0;
            edgegw_login(c);
        } else {
            edgegw_over(c, status, reason, 0, ACT_STOP);
        }
    } else if (c->phase == PHASE_OPEN) {
        edgegw_renew_failed(c, told_by(c));
    } else {
        edgegw_over(c, status, reason, told_by(c), ACT_RECONNECT);
    }
}

static void shaken(struct edgegw *c)
{
    c->flags &= (uint16_t)~(FLAG_UNSURE | FLAG_REFUSED | FLAG_PONG);
    c->phase = PHASE_WELCOME;
    c->silence = c->config.timeout_ms;
    c->heard = c->quiet_until = c->now;
    c->pace = 0;
    c->head_fill = 0;
    c->left = c->rx_fill = 0;
    c->message_opcode = 0;
    c->utf8.left = 0;
    edgegw_outbox_again(c);
    if (c->config.rooms->flags & ROOM_USED) {
        c->config.rooms->flags |= ROOM_ASKED; /* by the handshake */
    }
}

void edgegw_answered(struct edgegw *c)
{
    struct edgegw_event e;
    unsigned purpose = c->http.purpose, status = c->http.status;
    size_t size;
    const char *reason = "no answer";
    if (status == 101) {
        shaken(c);
        return;
    }
    memset(&e, 0, sizeof e);
    if (status) {
        reason = "refused";
        if (edgegw_json_members(edgegw_http_area(c, &size), &e) && e.code.p) {
            reason = e.code.p;
        }
    }
    c->http.purpose = ASK_NOTHING;
    c->conn[purpose != ASK_SHAKE] = 0;
    if (purpose < ASK_ME) {
        answered_login(c, purpose, &e, reason);
        return;
    }
    if (purpose == ASK_ME && status == 200) {
        shake(c);
        return;
    }
    c->flags &= (uint16_t)~FLAG_UNSURE;
    if (status == 401) {
        edgegw_not_taken(c, &e.code);
    } else if (status == 0 || (purpose == ASK_ME && temporary(status))) {
        c->flags |= FLAG_UNSURE;
    }
    edgegw_over(c, status, reason, told_by(c), status == 400 || status == 403 ? ACT_STOP : ACT_RECONNECT);
}
