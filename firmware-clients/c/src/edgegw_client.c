/* The client as its user sees it. */
#include "edgegw_internal.h"

/* Compile-time checks: what edgegw_json.c relies on, and the budget of RAM. */
typedef char edgegw_texts_lie_in_a_row[offsetof(struct edgegw_event, internal) ==
                                               offsetof(struct edgegw_event, room) + 15 * sizeof(struct edgegw_text)
                                           ? 1
                                           : -1];
typedef char edgegw_numbers_lie_in_a_row[offsetof(struct edgegw_event, protocol) ==
                                                 offsetof(struct edgegw_event, seq) + 10 * sizeof(uint64_t)
                                             ? 1
                                             : -1];
typedef char edgegw_fits_its_budget[sizeof(struct edgegw) <= EDGEGW_STATE_MAX ? 1 : -1];

void edgegw_set_text(struct edgegw_text *t, const char *p)
{
    t->p = p;
    t->len = strlen(p);
}

bool edgegw_is(const struct edgegw_text *t, const char *word)
{
    return t->p && strcmp(t->p, word) == 0;
}

void edgegw_tell(struct edgegw *c, struct edgegw_event *e, enum edgegw_event_type type)
{
    e->event = type;
    c->config.event(c->config.user, e);
}

static bool good(const struct edgegw_config *o)
{
    return o->host && o->rx && o->rx_size >= EDGEGW_RX_MIN && o->rx_size <= INT32_MAX && o->tokens &&
           o->tokens_size >= EDGEGW_TOKENS_MIN && o->rooms && o->room_count && o->random && o->event &&
           (o->outbox || !o->outbox_size) && o->outbox_size <= INT32_MAX && !o->username == !o->password &&
           (o->device_key || o->password || o->refresh_token) && !(o->device_key && o->password) &&
           (!o->from || (o->room && o->from->seq <= EDGEGW_SEQ_MAX)) && (!o->room || strlen(o->room) <= EDGEGW_ROOM_MAX) &&
           (!o->refresh_token || strlen(o->refresh_token) <= 512);
}

int edgegw_init(struct edgegw *c, const struct edgegw_config *config)
{
    struct edgegw_config *o = &c->config;
    memset(c, 0, sizeof *c);
    *o = *config;
    if (!good(o)) {
        return EDGEGW_INVALID;
    }
    if (!o->timeout_ms || o->timeout_ms > INT32_MAX) {
        o->timeout_ms = 10000;
    }
    if (o->tokens_size > UINT16_MAX) {
        o->tokens_size = UINT16_MAX;
    }
    size_t odd = (uintptr_t)o->outbox & 3;
    if (odd && o->outbox_size > 4) {
        o->outbox += 4 - odd;
        o->outbox_size -= 4 - odd;
    }
    o->outbox_size &= ~(size_t)3;
    memset(o->rooms, 0, o->room_count * sizeof *o->rooms);
    struct edgegw_room *home = o->rooms;
    home->flags = (uint16_t)(ROOM_USED | (o->latest ? ROOM_LATEST : 0) | (o->from ? ROOM_HAS : 0));
    if (o->room) {
        memcpy(home->name, o->room, strlen(o->room) + 1);
    }
    if (o->from) {
        home->at = *o->from;
        home->at.epoch[EDGEGW_EPOCH_MAX] = 0;
    }
    if (o->refresh_token) {
        c->refresh_len = (uint16_t)strlen(o->refresh_token);
        c->refresh = memcpy(o->tokens, o->refresh_token, c->refresh_len + 1u);
    }
    uint8_t random[9];
    o->random(o->user, random, sizeof random);
    edgegw_base64(random, sizeof random, c->id_prefix);
    c->id_prefix[12] = '-';
    return EDGEGW_OK;
}

void edgegw_start(struct edgegw *c, uint32_t now)
{
    c->now = now;
    if (c->phase <= PHASE_STOPPED) {
        c->tries = 0;
        edgegw_attempt(c);
    }
}

void edgegw_stop(struct edgegw *c)
{
    c->conn[EDGEGW_CHANNEL_HTTP] = 0;
    if (c->phase == PHASE_WELCOME || c->phase == PHASE_OPEN) {
        c->phase = PHASE_LEAVING;
        c->deadline = c->now + 1000;
        c->close_code = 1000;
        return;
    }
    if (c->phase != PHASE_LEAVING) {
        if (c->phase == PHASE_SHAKE) {
            c->conn[EDGEGW_CHANNEL_WS] = 0;
        }
        c->phase = PHASE_IDLE;
    }
}

uint16_t edgegw_wanted(const struct edgegw *c, unsigned channel)
{
    return c->conn[channel];
}

void edgegw_opened(struct edgegw *c, uint16_t conn, uint32_t now)
{
    (void)conn; /* the first bytes to send are there already */
    c->now = now;
}

