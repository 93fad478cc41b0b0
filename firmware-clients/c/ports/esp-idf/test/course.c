/* The driver of the ESP-IDF port in the fault course, on the host: it does what it is told
 * on standard input, and tells on standard output what has happened. e2e/course/README.md
 * of the gateway says how. Events are told in the client's task, commands are read in
 * another: as a firmware would use the port. */
#define _DEFAULT_SOURCE
#include "edgegw_esp.h"
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES (1u << 20)

#if defined(__SANITIZE_ADDRESS__)
/* The course puts a clock in front of the program's libraries. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "verify_asan_link_order=0";
}
#endif

static struct edgegw_esp *gateway;
static atomic_bool stopped;

/* Prints a text as JSON, if it is not empty. */
static void print_text(const char *name, const struct edgegw_text *t)
{
    if (!t->len) {
        return;
    }
    printf(",\"%s\":\"", name);
    for (size_t i = 0; i < t->len; i++) {
        unsigned char c = (unsigned char)t->p[i];
        if (c < 0x20 || c == '"' || c == '\\') {
            printf("\\u%04x", c);
        } else {
            putchar(c);
        }
    }
    putchar('"');
}

static void print_number(const char *name, uint64_t v)
{
    printf(",\"%s\":%llu", name, (unsigned long long)v);
}

static void print_subscribed(const struct edgegw_event *e)
{
    print_text("room", &e->room);
    print_text("epoch", &e->epoch);
    print_number("seq", e->seq);
    print_number("from", e->from);
    if (e->has_recovered) {
        printf(",\"recovered\":%s", e->recovered ? "true" : "false");
    }
    if (e->has_replay) {
        print_number("replay", e->replay);
    }
}

static void print_members(const struct edgegw_event *e)
{
    switch (e->event) {
    case EDGEGW_EVENT_LOGIN:
        print_text("refresh_token", &e->refresh_token);
        print_text("how", &e->reason);
        break;
    case EDGEGW_EVENT_CONNECTED:
        print_text("room", &e->room);
        break;
    case EDGEGW_EVENT_SUBSCRIBED:
        print_subscribed(e);
        break;
    case EDGEGW_EVENT_MESSAGE:
        print_text("room", &e->room);
        print_text("id", &e->id);
        print_text("user", &e->user);
        print_text("encoding", &e->encoding);
        print_number("seq", e->seq);
        printf(",\"data\":%.*s", (int)e->data.len, e->data.p);
        break;
    case EDGEGW_EVENT_GAP:
    case EDGEGW_EVENT_LOST:
        print_text("room", &e->room);
        print_text("reason", &e->reason);
        print_number("from", e->from);
        print_number("to", e->to);
        break;
    case EDGEGW_EVENT_ACK:
    case EDGEGW_EVENT_FAILED:
        print_text("id", &e->id);
        print_number("seq", e->seq);
        print_text("code", &e->code);
        break;
    case EDGEGW_EVENT_CLOSED:
    case EDGEGW_EVENT_STOPPED:
        print_number("code", e->status);
        print_text("reason", &e->reason);
        printf(",\"wait_ms\":%lld", e->wait_ms == EDGEGW_NEVER ? -1 : (long long)e->wait_ms);
        break;
    default:
        break;
    }
}

static void on_event(void *user, const struct edgegw_event *e)
{
    static const char *const names[] = {
        [EDGEGW_EVENT_LOGIN] = "login",           [EDGEGW_EVENT_CONNECTED] = "connected",
        [EDGEGW_EVENT_SUBSCRIBED] = "subscribed", [EDGEGW_EVENT_MESSAGE] = "message",
        [EDGEGW_EVENT_GAP] = "gap",               [EDGEGW_EVENT_LOST] = "lost",
        [EDGEGW_EVENT_ACK] = "ack",               [EDGEGW_EVENT_FAILED] = "failed",
        [EDGEGW_EVENT_CLOSED] = "closed",         [EDGEGW_EVENT_STOPPED] = "stopped",
        [EDGEGW_EVENT_UNSUBSCRIBED] = NULL,       [EDGEGW_EVENT_PROBLEM] = NULL,
    };
    (void)user;
    if (!names[e->event]) {
        return;
    }
    flockfile(stdout);
    printf("{\"event\":\"%s\"", names[e->event]);
    print_members(e);
    printf("}\n");
    fflush(stdout);
    funlockfile(stdout);
    if (e->event == EDGEGW_EVENT_STOPPED) {
        stopped = true;
    }
}

/* A command; what is not there is NULL, and data has data_len bytes. */
struct command {
    const char *verb, *id, *room, *data;
    size_t data_len;
};

/* Ends the string whose opening quote is at p with a NUL, and returns what stands behind
 * its closing one; NULL for none, and for escapes, which the course has in data only. */
static char *end_string(char *p)
{
    char *end = *p == '"' ? strpbrk(p + 1, "\"\\") : NULL;
    if (!end || *end != '"') {
        return NULL;
    }
    *end = 0;
    return end + 1;
}

