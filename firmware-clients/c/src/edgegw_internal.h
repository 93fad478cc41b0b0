/* What the parts of the core have in common; not for others. */
#ifndef EDGEGW_INTERNAL_H
#define EDGEGW_INTERNAL_H

#include "edgegw.h"
#include <string.h>

/* What the client is doing. */
enum {
    PHASE_IDLE,    /* not started, or stopped by its user */
    PHASE_STOPPED, /* ended by itself */
    PHASE_WAIT,    /* for the next try, at deadline */
    PHASE_LOGIN,   /* asks for tokens */
    PHASE_ASK,     /* asks GET /auth/me, since nothing said why a handshake failed */
    PHASE_SHAKE,   /* opens the WebSocket */
    PHASE_WELCOME, /* awaits the welcome */
    PHASE_OPEN,
    PHASE_LEAVING /* has said goodbye, and awaits the answer */
};

/* How far a fresh token for the connection has come. */
enum { RENEW_NONE, RENEW_WAIT, RENEW_ASKING, RENEW_READY, RENEW_SENT };

/* Bits of edgegw_room.flags. */
enum {
    ROOM_USED = 1,
    ROOM_LATEST = 2,
    ROOM_HAS = 4,        /* at is where to go on */
    ROOM_WAITING = 8,    /* the newest message behind at may come */
    ROOM_ASKED = 16,     /* on the connection of now: subscribe has gone out, */
    ROOM_CONFIRMED = 32, /* was answered; */
    ROOM_LEAVING = 64,   /* unsubscribe has to be answered, */
    ROOM_LEFT = 128      /* and has gone out */
};

/* Purposes of HTTP requests. */
enum { ASK_NOTHING, ASK_REFRESH, ASK_DEVICE, ASK_PASSWORD, ASK_ME, ASK_SHAKE };

/* What a frame to the gateway is. */
enum { SEND_NOTHING, SEND_CLOSE, SEND_PONG, SEND_AUTH, SEND_LEAVE, SEND_JOIN, SEND_MESSAGE };

/* What to do after the end of a connection (section 7). */
enum action { ACT_RECONNECT, ACT_REFRESH, ACT_SKIP, ACT_LOGIN, ACT_STOP };

/* The deepest JSON that is read: section 3, and the frame around it. */
#define JSON_DEPTH 1024u

#define NOT_FOUND 31u /* lists are shorter */

/* edgegw_json.c. All JSON, and all words, end with a NUL. */

/* The position of a word in a list of words, each with a NUL behind it and an empty
 * one at the end; or NOT_FOUND. */
unsigned edgegw_find(const char *list, const char *word);
char *edgegw_json_space(char *p);
/* Reads a string whose opening quote is at p, and returns what stands behind the
 * closing one, or NULL. With out it is decoded to there, which may be in place; the
 * result ends with a NUL. */
char *edgegw_json_string(char *p, struct edgegw_text *out);
/* Returns what stands behind a JSON value, or NULL if it is none. With e the members
 * of the object that it is are read; when it is none, those before the fault. */
char *edgegw_json_value(char *p, struct edgegw_event *e);
/* The same for a whole text: false when anything else stands behind the object. */
bool edgegw_json_members(char *p, struct edgegw_event *e);
/* Reads a whole number up to 2^53 before end; false for anything else. */
bool edgegw_number(const char *p, const char *end, uint64_t *v);
/* Checks UTF-8 (RFC 3629); the text is complete when u->left is 0. */
bool edgegw_utf8_check(struct edgegw_utf8 *u, const uint8_t *p, size_t n);
bool edgegw_utf8_whole(const void *p, size_t n);

/* edgegw_write.c */

/* Takes bytes: what does not lie between skip and skip + size is only counted. */
struct edgegw_sink {
    uint32_t at; /* bytes so far */
    uint32_t skip;
    uint32_t fill, size;
    uint8_t *out;
    const uint8_t *mask; /* or NULL */
    uint32_t mask_from;
};
void edgegw_put_byte(struct edgegw_sink *s, unsigned b);
void edgegw_put_bytes(struct edgegw_sink *s, const uint8_t *p, size_t n);
/* Puts a text; %s is a text, %q a JSON string, %e percent-encoded (RFC 3986), %u a
 * pointer to a uint64_t. */
