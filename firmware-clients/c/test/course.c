/* The driver of the C client in the fault course: it does what it is told on standard
 * input, and tells on standard output what has happened. e2e/course/README.md of the
 * gateway says how. It uses the core's reader for its commands. */
#define _POSIX_C_SOURCE 200809L
#include "../src/edgegw_internal.h"
#include "edgegw_posix.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES (1u << 20)
#define OUTBOX_BYTES (1u << 20)
#define ROOMS 8

#if defined(__SANITIZE_ADDRESS__)
/* The course puts a clock in front of the program's libraries. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "verify_asan_link_order=0";
}
#endif

static struct edgegw_posix posix;
static struct edgegw_room rooms[ROOMS];
static uint8_t outbox[OUTBOX_BYTES];
static char tokens[4096];
static char line[LINE_BYTES + 1];
static size_t line_fill;
static bool stopped;

/* A variable of the course, or NULL. */
static const char *variable(const char *name)
{
    const char *v = getenv(name);
    return v && *v ? v : NULL;
}

static bool is(const struct edgegw_text *t, const char *word)
{
    return t->p && strcmp(t->p, word) == 0;
}

static void print_text(const char *name, const struct edgegw_text *t)
{
    static uint8_t out[6 * 4096];
    struct edgegw_sink s = {0, 0, 0, sizeof out, out, NULL, 0};
    if (t->len) {
        edgegw_put(&s, "%q", t->p);
        printf(",\"%s\":%.*s", name, (int)s.fill, (const char *)out);
    }
}

static void print_number(const char *name, uint64_t v)
{
    printf(",\"%s\":%llu", name, (unsigned long long)v);
}

static void print_end(const struct edgegw_event *e, const char *name)
{
    printf("{\"event\":\"%s\",\"code\":%u", name, e->status);
    print_text("reason", &e->reason);
    if (e->event == EDGEGW_EVENT_CLOSED) {
        printf(",\"wait_ms\":%lld", e->wait_ms == EDGEGW_NEVER ? -1 : (long long)e->wait_ms);
    }
}

static void print_subscribed(const struct edgegw_event *e)
{
    printf("{\"event\":\"subscribed\"");
    print_text("room", &e->room);
    print_text("epoch", &e->epoch);
    print_number("seq", e->seq);
    if (e->has_recovered) {
        printf(",\"recovered\":%s", e->recovered ? "true" : "false");
    }
    if (e->has_replay) {
        print_number("replay", e->replay);
    }
    print_number("from", e->from);
}

static void print_message(const struct edgegw_event *e)
{
    printf("{\"event\":\"message\"");
    print_text("room", &e->room);
    print_text("id", &e->id);
    print_text("user", &e->user);
    print_text("encoding", &e->encoding);
    print_number("seq", e->seq);
    printf(",\"data\":%.*s", (int)e->data.len, e->data.p);
}

static void print_gap(const struct edgegw_event *e, const char *name)
{
    printf("{\"event\":\"%s\"", name);
    print_text("room", &e->room);
    print_text("reason", &e->reason);
    print_number("from", e->from);
    print_number("to", e->to);
}

static void on_event(void *user, const struct edgegw_event *e)
{
    (void)user;
    switch (e->event) {
    case EDGEGW_EVENT_LOGIN:
        printf("{\"event\":\"login\"");
        print_text("refresh_token", &e->refresh_token);
        print_text("how", &e->reason);
        break;
    case EDGEGW_EVENT_CONNECTED:
        printf("{\"event\":\"connected\"");
        print_text("room", &e->room);
        break;
    case EDGEGW_EVENT_SUBSCRIBED:
        print_subscribed(e);
        break;
    case EDGEGW_EVENT_MESSAGE:
        print_message(e);
        break;
    case EDGEGW_EVENT_GAP:
        print_gap(e, "gap");
        break;
    case EDGEGW_EVENT_LOST:
        print_gap(e, "lost");
        break;
    case EDGEGW_EVENT_ACK:
        printf("{\"event\":\"ack\"");
        print_text("id", &e->id);
        print_number("seq", e->seq);
        break;
    case EDGEGW_EVENT_FAILED:
        printf("{\"event\":\"failed\"");
        print_text("id", &e->id);
        print_text("code", &e->code);
        break;
    case EDGEGW_EVENT_CLOSED:
        print_end(e, "closed");
        break;
    case EDGEGW_EVENT_STOPPED:
        print_end(e, "stopped");
        stopped = true;
        break;
    case EDGEGW_EVENT_UNSUBSCRIBED:
    case EDGEGW_EVENT_PROBLEM:
        return;
    }
    printf("}\n");
    fflush(stdout);
}

/* The members of a command. */
struct command {
    struct edgegw_text verb, id, room, data;
};

static bool parse(char *p, struct command *cmd)
{
    memset(cmd, 0, sizeof *cmd);
    while (*p == '{' || *p == ',') {
        struct edgegw_text name;
        p = edgegw_json_string(p + 1, &name);
        if (!p || *p++ != ':') {
            return false;
        }
        if (strcmp(name.p, "data") == 0) {
            cmd->data.p = p;
            p = edgegw_json_value(p, NULL);
            if (!p) {
                return false;
            }
            cmd->data.len = (size_t)(p - cmd->data.p);
            continue;
        }
        struct edgegw_text value;
        p = edgegw_json_string(p, &value);
        if (!p) {
            return false;
        }
        struct edgegw_text *to = is(&name, "do")     ? &cmd->verb
                                 : is(&name, "id")   ? &cmd->id
                                 : is(&name, "room") ? &cmd->room
                                                            : NULL;
        if (to) {
            *to = value;
        }
    }
    return *p == '}';
}

