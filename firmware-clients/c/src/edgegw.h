/*
 * edgegw: a client for an edgegw gateway, for devices.
 *
 * The core does no I/O, takes no memory but what it is given, and knows no
 * operating system: bytes go in, bytes and events come out. Whoever has sockets
 * drives it (a port):
 *
 *     edgegw_init, edgegw_start
 *     again and again:
 *         for each of the two channels:
 *             conn = edgegw_wanted(channel)
 *             not the one that is open?  close that; open one if conn is not 0,
 *                                        then edgegw_opened, or edgegw_closed
 *             bytes have come?           edgegw_input
 *             everything is sent?        edgegw_output, and send that
 *             the other side closed?     edgegw_closed
 *         wait for bytes, edgegw_next_timeout at most, then edgegw_tick
 *
 * Channel 0 is the WebSocket, channel 1 is for the short HTTP requests that get
 * tokens, now and then while the WebSocket is open. Both lead to the same host,
 * with the same TLS; what a certificate is worth is the port's business.
 *
 * All functions of one client are called from one thread (or under one lock). The
 * event function may call edgegw_publish, edgegw_subscribe, edgegw_unsubscribe,
 * edgegw_position, edgegw_server_time and edgegw_stop, and nothing else.
 *
 * Times are uint32_t milliseconds of a clock that only goes forward, whatever its
 * start; it may run over after 49 days. The calendar is never asked.
 *
 * What the client does is docs/PROTOCOL.md of the gateway, cited as "section N".
 */
#ifndef EDGEGW_H
#define EDGEGW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version of this client; the protocol's is 1. */
#define EDGEGW_VERSION "1.0.0"

/* Channels. */
#define EDGEGW_CHANNEL_WS 0u
#define EDGEGW_CHANNEL_HTTP 1u

/* Limits, in bytes without the terminating NUL (section 1 and 4). */
#define EDGEGW_ROOM_MAX 128u
#define EDGEGW_EPOCH_MAX 64u
#define EDGEGW_ID_MAX 64u

/* The largest seq, 2^53. */
#define EDGEGW_SEQ_MAX (UINT64_C(1) << 53)

/* How many publications may wait for their acks in a room (section 4). */
#define EDGEGW_WINDOW 64u

/* The smallest buffers, in bytes. */
#define EDGEGW_RX_MIN 768u      /* holds every frame but a message */
#define EDGEGW_TOKENS_MIN 1024u /* see edgegw_config.tokens */
#define EDGEGW_OUTPUT_MIN 768u  /* holds every command but auth and message */

/* No time, or never. */
#define EDGEGW_NEVER UINT32_MAX

/* Bytes of text: UTF-8, with a NUL behind it that len does not count. There may be
 * NULs inside. What is not there is empty; p is never NULL. */
struct edgegw_text {
    const char *p;
    size_t len;
};

/* How far a client has come in a room (section 4). To go on there after a deep
 * sleep or a restart, keep it in memory that survives. */
struct edgegw_position {
    uint64_t seq;                     /* the newest message's; 0: everything that is kept */
    char epoch[EDGEGW_EPOCH_MAX + 1]; /* empty: not known, so nobody can say what is missing */
};

/* A place in the table of rooms. It belongs to the client. */
struct edgegw_room {
    uint32_t flags;
    struct edgegw_position at;
    char name[EDGEGW_ROOM_MAX + 1];
};

