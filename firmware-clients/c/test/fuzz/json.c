/*
 * What edgegw_publish takes for JSON: the same whether a byte is behind it or not,
 * and what it takes comes out as it was, inside a frame that is read as JSON again.
 */
#include "edgegw.h"

#include <stdlib.h>
#include <string.h>

static void give_random(void *user, uint8_t *out, size_t n)
{
    (void)user;
    memset(out, 7, n);
}

static void hear(void *user, const struct edgegw_event *e)
{
    (void)user;
    (void)e;
}

static int publish(const uint8_t *data, size_t size)
{
    char *json = malloc(size ? size : 1); /* nothing behind it may be read */
    struct edgegw *c = malloc(sizeof *c);
    struct edgegw_config config = {.host = "h", .room = "lobby", .device_key = "k", .rx = malloc(EDGEGW_RX_MIN), .rx_size = EDGEGW_RX_MIN,
        .outbox = malloc(size + 100), .outbox_size = size + 100, .tokens = malloc(EDGEGW_TOKENS_MIN), .tokens_size = EDGEGW_TOKENS_MIN,
        .rooms = malloc(sizeof(struct edgegw_room)), .room_count = 1, .random = give_random, .event = hear};
    if (!json || !c || !config.rx || !config.outbox || !config.tokens || !config.rooms || edgegw_init(c, &config) != EDGEGW_OK)
        abort();
    memcpy(json, data, size);
    const int result = edgegw_publish(c, NULL, "id", json, size);
    free(json), free(config.rx), free(config.outbox), free(config.tokens), free(config.rooms), free(c);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4000)
        return 0;
    const int result = publish(data, size);
    if (result != EDGEGW_OK && result != EDGEGW_INVALID)
        abort();
    /* A value in an array is a value, and what is none stays none. */
    uint8_t wrapped[4002];
    wrapped[0] = '[';
    memcpy(wrapped + 1, data, size);
    wrapped[size + 1] = ']';
    if (result == EDGEGW_OK && size < 900 && publish(wrapped, size + 2) != EDGEGW_OK)
        abort();
    return 0;
}
