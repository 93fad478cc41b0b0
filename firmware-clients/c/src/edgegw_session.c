/* The way to a connection and back to one: login, refresh, handshake, waits
 * (sections 7 and 9). */
#include "edgegw_internal.h"

#define STABLE_AFTER 30000u /* ms that a connection has to be open to count as a good one */

uint32_t edgegw_spread(struct edgegw *c, uint32_t most)
{
    uint32_t mask = 0, v;
    while (mask < most) {
        mask = mask << 1 | 1;
    }
    /* Evenly: what is too much is drawn again, unless the source is stuck. */
    for (unsigned tries = 0; tries < 64; tries++) {
        c->config.random(c->config.user, (uint8_t *)&v, sizeof v);
        v &= mask;
        if (v < most) {
            return v + 1;
        }
    }
    return most | 1;
}

/* Full jitter: up to a ceiling that doubles with each try. */
static uint32_t backoff(struct edgegw *c, uint32_t *tries)
{
    uint32_t most = *tries < 6 ? 500u << *tries : 20000u;
    *tries += 1;
    return edgegw_spread(c, most);
}

uint32_t edgegw_ms(uint32_t s)
{
    return (s > 1728000 ? 1728000 : s) * 1000;
}

static void ask(struct edgegw *c, unsigned purpose)
{
    unsigned channel = purpose == ASK_SHAKE ? EDGEGW_CHANNEL_WS : EDGEGW_CHANNEL_HTTP;
    uint32_t deadline = c->now + c->config.timeout_ms;
    memset(&c->http, 0, sizeof c->http);
    c->http.purpose = purpose;
    /* The lowest bit is the channel, and the next is set: no number is 0, or that of the
     * connection before, which a port would go on with. */
    c->serial += 4;
    c->conn[channel] = (uint16_t)(c->serial | 2) + channel;
    if (c->phase == PHASE_OPEN) {
        c->renew = RENEW_ASKING;
        c->renew_at = deadline;
        return;
    }
    c->deadline = deadline;
    c->phase = purpose == ASK_SHAKE ? PHASE_SHAKE : purpose == ASK_ME ? PHASE_ASK : PHASE_LOGIN;
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
    if (c->refresh) {
        ask(c, ASK_REFRESH);
    } else if (c->config.device_key) {
        ask(c, ASK_DEVICE);
    } else if (c->config.password) {
        ask(c, ASK_PASSWORD);
    } else {
        edgegw_over(c, c->http.status, "login", 0, ACT_STOP);
    }
}

void edgegw_attempt(struct edgegw *c)
{
    if (!c->access_len || c->access_ended) {
        edgegw_login(c);
    } else if (c->unsure) {
        ask(c, ASK_ME);
    } else {
        shake(c);
    }
}

static void end_rooms(struct edgegw *c)
{
    for (struct edgegw_room *r = c->rooms; r < c->rooms_end; r++) {
        r->flags &= r->flags & ROOM_USED ? ROOM_USED | ROOM_LATEST | ROOM_HAS | ROOM_WAITING : 0;
    }
}