enum edgegw_event_type {
    /* A login or a refresh gave tokens: refresh_token (or none), and in
     * reason how: device, password or refresh. Who keeps the refresh token across
     * restarts writes it here; with a device key nothing has to be kept. */
    EDGEGW_EVENT_LOGIN = 1,
    /* The welcome came: user, role, room (the default room), connection, session
     * (or none), server_time, clock (none, floor or synced), expires_in (s),
     * ping_interval (s), max_message_bytes. */
    EDGEGW_EVENT_CONNECTED,
    /* The messages of room follow: epoch, seq (the newest message's); has_recovered
     * and recovered, has_replay and replay, from as in section 4. recovered is only
     * true when the client had been here before, and nothing is missing. */
    EDGEGW_EVENT_SUBSCRIBED,
    /* No more messages of room, until edgegw_subscribe: reason is requested,
     * forbidden or deleted, or the code of the error that answered. */
    EDGEGW_EVENT_UNSUBSCRIBED,
    /* room, epoch, seq, ts (Unix ms), user, id (or none), data (JSON as it was
     * published), encoding (base64 when data is a string that holds bytes, else
     * none); see edgegw_bytes. Those of a room come in the order of seq, each once;
     * what is missing between two was told. */
    EDGEGW_EVENT_MESSAGE,
    /* room, from, to (both included), reason: these were not delivered. The
     * gateway's reasons are drop_oldest, keep_latest, purged, damaged, pressure, and
     * there may be others; the client's own are too_large (longer than rx) and
     * missing (the gateway skipped numbers without a word). What is still kept can be
     * had by GET /rooms/{id}/messages. */
    EDGEGW_EVENT_GAP,
    /* The same when coming back to a room: reason is not_recovered or purged. With
     * reset the room's numbers do not go on where the client was; the newest of what
     * it had may have been taken back, and from to to is everything that is kept.
     * There is nothing when from is above to. */
    EDGEGW_EVENT_LOST,
    /* The publication id is stored: room, seq, ts, durability. */
    EDGEGW_EVENT_ACK,
    /* The publication id was refused and is given up: code, message. too_large also
     * when it is longer than the gateway takes. */
    EDGEGW_EVENT_FAILED,
    /* A connection ended, or a try to get one failed: status is the close code (1005
     * for a close frame without one), or the HTTP status of a refusal, or 0; reason;
     * wait_ms until the next try, EDGEGW_NEVER when there is none. */
    EDGEGW_EVENT_CLOSED,
    /* The client has ended by itself and stays so until edgegw_start: status and
     * reason as above. Somebody has to look. */
    EDGEGW_EVENT_STOPPED,
    /* An error frame that answers no publication and no subscription, or that the
     * client deals with itself: code, message, room, id, retry_after_ms as far as
     * they are there. code too_large with nothing else: a frame longer than rx that
     * was no message has been passed over. */
    EDGEGW_EVENT_PROBLEM
};

/* What has happened. Which members count stands with the event's type; the others
 * may hold anything. Texts are good until the event function returns. */
struct edgegw_event {
    enum edgegw_event_type event;
    bool has_recovered, recovered, has_replay, reset;
    uint32_t status, wait_ms;
    /* From here on the reader of frames fills the members by their order. */
    uint64_t seq, from, to, ts, replay, server_time;
    uint32_t expires_in, ping_interval, max_message_bytes, retry_after_ms, protocol;
    struct edgegw_text room, id, user, data, reason, code, epoch, encoding, message;
    struct edgegw_text durability, clock, role, session, connection, refresh_token;
    struct edgegw_text internal[2];
};

/* What a client is given. The texts end with a NUL; texts and buffers have to stay
 * where they are as long as the client is used, and buffers belong to it. What is
 * NULL or 0 does not count. */
struct edgegw_config {
    const char *host;          /* the Host header, such as gateway.local:8080; required */
    const char *path;          /* what stands before /ws and /auth, such as /gw */
    const char *room;          /* the default room; none: the token's, then lobby */
    const char *device_key;    /* log in with this, */
    const char *username;      /* or with these two, */
    const char *password;      /* */
    const char *refresh_token; /* and before either go on with this one's session */

    uint8_t *rx; /* holds the longest message that is taken, EDGEGW_RX_MIN or more */
    size_t rx_size;
    uint8_t *outbox; /* holds what is published and not acknowledged; may be none. Each
                        takes data, id and room and up to 22 bytes more */
    size_t outbox_size;
    char *tokens; /* holds access token, refresh token and the answer that brings the
                     next ones: 2,048 is plenty; at least EDGEGW_TOKENS_MIN */
    size_t tokens_size;
    struct edgegw_room *rooms; /* the first is for the default room; required */
    size_t room_count;         /* 1 or more */

