/* Publishing: nothing is lost, nothing is stored twice, nothing is given up in silence. */
#include "world.h"

#include <stdio.h>
#include <string.h>

static void ack(const char *id, unsigned seq)
{
    sayf("{\"type\":\"ack\",\"id\":\"%s\",\"room\":\"lobby\",\"seq\":%u,\"ts\":1795455897123,\"durability\":\"fsynced\"}", id, seq);
}

static void publish(const char *id, const char *json)
{
    assert_int_equal(edgegw_publish(&world.c, NULL, id, json, strlen(json)), EDGEGW_OK);
}

static void come_back(void)
{
    hang_up(EDGEGW_CHANNEL_WS);
    pass_until_connected(EDGEGW_CHANNEL_WS);
    request(EDGEGW_CHANNEL_WS);
    welcome();
    say("{\"type\":\"subscribed\",\"room\":\"lobby\",\"epoch\":\"e1\",\"seq\":7,\"recovered\":true,\"replay\":0}");
    world.told = world.heard = 0;
}

static void test_acknowledged(void **state)
{
    (void)state;
    connect_to("e1", 7);
    publish("a1", "{\"n\":1}");
    publish("a2", " [ 1 , 2 ] ");
    expect_said("{\"type\":\"message\",\"id\":\"a1\",\"data\":{\"n\":1}}");
    expect_said("{\"type\":\"message\",\"id\":\"a2\",\"data\": [ 1 , 2 ] }");
    assert_int_not_equal(edgegw_unacknowledged(&world.c), 0);
    ack("a1", 8);
    ack("a2", 9);
    ack("a2", 9); /* an ack that nobody waits for */
    expect("ack a1 8 fsynced", "ack a2 9 fsynced", NULL);
    assert_int_equal(edgegw_unacknowledged(&world.c), 0);
    come_back();
    assert_null(said());
}

/* After a break everything without an ack goes out again, in order, under its id. */
static void test_again_after_a_break(void **state)
{
    (void)state;
    connect_to("e1", 7);
    publish("a1", "1");
    publish("a2", "2");
    publish("a3", "3");
    while (said() != NULL) {
    }
    ack("a2", 9);
    come_back();
    expect_said("{\"type\":\"message\",\"id\":\"a1\",\"data\":1}");
    expect_said("{\"type\":\"message\",\"id\":\"a3\",\"data\":3}");
    assert_null(said());
}

/* Before the first connection, too; and an id is made up where none is given, another
 * one each time, and kept across breaks. */
static void test_before_the_first_connection(void **state)
{
    (void)state;
    make();
    publish(NULL, "1");
    publish(NULL, "2");
    edgegw_start(&world.c, world.now);
    pass_until_connected(EDGEGW_CHANNEL_HTTP);
    request(EDGEGW_CHANNEL_HTTP);
    give_tokens("1", 900);
    request(EDGEGW_CHANNEL_WS);
    welcome();
    say("{\"type\":\"subscribed\",\"room\":\"lobby\",\"epoch\":\"e1\",\"seq\":7,\"from\":1}");
    char first[400], second[400];
    snprintf(first, sizeof first, "%s", said());
    snprintf(second, sizeof second, "%s", said());
    assert_non_null(strstr(first, "\"id\":\""));
    assert_non_null(strstr(first, "\"data\":1}"));
    second[strlen(second) - 2] = '1';
    assert_string_not_equal(first, second);
    come_back();
    assert_string_equal(said(), first);
}

/* 64 may be under way in a room; the next goes when an ack has come (section 4). */
static void test_window(void **state)
{
    (void)state;
    connect_to("e1", 7);
    char id[8];
    for (unsigned i = 0; i < 70; i++) {
        snprintf(id, sizeof id, "w%u", i);
        publish(id, "1");
    }
    unsigned n = 0;
    while (said() != NULL)
        n++;
    assert_int_equal(n, EDGEGW_WINDOW);
    ack("w0", 8);
    assert_non_null(strstr(said(), "\"w64\""));
    assert_null(said());
}

static void test_refusals(void **state)
{
    (void)state;
    connect_to("e1", 7);
    publish("a1", "1");
    publish("a2", "2");
    while (said() != NULL) {
    }
    say("{\"type\":\"error\",\"code\":\"forbidden\",\"message\":\"no\",\"room\":\"lobby\",\"id\":\"a1\"}");
    expect("failed a1 forbidden", NULL);
    /* These are not for good: the same again, and not before it was said. */
    say("{\"type\":\"error\",\"code\":\"rate_limited\",\"message\":\"slow\",\"room\":\"lobby\",\"id\":\"a2\",\"retry_after_ms\":5000}");
    pass(4900);
    assert_null(said());
    pass(2100);
    assert_non_null(strstr(said(), "\"a2\""));
    say("{\"type\":\"error\",\"code\":\"storage_full\",\"message\":\"full\",\"room\":\"lobby\",\"id\":\"a2\",\"retry_after_ms\":5000}");
    pass(7000);
    assert_non_null(strstr(said(), "\"a2\""));
    ack("a2", 8);
    const char *last = "";
    while (world.heard < world.told)
        last = event();
    assert_string_equal(last, "ack a2 8 fsynced");
}

