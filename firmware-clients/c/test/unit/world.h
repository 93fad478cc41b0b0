/*
 * A client without a network: the test is its port and its gateway. What the client
 * tells becomes lines of text, such as "ack a1 7 queued", that the test expects.
 */
#ifndef WORLD_H
#define WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "edgegw.h"

#define WORLD_EVENTS 256
#define WORLD_LINE 2200

struct world {
    struct edgegw c;
    struct edgegw_config config;
    uint32_t now;
    bool deaf; /* connections are not opened */
    uint16_t conn[2];
    /* What the client has sent, and nobody has looked at. */
    uint8_t out[2][1 << 18];
    size_t fill[2];
    char text[1 << 17]; /* the last frame or request that was looked at */
    size_t text_len;
    unsigned opcode;
    /* What the client has told. */
    char events[WORLD_EVENTS][WORLD_LINE];
    unsigned told, heard;
    uint32_t wait; /* of the newest closed */
    uint32_t random_state; /* of everything that is not 16 bytes long; 0: it is all zeros */
    /* The client's buffers. */
    uint8_t rx[1024], outbox[8192];
    char tokens[2048];
    struct edgegw_room rooms[4];
};

/* The world of the tests. It is made anew before each. */
extern struct world world;
int world_setup(void **state);

/* Makes the client of world.config, which world_setup has filled in. */
void make(void);
/* Does all that can be done now. */
void run(void);
/* Lets ms pass, doing what is due when it is due. */
void pass(uint32_t ms);
/* Lets time pass until the client has a connection, 30 s at most. */
void pass_until_connected(unsigned channel);

/* The request that the client has sent on a channel, which is looked at then; the
 * test fails if there is none, or more than one. */
const char *request(unsigned channel);
/* Answers it, and closes if the head says so. */
void answer(unsigned channel, const char *head, const char *body);
/* Answers a login or a refresh with tokens that end after so many seconds. */
void give_tokens(const char *name, unsigned seconds);
/* Makes the client, starts it, and returns its first request. */
const char *first_request(void);
/* The same for its first handshake, after tokens that end after 900 s. */
const char *first_handshake(void);
/* Accepts the handshake; request() has looked at it. */
void accept_handshake(void);

/* Sends bytes, a frame with this first byte, a text frame. */
void feed(const void *bytes, size_t n);
void frame(unsigned first, const void *payload, size_t n);
void say(const char *text);
void sayf(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The next frame of the client, as text; its opcode is in world.opcode. NULL when
 * there is none. */
const char *said(void);
void expect_said(const char *text);
/* Ends the connection of a channel, without a word. */
void hang_up(unsigned channel);

/* The next event, or an empty text. */
const char *event(void);
/* The next events are these, up to NULL, and no others. */
void expect(const char *first, ...) __attribute__((sentinel));

/* From nothing to a connection whose default room is lobby with this epoch and seq:
 * logs in, welcomes, subscribes. Nothing is left to look at. */
void connect_to(const char *epoch, unsigned seq);
/* The same from the handshake on, which may ask for anything; the answer is in text. */
void welcome(void);
/* Only the welcome frame of that. */
void greet(void);

#endif
