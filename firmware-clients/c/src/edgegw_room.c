/* How far the client has come in its rooms (section 4). */
#include "edgegw_internal.h"

struct edgegw_room *edgegw_room_of(const struct edgegw *c, const char *name)
{
    for (struct edgegw_room *r = c->rooms; r < c->rooms_end; r++) {
        /* The first one keeps its place, and its name, when it has been left. */
        if ((r->flags || r == c->rooms) && strcmp(r->name, name) == 0) {
            return r;
        }
    }
    return NULL;
}

void edgegw_room_subscribed(struct edgegw *c, struct edgegw_room *r, struct edgegw_event *e)
{
    bool had = r->flags & ROOM_HAS, same = strcmp(e->epoch.p, r->at.epoch) == 0;
    uint64_t after = r->at.seq, to = e->seq, from = e->from;
    const char *reason = "not_recovered";
    if ((r->flags & ROOM_CONFIRMED) || (had && !e->has_recovered && !e->has_replay)) {
        return; /* nothing new, or the answer to another question */
    }
    r->flags = (r->flags & ~(uint32_t)ROOM_WAITING) | ROOM_HAS | ROOM_CONFIRMED;
    r->at.epoch[0] = 0;
    if (e->epoch.len <= EDGEGW_EPOCH_MAX) {
        strcpy(r->at.epoch, e->epoch.p);
    }
    r->at.seq = to;
    e->recovered &= had;
    edgegw_tell(c, e, EDGEGW_EVENT_SUBSCRIBED);
    if ((!had || (e->has_recovered && !e->recovered)) && (r->flags & ROOM_LATEST) && to) {
        to = --r->at.seq; /* the newest message follows */
        r->flags |= ROOM_WAITING;
    }
    if (!had) {
        return;
    }
    e->reset = after > e->seq || (e->has_recovered && !same);
    if (e->recovered) {
        r->at.seq = after; /* good in the new epoch, too */
        return;
    }
    if (!e->has_recovered && !e->reset) {
        /* It came back without an epoch: what is above after and not kept has been
         * missed. What is kept and not brought, a gap tells. */
        to -= e->replay < to ? e->replay : to;
        if (to >= from) {
            to = from - (from != 0);
        }
        r->at.seq = after;
        if (after >= to) {
            return;
        }
        r->at.seq = to;
        reason = "purged";
    }
    e->from = e->reset ? from : after + 1;
    e->to = to;
    edgegw_set_text(&e->reason, reason);
    edgegw_tell(c, e, EDGEGW_EVENT_LOST);
}

/* Moves on, unless the event function has left the room meanwhile. */
static void move(struct edgegw_room *r, uint64_t seq)
{
    if (r->flags & ROOM_CONFIRMED) {
        r->at.seq = seq;
        r->flags &= ~(uint32_t)ROOM_WAITING;
    }
}

void edgegw_room_gap(struct edgegw *c, struct edgegw_room *r, struct edgegw_event *e)
{
    if (!(r->flags & ROOM_CONFIRMED) || e->to <= r->at.seq) {
        return;
    }
    e->from = r->at.seq + 1; /* what is missing in front of it was not sent either */
    edgegw_tell(c, e, EDGEGW_EVENT_GAP);
    move(r, e->to);
}

void edgegw_room_message(struct edgegw *c, struct edgegw_room *r, struct edgegw_event *e)
{
    e->from = r->at.seq + 1;
    if (!(r->flags & ROOM_CONFIRMED) || e->seq < e->from) {
        return; /* it had this one */
    }
    edgegw_set_text(&e->epoch, r->at.epoch);
    e->to = e->seq - 1;
    if (e->to >= e->from + (r->flags / ROOM_WAITING & 1)) {
        edgegw_set_text(&e->reason, "missing");
        edgegw_tell(c, e, EDGEGW_EVENT_GAP);
    }
    edgegw_tell(c, e, EDGEGW_EVENT_MESSAGE);
    move(r, e->seq);
}

int edgegw_subscribe(struct edgegw *c, const char *room, const struct edgegw_position *from, bool latest)
{
    if (!room || strlen(room) - 1 >= EDGEGW_ROOM_MAX || (from && from->seq > EDGEGW_SEQ_MAX)) {
        return EDGEGW_INVALID;
    }
    struct edgegw_room *r = edgegw_room_of(c, room);
    if (!r) { /* the first place is the default room's */
        for (r = c->rooms + 1; r < c->rooms_end && r->flags; r++) {
        }
        if (r >= c->rooms_end) {
            return EDGEGW_FULL;
        }
    }
    if (r->flags & ROOM_USED) {
        return EDGEGW_OK;
    }
    /* It may still be about to be left, which goes first then. */
    r->flags |= ROOM_USED | (latest ? ROOM_LATEST : 0);
    strcpy(r->name, room);
    if (from) {
        r->at = *from;
        r->flags |= ROOM_HAS;
    }
    return EDGEGW_OK;
}

static struct edgegw_room *named(const struct edgegw *c, const char *room)
{
    return room ? edgegw_room_of(c, room) : c->rooms;
}

void edgegw_unsubscribe(struct edgegw *c, const char *room)
{
    struct edgegw_room *r = named(c, room);
    if (r && (r->flags & ROOM_USED)) {
        /* Without a connection there is nobody to tell. */
        r->flags = c->phase == PHASE_OPEN ? ROOM_LEAVING : 0;
    }
}

bool edgegw_position(const struct edgegw *c, const char *room, struct edgegw_position *at)
{
    const struct edgegw_room *r = named(c, room);
    if (!r || !(r->flags & ROOM_HAS)) {
        return false;
    }
    *at = r->at;
    return true;
}