void edgegw_over(struct edgegw *c, unsigned status, const char *reason, uint32_t told, enum action a)
{
    struct edgegw_event e;
    edgegw_clear(&e);
    e.status = status;
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
        c->refresh = NULL;
    }
    if (a == ACT_LOGIN || a == ACT_REFRESH) {
        c->access_len = 0;
    }
    e.wait_ms = EDGEGW_NEVER;
    c->phase = PHASE_STOPPED;
    if (a != ACT_STOP) {
        e.wait_ms = backoff(c, &c->tries);
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

void edgegw_not_taken(struct edgegw *c, const char *code)
{
    c->access_len = 0;
    if (strcmp(code, "token_expired") != 0) {
        /* When that happens to two in a row and not for their age, refreshing does
         * not help. */
        if (c->refused) {
            c->refresh = NULL;
        }
        c->refused = 1;
    }
}

/* Moves the tokens of an answer to the two ends of their buffer; false when that is
 * too small. The refresh token goes first: behind the answer nothing is in its way,
 * and the other one moves to the front over what is not used any more. */
static bool keep(struct edgegw *c, struct edgegw_event *e)
{
    struct edgegw_text *access = &e->internal[0], *refresh = &e->refresh_token;
    char *end = c->config.tokens + c->config.tokens_size, *to = end - refresh->len - 1;
    if (!access->len || to < c->http.fill + 1) {
        return false;
    }
    c->refresh = NULL;
    if (refresh->len) {
        memcpy(to, refresh->p, refresh->len + 1);
        c->refresh = to;
        refresh->p = to;
    }
    memmove(c->config.tokens, access->p, access->len + 1);
    c->access_len = (uint32_t)access->len;
    return true;
}

/* The time to wait that the answer gives: those who got the same are spread. */
static uint32_t told_by(struct edgegw *c)
{
    return c->http.retry_s ? edgegw_ms(c->http.retry_s) + edgegw_spread(c, 1000) : 0;
}

void edgegw_renew_failed(struct edgegw *c, uint32_t told)
{
    uint32_t wait = backoff(c, &c->renew_tries);
    c->conn[EDGEGW_CHANNEL_HTTP] = 0;
    c->renew = RENEW_WAIT;
    c->renew_at = c->now + (told ? told : wait);
}

static void logged_in(struct edgegw *c, unsigned purpose, struct edgegw_event *e)
{
    /* Counted from now, though the answer was on its way for a while: a token is not
     * used to its end. */
    c->access_until = c->now + edgegw_ms(e->expires_in);
    c->access_ended = 0;
    edgegw_set_text(&e->reason, purpose == ASK_REFRESH ? "refresh" : purpose == ASK_DEVICE ? "device" : "password");
    edgegw_tell(c, e, EDGEGW_EVENT_LOGIN);
    if (c->phase == PHASE_LOGIN) {
        shake(c);
    } else if (c->phase == PHASE_OPEN) {
        c->renew = RENEW_READY;
    }
}

static void shaken(struct edgegw *c)
{
    c->unsure = c->refused = 0;
    c->phase = PHASE_WELCOME;
    c->silence = c->config.timeout_ms;
    c->quiet_until = c->now;
    c->deadline = c->now + c->silence;
    c->pace = c->pong_due = c->head_fill = c->left = c->rx_fill = c->message_opcode = c->utf8.left = 0;
    edgegw_outbox_again(c);
    if (c->rooms->flags & ROOM_USED) {
        c->rooms->flags |= ROOM_ASKED; /* by the handshake */
    }
}

void edgegw_answered(struct edgegw *c)
{
    struct edgegw_event e;
    unsigned purpose = c->http.purpose, status = c->http.status;
    bool login = purpose < ASK_ME, temporary = status >= 500 || status == 429 || status == 408 || status < 400;
    enum action act = ACT_RECONNECT;
    if (status == 101) {
        shaken(c);
        return;
    }
    edgegw_clear(&e);
    if (status) {
        *c->http.fill = 0;
        edgegw_json_members(edgegw_http_area(c), &e);
    }
    c->conn[purpose != ASK_SHAKE] = 0;
    if (login && status == 200 && keep(c, &e)) {
        logged_in(c, purpose, &e);
        return;
    }
    if (purpose == ASK_ME && status == 200) {
        shake(c);
        return;
    }
    if (!login) {
        c->unsure = purpose == ASK_ME ? temporary : !status;
        if (status == 401) {
            edgegw_not_taken(c, e.code.p);
        } else if (status == 400 || status == 403) {
            act = ACT_STOP;
        }
    } else if (!temporary) {
        /* The gateway has looked at what it was given, and does not take it. */
        if (purpose == ASK_REFRESH) {
            c->access_len = 0;
            c->refresh = NULL;
            edgegw_login(c);
            return;
        }
        act = ACT_STOP;
    } else if (c->phase == PHASE_OPEN) {
        edgegw_renew_failed(c, told_by(c));
        return;
    }
    edgegw_over(c, status, e.code.len ? e.code.p : "no answer", told_by(c), act);
}
