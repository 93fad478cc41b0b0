/* The client as its user sees it. */
#include "edgegw_internal.h"

#define RENEW_BEFORE 10000 /* ms that a token has to live to be connected with */

/* Checked when compiling: what edgegw_json.c relies on, and the budget of RAM. */
#define CHECK(name, so) typedef char edgegw_check_##name[(so) ? 1 : -1]
#define OFFSET(member) offsetof(struct edgegw_event, member)
CHECK(texts, OFFSET(internal) == OFFSET(room) + 15 * sizeof(struct edgegw_text));
CHECK(numbers, OFFSET(server_time) == OFFSET(seq) + 5 * sizeof(uint64_t));
CHECK(small_numbers, OFFSET(protocol) == OFFSET(expires_in) + 4 * sizeof(uint32_t));
CHECK(size, sizeof(struct edgegw) <= EDGEGW_STATE_MAX);

void edgegw_clear(struct edgegw_event *e)
{
    memset(e, 0, sizeof *e);
    for (struct edgegw_text *t = &e->room; t < e->internal + 2; t++) {
        t->p = "";
    }
}

void edgegw_set_text(struct edgegw_text *t, const char *p)
{
    t->p = p;
    t->len = strlen(p);
}

void edgegw_tell(struct edgegw *c, struct edgegw_event *e, enum edgegw_event_type type)
{
    e->event = type;
    c->config.event(c->config.user, e);
}

static bool good(const struct edgegw_config *o)
{
    return o->host && o->rx && o->rx_size >= EDGEGW_RX_MIN && o->tokens && o->tokens_size >= EDGEGW_TOKENS_MIN &&
           o->rooms && o->room_count && o->random && o->event && !o->username == !o->password &&
           (!o->device_key || !o->password) && (o->device_key || o->password || o->refresh_token) &&
           (!o->from || o->room) && (!o->room || strlen(o->room) <= EDGEGW_ROOM_MAX) &&
           (!o->refresh_token || strlen(o->refresh_token) < EDGEGW_TOKENS_MIN / 2);
}

int edgegw_init(struct edgegw *c, const struct edgegw_config *config)
{
    struct edgegw_config *o = &c->config;
    if (!good(config)) {
        return EDGEGW_INVALID;
    }
    memset(c, 0, sizeof *c);
    *o = *config;
    if (!o->timeout_ms) {
        o->timeout_ms = 10000;
    }
    if (!o->outbox_size) {
        o->outbox = o->rx; /* which is not looked at */
    }
    size_t odd = (4 - ((uintptr_t)o->outbox & 3)) & 3;
    o->outbox += odd;
    o->outbox_size = o->outbox_size > odd ? o->outbox_size - odd : 0;
    struct edgegw_room *home = c->rooms = o->rooms;
    c->rooms_end = home + o->room_count;
    memset(home, 0, o->room_count * sizeof *home);
    home->flags = ROOM_USED | (o->latest ? ROOM_LATEST : 0);
    if (o->room) {
        strcpy(home->name, o->room);
    }
    if (o->from) {
        home->at = *o->from;
        home->flags |= ROOM_HAS;
    }
    if (o->refresh_token) {
        c->refresh = o->tokens + o->tokens_size - strlen(o->refresh_token) - 1;
        strcpy(c->refresh, o->refresh_token);
    }
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
    c->renew = RENEW_NONE;
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
    return (uint16_t)c->conn[channel];
}

enum use edgegw_use(struct edgegw *c, uint32_t conn, uint32_t now)
{
    c->now = now;
    if (!conn) {
        return USE_NOTHING;
    }
    if (conn == c->conn[EDGEGW_CHANNEL_WS]) {
        return c->phase == PHASE_SHAKE ? USE_HTTP : USE_FRAMES;
    }
    return conn == c->conn[EDGEGW_CHANNEL_HTTP] ? USE_HTTP : USE_NOTHING;
}

void edgegw_opened(struct edgegw *c, uint16_t conn, uint32_t now)
{
    (void)conn; /* the first bytes to send are there already */
    c->now = now;
}

