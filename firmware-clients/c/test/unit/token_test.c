/* Tokens: renewed in time, in place, and before the next connection. */
#include "world.h"

#include <string.h>

/* The gateway warns, the client asks within half of what is left, and says the new
 * token on the connection that stays. */
static void test_renewed_in_place(void **state)
{
    (void)state;
    connect_to("e1", 7);
    say("{\"type\":\"token_expiring\",\"expires_in\":60}");
    const uint32_t warned = world.now;
    pass_until_connected(EDGEGW_CHANNEL_HTTP);
    assert_in_range(world.now - warned, 0, 30000);
    const char *asked = request(EDGEGW_CHANNEL_HTTP);
    assert_non_null(strstr(asked, "POST /auth/refresh"));
    assert_non_null(strstr(asked, "{\"refresh_token\":\"refresh-1\"}"));
    give_tokens("2", 900);
    expect("login refresh refresh-2", NULL);
    expect_said("{\"type\":\"auth\",\"token\":\"access-2\"}");
    say("{\"type\":\"auth_ok\",\"expires_in\":900}");
    pass(1000);
    expect("", NULL);
    assert_int_not_equal(world.conn[EDGEGW_CHANNEL_WS], 0);
}

/* A refresh whose answer is lost is asked again, with the same token (section 6). */
static void test_lost_refresh_is_repeated(void **state)
{
    (void)state;
    connect_to("e1", 7);
    say("{\"type\":\"token_expiring\",\"expires_in\":60}");
    pass_until_connected(EDGEGW_CHANNEL_HTTP);
    request(EDGEGW_CHANNEL_HTTP);
    hang_up(EDGEGW_CHANNEL_HTTP);
    pass_until_connected(EDGEGW_CHANNEL_HTTP);
    assert_non_null(strstr(request(EDGEGW_CHANNEL_HTTP), "{\"refresh_token\":\"refresh-1\"}"));
    give_tokens("2", 900);
    expect("login refresh refresh-2", NULL);
    expect_said("{\"type\":\"auth\",\"token\":\"access-2\"}");
}

/* A token that has ended is not shown to the gateway. */
static void test_refreshed_before_the_next_connection(void **state)
{
    (void)state;
    connect_to("e1", 7);
    for (unsigned s = 0; s < 90; s++) { /* 900 s and nobody warns */
        pass(10000);
        frame(0x89, "", 0);
        while (said() != NULL) {
        }
    }
    hang_up(EDGEGW_CHANNEL_WS);
    pass_until_connected(EDGEGW_CHANNEL_HTTP);
    assert_non_null(strstr(request(EDGEGW_CHANNEL_HTTP), "{\"refresh_token\":\"refresh-1\"}"));
    give_tokens("2", 900);
    assert_non_null(strstr(request(EDGEGW_CHANNEL_WS), "Bearer access-2"));
}

/* A refresh token that is refused leaves the device key. */
static void test_login_after_a_refused_refresh(void **state)
{
    (void)state;
    world.config.refresh_token = "kept";
    assert_non_null(strstr(first_request(), "{\"refresh_token\":\"kept\"}"));
    answer(EDGEGW_CHANNEL_HTTP, "401 Unauthorized\r\nContent-Type: application/problem+json", "{\"code\":\"token_reused\",\"status\":401}");
    pass_until_connected(EDGEGW_CHANNEL_HTTP);
    assert_non_null(strstr(request(EDGEGW_CHANNEL_HTTP), "{\"device_key\":\"the-key\"}"));
}

/* Without a key or a password there is nothing left then. */
static void test_refused_for_good(void **state)
{
    (void)state;
    world.config.refresh_token = "kept";
    world.config.device_key = NULL;
    first_request();
    answer(EDGEGW_CHANNEL_HTTP, "401 Unauthorized\r\nContent-Type: application/problem+json", "{\"code\":\"token_reused\",\"status\":401}");
    const char *last = "";
    while (world.heard < world.told)
        last = event();
    assert_int_equal(strncmp(last, "stopped 401", 11), 0);
}