/* What stands behind a JSON value, which is taken as it is. */
static char *skip_value(char *p)
{
    int depth = 0;
    bool quoted = false;
    for (; *p && (quoted || depth > 0 || (*p != ',' && *p != '}')); p++) {
        if (quoted && *p == '\\' && p[1]) {
            p++;
        } else if (quoted) {
            quoted = *p != '"';
        } else {
            quoted = *p == '"';
            depth += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
        }
    }
    return p;
}

static bool parse(char *p, struct command *cmd)
{
    memset(cmd, 0, sizeof *cmd);
    while (*p == '{' || *p == ',') {
        const char *name = p + 2;
        p = end_string(p + 1);
        if (!p || *p++ != ':') {
            return false;
        }
        if (strcmp(name, "data") == 0) {
            cmd->data = p;
            p = skip_value(p);
            cmd->data_len = (size_t)(p - cmd->data);
            continue;
        }
        const char *value = p + 1;
        p = end_string(p);
        if (!p) {
            return false;
        }
        if (strcmp(name, "do") == 0) {
            cmd->verb = value;
        } else if (strcmp(name, "id") == 0) {
            cmd->id = value;
        } else if (strcmp(name, "room") == 0) {
            cmd->room = value;
        }
    }
    return *p == '}' && cmd->verb;
}

static bool is(const struct command *cmd, const char *verb)
{
    return strcmp(cmd->verb, verb) == 0;
}

static void print_time(void)
{
    uint64_t t = edgegw_esp_server_time(gateway);
    flockfile(stdout);
    if (t) {
        printf("{\"event\":\"time\",\"unix_ms\":%llu}\n", (unsigned long long)t);
    } else {
        printf("{\"event\":\"time\",\"unix_ms\":null}\n");
    }
    fflush(stdout);
    funlockfile(stdout);
}

/* Does a command; false when it is none. */
static bool obey(const struct command *cmd)
{
    int result = EDGEGW_OK;
    if (is(cmd, "publish")) {
        while ((result = edgegw_esp_publish(gateway, NULL, cmd->id, cmd->data ? cmd->data : "", cmd->data_len)) ==
                   EDGEGW_FULL &&
               !stopped) {
            usleep(10000);
        }
    } else if (is(cmd, "subscribe")) {
        result = edgegw_esp_subscribe(gateway, cmd->room, NULL, false);
    } else if (is(cmd, "time")) {
        print_time();
    } else {
        return false;
    }
    return result == EDGEGW_OK || stopped;
}

/* A variable of the course, or NULL. */
static const char *variable(const char *name)
{
    const char *v = getenv(name);
    return v && *v ? v : NULL;
}

/* The CA's certificate, with a NUL behind it. */
static bool read_ca(struct edgegw_esp_config *config, const char *name)
{
    static uint8_t ca[16384];
    FILE *f = fopen(name, "rb");
    if (!f) {
        return false;
    }
    config->ca = ca;
    config->ca_size = fread(ca, 1, sizeof ca - 1, f) + 1;
    fclose(f);
    return config->ca_size > 1;
}

static bool begin(void)
{
    const char *ca = variable("COURSE_CA"), *timeout = variable("COURSE_TIMEOUT_MS");
    struct edgegw_esp_config config = {
        .url = variable("COURSE_URL"),
        .room = variable("COURSE_ROOM"),
        .device_key = variable("COURSE_DEVICE_KEY"),
        .username = variable("COURSE_USER"),
        .password = variable("COURSE_PASSWORD"),
        .refresh_token = variable("COURSE_REFRESH"),
        .timeout_ms = timeout ? (uint32_t)strtoul(timeout, NULL, 10) : 0,
        .event = on_event,
    };
    return (!ca || read_ca(&config, ca)) && edgegw_esp_start(&config, &gateway) == ESP_OK;
}

/* Obeys the whole lines of the first n bytes at p, and returns how many bytes they have;
 * ended tells that it was the last one, and good that all were commands. */
static size_t obey_all(char *p, size_t n, bool *ended, bool *good)
{
    size_t done = 0;
    char *end;
    while (!*ended && *good && (end = memchr(p + done, '\n', n - done)) != NULL) {
        struct command cmd;
        *end = 0;
        *good = parse(p + done, &cmd);
        *ended = *good && is(&cmd, "stop");
        *good = *good && (*ended || obey(&cmd));
        done = (size_t)(end + 1 - p);
    }
    return done;
}

int main(void)
{
    static char line[LINE_BYTES];
    size_t fill = 0;
    bool good = true, ended = false;
    signal(SIGPIPE, SIG_IGN); /* lwIP has none */
    if (!begin()) {
        fprintf(stderr, "course: bad environment\n");
        return 2;
    }
    while (good && !ended && !stopped && fill < sizeof line) {
        struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
        if (poll(&in, 1, 20) <= 0) {
            continue; /* to see whether it has stopped */
        }
        ssize_t n = read(STDIN_FILENO, line + fill, sizeof line - fill);
        if (n <= 0) {
            break;
        }
        fill += (size_t)n;
        size_t done = obey_all(line, fill, &ended, &good);
        memmove(line, line + done, fill - done);
        fill -= done;
    }
    if (!good || fill == sizeof line) {
        fprintf(stderr, "course: bad command\n");
        good = false;
    }
    if (edgegw_esp_stop(gateway) != ESP_OK) {
        return 1;
    }
    return !good ? 2 : stopped ? 3 : 0;
}
