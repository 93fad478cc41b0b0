/* What the client sends: frames with a mask (RFC 6455 section 5.3), and requests.
 * Each is put together anew for every piece of it that goes out, from what does not
 * change meanwhile. */
#include "edgegw_internal.h"

static void put_resume(struct edgegw_sink *s, const struct edgegw_room *r, const char *after, const char *epoch,
                       const char *latest)
{
    if (r->flags & ROOM_HAS) {
        edgegw_put(s, after, (const void *)&r->at.seq);
        if (r->at.epoch[0]) {
            edgegw_put(s, epoch, r->at.epoch, strlen(r->at.epoch));
        }
    }
    if (r->flags & ROOM_LATEST) {
        edgegw_put(s, latest);
    }
}

/* The payload of the frame that is being sent. */
static void put_payload(const struct edgegw *c, struct edgegw_sink *s)
{
    const struct edgegw_room *room = c->sending_room;
    const struct edgegw_record *r;
    switch (c->sending) {
    case SEND_CLOSE:
        if (c->close_code != 1005) {
            edgegw_put_byte(s, c->close_code >> 8);
            edgegw_put_byte(s, c->close_code & 255u);
        }
        break;
    case SEND_PONG:
        edgegw_put(s, "%b", c->pong, (size_t)c->pong_len);
        break;
    case SEND_AUTH:
        edgegw_put(s, "{\"type\":\"auth\",\"token\":%q}", c->access, (size_t)c->access_len);
        break;
    case SEND_LEAVE:
        edgegw_put(s, "{\"type\":\"unsubscribe\",\"room\":%q}", room->name, strlen(room->name));
        break;
    case SEND_JOIN:
        edgegw_put(s, "{\"type\":\"subscribe\",\"room\":%q", room->name, strlen(room->name));
        put_resume(s, room, ",\"after\":%u", ",\"epoch\":%q", ",\"latest\":true");
        edgegw_put_byte(s, '}');
        break;
    default:
        r = edgegw_record_at(c, c->sending_record);
        edgegw_put(s, "{\"type\":\"message\"");
        if (r->room_len) {
            edgegw_put(s, ",\"room\":%q", r->bytes, (size_t)r->room_len);
        }
        edgegw_put(s, ",\"id\":%q,\"data\":%b}", r->bytes + r->room_len, (size_t)r->id_len,
                   r->bytes + r->room_len + r->id_len, (size_t)r->data_len);
    }
}

static void put_frame(const struct edgegw *c, struct edgegw_sink *s)
{
    struct edgegw_sink length = {0, 0, 0, 0, NULL, NULL, 0};
    put_payload(c, &length);
    uint32_t n = length.at;
    edgegw_put_byte(s, c->sending == SEND_CLOSE ? 0x88 : c->sending == SEND_PONG ? 0x8a : 0x81);
    unsigned bytes = n < 126 ? 0 : n < 65536 ? 2 : 8;
    edgegw_put_byte(s, 0x80 | (bytes == 0 ? n : bytes == 2 ? 126u : 127u));
    for (; bytes; bytes--) {
        edgegw_put_byte(s, bytes > 4 ? 0 : n >> (8 * (bytes - 1)) & 255);
    }
    edgegw_put(s, "%b", c->mask, sizeof c->mask);
    s->mask = c->mask;
    s->mask_from = s->at;
    put_payload(c, s);
}

/* The body of a request for tokens. */
static void put_body(const struct edgegw *c, struct edgegw_sink *s)
{
    const struct edgegw_config *o = &c->config;
    if (c->http.purpose == ASK_REFRESH) {
        edgegw_put(s, "{\"refresh_token\":%q}", c->refresh, (size_t)c->refresh_len);
    } else if (c->http.purpose == ASK_DEVICE) {
        edgegw_put(s, "{\"device_key\":%q}", o->device_key, strlen(o->device_key));
    } else if (c->http.purpose == ASK_PASSWORD) {
        edgegw_put(s, "{\"username\":%q,\"password\":%q}", o->username, strlen(o->username), o->password,
                   strlen(o->password));
    }
}

static void put_shake(const struct edgegw *c, struct edgegw_sink *s)
{
    const struct edgegw_room *home = c->config.rooms;
    char key[25];
    edgegw_put_byte(s, '?'); /* what begins with & is understood, too */
    if (home->name[0]) {
        edgegw_put(s, "room=%e", home->name, strlen(home->name));
    }
    if (home->flags & ROOM_USED) {
        put_resume(s, home, "&after=%u", "&epoch=%e", "&latest=1");
    }
    edgegw_base64(c->nonce, sizeof c->nonce, key);
    edgegw_put(s,
               " HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n",
               c->config.host, key);
}