enum outcome { DONE, LATER, STOP, BAD };

static enum outcome obey(const struct command *cmd)
{
    struct edgegw *c = &posix.client;
    int result = EDGEGW_OK;
    if (is(&cmd->verb, "stop")) {
        return STOP;
    }
    if (is(&cmd->verb, "publish")) {
        result = edgegw_publish(c, NULL, cmd->id.p, cmd->data.p ? cmd->data.p : "", cmd->data.len);
    } else if (is(&cmd->verb, "subscribe")) {
        result = edgegw_subscribe(c, cmd->room.p, NULL, false);
    } else if (is(&cmd->verb, "time")) {
        uint64_t t = edgegw_server_time(c, edgegw_posix_now());
        if (t) {
            printf("{\"event\":\"time\",\"unix_ms\":%llu}\n", (unsigned long long)t);
        } else {
            printf("{\"event\":\"time\",\"unix_ms\":null}\n");
        }
        fflush(stdout);
    } else {
        return BAD;
    }
    return result == EDGEGW_OK ? DONE : result == EDGEGW_FULL ? LATER : BAD;
}

/* Obeys the lines that are there whole. One that the outbox has no space for stays. */
static enum outcome obey_all(void)
{
    static struct command cmd;
    static bool parsed;
    char *end;
    while ((end = memchr(line, '\n', line_fill)) != NULL) {
        *end = 0;
        enum outcome out = parsed || parse(line, &cmd) ? obey(&cmd) : BAD;
        parsed = out == LATER;
        if (out != DONE) {
            *end = '\n';
            return out;
        }
        line_fill -= (size_t)(end + 1 - line);
        memmove(line, end + 1, line_fill);
    }
    return line_fill == LINE_BYTES ? BAD : DONE;
}

static enum outcome read_commands(void)
{
    ssize_t n = read(STDIN_FILENO, line + line_fill, LINE_BYTES - line_fill);
    if (n <= 0) {
        return STOP;
    }
    line_fill += (size_t)n;
    return obey_all();
}

/* The CA's certificate, with a NUL behind it. */
static bool read_ca(struct edgegw_posix_options *o, const char *name)
{
    static uint8_t ca[16384];
    FILE *f = fopen(name, "rb");
    if (!f) {
        return false;
    }
    size_t n = fread(ca, 1, sizeof ca - 1, f);
    fclose(f);
    ca[n] = 0;
    o->ca = ca;
    o->ca_size = n + 1;
    return n > 0;
}

static bool configure(void)
{
    struct edgegw_posix_options options;
    struct edgegw_config config;
    const char *size = variable("COURSE_MAX_MESSAGE"), *timeout = variable("COURSE_TIMEOUT_MS");
    const char *ca = variable("COURSE_CA"), *url = variable("COURSE_URL");
    memset(&options, 0, sizeof options);
    memset(&config, 0, sizeof config);
    config.rx_size = size ? strtoul(size, NULL, 10) : 131072;
    config.rx = malloc(config.rx_size);
    config.timeout_ms = timeout ? (uint32_t)strtoul(timeout, NULL, 10) : 0;
    config.room = variable("COURSE_ROOM");
    config.device_key = variable("COURSE_DEVICE_KEY");
    config.username = variable("COURSE_USER");
    config.password = variable("COURSE_PASSWORD");
    config.refresh_token = variable("COURSE_REFRESH");
    config.outbox = outbox;
    config.outbox_size = sizeof outbox;
    config.tokens = tokens;
    config.tokens_size = sizeof tokens;
    config.rooms = rooms;
    config.room_count = ROOMS;
    config.event = on_event;
    /* A board without a battery wakes up in 1970, and asks nothing of the calendar. */
    options.untimed = time(NULL) < 1700000000;
    return url && (!ca || read_ca(&options, ca)) && edgegw_posix_init(&posix, url, &options, &config) == EDGEGW_OK;
}

int main(void)
{
    enum outcome out = DONE;
    if (!configure()) {
        fprintf(stderr, "course: bad environment\n");
        return 2;
    }
    edgegw_start(&posix.client, edgegw_posix_now());
    while (!stopped && out != STOP && out != BAD) {
        int ready = edgegw_posix_step(&posix, out == LATER ? -1 : STDIN_FILENO, -1);
        if (out == LATER) {
            out = obey_all();
        } else if (ready == 1) {
            out = read_commands();
        }
    }
    if (!stopped) {
        edgegw_stop(&posix.client);
    }
    while (edgegw_posix_step(&posix, -1, 1000) >= 0) {
    }
    edgegw_posix_free(&posix);
    free(posix.client.config.rx);
    if (out == BAD) {
        line[line_fill < 200 ? line_fill : 200] = 0;
        fprintf(stderr, "course: bad command: %s\n", line);
        return 2;
    }
    return stopped ? 3 : 0;
}
