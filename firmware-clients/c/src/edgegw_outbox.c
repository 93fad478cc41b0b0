/* What is published and not acknowledged, in order, in the buffer of the caller. */
#include "edgegw_internal.h"

static struct edgegw_record *at(const struct edgegw *c, uint32_t n)
{
    return (void *)(c->config.outbox + n); /* which edgegw_init has aligned */
}

struct edgegw_record *edgegw_record_next(const struct edgegw *c, struct edgegw_record *r)
{
    const struct edgegw_record *end = at(c, c->outbox_fill);
    r = r ? (void *)((uint8_t *)r + r->size) : (void *)c->config.outbox;
    while (r < end && (r->flags & RECORD_DEAD)) {
        r = (void *)((uint8_t *)r + r->size);
    }
    return r < end ? r : NULL;
}

struct edgegw_record *edgegw_record_of(const struct edgegw *c, const char *id)
{
    struct edgegw_record *r = NULL;
    while ((r = edgegw_record_next(c, r)) != NULL && strcmp(r->bytes + r->id, id) != 0) {
    }
    return r;
}

struct edgegw_record *edgegw_record_due(const struct edgegw *c, uint32_t *wait)
{
    struct edgegw_record *r = NULL;
    while ((r = edgegw_record_next(c, r)) != NULL) {
        struct edgegw_record *oldest = NULL; /* of its room: the window begins there */
        if (r->flags & RECORD_SENT) {
            continue;
        }
        while ((oldest = edgegw_record_next(c, oldest)) != NULL && strcmp(oldest->bytes, r->bytes) != 0) {
        }
        if (oldest && r->order - oldest->order >= EDGEGW_WINDOW) {
            continue;
        }
        if (!(r->flags & RECORD_LATER) || edgegw_reached(c, r->not_before)) {
            break;
        }
        if (r->not_before - c->now < *wait) {
            *wait = r->not_before - c->now;
        }
    }
    return r;
}

void edgegw_outbox_again(struct edgegw *c)
{
    struct edgegw_record *r = NULL;
    while ((r = edgegw_record_next(c, r)) != NULL) {
        r->flags &= ~(uint32_t)RECORD_SENT;
    }
}

/* Takes out what has ended; not while a part of a message has been sent, which has
 * to stay where it is. */
void edgegw_outbox_reap(struct edgegw *c)
{
    for (uint32_t n = 0; c->sending != SEND_MESSAGE && n < c->outbox_fill;) {
        struct edgegw_record *r = at(c, n);
        uint32_t size = r->size;
        if (r->flags & RECORD_DEAD) {
            c->outbox_fill -= size;
            memmove(r, (uint8_t *)r + size, c->outbox_fill - n);
        } else {
            n += size;
        }
    }
}

void edgegw_give_up(struct edgegw *c, struct edgegw_record *r, struct edgegw_event *e)
{
    struct edgegw_event own;
    char id[EDGEGW_ID_MAX + 1]; /* the function may publish, and so move the record */
    if (!e) {
        e = &own;
        edgegw_clear(e);
        edgegw_set_text(&e->code, "too_large");
    }
    strcpy(id, r->bytes + r->id);
    edgegw_set_text(&e->id, id);
    r->flags = RECORD_DEAD;
    edgegw_tell(c, e, EDGEGW_EVENT_FAILED);
}

void edgegw_skip_longest(struct edgegw *c)
{
    struct edgegw_record *r = NULL, *longest = NULL;
    while ((r = edgegw_record_next(c, r)) != NULL) {
        if ((r->flags & RECORD_SENT) && (!longest || r->size > longest->size)) {
            longest = r;
        }
    }
    if (longest) {
        edgegw_give_up(c, longest, NULL);
    }
}

int edgegw_publish(struct edgegw *c, const char *room, const char *id, const char *json, size_t n)
{
    uint8_t random[15];
    char own[21];
    if (!room) {
        room = "";
    }
    if (!id) {
        c->config.random(c->config.user, random, sizeof random);
        edgegw_base64(random, sizeof random, own);
        id = own;
    }
    size_t id_len = strlen(id), room_len = strlen(room);
    if (id_len - 1 >= EDGEGW_ID_MAX || room_len > EDGEGW_ROOM_MAX ||
        !edgegw_utf8_whole(id, id_len)) {
        return EDGEGW_INVALID;
    }
    if (edgegw_record_of(c, id)) {
        return EDGEGW_DUPLICATE;
    }
    edgegw_outbox_reap(c);
    struct edgegw_record *r = at(c, c->outbox_fill);
    uint32_t space = (uint32_t)c->config.outbox_size - c->outbox_fill;
    size_t size = (offsetof(struct edgegw_record, bytes) + room_len + id_len + n + 6) & ~(size_t)3;
    if (n > space || size > space) {
        return EDGEGW_FULL;
    }
    r->flags = 0;
    r->size = (uint32_t)size;
    r->order = c->order;
    r->id = (uint16_t)(room_len + 1);
    r->data = (uint16_t)(r->id + id_len + 1);
    strcpy(r->bytes, room);
    strcpy(r->bytes + r->id, id);
    char *p = r->bytes + r->data, *end;
    memcpy(p, json, n);
    p[n] = 0;
    end = edgegw_json_value(p, NULL);
    if (!end || edgegw_json_space(end) != p + n || !edgegw_utf8_whole(p, n)) {
        return EDGEGW_INVALID; /* the gateway would close: with 1007, if only the UTF-8 is bad */
    }
    c->order++;
    c->outbox_fill += r->size;
    return EDGEGW_OK;
}

size_t edgegw_unacknowledged(const struct edgegw *c)
{
    struct edgegw_record *r = NULL;
    size_t n = 0;
    while ((r = edgegw_record_next(c, r)) != NULL) {
        n += r->size;
    }
    return n;
}
