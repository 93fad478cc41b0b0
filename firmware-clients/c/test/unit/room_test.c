/* Rooms: messages in order and once, what is missing, coming back, several of them. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void message(unsigned seq, const char *data)
{
    sayf("{\"type\":\"message\",\"room\":\"lobby\",\"seq\":%u,\"ts\":1795455897123,\"user\":\"ann\",\"data\":%s}", seq, data);
}

/* Ends the connection and gets to the next handshake's request line. */
static const char *come_back(void)
{
    hang_up(EDGEGW_CHANNEL_WS);
    pass_until_connected(EDGEGW_CHANNEL_WS);
    const char *asked = request(EDGEGW_CHANNEL_WS);
    world.told = world.heard = 0;
    return asked;
}

static void test_messages(void **state)
{
    (void)state;
    connect_to("e1", 7);
    message(8, "{\"a\":[1,2.5e3,null,\"x\\u00fc\"]}");
    message(9, "\"text\"");
    sayf("{\"type\":\"message\",\"room\":\"lobby\",\"seq\":10,\"ts\":1,\"user\":\"ann\",\"id\":\"i\",\"encoding\":\"base64\",\"data\":\"AAEC\"}");
    expect("message lobby 8 ann {\"a\":[1,2.5e3,null,\"x\\u00fc\"]}", "message lobby 9 ann \"text\"",
           "message lobby 10 ann \"AAEC\" base64", NULL);
    struct edgegw_position at;
    assert_true(edgegw_position(&world.c, NULL, &at));
    assert_int_equal(at.seq, 10);
    assert_string_equal(at.epoch, "e1");
}

/* What comes twice is told once, what is skipped is told. */
static void test_twice_and_skipped(void **state)
{
    (void)state;
    connect_to("e1", 7);
    message(8, "1");
    message(8, "1");
    message(7, "0");
    message(11, "4");
    expect("message lobby 8 ann 1", "gap lobby 9 10 missing", "message lobby 11 ann 4", NULL);
    say("{\"type\":\"gap\",\"room\":\"lobby\",\"from\":12,\"to\":20,\"reason\":\"drop_oldest\"}");
    message(21, "5");
    expect("gap lobby 12 20 drop_oldest", "message lobby 21 ann 5", NULL);
}

static void test_resume(void **state)
{
    (void)state;
    connect_to("e/1", 7);
    message(8, "1");
    assert_non_null(strstr(come_back(), "GET /ws?room=lobby&after=8&epoch=e%2F1 "));
    welcome();
    say("{\"type\":\"subscribed\",\"room\":\"lobby\",\"epoch\":\"e/1\",\"seq\":10,\"recovered\":true,\"replay\":2,\"from\":1}");
    message(9, "2");
    message(10, "3");
    expect("connected lobby device", "subscribed lobby e/1 10 recovered=true", "message lobby 9 ann 2", "message lobby 10 ann 3", NULL);
}

/* A replay that was cut off goes on where it was, not where it would have ended. */
static void test_resume_within_a_replay(void **state)
{
    (void)state;
    connect_to("e1", 7);
    come_back();
    welcome();
    say("{\"type\":\"subscribed\",\"room\":\"lobby\",\"epoch\":\"e1\",\"seq\":100,\"recovered\":true,\"replay\":93,\"from\":1}");
    message(8, "1");
    assert_non_null(strstr(come_back(), "&after=8&epoch=e1 "));
}

static void test_not_recovered(void **state)
{
    (void)state;
    connect_to("e1", 7);
    come_back();
    welcome();
    say("{\"type\":\"subscribed\",\"room\":\"lobby\",\"epoch\":\"e1\",\"seq\":30,\"recovered\":false,\"from\":20}");
    expect("connected lobby device", "subscribed lobby e1 30 recovered=false", "lost lobby 8 30 not_recovered", NULL);
    message(31, "1");
    expect("message lobby 31 ann 1", NULL);
    assert_non_null(strstr(come_back(), "&after=31&epoch=e1 "));
}

static void test_new_epoch(void **state)
{
    (void)state;
    connect_to("e1", 70);
    come_back();
    welcome();
    say("{\"type\":\"subscribed\",\"room\":\"lobby\",\"epoch\":\"e2\",\"seq\":3,\"recovered\":false,\"from\":1}");
    expect("connected lobby device", "subscribed lobby e2 3 recovered=false", "lost lobby 1 3 not_recovered reset", NULL);
    message(4, "1");
    expect("message lobby 4 ann 1", NULL);
}

