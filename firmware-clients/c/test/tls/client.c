/*
 * The client's side of test/tls/tls.py: client URL CA PIN UNTIMED, - for none. It goes
 * to a server that refuses every login, and says whether it came so far as to be
 * refused: then it has trusted the server.
 */
#define _POSIX_C_SOURCE 200809L
#include "edgegw_posix.h"
#include <stdio.h>
#include <string.h>

static struct edgegw_posix posix;
static const char *outcome;

static void on_event(void *user, const struct edgegw_event *e)
{
    (void)user;
    if (e->event == EDGEGW_EVENT_CLOSED && !outcome) {
        outcome = e->status == 401 ? "trusted" : e->status == 0 ? "refused" : "broken";
    }
}

static size_t read_file(const char *name, uint8_t *out, size_t size)
{
    FILE *f = fopen(name, "rb");
    size_t n = f ? fread(out, 1, size - 1, f) : 0;
    if (f) {
        fclose(f);
    }
    out[n] = 0;
    return n + 1;
}

int main(int argc, char **argv)
{
    static uint8_t ca[16384], pin[32], rx[1024];
    static char tokens[2048];
    static struct edgegw_room room;
    struct edgegw_posix_options options;
    struct edgegw_config config;
    memset(&options, 0, sizeof options);
    memset(&config, 0, sizeof config);
    if (argc != 5) {
        return 2;
    }
    if (strcmp(argv[2], "-") != 0) {
        options.ca_size = read_file(argv[2], ca, sizeof ca);
        options.ca = ca;
    }
    for (size_t i = 0; strlen(argv[3]) == 64 && i < sizeof pin; i++) {
        unsigned byte;
        if (sscanf(argv[3] + 2 * i, "%2x", &byte) != 1) {
            return 2;
        }
        pin[i] = (uint8_t)byte;
        options.pin = pin;
    }
    options.untimed = strcmp(argv[4], "untimed") == 0;
    config.device_key = "key";
    config.rx = rx;
    config.rx_size = sizeof rx;
    config.tokens = tokens;
    config.tokens_size = sizeof tokens;
    config.rooms = &room;
    config.room_count = 1;
    config.event = on_event;
    config.timeout_ms = 5000;
    if (edgegw_posix_init(&posix, argv[1], &options, &config) != EDGEGW_OK) {
        puts("invalid");
        return 0;
    }
    edgegw_start(&posix.client, edgegw_posix_now());
    while (!outcome && edgegw_posix_step(&posix, -1, 1000) >= 0) {
    }
    edgegw_posix_free(&posix);
    puts(outcome ? outcome : "broken");
    return 0;
}
