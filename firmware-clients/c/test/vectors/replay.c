/*
 * The client's side of test/vectors/vectors.py, which reads the vectors: a line is a
 * question, of words in hexadecimal (and - for none), and the answer to it is a line.
 * Behind each question stands a client of its own, without a network.
 */
#include "../../src/edgegw_internal.h"
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define WORDS 8
#define WORD_BYTES 4096

static char words[WORDS][WORD_BYTES];
static size_t lengths[WORDS];
static bool given[WORDS];

static void print_hex(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        printf("%02x", (unsigned char)p[i]);
    }
}

static void bad(const char *what)
{
    fprintf(stderr, "replay: %s\n", what);
    exit(2);
}

static const char *word(unsigned i)
{
    return given[i] ? words[i] : NULL;
}

/* Takes a question apart. */
static void split(char *line)
{
    memset(given, 0, sizeof given);
    unsigned n = 0;
    for (char *p = strtok(line, " \n"); p; p = strtok(NULL, " \n"), n++) {
        if (n == WORDS || strlen(p) / 2 >= WORD_BYTES) {
            bad("a question is too long");
        }
        given[n] = strcmp(p, "-") != 0;
        lengths[n] = 0;
        for (; given[n] && sscanf(p, "%2hhx", (unsigned char *)&words[n][lengths[n]]) == 1; p += 2) {
            lengths[n]++;
        }
        words[n][lengths[n]] = 0;
    }
    for (; n < WORDS; n++) {
        given[n] = false;
    }
}

static void print_text(const char *name, const struct edgegw_text *t)
{
    printf("%s=", name);
    print_hex(t->p, t->len);
    printf(" ");
}

static void print_number(const char *name, uint64_t v)
{
    printf("%s=%" PRIu64 " ", name, v);
}

/* Reads a frame as the client does, and has a connected client take it. */
static void read_frame(void)
{
    struct edgegw_event e;
    connect_to("e", 41);
    say(words[1]);
    bool lives = edgegw_wanted(&world.c, EDGEGW_CHANNEL_WS) == world.conn[EDGEGW_CHANNEL_WS] && world.c.phase == PHASE_OPEN;
    printf("%s ", edgegw_json_members(words[1], &e) && lives ? "read" : "refused");
    print_text("type", &e.internal[1]);
    print_text("room", &e.room);
    print_text("id", &e.id);
    print_text("user", &e.user);
    print_text("data", &e.data);
    print_text("reason", &e.reason);
    print_text("code", &e.code);
    print_text("epoch", &e.epoch);
    print_text("encoding", &e.encoding);
    print_text("message", &e.message);
    print_text("durability", &e.durability);
    print_text("clock", &e.clock);
    print_text("role", &e.role);
    print_text("session", &e.session);
    print_text("connection", &e.connection);
    print_number("seq", e.seq);
    print_number("from", e.from);
    print_number("to", e.to);
    print_number("ts", e.ts);
    print_number("server_time", e.server_time);
    print_number("expires_in", e.expires_in);
    print_number("ping_interval", e.ping_interval);
    print_number("max_message_bytes", e.max_message_bytes);
    print_number("retry_after_ms", e.retry_after_ms);
    print_number("protocol", e.protocol);
    if (e.has_replay) {
        print_number("replay", e.replay);
    }
    if (e.has_recovered) {
        print_number("recovered", e.recovered);
    }
    struct edgegw_text bytes = edgegw_bytes(&e);
    print_text("bytes", &bytes);
}

static struct edgegw_position position(unsigned after)
{
    struct edgegw_position at;
    memset(&at, 0, sizeof at);
    at.seq = strtoull(words[after], NULL, 10);
    if (given[after + 1]) {
        snprintf(at.epoch, sizeof at.epoch, "%s", words[after + 1]);
    }
    return at;
}

static void print_said(void)
{
    const char *text = said();
    print_hex(text ? text : "", text ? world.text_len : 0);
}

/* publish ROOM ID DATA */
static void publish(void)
{
    connect_to("e", 41);
    if (edgegw_publish(&world.c, word(1), word(2), words[3], lengths[3]) != EDGEGW_OK) {
        bad("a publication was refused");
    }
    print_said();
}

