#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct world world;

/* The nonce and its answer are those of RFC 6455 section 1.3. */
static const char nonce[] = "the sample nonce", accepted[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

static void give_random(void *user, uint8_t *out, size_t n)
{
    assert_ptr_equal(user, &world);
    assert_in_range(n, 1, 16);
    if (n == 16) {
        memcpy(out, nonce, 16);
        return;
    }
    for (size_t i = 0; i < n; i++) { /* Marsaglia's xorshift: the same in every run */
        world.random_state ^= world.random_state << 13;
        world.random_state ^= world.random_state >> 17;
        world.random_state ^= world.random_state << 5;
        out[i] = (uint8_t)(world.random_state >> 9);
    }
}

static const char *of(const struct edgegw_text *t)
{
    if (t->p == NULL)
        return "-";
    assert_int_equal(t->p[t->len], 0);
    return t->p;
}

static void hear(void *user, const struct edgegw_event *e)
{
    assert_ptr_equal(user, &world);
    assert_in_range(world.told, 0, WORLD_EVENTS - 1);
    char *line = world.events[world.told++];
    const size_t n = WORLD_LINE;
    const unsigned long long seq = e->seq, from = e->from, to = e->to;
    switch (e->event) {
    case EDGEGW_EVENT_LOGIN:
        snprintf(line, n, "login %s %s", of(&e->reason), of(&e->refresh_token));
        return;
    case EDGEGW_EVENT_CONNECTED:
        snprintf(line, n, "connected %s %s", of(&e->room), of(&e->user));
        return;
    case EDGEGW_EVENT_SUBSCRIBED:
        snprintf(line, n, "subscribed %s %s %llu%s%s", of(&e->room), of(&e->epoch), seq,
                 e->has_recovered ? " recovered=" : "", !e->has_recovered ? "" : e->recovered ? "true" : "false");
        return;
    case EDGEGW_EVENT_UNSUBSCRIBED:
        snprintf(line, n, "unsubscribed %s %s", of(&e->room), of(&e->reason));
        return;
    case EDGEGW_EVENT_MESSAGE:
        snprintf(line, n, "message %s %llu %s %s%s", of(&e->room), seq, of(&e->user), of(&e->data),
                 e->encoding.len ? " base64" : "");
        return;
    case EDGEGW_EVENT_GAP:
        snprintf(line, n, "gap %s %llu %llu %s", of(&e->room), from, to, of(&e->reason));
        return;
    case EDGEGW_EVENT_LOST:
        snprintf(line, n, "lost %s %llu %llu %s%s", of(&e->room), from, to, of(&e->reason), e->reset ? " reset" : "");
        return;
    case EDGEGW_EVENT_ACK:
        snprintf(line, n, "ack %s %llu %s", of(&e->id), seq, of(&e->durability));
        return;
    case EDGEGW_EVENT_FAILED:
        snprintf(line, n, "failed %s %s", of(&e->id), of(&e->code));
        return;
    case EDGEGW_EVENT_CLOSED:
        world.wait = e->wait_ms;
        snprintf(line, n, "closed %u %s", e->status, of(&e->reason));
        return;
    case EDGEGW_EVENT_STOPPED:
        snprintf(line, n, "stopped %u %s", e->status, of(&e->reason));
        return;
    case EDGEGW_EVENT_PROBLEM:
        snprintf(line, n, "problem %s %s", of(&e->code), of(&e->id));
        return;
    }
    fail_msg("an event of type %d", (int)e->event);
}

int world_setup(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    world.now = UINT32_MAX - 5000; /* it runs over in most tests */
    world.random_state = 2463534242u;
    world.config = (struct edgegw_config){.host = "gateway.local:8080", .room = "lobby", .device_key = "the-key",
        .rx = world.rx, .rx_size = sizeof world.rx, .outbox = world.outbox, .outbox_size = sizeof world.outbox,
        .tokens = world.tokens, .tokens_size = sizeof world.tokens, .rooms = world.rooms, .room_count = 4,
        .random = give_random, .event = hear, .user = &world};
    return 0;
}

void make(void)
{
    assert_int_equal(edgegw_init(&world.c, &world.config), EDGEGW_OK);
}

/* Opens and closes what the client wants so; tells whether anything changed. */
static bool mind(unsigned channel)
{
    const uint16_t wanted = edgegw_wanted(&world.c, channel);
    if (wanted == world.conn[channel] || (wanted && world.deaf))
        return false;
    world.conn[channel] = wanted;
    if (wanted) {
        world.fill[channel] = 0; /* what nobody has read is gone with the old one */
        edgegw_opened(&world.c, wanted, world.now);
    }
    return true;
}

static bool drain(unsigned channel)
{
    if (!world.conn[channel])
        return false;
    uint8_t *out = world.out[channel] + world.fill[channel];
    assert_true(world.fill[channel] + EDGEGW_OUTPUT_MIN <= sizeof world.out[channel]);
    size_t n = edgegw_output(&world.c, world.conn[channel], out, EDGEGW_OUTPUT_MIN, world.now);
    assert_in_range(n, 0, EDGEGW_OUTPUT_MIN);
    world.fill[channel] += n;
    return n > 0;
}

void run(void)
{
    edgegw_tick(&world.c, world.now);
    for (bool more = true; more;) {
        more = false;
        for (unsigned channel = 0; channel < 2; channel++) {
            more = mind(channel) || more;
            more = drain(channel) || more;
        }
    }
}

void pass(uint32_t ms)
{
    run();
    for (const uint32_t end = world.now + ms; world.now != end; run()) {
        uint32_t next = edgegw_next_timeout(&world.c, world.now);
        const uint32_t left = end - world.now;
        next = next < 1 ? 1 : next; /* something is due that was just done: it must not spin */
        world.now += next < left ? next : left;
    }
}

void pass_until_connected(unsigned channel)
{
    run();
    for (unsigned i = 0; !world.conn[channel] && i < 30000; i++)
        pass(1);
    assert_int_not_equal(world.conn[channel], 0);
}

static const char *take(unsigned channel, size_t n)
{
    assert_in_range(n, 0, sizeof world.text - 1);
    memcpy(world.text, world.out[channel], n);
    world.text[n] = 0;
    world.text_len = n;
    world.fill[channel] -= n;
    memmove(world.out[channel], world.out[channel] + n, world.fill[channel]);
    return world.text;
}

const char *request(unsigned channel)
{
    run();
    assert_int_not_equal(world.fill[channel], 0);
    take(channel, world.fill[channel]);
    char *end = strstr(world.text, "\r\n\r\n");
    assert_non_null(end);
    const char *length = strstr(world.text, "Content-Length: ");
    assert_int_equal(strlen(end + 4), length ? strtoul(length + 16, NULL, 10) : 0);
    return world.text;
}

void answer(unsigned channel, const char *head, const char *body)
{
    char buffer[4096];
    int n = snprintf(buffer, sizeof buffer, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", head, strlen(body), body);
    assert_in_range(n, 1, sizeof buffer - 1);
    edgegw_input(&world.c, world.conn[channel], (uint8_t *)buffer, (size_t)n, world.now);
    run();
}

void give_tokens(const char *name, unsigned seconds)
{
    char body[300];
    snprintf(body, sizeof body,
             "{\"access_token\":\"access-%s\",\"token_type\":\"Bearer\",\"expires_in\":%u,\"refresh_token\":\"refresh-%s\","
             "\"refresh_expires_in\":2592000,\"username\":\"device\",\"role\":\"member\"}", name, seconds, name);
    answer(EDGEGW_CHANNEL_HTTP, "200 OK\r\nContent-Type: application/json", body);
}

void accept_handshake(void)
{
    char buffer[300];
    const bool named = strstr(world.text, "Sec-WebSocket-Protocol:") != NULL;
    snprintf(buffer, sizeof buffer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n%s"
             "Sec-WebSocket-Accept: %s\r\n\r\n", named ? "Sec-WebSocket-Protocol: bearer\r\n" : "", accepted);
    feed(buffer, strlen(buffer));
}

void feed(const void *bytes, size_t n)
{
    edgegw_input(&world.c, world.conn[EDGEGW_CHANNEL_WS], bytes, n, world.now);
    run();
}

void frame(unsigned first, const void *payload, size_t n)
{
    static uint8_t buffer[1 << 17];
    size_t at = 0;
    buffer[at++] = (uint8_t)first;
    if (n < 126) {
        buffer[at++] = (uint8_t)n;
    } else if (n < 65536) {
        buffer[at++] = 126;
        buffer[at++] = (uint8_t)(n >> 8);
        buffer[at++] = (uint8_t)n;
    } else {
        buffer[at++] = 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            buffer[at++] = (uint8_t)((uint64_t)n >> shift);
    }
    assert_true(at + n <= sizeof buffer);
    memcpy(buffer + at, payload, n);
    feed(buffer, at + n);
}

void say(const char *text)
{
    frame(0x81, text, strlen(text));
}

void sayf(const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    assert_in_range(n, 0, sizeof text - 1);
    say(text);
}

const char *said(void)
{
    run();
    const uint8_t *b = world.out[EDGEGW_CHANNEL_WS];
    if (world.fill[EDGEGW_CHANNEL_WS] == 0)
        return NULL;
    assert_true(world.fill[EDGEGW_CHANNEL_WS] >= 6);
    world.opcode = b[0];
    assert_true(b[1] & 0x80); /* RFC 6455 section 5.3: clients mask */
    size_t n = b[1] & 0x7f, at = 2;
    if (n == 126) {
        n = (size_t)b[2] << 8 | b[3];
        assert_true(n >= 126);
        at = 4;
    } else if (n == 127) {
        n = (size_t)b[6] << 24 | (size_t)b[7] << 16 | (size_t)b[8] << 8 | b[9];
        assert_true(n >= 65536);
        at = 10;
    }
    uint8_t mask[4];
    memcpy(mask, b + at, 4);
    assert_true(world.fill[EDGEGW_CHANNEL_WS] >= at + 4 + n);
    take(EDGEGW_CHANNEL_WS, at + 4 + n);
    memmove(world.text, world.text + at + 4, n);
    for (size_t i = 0; i < n; i++)
        world.text[i] = (char)(world.text[i] ^ mask[i % 4]);
    world.text[n] = 0;
    world.text_len = n;
    return world.text;
}

void expect_said(const char *text)
{
    const char *got = said();
    assert_non_null(got);
    assert_int_equal(world.opcode, 0x81);
    assert_string_equal(got, text);
}

void hang_up(unsigned channel)
{
    const uint16_t conn = world.conn[channel];
    world.conn[channel] = 0;
    edgegw_closed(&world.c, conn, world.now);
    run();
}

const char *event(void)
{
    return world.heard < world.told ? world.events[world.heard++] : "";
}

void expect(const char *first, ...)
{
    va_list args;
    va_start(args, first);
    for (const char *line = first; line != NULL; line = va_arg(args, const char *))
        assert_string_equal(event(), line);
    va_end(args);
    assert_string_equal(event(), "");
    world.told = world.heard = 0;
}

void welcome(void)
{
    accept_handshake();
    greet();
}

void greet(void)
{
    say("{\"type\":\"welcome\",\"protocol\":1,\"user\":\"device\",\"role\":\"member\",\"room\":\"lobby\",\"connection\":\"c1\","
        "\"server_time\":1795455897123,\"clock\":\"synced\",\"expires_in\":900,\"ping_interval\":25,\"max_message_bytes\":65536}");
}

const char *first_request(void)
{
    make();
    edgegw_start(&world.c, world.now);
    pass_until_connected(EDGEGW_CHANNEL_HTTP);
    return request(EDGEGW_CHANNEL_HTTP);
}

const char *first_handshake(void)
{
    first_request();
    give_tokens("1", 900);
    return request(EDGEGW_CHANNEL_WS);
}

void connect_to(const char *epoch, unsigned seq)
{
    first_handshake();
    welcome();
    sayf("{\"type\":\"subscribed\",\"room\":\"lobby\",\"epoch\":\"%s\",\"seq\":%u,\"from\":1}", epoch, seq);
    world.told = world.heard = 0;
}