/* 1009 says that the longest one was too long: that one never goes again, the rest does. */
static void test_too_large_for_the_gateway(void **state)
{
    (void)state;
    connect_to("e1", 7);
    static char big[3000];
    memset(big, 'x', sizeof big);
    big[0] = big[sizeof big - 1] = '"';
    publish("a1", "1");
    assert_int_equal(edgegw_publish(&world.c, NULL, "big", big, sizeof big), EDGEGW_OK);
    publish("a3", "3");
    while (said() != NULL) {
    }
    frame(0x88, "\x03\xf1message_too_large", 19);
    const char *first = event(), *second = event();
    assert_true(strcmp(first, "failed big too_large") == 0 || strcmp(second, "failed big too_large") == 0);
    pass_until_connected(EDGEGW_CHANNEL_WS);
    request(EDGEGW_CHANNEL_WS);
    welcome();
    say("{\"type\":\"subscribed\",\"room\":\"lobby\",\"epoch\":\"e1\",\"seq\":7,\"recovered\":true,\"replay\":0}");
    assert_non_null(strstr(said(), "\"a1\""));
    assert_non_null(strstr(said(), "\"a3\""));
    assert_null(said());
}

/* What is longer than the welcome allows is not sent at all. */
static void test_longer_than_allowed(void **state)
{
    (void)state;
    static uint8_t outbox[70000];
    static char big[66000];
    world.config.outbox = outbox;
    world.config.outbox_size = sizeof outbox;
    connect_to("e1", 7);
    memset(big, '1', sizeof big);
    assert_int_equal(edgegw_publish(&world.c, NULL, "big", big, sizeof big), EDGEGW_OK);
    run();
    expect("failed big too_large", NULL);
    assert_null(said());
    assert_int_equal(edgegw_unacknowledged(&world.c), 0);
}

static void test_bad_publications(void **state)
{
    static const char *const bad[] = {"", " ", "{", "}", "[1,]", "{\"a\"}", "{\"a\":}", "{a:1}", "01", "1.", ".5", "+1", "1e", "--1", "nul", "truee",
                                      "\"", "\"\\x\"", "\"\\u12\"", "\"\t\"", "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "1 2", "'a'", "NaN", "[1 2]", "{\"a\":1,}", ("\xef\xbb\xbf" "1")};
    (void)state;
    make();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (edgegw_publish(&world.c, NULL, NULL, bad[i], strlen(bad[i])) != EDGEGW_INVALID)
            fail_msg("%s was taken", bad[i]);
    }
    static const char *const good[] = {"0", "-0", "1.5E+10", "true", "false", "null", "\"\\u00e4\\n\"", "[]", "{}", "[[],{}]", "\"\xf0\x9f\x98\x80\"", " 1 ", "\"\\ud800\""};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (edgegw_publish(&world.c, NULL, NULL, good[i], strlen(good[i])) != EDGEGW_OK)
            fail_msg("%s was not taken", good[i]);
    }
    char id[66] = {0};
    memset(id, 'i', 65);
    assert_int_equal(edgegw_publish(&world.c, NULL, id, "1", 1), EDGEGW_INVALID);
    id[64] = 0;
    assert_int_equal(edgegw_publish(&world.c, NULL, id, "1", 1), EDGEGW_OK);
    assert_int_equal(edgegw_publish(&world.c, NULL, id, "2", 1), EDGEGW_DUPLICATE);
    assert_int_equal(edgegw_publish(&world.c, NULL, "", "1", 1), EDGEGW_INVALID);
    assert_int_equal(edgegw_publish(&world.c, NULL, "\xff", "1", 1), EDGEGW_INVALID);
    char room[EDGEGW_ROOM_MAX + 2];
    memset(room, 'a', sizeof room - 1);
    room[sizeof room - 1] = 0;
    assert_int_equal(edgegw_publish(&world.c, room, "x", "1", 1), EDGEGW_INVALID);
}

/* The outbox is bounded, says so, and is free again after the acks. */
static void test_full(void **state)
{
    (void)state;
    connect_to("e1", 7);
    char id[8], json[110];
    memset(json, '7', sizeof json);
    unsigned n = 0;
    for (int result = EDGEGW_OK; result == EDGEGW_OK; n++) {
        snprintf(id, sizeof id, "f%u", n);
        result = edgegw_publish(&world.c, NULL, id, json, sizeof json);
        assert_true(result == EDGEGW_OK || result == EDGEGW_FULL);
        assert_in_range(n, 0, 200);
    }
    assert_in_range(n, 8192 / (110 + 4 + 5 + 20), 8192 / 110);
    assert_int_equal(edgegw_publish(&world.c, NULL, "late", json, sizeof json), EDGEGW_FULL);
    while (said() != NULL) {
    }
    ack("f1", 9); /* one in the middle */
    assert_int_equal(edgegw_publish(&world.c, NULL, "late", json, sizeof json), EDGEGW_OK);
    assert_int_equal(edgegw_publish(&world.c, NULL, "later", json, sizeof json), EDGEGW_FULL);
}

/* A client without an outbox only listens. */
static void test_without_an_outbox(void **state)
{
    (void)state;
    world.config.outbox = NULL;
    world.config.outbox_size = 0;
    connect_to("e1", 7);
    assert_int_equal(edgegw_publish(&world.c, NULL, NULL, "1", 1), EDGEGW_FULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_acknowledged, world_setup), cmocka_unit_test_setup(test_again_after_a_break, world_setup),
        cmocka_unit_test_setup(test_before_the_first_connection, world_setup), cmocka_unit_test_setup(test_window, world_setup),
        cmocka_unit_test_setup(test_refusals, world_setup), cmocka_unit_test_setup(test_too_large_for_the_gateway, world_setup),
        cmocka_unit_test_setup(test_longer_than_allowed, world_setup), cmocka_unit_test_setup(test_bad_publications, world_setup),
        cmocka_unit_test_setup(test_full, world_setup), cmocka_unit_test_setup(test_without_an_outbox, world_setup),
    };
    return cmocka_run_group_tests_name("publish", tests, NULL, NULL);
}
