/*
 * Whatever a hostile server sends: after the handshake (or, when the first byte is
 * odd, in its place; or, when its second bit is set, as the answer to the login) the
 * input is the stream, in pieces as long as its second byte says. No byte may be read
 * or written that is not the client's, what is told stays in order, and the client
 * always knows what it wants next.
 */
#include "edgegw.h"

#include <stdlib.h>
#include <string.h>

static uint64_t newest;
static uint32_t seed = 1;

static void give_random(void *user, uint8_t *out, size_t n)
{
    (void)user;
    if (n == 16) {
        memcpy(out, "the sample nonce", 16); /* RFC 6455 section 1.3 */
        return;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)((seed = seed * 1103515245u + 12345u) >> 16);
}

static void need(int so)
{
    if (!so)
        abort();
}

static void hear(void *user, const struct edgegw_event *e)
{
    (void)user;
    const struct edgegw_text *texts[] = {&e->room, &e->id, &e->user, &e->data, &e->reason, &e->code, &e->epoch, &e->encoding, &e->message};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        need(texts[i]->p == NULL || texts[i]->p[texts[i]->len] == 0);
    if (e->event == EDGEGW_EVENT_SUBSCRIBED || e->event == EDGEGW_EVENT_LOST)
        newest = 0; /* the room may have begun anew */
    if (e->event == EDGEGW_EVENT_MESSAGE) {
        need(e->seq > newest && e->seq <= EDGEGW_SEQ_MAX);
        newest = e->seq;
        const struct edgegw_text bytes = edgegw_bytes(e);
        need(bytes.p == NULL || bytes.len <= e->data.len);
    }
}

static void drain(struct edgegw *c, unsigned channel, uint32_t now)
{
    uint8_t out[EDGEGW_OUTPUT_MIN];
    const uint16_t conn = edgegw_wanted(c, channel);
    if (conn == 0)
        return;
    edgegw_opened(c, conn, now);
    for (unsigned i = 0; i < 1000; i++) {
        const size_t n = edgegw_output(c, conn, out, sizeof out, now);
        need(n <= sizeof out);
        if (n == 0)
            return;
    }
    abort(); /* it never ends */
}

static void give(struct edgegw *c, unsigned channel, const char *text)
{
    edgegw_input(c, edgegw_wanted(c, channel), (const uint8_t *)text, strlen(text), 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    /* From the heap, so that each has its own bounds. */
    struct edgegw *c = malloc(sizeof *c);
    struct edgegw_config config = {.host = "h", .room = "lobby", .device_key = "k", .rx = malloc(EDGEGW_RX_MIN), .rx_size = EDGEGW_RX_MIN,
        .outbox = malloc(512), .outbox_size = 512, .tokens = malloc(EDGEGW_TOKENS_MIN), .tokens_size = EDGEGW_TOKENS_MIN,
        .rooms = malloc(2 * sizeof(struct edgegw_room)), .room_count = 2, .random = give_random, .event = hear};
    need(c && config.rx && config.outbox && config.tokens && config.rooms);
    newest = 0;
    need(edgegw_init(c, &config) == EDGEGW_OK);
    need(edgegw_publish(c, NULL, "a1", "[1]", 3) == EDGEGW_OK);
    need(edgegw_subscribe(c, "b", NULL, true) == EDGEGW_OK);
    edgegw_start(c, 0);
    uint32_t now = 0;
    edgegw_tick(c, now += 1000);
    drain(c, EDGEGW_CHANNEL_HTTP, now);
    unsigned channel = EDGEGW_CHANNEL_HTTP;
    if (!(data[0] & 2)) {
        give(c, EDGEGW_CHANNEL_HTTP, "HTTP/1.1 200 OK\r\nContent-Length: 62\r\n\r\n{\"access_token\":\"a\",\"expires_in\":900,\"refresh_token\":\"r\"     }\n");
        drain(c, channel = EDGEGW_CHANNEL_WS, now);
    }
    if (!(data[0] & 3)) {
        give(c, channel, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
        give(c, channel, "\x81\x60{\"type\":\"welcome\",\"protocol\":1,\"user\":\"u\",\"room\":\"lobby\",\"max_message_bytes\":9,\"expires_in\":90}");
        need(c->phase != 0);
    }
    const size_t step = (size_t)data[1] % 61 + 1;
    for (size_t at = 2; at < size; at += step) {
        const uint16_t conn = edgegw_wanted(c, channel);
        if (conn == 0)
            break;
        edgegw_input(c, conn, data + at, size - at < step ? size - at : step, now);
        drain(c, EDGEGW_CHANNEL_WS, now);
        drain(c, EDGEGW_CHANNEL_HTTP, now);
        edgegw_tick(c, now += data[0]);
    }
    edgegw_closed(c, edgegw_wanted(c, channel), now);
    edgegw_stop(c);
    edgegw_tick(c, now + 2000);
    need(edgegw_wanted(c, EDGEGW_CHANNEL_WS) == 0 && edgegw_wanted(c, EDGEGW_CHANNEL_HTTP) == 0);
    free(config.rx), free(config.outbox), free(config.tokens), free(config.rooms), free(c);
    return 0;
}
