/* What the gateway says, frame by frame (section 5). */
#include "edgegw_internal.h"

#define LEAST_QUIET 100u /* ms, for a client that was too fast and not told how long */
#define MOST_PACE 1000u  /* ms, bounds how slow it gets */

static void welcome(struct edgegw *c, struct edgegw_event *e)
{
    struct edgegw_room *home = c->rooms;
    if (e->protocol != 1) {
        edgegw_over(c, 0, "protocol error", 0, ACT_STOP);
        return;
    }
    if (!home->name[0] && e->room.len <= EDGEGW_ROOM_MAX) {
        strcpy(home->name, e->room.p); /* now it has one */
    }
    if (!(home->flags & ROOM_USED)) {
        home->flags = ROOM_LEAVING; /* it has been left, and joined again by the handshake */
    }
    c->phase = PHASE_OPEN;
    c->welcomed = c->now;
    c->silence = edgegw_ms(e->ping_interval) + 10000;
    c->deadline = c->now + c->silence;
    c->max_message = e->max_message_bytes ? e->max_message_bytes : UINT32_MAX;
    c->server_time = e->server_time;
    c->time_heard = c->now;
    c->time_known = strcmp(e->clock.p, "none") != 0;
    edgegw_tell(c, e, EDGEGW_EVENT_CONNECTED);
}

static void unsubscribed(struct edgegw *c, struct edgegw_room *r, struct edgegw_event *e)
{
    if (r && strcmp(e->reason.p, "requested") == 0) {
        r->flags &= ~(uint32_t)(ROOM_LEAVING | ROOM_LEFT);
    } else if (r && (r->flags & ROOM_CONFIRMED)) {
        r->flags = 0;
    }
    edgegw_tell(c, e, EDGEGW_EVENT_UNSUBSCRIBED);
}

/* A frame was lost because there were too many a second. Nobody says which it was, so
 * everything without an answer is sent again: publications have their ids, and the
 * other commands may come twice. */
static void slow_down(struct edgegw *c, uint32_t d)
{
    if (!d) {
        d = c->pace ? 1 : LEAST_QUIET;
    }
    c->quiet_until = c->now + d;
    if (d > MOST_PACE) {
        d = MOST_PACE;
    }
    if (d > c->pace) {
        c->pace = d;
    }
    edgegw_outbox_again(c);
    for (struct edgegw_room *r = c->rooms; r < c->rooms_end; r++) {
        if (!(r->flags & ROOM_CONFIRMED) && r != c->rooms) {
            r->flags &= ~(uint32_t)ROOM_ASKED;
        }
        if (r->flags & ROOM_LEFT) {
            r->flags &= ~(uint32_t)(ROOM_LEFT | (r->flags & ROOM_USED ? ROOM_LEAVING : 0));
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
    struct edgegw_record *p = edgegw_record_of(c, e->id.p);
    bool limited = strcmp(e->code.p, "rate_limited") == 0;
    if (p && (e->retry_after_ms || limited)) {
        p->not_before = c->now + (e->retry_after_ms > LEAST_QUIET ? e->retry_after_ms : LEAST_QUIET);
        p->flags = RECORD_LATER;
        return;
    }
    if (p) {
        edgegw_give_up(c, p, e);
        return;
    }
    enum edgegw_event_type type = EDGEGW_EVENT_PROBLEM;
    if (e->id.len) {
        /* of nothing that is known */
    } else if (e->room.len) {
        if (r && (r->flags & (ROOM_ASKED | ROOM_CONFIRMED)) == ROOM_ASKED && !e->retry_after_ms) {
            r->flags &= ROOM_LEAVING | ROOM_LEFT;
            e->reason = e->code;
            type = EDGEGW_EVENT_UNSUBSCRIBED;
        }
    } else if (limited) {
        slow_down(c, e->retry_after_ms);
    } else if (c->renew == RENEW_SENT &&
               edgegw_find("invalid_token\0token_expired\0forbidden\0", e->code.p) != NOT_FOUND) {
        c->renew = RENEW_NONE;
        edgegw_not_taken(c, e->code.p);
    }
    edgegw_tell(c, e, type);
}

enum { WELCOME, SUBSCRIBED, MESSAGE, GAP, UNSUBSCRIBED, ACK, ERROR, EXPIRING, AUTH_OK, CUT };

void edgegw_take(struct edgegw *c, bool cut)
{
    struct edgegw_event e;
    if (!edgegw_json_members((char *)c->config.rx, &e) && !cut) {
        edgegw_breach(c, 1002);
        return;
    }
    unsigned type = edgegw_find(
        "welcome\0subscribed\0message\0gap\0unsubscribed\0ack\0error\0token_expiring\0auth_ok\0", e.internal[1].p);
    if (c->phase == PHASE_WELCOME && type != WELCOME) {
        edgegw_breach(c, 1002); /* the first frame is the welcome */
        return;
    }
    struct edgegw_room *r = edgegw_room_of(c, e.room.p);
    struct edgegw_record *p;
    if (cut) { /* of what is too long, messages can be told, as gaps */
        edgegw_set_text(&e.code, "too_large");
        e.reason = e.code;
        e.to = e.seq;
        type = type == MESSAGE && e.seq ? GAP : CUT;
    }
    if (type <= GAP && type != WELCOME && !r) {
        return;
    }
    switch (type) {
    case WELCOME:
        welcome(c, &e);
        break;
    case SUBSCRIBED:
        edgegw_room_subscribed(c, r, &e);
        break;
    case MESSAGE:
        if (e.data.len) {
            edgegw_room_message(c, r, &e);
        }
        break;
    case GAP:
        edgegw_room_gap(c, r, &e);
        break;
    case UNSUBSCRIBED:
        unsubscribed(c, r, &e);
        break;
    case ACK:
        p = edgegw_record_of(c, e.id.p);
        if (p) {
            p->flags = RECORD_DEAD;
            edgegw_tell(c, &e, EDGEGW_EVENT_ACK);
        }
        break;
    case ERROR:
        refused(c, r, &e);
        break;
    case EXPIRING:
        if (c->renew == RENEW_NONE) { /* whoever connected together is warned together */
            c->renew = RENEW_WAIT;
            c->renew_tries = 0;
            c->renew_at = c->now + edgegw_spread(c, edgegw_ms(e.expires_in) >> 1);
        }
        break;
    case AUTH_OK:
        if (c->renew >= RENEW_READY) {
            c->renew = RENEW_NONE;
            c->refused = 0;
        }
        break;
    case CUT:
        edgegw_tell(c, &e, EDGEGW_EVENT_PROBLEM);
        break;
    default: /* of a later version, or typing and presence */
        break;
    }
}