/* From memory that has survived a deep sleep. */
static void test_position_that_was_kept(void **state)
{
    (void)state;
    static const struct edgegw_position kept = {.seq = UINT64_C(9007199254740991), .epoch = "e9"};
    world.config.from = &kept;
    world.config.latest = true;
    const char *asked = first_handshake();
    assert_non_null(strstr(asked, "after=9007199254740991"));
    assert_non_null(strstr(asked, "epoch=e9"));
}

/* A message of 64 KiB does not fit a buffer of 1 KiB: it is told, and life goes on. */
static void test_too_large(void **state)
{
    (void)state;
    static char big[65536 + 128];
    connect_to("e1", 7);
    int n = snprintf(big, sizeof big, "{\"type\":\"message\",\"room\":\"lobby\",\"seq\":8,\"ts\":1,\"user\":\"ann\",\"data\":\"");
    memset(big + n, 'x', 65536);
    memcpy(big + n + 65536, "\"}", 3);
    say(big);
    message(9, "\"small\"");
    expect("gap lobby 8 8 too_large", "message lobby 9 ann \"small\"", NULL);
}

/* JSON within JSON, a thousand deep and deeper; and what is none. */
static void test_deep(void **state)
{
    (void)state;
    static char deep[3000];
    static uint8_t rx[8192];
    world.config.rx = rx;
    world.config.rx_size = sizeof rx;
    connect_to("e1", 7);
    memset(deep, '[', 1000);
    memset(deep + 1000, ']', 1000);
    static char text[4000];
    snprintf(text, sizeof text, "{\"type\":\"message\",\"room\":\"lobby\",\"seq\":8,\"ts\":1,\"user\":\"ann\",\"data\":%s}", deep);
    say(text);
    assert_int_equal(strncmp(event(), "message lobby 8 ann [[[[[", 25), 0);
    assert_int_equal(edgegw_publish(&world.c, NULL, "d", deep, 2000), EDGEGW_OK);
    memset(deep, '[', 1400);
    memset(deep + 1400, ']', 1400);
    assert_int_equal(edgegw_publish(&world.c, NULL, "e", deep, 2800), EDGEGW_INVALID);
}

/* Several rooms, each with its own place; the answer to a refused one ends it. */
static void test_rooms(void **state)
{
    (void)state;
    connect_to("e1", 7);
    const struct edgegw_position from = {.seq = 3, .epoch = "x"};
    assert_int_equal(edgegw_subscribe(&world.c, "", NULL, false), EDGEGW_INVALID);
    char long_name[EDGEGW_ROOM_MAX + 2];
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    assert_int_equal(edgegw_subscribe(&world.c, long_name, NULL, false), EDGEGW_INVALID);
    assert_int_equal(edgegw_subscribe(&world.c, "a", &from, false), EDGEGW_OK);
    assert_int_equal(edgegw_subscribe(&world.c, "b", NULL, true), EDGEGW_OK);
    assert_int_equal(edgegw_subscribe(&world.c, "c", NULL, false), EDGEGW_OK);
    assert_int_equal(edgegw_subscribe(&world.c, "d", NULL, false), EDGEGW_FULL);
    assert_int_equal(edgegw_subscribe(&world.c, "a", NULL, false), EDGEGW_OK);
    expect_said("{\"type\":\"subscribe\",\"room\":\"a\",\"after\":3,\"epoch\":\"x\"}");
    expect_said("{\"type\":\"subscribe\",\"room\":\"b\",\"latest\":true}");
    expect_said("{\"type\":\"subscribe\",\"room\":\"c\"}");
    say("{\"type\":\"subscribed\",\"room\":\"a\",\"epoch\":\"x\",\"seq\":3,\"recovered\":true,\"replay\":0,\"from\":1}");
    say("{\"type\":\"subscribed\",\"room\":\"b\",\"epoch\":\"y\",\"seq\":0}");
    say("{\"type\":\"error\",\"code\":\"forbidden\",\"message\":\"no\",\"room\":\"c\"}");
    expect("subscribed a x 3 recovered=true", "subscribed b y 0", "unsubscribed c forbidden", NULL);

    edgegw_unsubscribe(&world.c, "a");
    expect_said("{\"type\":\"unsubscribe\",\"room\":\"a\"}");
    say("{\"type\":\"message\",\"room\":\"a\",\"seq\":4,\"ts\":1,\"user\":\"ann\",\"data\":1}"); /* was on its way */
    say("{\"type\":\"unsubscribed\",\"room\":\"a\",\"reason\":\"requested\"}");
    expect("unsubscribed a requested", NULL);

    come_back();
    welcome();
    say("{\"type\":\"subscribed\",\"room\":\"lobby\",\"epoch\":\"e1\",\"seq\":7,\"recovered\":true,\"replay\":0}");
    const char *again = said(); /* only b is left */
    assert_non_null(again);
    assert_non_null(strstr(again, "\"subscribe\",\"room\":\"b\""));
    assert_null(said());
}

