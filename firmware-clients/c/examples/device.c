/*
 * A device on POSIX: it measures every ten seconds, publishes, and obeys "on" and
 * "off". It needs its key and nothing else:
 *
 *     EDGEGW_URL=https://gateway.local EDGEGW_CA=ca.crt EDGEGW_DEVICE_KEY=… ./device
 */
#define _POSIX_C_SOURCE 200809L
#include "edgegw_posix.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EVERY_MS 10000u

static struct edgegw_posix posix;
static struct edgegw_room rooms[1];
static uint8_t rx[4096], outbox[4096];
static char tokens[2048];
static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static void on_message(const struct edgegw_event *e)
{
    struct edgegw_text text = edgegw_bytes(e);
    if (text.p && strcmp(text.p, "on") == 0) {
        puts("the valve opens");
    } else if (text.p && strcmp(text.p, "off") == 0) {
        puts("the valve closes");
    }
}

static void on_event(void *user, const struct edgegw_event *e)
{
    (void)user;
    switch (e->event) {
    case EDGEGW_EVENT_CONNECTED:
        printf("connected as %s to %s\n", e->user.p, e->room.p);
        break;
    case EDGEGW_EVENT_MESSAGE:
        on_message(e);
        break;
    case EDGEGW_EVENT_GAP:
    case EDGEGW_EVENT_LOST:
        /* A device that must not miss a command fetches these from the history. */
        printf("missed %llu to %llu: %s\n", (unsigned long long)e->from, (unsigned long long)e->to, e->reason.p);
        break;
    case EDGEGW_EVENT_FAILED:
        printf("%s was refused: %s\n", e->id.p, e->code.p);
        break;
    case EDGEGW_EVENT_CLOSED:
        printf("closed with %u %s\n", (unsigned)e->status, e->reason.p);
        break;
    case EDGEGW_EVENT_STOPPED:
        printf("stopped with %u %s: somebody has to look\n", (unsigned)e->status, e->reason.p);
        break;
    default:
        break;
    }
    fflush(stdout);
}

/* The CA's certificate with a NUL behind it, as edgegw_posix_options wants it. */
static size_t read_file(const char *name, uint8_t *out, size_t size)
{
    FILE *f = fopen(name, "rb");
    size_t n = f ? fread(out, 1, size - 1, f) : 0;
    if (f) {
        fclose(f);
    }
    out[n] = 0;
    return n ? n + 1 : 0;
}

static void publish_measurement(void)
{
    char json[64];
    int n = snprintf(json, sizeof json, "{\"temp\":%.1f}", 20 + (double)(rand() % 100) / 10);
    if (edgegw_publish(&posix.client, NULL, NULL, json, (size_t)n) == EDGEGW_FULL) {
        puts("the outbox is full: this one is left out");
    }
}

int main(void)
{
    static uint8_t ca[8192];
    const char *url = getenv("EDGEGW_URL"), *ca_file = getenv("EDGEGW_CA");
    struct edgegw_posix_options options = {0};
    struct edgegw_config config = {0};
    options.ca = ca;
    options.ca_size = ca_file ? read_file(ca_file, ca, sizeof ca) : 0;
    options.untimed = time(NULL) < 1700000000; /* nobody has set the clock */
    config.device_key = getenv("EDGEGW_DEVICE_KEY");
    config.rx = rx;
    config.rx_size = sizeof rx;
    config.outbox = outbox;
    config.outbox_size = sizeof outbox;
    config.tokens = tokens;
    config.tokens_size = sizeof tokens;
    config.rooms = rooms;
    config.room_count = 1;
    config.event = on_event;
    config.latest = true; /* a valve wants the newest command at once */
    if (!url || edgegw_posix_init(&posix, url, &options, &config) != EDGEGW_OK) {
        fputs("usage: EDGEGW_URL=… EDGEGW_DEVICE_KEY=… [EDGEGW_CA=ca.crt] device\n", stderr);
        return 2;
    }
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    edgegw_start(&posix.client, edgegw_posix_now());
    uint32_t next = edgegw_posix_now();
    bool leaving = false;
    for (;;) {
        if (interrupted && !leaving) {
            leaving = true;
            edgegw_stop(&posix.client);
        }
        if (!leaving && (int32_t)(edgegw_posix_now() - next) >= 0) {
            next += EVERY_MS;
            publish_measurement();
        }
        if (edgegw_posix_step(&posix, -1, 500) < 0) {
            break;
        }
    }
    edgegw_posix_free(&posix);
    return leaving ? 0 : 1;
}
