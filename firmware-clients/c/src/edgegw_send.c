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
            edgegw_put(s, epoch, r->at.epoch);
        }
    }
    if (r->flags & ROOM_LATEST) {
        edgegw_put(s, latest);
    }
}

/* The payload of the frame that is being sent. */
static void put_payload(const struct edgegw *c, struct edgegw_sink *s)
{
    static const char *const words[] = {"auth", "token", "unsubscribe", "room", "subscribe", "room", "message", "id"};
    unsigned kind = c->sending;
    if (kind == SEND_CLOSE) {
        if (c->close_code != 1005) {
            edgegw_put_byte(s, c->close_code >> 8);
            edgegw_put_byte(s, c->close_code & 255);
        }
    } else if (kind == SEND_PONG) {
        edgegw_put_bytes(s, c->pong, c->pong_len);
    } else {
        const char *const *word = words + 2 * (kind - SEND_AUTH);
        edgegw_put(s, "{\"type\":\"%s\",\"%s\":%q", word[0], word[1], c->sending_text);
        if (kind == SEND_JOIN) {
            put_resume(s, c->sending_room, ",\"after\":%u", ",\"epoch\":%q", ",\"latest\":true");
        } else if (kind == SEND_MESSAGE) {
            /* The text is the id; room and data stand around it. */
            const char *id = c->sending_text, *room = c->sending_record_room;
            if (*room) {
                edgegw_put(s, ",\"room\":%q", room);
            }
            edgegw_put(s, ",\"data\":%s", id + strlen(id) + 1);
        }
        edgegw_put_byte(s, '}');
    }
}

static uint32_t length_of(const struct edgegw *c, void (*put)(const struct edgegw *c, struct edgegw_sink *s))
{
    struct edgegw_sink counter = {0, 0, 0, 0, NULL, NULL, 0};
    put(c, &counter);
    return counter.at;
}

static void put_frame(const struct edgegw *c, struct edgegw_sink *s)
{
    uint32_t n = length_of(c, put_payload);
    edgegw_put_byte(s, c->sending == SEND_CLOSE ? 0x88 : c->sending == SEND_PONG ? 0x8a : 0x81);
    edgegw_put_byte(s, n < 126 ? 0x80 | n : n < 65536 ? 0xfe : 0xff);
    for (int i = n < 126 ? -1 : n < 65536 ? 1 : 7; i >= 0; i--) {
        edgegw_put_byte(s, i > 3 ? 0 : n >> (8 * i) & 255);
    }
    edgegw_put_bytes(s, c->mask, sizeof c->mask);
    s->mask = c->mask;
    s->mask_from = s->at;
    put_payload(c, s);
}

/* The body of a request for tokens. */
static void put_body(const struct edgegw *c, struct edgegw_sink *s)
{
    if (c->http.purpose == ASK_REFRESH) {
        edgegw_put(s, "{\"refresh_token\":%q}", c->refresh);
    } else if (c->http.purpose == ASK_DEVICE) {
        edgegw_put(s, "{\"device_key\":%q}", c->config.device_key);
    } else {
        edgegw_put(s, "{\"username\":%q,\"password\":%q}", c->config.username, c->config.password);
    }
}

