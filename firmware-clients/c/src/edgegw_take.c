/* What the gateway says, frame by frame (section 5). */
#include "edgegw_internal.h"

#define LEAST_QUIET 100u /* ms, for a client that was too fast and not told how long */
#define MOST_PACE 1000u  /* ms, bounds how slow it gets */

static uint32_t most(uint32_t a, uint64_t b)
{
    return b > INT32_MAX ? INT32_MAX : b > a ? (uint32_t)b : a;
}

static void welcome(struct edgegw *c, struct edgegw_event *e)
{
    struct edgegw_room *home = c->config.rooms;
    if (e->protocol != 1) {
        edgegw_over(c, 0, "another version of the protocol", 0, ACT_STOP);
        return;
    }
    if (!home->name[0] && e->room.len && e->room.len <= EDGEGW_ROOM_MAX) {
        memcpy(home->name, e->room.p, e->room.len + 1); /* now it has a name */
    }
    if (!(home->flags & ROOM_USED)) {
        home->flags = ROOM_LEAVING; /* it has been left, and joined again by the handshake */
    }
    c->phase = PHASE_OPEN;
    c->welcomed = c->now;
    c->silence = edgegw_ms(e->ping_interval) + 10000;
    c->max_message = most(0, e->max_message_bytes);
    c->server_time = e->server_time;
    c->time_heard = c->now;
    c->flags &= (uint16_t)~FLAG_TIME;
    if (!edgegw_is(&e->clock, "none")) {
        c->flags |= FLAG_TIME;
    }
    edgegw_tell(c, e, EDGEGW_EVENT_CONNECTED);
}

static void unsubscribed(struct edgegw *c, struct edgegw_room *r, struct edgegw_event *e)
{
    if (r && edgegw_is(&e->reason, "requested")) {
        r->flags &= (uint16_t)~(ROOM_LEAVING | ROOM_LEFT);
    } else if (r && (r->flags & ROOM_CONFIRMED)) {
        r->flags = 0;
    }
    edgegw_tell(c, e, EDGEGW_EVENT_UNSUBSCRIBED);
}

static void acked(struct edgegw *c, struct edgegw_event *e)
{
    struct edgegw_record *r = e->id.p ? edgegw_record_of(c, &e->id) : NULL;
    if (r) {
        r->flags |= RECORD_DEAD;
        edgegw_tell(c, e, EDGEGW_EVENT_ACK);
    }
}

/* A frame was lost because there were too many a second. Nobody says which it was, so
 * everything without an answer is sent again: publications have their ids, and the
 * other commands may come twice. */
static void slow_down(struct edgegw *c, uint64_t ms)
{
    uint32_t d = most(ms || c->pace ? 1 : LEAST_QUIET, ms);
    c->quiet_until = c->now + d;
    if (d > c->pace) {
        c->pace = d < MOST_PACE ? d : MOST_PACE;
    }
    edgegw_outbox_again(c);
    for (size_t i = 0; i < c->config.room_count; i++) {
        struct edgegw_room *r = c->config.rooms + i;
        unsigned left = r->flags & ROOM_LEFT;
        if (!(r->flags & ROOM_CONFIRMED) && i) {
            r->flags &= (uint16_t)~ROOM_ASKED;
        }
        if (left) {
            r->flags &= (uint16_t)~(ROOM_LEFT | (r->flags & ROOM_USED ? ROOM_LEAVING : 0u));
        }
    }
    if (c->renew == RENEW_SENT) {
        c->renew = RENEW_READY;
    }
}

/* An error frame is about a publication if it has the id of one, about a subscription
 * that waits for its answer, about a fresh token, or about the rate. */