static void put_request(const struct edgegw *c, struct edgegw_sink *s)
{
    static const char paths[][13] = {"auth/refresh", "auth/device", "auth/login", "auth/me", "ws"};
    unsigned purpose = c->http.purpose;
    edgegw_put(s, "%s %s/%s", purpose < ASK_ME ? "POST" : "GET", c->config.path ? c->config.path : "",
               paths[purpose - ASK_REFRESH]);
    if (purpose == ASK_SHAKE) {
        put_shake(c, s);
    } else {
        edgegw_put(s, " HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", c->config.host);
    }
    if (purpose >= ASK_ME) {
        edgegw_put(s, "%s%s\r\n\r\n",
                   purpose == ASK_SHAKE && c->config.subprotocol ? "Sec-WebSocket-Protocol: bearer, "
                                                                 : "Authorization: Bearer ",
                   c->access);
        return;
    }
    struct edgegw_sink length = {0, 0, 0, 0, NULL, NULL, 0};
    put_body(c, &length);
    uint64_t n = length.at;
    edgegw_put(s, "Content-Type: application/json\r\nContent-Length: %u\r\n\r\n", (const void *)&n);
    put_body(c, s);
}

static bool pick_command(struct edgegw *c)
{
    if (c->renew == RENEW_READY) {
        c->renew = RENEW_SENT;
        c->sending = SEND_AUTH;
        return true;
    }
    for (unsigned pass = 0; pass < 2; pass++) { /* rooms are left before they are joined again */
        for (size_t i = 0; i < c->config.room_count; i++) {
            struct edgegw_room *r = c->config.rooms + i;
            unsigned f = r->flags;
            if (pass == 0 ? (f & (ROOM_LEAVING | ROOM_LEFT)) == ROOM_LEAVING
                          : (f & (ROOM_USED | ROOM_ASKED)) == ROOM_USED && r->name[0]) {
                r->flags |= pass ? ROOM_ASKED : ROOM_LEFT;
                c->sending_room = r;
                c->sending = pass ? SEND_JOIN : SEND_LEAVE;
                return true;
            }
        }
    }
    return false;
}

static bool too_long(struct edgegw *c)
{
    struct edgegw_sink length = {0, 0, 0, 0, NULL, NULL, 0};
    c->sending = SEND_MESSAGE;
    put_payload(c, &length);
    return c->max_message && length.at > c->max_message;
}

static void pick_message(struct edgegw *c)
{
    uint32_t wait = EDGEGW_NEVER;
    edgegw_outbox_reap(c);
    while ((c->sending_record = edgegw_record_next(c, &wait)) != EDGEGW_NEVER) {
        struct edgegw_record *r = edgegw_record_at(c, c->sending_record);
        if (!too_long(c)) {
            r->flags = RECORD_SENT;
            return;
        }
        /* It ends here: the gateway would close the connection. */
        struct edgegw_event e;
        memset(&e, 0, sizeof e);
        edgegw_set_text(&e.code, "too_large");
        c->sending = SEND_NOTHING;
        edgegw_give_up(c, r, &e);
    }
    c->sending = SEND_NOTHING;
}

/* Chooses the next frame. */
static void pick(struct edgegw *c)
{
    if (c->close_code) {
        c->sending = SEND_CLOSE;
    } else if (c->phase >= PHASE_WELCOME && (c->flags & FLAG_PONG)) {
        c->flags &= (uint16_t)~FLAG_PONG;
        c->sending = SEND_PONG;
    } else if (c->phase == PHASE_OPEN && edgegw_reached(c, c->quiet_until)) {
        c->quiet_until = c->now;
        if (!pick_command(c)) {
            pick_message(c);
        }
        if (c->sending) {
            c->quiet_until = c->now + c->pace;
        }
    }
    if (c->sending) {
        c->sent = 0;
        c->config.random(c->config.user, c->mask, sizeof c->mask);
    }
}

/* How long it is until something may be sent that cannot be now. */
uint32_t edgegw_send_wait(const struct edgegw *c)
{
    uint32_t wait = EDGEGW_NEVER;
    if (c->phase == PHASE_OPEN) {
        if (!edgegw_reached(c, c->quiet_until)) {
            return c->quiet_until - c->now;
        }
        edgegw_record_next(c, &wait);
    }
    return wait;
}

size_t edgegw_output(struct edgegw *c, uint16_t conn, uint8_t *out, size_t size, uint32_t now)
{
    struct edgegw_sink s = {0, 0, 0, size > INT32_MAX ? INT32_MAX : (uint32_t)size, out, NULL, 0};
    unsigned channel = conn == c->conn[EDGEGW_CHANNEL_WS] ? EDGEGW_CHANNEL_WS : EDGEGW_CHANNEL_HTTP;
    c->now = now;
    if (!conn || conn != c->conn[channel] || size < EDGEGW_OUTPUT_MIN) {
        return 0;
    }
    if (channel == EDGEGW_CHANNEL_HTTP || c->phase == PHASE_SHAKE) {
        s.skip = c->http.sent;
        put_request(c, &s);
        c->http.sent += s.fill;
        return s.fill;
    }
    if (!c->sending) {
        pick(c);
    }
    if (!c->sending) {
        return 0;
    }
    s.skip = c->sent;
    put_frame(c, &s);
    c->sent += s.fill;
    if (c->sent >= s.at) {
        if (c->sending == SEND_CLOSE) {
            c->close_code = 0;
            if (c->phase != PHASE_LEAVING) {
                c->conn[EDGEGW_CHANNEL_WS] = 0;
            }
        }
        c->sending = SEND_NOTHING;
    }
    return s.fill;
}