static void put_request(const struct edgegw *c, struct edgegw_sink *s)
{
    static const char *const paths[] = {"POST %s/auth/refresh", "POST %s/auth/device", "POST %s/auth/login",
                                        "GET %s/auth/me", "GET %s/ws?room=%e"};
    const struct edgegw_room *home = c->rooms;
    unsigned purpose = c->http.purpose;
    bool shake = purpose == ASK_SHAKE;
    char key[25];
    /* A room without a name is none. */
    edgegw_put(s, shake && !home->name[0] ? "GET %s/ws?" : paths[purpose - ASK_REFRESH],
               c->config.path ? c->config.path : "", home->name);
    if (shake && (home->flags & ROOM_USED)) {
        put_resume(s, home, "&after=%u", "&epoch=%e", "&latest=1");
    }
    edgegw_put(s, " HTTP/1.1\r\nHost: %s\r\nConnection: %s\r\n", c->config.host, shake ? "Upgrade" : "close");
    if (shake) {
        edgegw_base64(c->nonce, sizeof c->nonce, key);
        edgegw_put(s, "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n", key);
    }
    if (purpose >= ASK_ME) {
        edgegw_put(s, "%s%s\r\n\r\n",
                   shake && c->config.subprotocol ? "Sec-WebSocket-Protocol: bearer, " : "Authorization: Bearer ",
                   c->config.tokens);
        return;
    }
    uint64_t n = length_of(c, put_body);
    edgegw_put(s, "Content-Type: application/json\r\nContent-Length: %u\r\n\r\n", (const void *)&n);
    put_body(c, s);
}

/* Chooses a command. Rooms are left before they are joined again. */
static void pick_command(struct edgegw *c)
{
    struct edgegw_room *r, *join = NULL;
    if (c->renew == RENEW_READY) {
        c->renew = RENEW_SENT;
        c->sending = SEND_AUTH;
        c->sending_text = c->config.tokens;
        return;
    }
    for (r = c->rooms; r < c->rooms_end; r++) {
        if ((r->flags & (ROOM_LEAVING | ROOM_LEFT)) == ROOM_LEAVING) {
            r->flags |= ROOM_LEFT;
            c->sending = SEND_LEAVE;
            c->sending_text = r->name;
            return;
        }
        if (!join && (r->flags & (ROOM_USED | ROOM_ASKED)) == ROOM_USED && r->name[0]) {
            join = r;
        }
    }
    if (join) {
        join->flags |= ROOM_ASKED;
        c->sending = SEND_JOIN;
        c->sending_text = join->name;
        c->sending_room = join;
    }
}

static void pick_message(struct edgegw *c)
{
    uint32_t wait = EDGEGW_NEVER;
    struct edgegw_record *r;
    edgegw_outbox_reap(c);
    while ((r = edgegw_record_due(c, &wait)) != NULL) {
        c->sending = SEND_MESSAGE;
        c->sending_text = r->bytes + r->id;
        c->sending_record_room = r->bytes;
        if (length_of(c, put_payload) - 1 < c->max_message) {
            r->flags = RECORD_SENT;
            return;
        }
        /* It ends here: the gateway would close the connection. */
        c->sending = SEND_NOTHING;
        edgegw_give_up(c, r, NULL);
    }
}

/* Chooses the next frame. */
static void pick(struct edgegw *c)
{
    if (c->close_code) {
        c->sending = SEND_CLOSE;
    } else if (c->phase >= PHASE_WELCOME && c->pong_due) {
        c->pong_due = 0;
        c->sending = SEND_PONG;
    } else if (c->phase == PHASE_OPEN && edgegw_reached(c, c->quiet_until)) {
        pick_command(c);
        if (!c->sending) {
            pick_message(c);
        }
        c->quiet_until = c->now + (c->sending ? c->pace : 0);
    }
    if (c->sending) {
        c->sent = 0;
        c->config.random(c->config.user, c->mask, sizeof c->mask);
    }
}

size_t edgegw_output(struct edgegw *c, uint16_t conn, uint8_t *out, size_t size, uint32_t now)
{
    struct edgegw_sink s = {0, 0, 0, (uint32_t)size, out, NULL, 0};
    enum use use = edgegw_use(c, conn, now);
    if (size < EDGEGW_OUTPUT_MIN) {
        return 0;
    }
    if (use == USE_HTTP) {
        s.skip = c->http.sent;
        put_request(c, &s);
        c->http.sent += s.fill;
    } else if (use == USE_FRAMES) {
        if (!c->sending) {
            pick(c);
        }
        if (c->sending) {
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
        }
    }
    return s.fill;
}