    /* Fills out with n random bytes (1 to 16) from the best source there is: masks,
     * ids and waits come from it. Required. */
    void (*random)(void *user, uint8_t *out, size_t n);
    /* Is told what happens. Required. */
    void (*event)(void *user, const struct edgegw_event *e);
    void *user; /* the first argument of both */

    const struct edgegw_position *from; /* where to go on in the default room; read by
                                           edgegw_init only, and needs room */
    uint32_t timeout_ms; /* of a request, and of a handshake; 0 is 10,000 */
    bool latest;         /* the newest stored message of the default room whenever what
                            was missed cannot be replayed, the first time included */
    bool subprotocol;    /* the token in Sec-WebSocket-Protocol, not in Authorization */
};

/* What functions return. */
enum edgegw_result {
    EDGEGW_OK = 0,
    EDGEGW_INVALID = -1,   /* an argument is against its description */
    EDGEGW_FULL = -2,      /* no space in the outbox, or in the table of rooms */
    EDGEGW_DUPLICATE = -3 /* a publication of this id waits for its ack */
};

/* A client. Its members are its own; the size is what counts: EDGEGW_STATE_MAX
 * bytes at most, on every target. */
#define EDGEGW_STATE_MAX 2048u

/* How an HTTP answer is read. */
struct edgegw_http {
    uint32_t purpose; /* what was asked */
    uint32_t step;    /* where in the answer */
    uint32_t status;  /* of the answer */
    uint32_t seen;    /* headers */
    uint32_t left;    /* bytes of the body, or of the chunk, that are to come */
    uint32_t sent;    /* bytes of the request */
    uint32_t retry_s; /* Retry-After */
    char *line;       /* where the line at hand begins */
    char *fill;       /* where the next byte goes */
};

/* Where in a UTF-8 text a check has come. */
struct edgegw_utf8 {
    uint32_t left, low, high;
};

struct edgegw {
    /* What is used most often stands first, in whole words: short offsets and no
     * narrow loads make the code small. */
    uint32_t phase, now, conn[2], renew, deadline, sending, close_code;
    struct edgegw_room *rooms, *rooms_end;
    struct edgegw_http http;
    /* The frame and the message that are being received. */
    uint32_t left, rx_fill, opcode, final, message_opcode, head_fill, control_fill;
    /* The session: the access token stands at the start of tokens, the other one at
     * the end. */
    char *refresh;
    uint32_t access_len, sent, quiet_until, unsure;
    struct edgegw_config config;
    uint32_t access_ended, access_until, refused;
    struct edgegw_utf8 utf8;
    /* The frame that is being sent. */
    const char *sending_text, *sending_record_room;
    struct edgegw_room *sending_room;
    uint32_t pong_due, pong_len;
    uint32_t silence, welcomed, renew_at, tries, renew_tries, serial, pace;
    /* What is published. */
    uint32_t outbox_fill, max_message, order;
    /* The gateway's time, at time_heard. */
    uint32_t time_known, time_heard;
    uint64_t server_time;
    uint8_t mask[4], head[10], nonce[16], control[126], pong[125];
};

/* Makes a client of config, which is copied. Nothing happens before edgegw_start.
 * Returns EDGEGW_OK or EDGEGW_INVALID. */
int edgegw_init(struct edgegw *c, const struct edgegw_config *config);

/* Connects, and stays connected over all breaks, until edgegw_stop or until it is
 * of no use to go on (EDGEGW_EVENT_STOPPED). After either it may be started again:
 * positions and outbox are as they were. */
void edgegw_start(struct edgegw *c, uint32_t now);