static void refused(struct edgegw *c, struct edgegw_room *r, struct edgegw_event *e)
{
    struct edgegw_record *p = e->id.p ? edgegw_record_of(c, &e->id) : NULL;
    bool limited = edgegw_is(&e->code, "rate_limited");
    if (p && (e->retry_after_ms || limited)) {
        p->not_before = c->now + most(LEAST_QUIET, e->retry_after_ms);
        p->flags = RECORD_LATER;
        return;
    }
    if (p) {
        edgegw_give_up(c, p, e);
        return;
    }
    if (e->id.p) {
        /* of nothing that is known */
    } else if (!e->room.p && limited) {
        slow_down(c, e->retry_after_ms);
    } else if (r && (r->flags & (ROOM_ASKED | ROOM_CONFIRMED)) == ROOM_ASKED && !e->retry_after_ms) {
        r->flags &= ROOM_LEAVING | ROOM_LEFT;
        e->reason = e->code;
        edgegw_tell(c, e, EDGEGW_EVENT_UNSUBSCRIBED);
        return;
    } else if (!e->room.p && c->renew == RENEW_SENT &&
               edgegw_find("invalid_token\0token_expired\0forbidden\0", e->code.p, e->code.len) != NOT_FOUND) {
        c->renew = RENEW_NONE;
        edgegw_not_taken(c, &e->code);
    }
    edgegw_tell(c, e, EDGEGW_EVENT_PROBLEM);
}

static void expiring(struct edgegw *c, const struct edgegw_event *e)
{
    if (c->renew == RENEW_NONE) {
        /* Whoever connected together is warned together. */
        c->renew = RENEW_WAIT;
        c->renew_tries = 0;
        c->renew_at = c->now + edgegw_spread(c, (edgegw_ms(e->expires_in) >> 1) + 1);
    }
}

enum { WELCOME, SUBSCRIBED, MESSAGE, GAP, UNSUBSCRIBED, ACK, ERROR, EXPIRING, AUTH_OK };

/* Of a frame that is too long, only messages can be told, as gaps. */
static void cut_frame(struct edgegw *c, struct edgegw_room *r, struct edgegw_event *e, unsigned type)
{
    if (type == MESSAGE && r && e->seq) {
        e->to = e->seq;
        edgegw_set_text(&e->reason, "too_large");
        edgegw_room_gap(c, r, e);
        return;
    }
    memset(e, 0, sizeof *e);
    edgegw_set_text(&e->code, "too_large");
    edgegw_tell(c, e, EDGEGW_EVENT_PROBLEM);
}

void edgegw_take(struct edgegw *c, bool cut)
{
    struct edgegw_event e;
    bool whole = edgegw_json_members((char *)c->config.rx, &e);
    if (!whole && !cut) {
        edgegw_breach(c, 1002, "a frame is no JSON object");
        return;
    }
    unsigned type = edgegw_find("welcome\0subscribed\0message\0gap\0unsubscribed\0ack\0error\0token_expiring\0auth_ok\0",
                                e.internal[1].p, e.internal[1].len);
    if (c->phase == PHASE_WELCOME && type != WELCOME) {
        edgegw_breach(c, 1002, "the first frame is no welcome");
        return;
    }
    struct edgegw_room *r = e.room.p ? edgegw_room_of(c, e.room.p, e.room.len) : NULL;
    if (cut) {
        cut_frame(c, r, &e, type);
    } else if (type == WELCOME) {
        welcome(c, &e);
    } else if (type == SUBSCRIBED && r) {
        edgegw_room_subscribed(c, r, &e);
    } else if (type == MESSAGE && r && e.data.p) {
        edgegw_room_message(c, r, &e);
    } else if (type == GAP && r) {
        edgegw_room_gap(c, r, &e);
    } else if (type == UNSUBSCRIBED) {
        unsubscribed(c, r, &e);
    } else if (type == ACK) {
        acked(c, &e);
    } else if (type == ERROR) {
        refused(c, r, &e);
    } else if (type == EXPIRING) {
        expiring(c, &e);
    } else if (type == AUTH_OK && c->renew >= RENEW_READY) {
        c->renew = RENEW_NONE;
        c->flags &= (uint16_t)~FLAG_REFUSED;
    }
}