void edgegw_closed(struct edgegw *c, uint16_t conn, uint32_t now)
{
    c->now = now;
    if (!conn) {
        return;
    }
    if (conn == c->conn[EDGEGW_CHANNEL_HTTP] || (conn == c->conn[EDGEGW_CHANNEL_WS] && c->phase == PHASE_SHAKE)) {
        edgegw_http_end(c);
    } else if (conn == c->conn[EDGEGW_CHANNEL_WS]) {
        c->conn[EDGEGW_CHANNEL_WS] = 0;
        c->close_code = 0;
        if (c->phase == PHASE_LEAVING) {
            c->phase = PHASE_IDLE;
        } else if (c->phase >= PHASE_WELCOME) {
            edgegw_over(c, 0, "the connection broke", 0, ACT_RECONNECT);
        }
    }
}

void edgegw_input(struct edgegw *c, uint16_t conn, const uint8_t *bytes, size_t n, uint32_t now)
{
    c->now = now;
    if (!conn) {
        return;
    }
    if (conn == c->conn[EDGEGW_CHANNEL_HTTP] || (conn == c->conn[EDGEGW_CHANNEL_WS] && c->phase == PHASE_SHAKE)) {
        size_t used = edgegw_http_input(c, bytes, n);
        bytes += used;
        n -= used;
    }
    if (conn == c->conn[EDGEGW_CHANNEL_WS] && c->phase >= PHASE_WELCOME) {
        c->heard = now;
        edgegw_frames(c, bytes, n);
    }
}

static void tick_open(struct edgegw *c)
{
    if (c->now - c->heard >= c->silence) {
        edgegw_over(c, 0, "the gateway is silent", 0, ACT_RECONNECT);
    } else if (c->renew == RENEW_WAIT && edgegw_reached(c, c->renew_at)) {
        edgegw_login(c);
    } else if (c->renew == RENEW_ASKING && edgegw_reached(c, c->renew_at)) {
        edgegw_renew_failed(c, 0);
    }
}

void edgegw_tick(struct edgegw *c, uint32_t now)
{
    c->now = now;
    c->server_time += now - c->time_heard;
    c->time_heard = now;
    if (c->access_len && (int32_t)(c->access_until - now) < 10000) {
        c->flags |= FLAG_ACCESS_ENDED;
    }
    if (c->phase == PHASE_WELCOME || c->phase == PHASE_OPEN) {
        tick_open(c);
    } else if (c->phase >= PHASE_WAIT && edgegw_reached(c, c->deadline)) {
        if (c->phase == PHASE_WAIT) {
            edgegw_attempt(c);
        } else if (c->phase == PHASE_LEAVING) {
            c->phase = PHASE_IDLE;
            c->conn[EDGEGW_CHANNEL_WS] = 0;
            c->close_code = 0;
        } else {
            c->http.step = 0;
            edgegw_http_end(c); /* no answer came in time */
        }
    }
}

uint32_t edgegw_next_timeout(const struct edgegw *c, uint32_t now)
{
    uint32_t at = c->deadline, wait, other;
    if (c->phase < PHASE_WAIT) {
        return EDGEGW_NEVER;
    }
    if (c->phase == PHASE_WELCOME || c->phase == PHASE_OPEN) {
        at = c->heard + c->silence;
        if ((c->renew == RENEW_WAIT || c->renew == RENEW_ASKING) && (int32_t)(c->renew_at - at) < 0) {
            at = c->renew_at;
        }
    }
    wait = (int32_t)(at - now) > 0 ? at - now : 0;
    other = edgegw_send_wait(c);
    return other < wait ? other : wait;
}

uint64_t edgegw_server_time(const struct edgegw *c, uint32_t now)
{
    return c->flags & FLAG_TIME ? c->server_time + (now - c->time_heard) : 0;
}

/* Decodes base64 in place; the padding may be missing. */
static bool unbase64(char *p, size_t *n)
{
    uint32_t bits = 0;
    unsigned have = 0;
    char *w = p;
    for (const char *r = p; *r && *r != '='; r++) {
        char ch = *r;
        unsigned v = ch >= 'A' && ch <= 'Z'   ? (unsigned)(ch - 'A')
                     : ch >= 'a' && ch <= 'z' ? (unsigned)(ch - 'a' + 26)
                     : ch >= '0' && ch <= '9' ? (unsigned)(ch - '0' + 52)
                     : ch == '+'              ? 62u
                     : ch == '/'              ? 63u
                                              : 64u;
        if (v > 63) {
            return false;
        }
        bits = bits << 6 | v;
        have += 6;
        if (have >= 8) {
            have -= 8;
            *w++ = (char)(bits >> have);
        }
    }
    *w = 0;
    *n = (size_t)(w - p);
    return have < 6;
}

struct edgegw_text edgegw_bytes(const struct edgegw_event *e)
{
    struct edgegw_text t = e->data;
    if (t.p && *t.p == '"') {
        edgegw_json_string((char *)(uintptr_t)t.p, &t);
        if (edgegw_is(&e->encoding, "base64") && !unbase64((char *)(uintptr_t)t.p, &t.len)) {
            t.p = NULL;
            t.len = 0;
        }
    }
    return t;
}