/* subscribe ROOM AFTER EPOCH LATEST */
static void subscribe(void)
{
    connect_to("e", 41);
    struct edgegw_position from = position(2);
    if (edgegw_subscribe(&world.c, words[1], given[2] ? &from : NULL, given[4]) != EDGEGW_OK) {
        bad("a subscription was refused");
    }
    print_said();
}

/* unsubscribe ROOM */
static void unsubscribe(void)
{
    connect_to("e", 41);
    (void)edgegw_subscribe(&world.c, words[1], NULL, false);
    said();
    edgegw_unsubscribe(&world.c, words[1]);
    print_said();
}

/* auth TOKEN */
static void auth(void)
{
    char body[WORD_BYTES + 100];
    connect_to("e", 41);
    say("{\"type\":\"token_expiring\",\"expires_in\":60}");
    pass(30001);
    if (!strstr(request(EDGEGW_CHANNEL_HTTP), "/auth/refresh")) {
        bad("there was no refresh");
    }
    snprintf(body, sizeof body, "{\"access_token\":\"%s\",\"expires_in\":900,\"refresh_token\":\"r\"}", words[1]);
    answer(EDGEGW_CHANNEL_HTTP, "200 OK", body);
    print_said();
}

/* query AFTER EPOCH LATEST */
static void query(void)
{
    struct edgegw_position from = position(1);
    world.config.from = given[1] ? &from : NULL;
    world.config.latest = given[3];
    make();
    edgegw_start(&world.c, world.now);
    pass_until_connected(EDGEGW_CHANNEL_HTTP);
    request(EDGEGW_CHANNEL_HTTP);
    give_tokens("1", 900);
    const char *q = strchr(request(EDGEGW_CHANNEL_WS), '?');
    print_hex(q, strcspn(q, " "));
}

/* close PAYLOAD: what the client tells, how long it waits, and what it does then. */
static void end(void)
{
    connect_to("e", 41);
    (void)edgegw_publish(&world.c, NULL, "long", "1", 1);
    said();
    frame(0x88, words[1], lengths[1]);
    const char *told = event(), *then = event();
    print_hex(told, strlen(told));
    print_said(); /* the answer */
    printf(" %" PRIu32 " ", world.wait);
    if (strncmp(then, "stopped", 7) == 0) {
        printf("stop");
        return;
    }
    bool skips = strcmp(then, "failed long too_large") == 0;
    pass(world.wait - 1);
    if (edgegw_wanted(&world.c, 0) || edgegw_wanted(&world.c, 1)) {
        bad("it came back too early");
    }
    pass(1);
    unsigned channel = edgegw_wanted(&world.c, EDGEGW_CHANNEL_HTTP) ? EDGEGW_CHANNEL_HTTP : EDGEGW_CHANNEL_WS;
    const char *asked = request(channel);
    printf("%s", skips                                    ? "skip"
                 : strncmp(asked, "GET /ws", 7) == 0      ? "reconnect"
                 : strstr(asked, "POST /auth/refresh ")   ? "refresh"
                 : strncmp(asked, "POST /auth/device ", 18) == 0 ? "login"
                                                          : asked);
}

int main(void)
{
    static char line[2 * WORDS * WORD_BYTES];
    static const struct {
        const char *name;
        void (*answer)(void);
    } verbs[] = {{"frame", read_frame}, {"publish", publish}, {"subscribe", subscribe}, {"unsubscribe", unsubscribe},
                 {"auth", auth}, {"query", query}, {"close", end}};
    while (fgets(line, sizeof line, stdin)) {
        split(line);
        size_t i = 0;
        while (i < sizeof verbs / sizeof verbs[0] && strcmp(verbs[i].name, words[0]) != 0) {
            i++;
        }
        if (i == sizeof verbs / sizeof verbs[0]) {
            bad("an unknown question");
        }
        world_setup(NULL);
        verbs[i].answer();
        printf("\n");
        fflush(stdout);
    }
    return 0;
}