void edgegw_put(struct edgegw_sink *s, const char *format, ...);
extern const char edgegw_base64_digits[];
/* Base64 (RFC 4648 section 4) with a NUL; n is up to 20 bytes. */
void edgegw_base64(const uint8_t *p, size_t n, char *out);
/* Sec-WebSocket-Accept for a nonce (RFC 6455 section 4.2.2), 28 bytes and a NUL. */
void edgegw_accept(const uint8_t *nonce, char *out);

/* edgegw_outbox.c */
struct edgegw_record {
    uint32_t flags, size, not_before, order;
    uint16_t id, data; /* where they stand in bytes; the room stands at the start */
    char bytes[];
};
enum { RECORD_SENT = 1, RECORD_LATER = 2, RECORD_DEAD = 4 };
/* The next publication that has not ended; the first for NULL. NULL at the end. */
struct edgegw_record *edgegw_record_next(const struct edgegw *c, struct edgegw_record *r);
struct edgegw_record *edgegw_record_of(const struct edgegw *c, const char *id);
/* The first publication that may be sent now, or NULL; wait is lowered to how long it
 * is until one may. */
struct edgegw_record *edgegw_record_due(const struct edgegw *c, uint32_t *wait);
void edgegw_outbox_again(struct edgegw *c);
void edgegw_outbox_reap(struct edgegw *c);
/* Gives a publication up, for the code of e or as too large when e is NULL. */
void edgegw_give_up(struct edgegw *c, struct edgegw_record *r, struct edgegw_event *e);
void edgegw_skip_longest(struct edgegw *c);

/* edgegw_room.c */
struct edgegw_room *edgegw_room_of(const struct edgegw *c, const char *name);
/* Have to do with subscribed, message and gap. */
void edgegw_room_subscribed(struct edgegw *c, struct edgegw_room *r, struct edgegw_event *e);
void edgegw_room_message(struct edgegw *c, struct edgegw_room *r, struct edgegw_event *e);
void edgegw_room_gap(struct edgegw *c, struct edgegw_room *r, struct edgegw_event *e);

/* edgegw_frame.c: bytes of the WebSocket. */
void edgegw_frames(struct edgegw *c, const uint8_t *p, size_t n);
/* The other side has broken the protocol: closes with code. */
void edgegw_breach(struct edgegw *c, unsigned code);

/* edgegw_take.c: a whole text message in rx, which was longer when cut is true. */
void edgegw_take(struct edgegw *c, bool cut);

/* edgegw_http.c: bytes of an answer. Returns how many were used: all, unless a
 * WebSocket begins behind them. */
size_t edgegw_http_input(struct edgegw *c, const uint8_t *p, size_t n);
/* No more bytes come. */
void edgegw_http_end(struct edgegw *c);
/* Where the answer's body stands. */
char *edgegw_http_area(const struct edgegw *c);

/* Notes the time, and tells what a connection is used for now: nothing, if it is not
 * wanted any more, an HTTP exchange (the handshake is one), or frames. */
enum use { USE_NOTHING, USE_HTTP, USE_FRAMES };
enum use edgegw_use(struct edgegw *c, uint32_t conn, uint32_t now);

/* edgegw_session.c */
void edgegw_attempt(struct edgegw *c);
void edgegw_login(struct edgegw *c);
void edgegw_renew_failed(struct edgegw *c, uint32_t told);
/* The answer to a request is complete, or (status 0) there was none. */
void edgegw_answered(struct edgegw *c);
void edgegw_not_taken(struct edgegw *c, const char *code);
/* The connection, or a try to get one, is over. told is what the gateway said about
 * when to come back, in ms, or 0. */
void edgegw_over(struct edgegw *c, unsigned status, const char *reason, uint32_t told, enum action a);
/* A random time from 1 to most ms. */
uint32_t edgegw_spread(struct edgegw *c, uint32_t most);

/* The WebSocket is gone, and if that was awaited, the client has ended. */
void edgegw_left(struct edgegw *c);

/* Helpers. */
void edgegw_clear(struct edgegw_event *e);
void edgegw_tell(struct edgegw *c, struct edgegw_event *e, enum edgegw_event_type type);
void edgegw_set_text(struct edgegw_text *t, const char *p);
/* Milliseconds from seconds, 20 days at most. */
uint32_t edgegw_ms(uint32_t s);

static inline bool edgegw_reached(const struct edgegw *c, uint32_t at)
{
    return (int32_t)(c->now - at) >= 0;
}

#endif
