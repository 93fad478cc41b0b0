/* How far the client has come in its rooms (section 4). */
#include "edgegw_internal.h"

struct edgegw_room *edgegw_room_of(const struct edgegw *c, const char *name)
{
    struct edgegw_room *r = c->config.rooms, *end = r + c->config.room_count;
    for (; r < end; r++) {
        /* The first one keeps its place, and its name, when it has been left. */
        if ((r->flags || r == c->config.rooms) && strcmp(r->name, name) == 0) {
            return r;
        }
    }
    return NULL;
}

/* Steps back in front of the newest message, if that follows. */
static void await_latest(struct edgegw_room *r)
{
    if ((r->flags & ROOM_LATEST) && r->at.seq) {
        r->at.seq--;
        r->flags |= ROOM_WAITING;
    }
}

static void lost(struct edgegw_event *e, const char *reason, uint64_t from, uint64_t to)
{
    edgegw_set_text(&e->reason, reason);
    e->from = from;
    e->to = to;
}

/* Where a client stands that came back without an epoch: what is above after and not
 * kept has been missed. What is kept and not brought, a gap tells. */
static void kept(struct edgegw_room *r, struct edgegw_event *e, uint64_t after)
{
    uint64_t start = e->seq - (e->replay < e->seq ? e->replay : e->seq);
    uint64_t before = e->from ? e->from - 1 : 0;
    if (start > before) {
        start = before;
    }
    if (after > e->seq) {
        lost(e, "not_recovered", e->from, e->seq);
        e->reset = true;
    } else if (after < start) {
        r->at.seq = start;
        lost(e, "purged", after + 1, start);
    } else {
        r->at.seq = after;
    }
}

void edgegw_room_subscribed(struct edgegw *c, struct edgegw_room *r, struct edgegw_event *e)
{
    bool had = r->flags & ROOM_HAS, same = strcmp(e->epoch.p, r->at.epoch) == 0;
    uint64_t after = r->at.seq;
    if ((r->flags & ROOM_CONFIRMED) || (had && !e->has_recovered && !e->has_replay)) {
        return; /* nothing new, or the answer to another question */
    }
    r->flags = (r->flags & ~(uint32_t)ROOM_WAITING) | ROOM_HAS | ROOM_CONFIRMED;
    r->at.epoch[0] = 0;
    if (e->epoch.len <= EDGEGW_EPOCH_MAX) {
        strcpy(r->at.epoch, e->epoch.p);
    }
    r->at.seq = e->seq;
    e->reason.len = 0;
    e->recovered &= had;
    edgegw_tell(c, e, EDGEGW_EVENT_SUBSCRIBED);
    if (!had) {
        await_latest(r);
    } else if (e->recovered) {
        r->at.seq = after; /* good in the new epoch, too */
    } else if (e->has_recovered) {
        await_latest(r);
        if (!same || after > e->seq) {
            e->reset = true;
            lost(e, "not_recovered", e->from, r->at.seq);
        } else {
            lost(e, "not_recovered", after + 1, r->at.seq);
        }
    } else {
        kept(r, e, after);
    }
    if (e->reason.len) {
        edgegw_tell(c, e, EDGEGW_EVENT_LOST);
    }
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
    uint64_t after = r->at.seq;
    if (!(r->flags & ROOM_CONFIRMED) || e->seq <= after) {
        return; /* it had this one */
    }
    edgegw_set_text(&e->epoch, r->at.epoch);
    if (e->seq != after + 1 && !((r->flags & ROOM_WAITING) && e->seq == after + 2)) {
        lost(e, "missing", after + 1, e->seq - 1);
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
    for (size_t i = 1; !r && i < c->config.room_count; i++) {
        if (!c->config.rooms[i].flags) {
            r = c->config.rooms + i;
        }
    }
    if (!r) {
        return EDGEGW_FULL;
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
    return room ? edgegw_room_of(c, room) : c->config.rooms;
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