/* Says goodbye and ends. The connection is open for up to a second more, until the
 * gateway has answered; edgegw_wanted tells. What is not acknowledged stays in the
 * outbox. There is no event. */
void edgegw_stop(struct edgegw *c);

/* The connection that a channel should have now, or 0 for none. Another number is
 * another connection: the one before is to be closed, after what edgegw_output gave
 * was sent as far as it goes without waiting. */
uint16_t edgegw_wanted(const struct edgegw *c, unsigned channel);

/* The connection is open, TLS included. */
void edgegw_opened(struct edgegw *c, uint16_t conn, uint32_t now);

/* The connection could not be opened, was closed by the other side, or broke. One
 * that is not wanted any more is none of the client's business. */
void edgegw_closed(struct edgegw *c, uint16_t conn, uint32_t now);

/* Bytes have come. All of them are taken. */
void edgegw_input(struct edgegw *c, uint16_t conn, const uint8_t *bytes, size_t n, uint32_t now);

/* Writes up to size bytes to out that are to be sent, and returns how many; 0 when
 * there is nothing to send now. size has to be EDGEGW_OUTPUT_MIN or more. What came
 * out is the port's to send, in full, before it asks again. */
size_t edgegw_output(struct edgegw *c, uint16_t conn, uint8_t *out, size_t size, uint32_t now);

/* Does what is due by time. Calling it too often is harmless. */
void edgegw_tick(struct edgegw *c, uint32_t now);

/* How many milliseconds from now edgegw_tick and then edgegw_output are due at the
 * latest, if nothing else happens; EDGEGW_NEVER while there is nothing to wait for. */
uint32_t edgegw_next_timeout(const struct edgegw *c, uint32_t now);

/* Publishes JSON in a room (NULL: the default room), under an id (NULL: one is made
 * up) of 1 to EDGEGW_ID_MAX bytes of UTF-8. Everything is copied into the outbox; it
 * is sent again after every break, and stored once, until EDGEGW_EVENT_ACK or
 * EDGEGW_EVENT_FAILED. Publications to a room are sent in order. Without a
 * connection it waits for one; before edgegw_start, too.
 *
 * Returns EDGEGW_OK; EDGEGW_INVALID for what is no JSON, nested more than 1,000 deep,
 * or no good name; EDGEGW_FULL when the outbox has no space now; EDGEGW_DUPLICATE. */
int edgegw_publish(struct edgegw *c, const char *room, const char *id, const char *json, size_t n);

/* Bytes of the outbox that are in use; 0 when everything is acknowledged. */
size_t edgegw_unacknowledged(const struct edgegw *c);

/* Joins a room, now and after every break, until edgegw_unsubscribe or
 * EDGEGW_EVENT_UNSUBSCRIBED. from is where to go on; NULL begins with what is
 * published from now on. latest is as in edgegw_config. A room that the client is in
 * stays as it is. Returns EDGEGW_OK, EDGEGW_INVALID or EDGEGW_FULL. */
int edgegw_subscribe(struct edgegw *c, const char *room, const struct edgegw_position *from, bool latest);

/* Leaves a room. Messages that are on their way are thrown away. */
void edgegw_unsubscribe(struct edgegw *c, const char *room);

/* How far the client has come in a room (NULL: the default room); false when it does
 * not know, since the gateway has never answered. Inside the event function the
 * message at hand does not count yet. */
bool edgegw_position(const struct edgegw *c, const char *room, struct edgegw_position *at);

/* The gateway's time in Unix ms, counted on from the newest welcome; 0 before the
 * first, and of a gateway that itself has no idea (its clock is none). */
uint64_t edgegw_server_time(const struct edgegw *c, uint32_t now);

/* The bytes of a message that was published as text or as bytes; of any other, the
 * JSON. It decodes in place, so it is called once for an event, and data is used up.
 * p is NULL when what calls itself base64 is none. */
struct edgegw_text edgegw_bytes(const struct edgegw_event *e);

#ifdef __cplusplus
}
#endif

#endif