/* A device key that is refused will not become a good one. */
static void test_wrong_key(void **state)
{
    (void)state;
    first_request();
    answer(EDGEGW_CHANNEL_HTTP, "401 Unauthorized\r\nContent-Type: application/problem+json", "{\"code\":\"invalid_credentials\",\"status\":401}");
    const char *last = "";
    while (world.heard < world.told)
        last = event();
    assert_string_equal(last, "stopped 401 invalid_credentials");
    pass(100000);
    assert_int_equal(world.conn[0] | world.conn[1], 0);
}

/* A handshake that is refused for its token asks for another one, once. */
static void test_token_not_taken(void **state)
{
    (void)state;
    first_handshake();
    answer(EDGEGW_CHANNEL_WS, "401 Unauthorized\r\nContent-Type: application/problem+json", "{\"code\":\"invalid_token\",\"status\":401}");
    pass_until_connected(EDGEGW_CHANNEL_HTTP);
    assert_non_null(strstr(request(EDGEGW_CHANNEL_HTTP), "/auth/"));
    give_tokens("2", 900);
    assert_non_null(strstr(request(EDGEGW_CHANNEL_WS), "Bearer access-2"));
}

/* Answers that are none, or that are too large, are told and tried again. */
static void test_bad_answers(void **state)
{
    static const char *const bad[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{",
        "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{\"access_token\":7,\"refresh_token\":false}\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2c\r\n{\"access_token\":\"a\",\"expires_in\":900,\"x\":\"7\"}\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n{}",
        "HTTP/1.1 999999 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        world_setup(state);
        first_request();
        edgegw_input(&world.c, world.conn[EDGEGW_CHANNEL_HTTP], (const uint8_t *)bad[i], strlen(bad[i]), world.now);
        run();
        if (world.told == 0)
            hang_up(EDGEGW_CHANNEL_HTTP);
        if (strncmp(event(), "closed ", 7) != 0)
            fail_msg("answer %zu was taken", i);
        assert_in_range(world.wait, 1, 20000);
    }
}

/* Chunks, and a body that ends with the connection, are bodies (RFC 9112). */
static void test_other_framing(void **state)
{
    static const char *const good[] = {
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1e;x=y\r\n\"access_token\":\"access-1\",\"exp\r\n28\r\nires_in\":900,\"refresh_token\":\"refresh-1\"\r\n1\r\n}\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n{\"access_token\":\"access-1\",\"expires_in\":900,\"refresh_token\":\"refresh-1\"}",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 72\r\n\r\n{\"access_token\":\"access-1\",\"expires_in\":900,\"refresh_token\":\"refresh-1\"}",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        for (unsigned step = 1; step < 400; step = step * 3) {
            world_setup(state);
            first_request();
            const size_t n = strlen(good[i]);
            const uint16_t conn = world.conn[EDGEGW_CHANNEL_HTTP];
            for (size_t at = 0; at < n; at += step)
                edgegw_input(&world.c, conn, (const uint8_t *)good[i] + at, n - at < step ? n - at : step, world.now);
            if (edgegw_wanted(&world.c, EDGEGW_CHANNEL_HTTP) == conn)
                edgegw_closed(&world.c, conn, world.now);
            world.conn[EDGEGW_CHANNEL_HTTP] = 0;
            run();
            assert_string_equal(event(), "login device refresh-1");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_renewed_in_place, world_setup), cmocka_unit_test_setup(test_lost_refresh_is_repeated, world_setup),
        cmocka_unit_test_setup(test_refreshed_before_the_next_connection, world_setup),
        cmocka_unit_test_setup(test_login_after_a_refused_refresh, world_setup), cmocka_unit_test_setup(test_refused_for_good, world_setup),
        cmocka_unit_test_setup(test_wrong_key, world_setup), cmocka_unit_test_setup(test_token_not_taken, world_setup),
        cmocka_unit_test_setup(test_bad_answers, world_setup), cmocka_unit_test_setup(test_other_framing, world_setup),
    };
    return cmocka_run_group_tests_name("token", tests, NULL, NULL);
}