void edgegw_left(struct edgegw *c)
{
    c->conn[EDGEGW_CHANNEL_WS] = 0;
    c->close_code = 0;
    if (c->phase == PHASE_LEAVING) {
        c->phase = PHASE_IDLE;
    }
}

void edgegw_closed(struct edgegw *c, uint16_t conn, uint32_t now)
{
    enum use use = edgegw_use(c, conn, now);
    if (use == USE_HTTP) {
        edgegw_http_end(c);
    } else if (use == USE_FRAMES) {
        edgegw_left(c);
        if (c->phase >= PHASE_WELCOME) {
            edgegw_over(c, 0, "broken", 0, ACT_RECONNECT);
        }
    }
}

void edgegw_input(struct edgegw *c, uint16_t conn, const uint8_t *bytes, size_t n, uint32_t now)
{
    if (edgegw_use(c, conn, now) == USE_HTTP) {
        size_t used = edgegw_http_input(c, bytes, n);
        bytes += used;
        n -= used;
    }
    if (edgegw_use(c, conn, now) == USE_FRAMES) {
        if (c->phase == PHASE_WELCOME || c->phase == PHASE_OPEN) {
            c->deadline = now + c->silence;
        }
        edgegw_frames(c, bytes, n);
    }
}

void edgegw_tick(struct edgegw *c, uint32_t now)
{
    c->now = now;
    c->server_time += now - c->time_heard;
    c->time_heard = now;
    if ((int32_t)(c->access_until - now) < RENEW_BEFORE) {
        c->access_ended = 1;
    }
    if (c->phase >= PHASE_WAIT && edgegw_reached(c, c->deadline)) {
        if (c->phase == PHASE_WAIT) {
            edgegw_attempt(c);
        } else if (c->phase == PHASE_LEAVING) {
            edgegw_left(c);
        } else if (c->phase >= PHASE_WELCOME) {
            edgegw_over(c, 0, "silent", 0, ACT_RECONNECT);
        } else {
            c->http.step = 0;
            edgegw_http_end(c); /* no answer came in time */
        }
    } else if (c->renew && c->renew <= RENEW_ASKING && edgegw_reached(c, c->renew_at)) {
        if (c->renew == RENEW_WAIT) {
            edgegw_login(c);
        } else {
            edgegw_renew_failed(c, 0);
        }
    }
}

/* Brings a time to wait forward to at. */
static void sooner(uint32_t *wait, uint32_t now, uint32_t at)
{
    uint32_t left = (int32_t)(at - now) > 0 ? at - now : 0;
    if (left < *wait) {
        *wait = left;
    }
}

uint32_t edgegw_next_timeout(const struct edgegw *c, uint32_t now)
{
    uint32_t wait = EDGEGW_NEVER;
    if (c->phase == PHASE_OPEN) {
        edgegw_record_due(c, &wait);
        if (!edgegw_reached(c, c->quiet_until)) {
            wait = c->quiet_until - now; /* until then nothing may be sent */
        }
    }
    if (c->phase >= PHASE_WAIT) {
        sooner(&wait, now, c->deadline);
    }
    if (c->renew && c->renew <= RENEW_ASKING) {
        sooner(&wait, now, c->renew_at);
    }
    return wait;
}

uint64_t edgegw_server_time(const struct edgegw *c, uint32_t now)
{
    return c->time_known ? c->server_time + (now - c->time_heard) : 0;
}

/* Decodes base64 in place; the padding may be missing. */
static bool unbase64(char *p, size_t *n)
{
    uint32_t bits = 0;
    unsigned have = 0;
    char *w = p;
    for (const char *r = p; *r && *r != '='; r++) {
        const char *digit = strchr(edgegw_base64_digits, *r);
        if (!digit) {
            return false;
        }
        bits = bits << 6 | (uint32_t)(digit - edgegw_base64_digits);
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
    if (*t.p == '"') {
        edgegw_json_string((char *)(uintptr_t)t.p, &t);
        if (e->encoding.len && !unbase64((char *)(uintptr_t)t.p, &t.len)) {
            t.p = NULL;
        }
    }
    return t;
}
