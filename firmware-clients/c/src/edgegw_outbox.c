/* What is published and not acknowledged, in order, in the buffer of the caller. */
#include "edgegw_internal.h"

static uint32_t size_of(const struct edgegw_record *r)
{
    uint32_t n = (uint32_t)offsetof(struct edgegw_record, bytes) + r->room_len + r->id_len + r->data_len + 1;
    return (n + 3) & ~(uint32_t)3;
}

struct edgegw_record *edgegw_record_at(const struct edgegw *c, uint32_t at)
{
    return (void *)(c->config.outbox + at); /* which edgegw_init has aligned */
}

static bool same_room(const struct edgegw_record *a, const struct edgegw_record *b)
{
    return a->room_len == b->room_len && memcmp(a->bytes, b->bytes, a->room_len) == 0;
}

struct edgegw_record *edgegw_record_of(const struct edgegw *c, const struct edgegw_text *id)
{
    struct edgegw_record *r;
    for (uint32_t at = 0; at < c->outbox_fill; at += size_of(r)) {
        r = edgegw_record_at(c, at);
        if (!(r->flags & RECORD_DEAD) && r->id_len == id->len &&
            memcmp(r->bytes + r->room_len, id->p, r->id_len) == 0) {
            return r;
        }
    }
    return NULL;
}

/* The oldest publication in the room of r: at most EDGEGW_WINDOW are behind it. */
static const struct edgegw_record *oldest(const struct edgegw *c, const struct edgegw_record *r)
{
    const struct edgegw_record *q = edgegw_record_at(c, 0);
    for (uint32_t at = 0; (q->flags & RECORD_DEAD) || !same_room(q, r);) {
        at += size_of(q);
        q = edgegw_record_at(c, at);
    }
    return q;
}

uint32_t edgegw_record_next(const struct edgegw *c, uint32_t *wait)
{
    struct edgegw_record *r;
    for (uint32_t at = 0; at < c->outbox_fill; at += size_of(r)) {
        r = edgegw_record_at(c, at);
        if (r->flags & (RECORD_DEAD | RECORD_SENT)) {
            continue;
        }
        if ((uint16_t)(r->order - oldest(c, r)->order) >= EDGEGW_WINDOW) {
            continue;
        }
        if ((r->flags & RECORD_LATER) && !edgegw_reached(c, r->not_before)) {
            if (r->not_before - c->now < *wait) {
                *wait = r->not_before - c->now;
            }
            continue;
        }
        return at;
    }
    return EDGEGW_NEVER;
}

void edgegw_outbox_again(struct edgegw *c)
{
    struct edgegw_record *r;
    for (uint32_t at = 0; at < c->outbox_fill; at += size_of(r)) {
        r = edgegw_record_at(c, at);
        r->flags &= (uint8_t)~RECORD_SENT;
    }
}

/* Takes out what has ended; not while a part of a message has been sent, which has
 * to stay where it is. */
void edgegw_outbox_reap(struct edgegw *c)
{
    for (uint32_t at = 0; c->sending != SEND_MESSAGE && at < c->outbox_fill;) {
        struct edgegw_record *r = edgegw_record_at(c, at);
        uint32_t n = size_of(r);
        if (r->flags & RECORD_DEAD) {
            c->outbox_fill -= n;
            memmove(r, (uint8_t *)r + n, c->outbox_fill - at);
        } else {
            at += n;
        }
    }
}

void edgegw_give_up(struct edgegw *c, struct edgegw_record *r, struct edgegw_event *e)
{
    char id[EDGEGW_ID_MAX + 1]; /* the function may publish, and so move the record */
    memcpy(id, r->bytes + r->room_len, r->id_len);
    id[r->id_len] = 0;
    e->id.p = id;
    e->id.len = r->id_len;
    r->flags |= RECORD_DEAD;
    edgegw_tell(c, e, EDGEGW_EVENT_FAILED);
}

void edgegw_skip_longest(struct edgegw *c)
{
    struct edgegw_record *r, *longest = NULL;
    struct edgegw_event e;
    for (uint32_t at = 0; at < c->outbox_fill; at += size_of(r)) {
        r = edgegw_record_at(c, at);
        if ((r->flags & (RECORD_SENT | RECORD_DEAD)) == RECORD_SENT &&
            (!longest || r->data_len > longest->data_len)) {
            longest = r;
        }
    }
    if (longest) {
        memset(&e, 0, sizeof e);
        edgegw_set_text(&e.code, "too_large");
        edgegw_give_up(c, longest, &e);
    }
}

int edgegw_publish(struct edgegw *c, const char *room, const char *id, const char *json, size_t n)
{
    struct edgegw_record *r;
    struct edgegw_text name = {id, 0};
    size_t room_len = room ? strlen(room) : 0;
    char own[sizeof c->id_prefix + 20];
    if (!id) {
        struct edgegw_sink s = {0, 0, 0, sizeof own, (uint8_t *)own, NULL, 0};
        uint64_t number = c->next_id++;
        edgegw_put(&s, "%s%u", c->id_prefix, &number);
        name.p = own;
        name.len = s.fill;
    } else {
        struct edgegw_utf8 u = {0, 0, 0};
        name.len = strlen(id);
        if (name.len - 1 >= EDGEGW_ID_MAX || !edgegw_utf8_check(&u, (const uint8_t *)id, name.len) || u.left) {
            return EDGEGW_INVALID;
        }
    }
    if (room_len > EDGEGW_ROOM_MAX) {
        return EDGEGW_INVALID;
    }
    if (edgegw_record_of(c, &name)) {
        return EDGEGW_DUPLICATE;
    }
    edgegw_outbox_reap(c);
    uint32_t space = (uint32_t)c->config.outbox_size - c->outbox_fill;
    if (n > space || room_len + name.len + n + 20 > space) {
        return EDGEGW_FULL;
    }
    r = edgegw_record_at(c, c->outbox_fill);
    r->data_len = (uint32_t)n;
    r->room_len = (uint8_t)room_len;
    r->id_len = (uint8_t)name.len;
    r->flags = 0;
    r->order = c->order;
    char *p = r->bytes;
    memcpy(p, room ? room : "", room_len);
    p += room_len;
    memcpy(p, name.p, name.len);
    p += name.len;
    memcpy(p, json, n);
    p[n] = 0;
    const char *end = edgegw_json_value(p);
    while (end && (*end == ' ' || *end == '\n' || *end == '\r' || *end == '\t')) {
        end++;
    }
    struct edgegw_utf8 u = {0, 0, 0};
    if (end != p + n || !edgegw_utf8_check(&u, (uint8_t *)p, n)) { /* the gateway would close, with 1007 */
        return EDGEGW_INVALID;
    }
    c->order++;
    c->outbox_fill += size_of(r);
    return EDGEGW_OK;
}

size_t edgegw_unacknowledged(const struct edgegw *c)
{
    struct edgegw_record *r;
    size_t n = 0;
    for (uint32_t at = 0; at < c->outbox_fill; at += size_of(r)) {
        r = edgegw_record_at(c, at);
        n += r->flags & RECORD_DEAD ? 0 : size_of(r);
    }
    return n;
}