/* Frames of typing and presence, unknown ones and unknown members are passed over. */
static void test_passed_over(void **state)
{
    (void)state;
    connect_to("e1", 7);
    say("{\"type\":\"typing\",\"room\":\"lobby\",\"user\":\"ann\",\"state\":\"start\"}");
    say("{\"type\":\"presence\",\"room\":\"lobby\",\"user\":\"ann\",\"event\":\"join\",\"count\":2}");
    say("{\"type\":\"of_the_future\",\"room\":\"lobby\",\"seq\":8}");
    say("{\"type\":\"message\",\"room\":\"elsewhere\",\"seq\":8,\"ts\":1,\"user\":\"ann\",\"data\":1}");
    say("{\"new\":{\"seq\":99,\"data\":[]},\"type\":\"message\",\"room\":\"lobby\",\"seq\":8,\"ts\":1,\"user\":\"ann\",\"data\":1,\"newer\":[[]]}");
    expect("message lobby 8 ann 1", NULL);
}

/* What was published as bytes, or as text, comes back as bytes. */
static void test_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        bool base64;
        const char *bytes;
        size_t n;
    } cases[] = {
        {"\"AAEC/w==\"", true, "\0\1\2\xff", 4}, {"\"\"", true, "", 0}, {"\"AAE=\"", true, "\0\1", 2}, {"\"AAEC\"", true, "\0\1\2", 3},
        {"\"A\"", true, NULL, 0}, {"\"A*==\"", true, NULL, 0},
        {"\"gr\\u00fcn \\\"\\ud83d\\ude00\\u0000.\"", false, "gr\xc3\xbcn \"\xf0\x9f\x98\x80\0.", 13}, {"{\"a\":1}", false, "{\"a\":1}", 7},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char data[100];
        snprintf(data, sizeof data, "%s", cases[i].data);
        struct edgegw_event e = {.event = EDGEGW_EVENT_MESSAGE, .data = {data, strlen(data)}};
        if (cases[i].base64)
            e.encoding = (struct edgegw_text){"base64", 6};
        const struct edgegw_text got = edgegw_bytes(&e);
        if ((got.p == NULL) != (cases[i].bytes == NULL) || (got.p && (got.len != cases[i].n || memcmp(got.p, cases[i].bytes, got.len) != 0)))
            fail_msg("%s became %.*s", cases[i].data, (int)got.len, got.p ? got.p : "(nothing)");
    }
}

/* The gateway's time goes on with the clock that only goes forward. */
static void test_time(void **state)
{
    (void)state;
    assert_int_equal(edgegw_server_time(&world.c, world.now), 0);
    connect_to("e1", 7);
    const uint64_t then = edgegw_server_time(&world.c, world.now);
    assert_in_range(then, UINT64_C(1795455897123), UINT64_C(1795455897123) + 1000);
    world.now += 20000;
    assert_int_equal(edgegw_server_time(&world.c, world.now), then + 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_messages, world_setup), cmocka_unit_test_setup(test_twice_and_skipped, world_setup),
        cmocka_unit_test_setup(test_resume, world_setup), cmocka_unit_test_setup(test_resume_within_a_replay, world_setup),
        cmocka_unit_test_setup(test_not_recovered, world_setup), cmocka_unit_test_setup(test_new_epoch, world_setup),
        cmocka_unit_test_setup(test_position_that_was_kept, world_setup), cmocka_unit_test_setup(test_too_large, world_setup),
        cmocka_unit_test_setup(test_deep, world_setup), cmocka_unit_test_setup(test_rooms, world_setup),
        cmocka_unit_test_setup(test_passed_over, world_setup), cmocka_unit_test_setup(test_bytes, world_setup),
        cmocka_unit_test_setup(test_time, world_setup),
    };
    return cmocka_run_group_tests_name("room", tests, NULL, NULL);
}
