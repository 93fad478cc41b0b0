/* Logging in, connecting, staying, coming back. */
#include "world.h"

#include <stdio.h>
#include <string.h>

static void test_first_connection(void **state)
{
    (void)state;
    make();
    assert_int_equal(edgegw_wanted(&world.c, EDGEGW_CHANNEL_HTTP), 0);
    edgegw_start(&world.c, world.now);
    pass_until_connected(EDGEGW_CHANNEL_HTTP);
    const char *asked = request(EDGEGW_CHANNEL_HTTP);
    assert_non_null(strstr(asked, "POST /auth/device HTTP/1.1\r\n"));
    assert_non_null(strstr(asked, "\r\nHost: gateway.local:8080\r\n"));
    assert_non_null(strstr(asked, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(asked, "\r\n\r\n{\"device_key\":\"the-key\"}"));
    give_tokens("1", 900);
    expect("login device refresh-1", NULL);

    asked = request(EDGEGW_CHANNEL_WS);
    assert_non_null(strstr(asked, "GET /ws?room=lobby HTTP/1.1\r\n"));
    assert_non_null(strstr(asked, "\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"));
    assert_non_null(strstr(asked, "\r\nAuthorization: Bearer access-1\r\n"));
    assert_null(strstr(asked, "Sec-WebSocket-Protocol"));
    welcome();
    expect("connected lobby device", NULL);
    say("{\"type\":\"subscribed\",\"room\":\"lobby\",\"epoch\":\"e1\",\"seq\":7,\"from\":1}");
    expect("subscribed lobby e1 7", NULL);
    assert_null(said());
}

static void test_password_and_subprotocol(void **state)
{
    (void)state;
    world.config.device_key = NULL;
    world.config.username = "ann";
    world.config.password = "gr\xc3\xbcn \"\\\x01";
    world.config.subprotocol = true;
    world.config.path = "/gw";
    const char *asked = first_request();
    assert_non_null(strstr(asked, "POST /gw/auth/login HTTP/1.1\r\n"));
    assert_non_null(strstr(asked, "{\"username\":\"ann\",\"password\":\"gr\xc3\xbcn \\\"\\\\\\u0001\"}"));
    give_tokens("1", 900);
    expect("login password refresh-1", NULL);
    asked = request(EDGEGW_CHANNEL_WS);
    assert_non_null(strstr(asked, "GET /gw/ws?room=lobby HTTP/1.1\r\n"));
    assert_non_null(strstr(asked, "\r\nSec-WebSocket-Protocol: bearer, access-1\r\n"));
    assert_null(strstr(asked, "Authorization"));
    welcome();
    expect("connected lobby device", NULL);
}

/* RFC 6455 section 4.1: an answer that does not prove that it has read the request is
 * no WebSocket. */
static void test_bad_handshakes(void **state)
{
    static const char *const bad[] = {
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "\r\n\r\n\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        world_setup(state);
        first_handshake();
        world.told = world.heard = 0;
        feed(bad[i], strlen(bad[i]));
        if (edgegw_wanted(&world.c, EDGEGW_CHANNEL_WS) == world.conn[EDGEGW_CHANNEL_WS]) {
            greet(); /* it may wait for the rest of what is no answer */
            hang_up(EDGEGW_CHANNEL_WS);
        }
        if (strncmp(event(), "closed ", 7) != 0)
            fail_msg("answer %zu was taken", i);
        assert_in_range(world.wait, 1, 20000);
    }
}

/* Section 7: full jitter below min(20 s, 0.5 s * 2^n), and never none. */
static void test_waits(void **state)
{
    uint32_t seen[8][2];
    memset(seen, 0, sizeof seen);
    for (unsigned turn = 0; turn < 40; turn++) {
        world_setup(state);
        world.random_state += turn * 7919;
        world.config.refresh_token = NULL;
        make();
        edgegw_start(&world.c, world.now);
        for (unsigned n = 0; n < 8; n++) {
            pass_until_connected(EDGEGW_CHANNEL_HTTP);
            world.told = world.heard = 0;
            hang_up(EDGEGW_CHANNEL_HTTP);
            assert_int_equal(strncmp(event(), "closed 0", 8), 0);
            const uint32_t most = n < 6 ? 500u << n : 20000;
            assert_in_range(world.wait, 1, most);
            seen[n][world.wait > most / 2]++;
        }
    }
    for (unsigned n = 0; n < 8; n++) { /* both halves, in 40 turns: all but always */
        assert_int_not_equal(seen[n][0], 0);
        assert_int_not_equal(seen[n][1], 0);
    }
}

/* Also of a source that gives nothing but zeros. */
static void test_never_no_wait(void **state)
{
    (void)state;
    world.random_state = 0;
    make();
    edgegw_start(&world.c, world.now);
    pass_until_connected(EDGEGW_CHANNEL_HTTP);
    hang_up(EDGEGW_CHANNEL_HTTP);
    assert_in_range(world.wait, 1, 500);
}

/* What the gateway says about when to come back goes before. */
static void test_told_when_to_come_back(void **state)
{
    static const struct {
        const char *head, *body;
        uint32_t wait;
    } cases[] = {
        {"503 Service Unavailable\r\nRetry-After: 7", "{\"code\":\"unavailable\"}", 7000},
        {"429 Too Many Requests\r\nretry-after:  3 ", "{\"code\":\"rate_limited\"}", 3000},
        {"503 Service Unavailable\r\nRetry-After: 7", "{\"code\":\"unavailable\",\"retry_after_ms\":6543}", 6543},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world_setup(state);
        first_request();
        answer(EDGEGW_CHANNEL_HTTP, cases[i].head, cases[i].body);
        assert_int_equal(strncmp(event(), "closed ", 7), 0);
        assert_in_range(world.wait, cases[i].wait, cases[i].wait + 1000);
    }
}

/* Section 7's table, one code after the other. */
static void test_close_codes(void **state)
{
    enum { RECONNECT, REFRESH, LOGIN, STOP };
    static const struct {
        unsigned code;
        int does;
    } cases[] = {{1000, RECONNECT}, {1001, RECONNECT}, {1011, RECONNECT}, {1012, RECONNECT}, {3000, RECONNECT}, {4000, RECONNECT},
                 {4002, RECONNECT}, {4003, RECONNECT}, {4004, RECONNECT}, {4499, RECONNECT}, {4001, REFRESH}, {4501, LOGIN},
                 {1002, STOP},      {1007, STOP},      {4500, STOP},      {4502, STOP},      {4503, STOP},    {4999, STOP}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world_setup(state);
        connect_to("e1", 7);
        const uint8_t payload[] = {(uint8_t)(cases[i].code >> 8), (uint8_t)cases[i].code, 'x'};
        frame(0x88, payload, sizeof payload);
        char line[40];
        snprintf(line, sizeof line, "%s %u x", cases[i].does == STOP ? "stopped" : "closed", cases[i].code);
        const char *first = event();
        if (cases[i].does == STOP && strncmp(first, "closed", 6) == 0)
            first = event(); /* it may tell both */
        assert_string_equal(first, line);
        if (cases[i].does == STOP) {
            pass(600000);
            assert_int_equal(edgegw_wanted(&world.c, EDGEGW_CHANNEL_WS) | edgegw_wanted(&world.c, EDGEGW_CHANNEL_HTTP), 0);
            continue;
        }
        const unsigned channel = cases[i].does == RECONNECT ? EDGEGW_CHANNEL_WS : EDGEGW_CHANNEL_HTTP;
        world.fill[EDGEGW_CHANNEL_WS] = 0; /* the answer to the close */
        pass_until_connected(channel);
        const char *asked = request(channel);
        assert_non_null(strstr(asked, cases[i].does == RECONNECT ? "GET /ws" : cases[i].does == REFRESH ? "/auth/refresh" : "/auth/device"));
    }
}

static void test_close_reason_tells_the_wait(void **state)
{
    (void)state;
    connect_to("e1", 7);
    frame(0x88, "\x03\xf4restart retry_after_ms=12345", 30);
    expect("closed 1012 restart retry_after_ms=12345", NULL);
    assert_int_equal(world.wait, 12345);
}

/* A connection that stays for 30 s ends the counting of failures. */
static void test_good_connection_begins_again(void **state)
{
    (void)state;
    make();
    edgegw_start(&world.c, world.now);
    for (unsigned n = 0; n < 7; n++) {
        pass_until_connected(EDGEGW_CHANNEL_HTTP);
        hang_up(EDGEGW_CHANNEL_HTTP);
    }
    pass_until_connected(EDGEGW_CHANNEL_HTTP);
    request(EDGEGW_CHANNEL_HTTP);
    give_tokens("1", 900);
    request(EDGEGW_CHANNEL_WS);
    welcome();
    for (unsigned s = 0; s < 31; s++) {
        pass(1000);
        frame(0x89, "", 0);
    }
    hang_up(EDGEGW_CHANNEL_WS);
    assert_in_range(world.wait, 1, 500);
}

/* A gateway that is silent for ping_interval and 10 s is gone. */
static void test_silence(void **state)
{
    (void)state;
    connect_to("e1", 7);
    pass(34000);
    frame(0x89, "here", 4); /* any frame is a sign of life, and pings are answered */
    assert_string_equal(said(), "here");
    assert_int_equal(world.opcode, 0x8a);
    pass(34000);
    assert_string_equal(event(), "");
    pass(2000);
    assert_int_equal(strncmp(event(), "closed ", 7), 0);
}

/* Neither a connection that does not open nor a request without an answer is waited
 * for longer than timeout_ms. */
static void test_patience(void **state)
{
    (void)state;
    world.config.timeout_ms = 3000;
    for (unsigned deaf = 0; deaf < 2; deaf++) {
        world.deaf = deaf;
        make();
        edgegw_start(&world.c, world.now);
        pass(500); /* the first try begins within that */
        world.told = world.heard = 0;
        pass(2400);
        assert_string_equal(event(), "");
        pass(700);
        assert_int_equal(strncmp(event(), "closed 0", 8), 0);
        world.conn[EDGEGW_CHANNEL_HTTP] = 0;
    }
}

static void test_stop(void **state)
{
    (void)state;
    connect_to("e1", 7);
    edgegw_stop(&world.c);
    run();
    const char *bye = said();
    assert_non_null(bye);
    assert_int_equal(world.opcode, 0x88);
    assert_memory_equal(bye, "\x03\xe8", 2);
    frame(0x88, "\x03\xe8", 2);
    run();
    assert_int_equal(edgegw_wanted(&world.c, EDGEGW_CHANNEL_WS), 0);
    assert_int_equal(edgegw_next_timeout(&world.c, world.now), EDGEGW_NEVER);
    expect("", NULL);

    edgegw_start(&world.c, world.now); /* it goes on where it was */
    pass_until_connected(EDGEGW_CHANNEL_WS);
    assert_non_null(strstr(request(EDGEGW_CHANNEL_WS), "GET /ws?room=lobby&after=7&epoch=e1"));
}

static void test_stop_without_an_answer(void **state)
{
    (void)state;
    connect_to("e1", 7);
    edgegw_stop(&world.c);
    pass(1001);
    assert_int_equal(edgegw_wanted(&world.c, EDGEGW_CHANNEL_WS), 0);
}

static void test_bad_configurations(void **state)
{
    struct edgegw_config good = world.config;
    (void)state;
#define BAD(member, value)                                                                                             \
    do {                                                                                                               \
        world.config = good;                                                                                           \
        world.config.member = (value);                                                                                 \
        assert_int_equal(edgegw_init(&world.c, &world.config), EDGEGW_INVALID);                                        \
    } while (0)
    BAD(host, NULL);
    BAD(device_key, NULL);
    BAD(rx, NULL);
    BAD(rx_size, EDGEGW_RX_MIN - 1);
    BAD(tokens_size, EDGEGW_TOKENS_MIN - 1);
    BAD(room_count, 0);
    BAD(random, NULL);
    BAD(event, NULL);
    char long_name[EDGEGW_ROOM_MAX + 2];
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    BAD(room, long_name);
#undef BAD
    world.config = good;
    make();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_first_connection, world_setup), cmocka_unit_test_setup(test_password_and_subprotocol, world_setup),
        cmocka_unit_test_setup(test_bad_handshakes, world_setup), cmocka_unit_test_setup(test_waits, world_setup),
        cmocka_unit_test_setup(test_never_no_wait, world_setup),
        cmocka_unit_test_setup(test_told_when_to_come_back, world_setup), cmocka_unit_test_setup(test_close_codes, world_setup),
        cmocka_unit_test_setup(test_close_reason_tells_the_wait, world_setup),
        cmocka_unit_test_setup(test_good_connection_begins_again, world_setup), cmocka_unit_test_setup(test_silence, world_setup),
        cmocka_unit_test_setup(test_patience, world_setup), cmocka_unit_test_setup(test_stop, world_setup),
        cmocka_unit_test_setup(test_stop_without_an_answer, world_setup), cmocka_unit_test_setup(test_bad_configurations, world_setup),
    };
    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
