/* RFC 6455 frames: whole and in pieces, legal and not. */
#include "world.h"

#include <stdio.h>
#include <string.h>

static const char one[] = "{\"type\":\"message\",\"room\":\"lobby\",\"seq\":8,\"ts\":1,\"user\":\"ann\",\"data\":\"gr\xc3\xbcn\"}";
static const char told[] = "message lobby 8 ann \"gr\xc3\xbcn\"";

/* Bytes come in whatever pieces the network makes of them. */
static void test_byte_by_byte(void **state)
{
    (void)state;
    for (size_t step = 1; step < 40; step++) {
        world_setup(state);
        connect_to("e1", 7);
        uint8_t b[300] = {0x81, (uint8_t)(sizeof one - 1)};
        memcpy(b + 2, one, sizeof one - 1);
        size_t n = sizeof one + 1;
        b[n++] = 0x89; /* and a ping behind it */
        b[n++] = 1;
        b[n++] = 'p';
        for (size_t at = 0; at < n; at += step)
            feed(b + at, n - at < step ? n - at : step);
        expect(told, NULL);
        assert_string_equal(said(), "p");
        assert_int_equal(world.opcode, 0x8a);
    }
}

/* Section 5.4: fragments, with control frames between them, cut inside a character. */
static void test_fragments(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < sizeof one; cut++) {
        world_setup(state);
        connect_to("e1", 7);
        frame(0x01, one, cut);
        frame(0x89, "p", 1);
        frame(0x00, "", 0);
        frame(0x80, one + cut, sizeof one - 1 - cut);
        expect(told, NULL);
        assert_string_equal(said(), "p");
    }
}

/* The answer to a ping does not go into the middle of a frame that is being sent. */
static void test_pong_between_frames(void **state)
{
    (void)state;
    static char big[5000];
    memset(big, '1', sizeof big);
    connect_to("e1", 7);
    assert_int_equal(edgegw_publish(&world.c, NULL, "big", big, sizeof big), EDGEGW_OK);
    uint8_t part[EDGEGW_OUTPUT_MIN];
    const uint16_t conn = world.conn[EDGEGW_CHANNEL_WS];
    size_t n = edgegw_output(&world.c, conn, part, sizeof part, world.now);
    assert_int_equal(n, sizeof part); /* the message is longer than this */
    edgegw_input(&world.c, conn, (const uint8_t *)"\x89\x01p", 3, world.now);
    memcpy(world.out[EDGEGW_CHANNEL_WS], part, n);
    world.fill[EDGEGW_CHANNEL_WS] = n;
    const char *text = said();
    assert_int_equal(world.opcode, 0x81);
    assert_non_null(strstr(text, "\"id\":\"big\""));
    assert_int_equal(text[world.text_len - 1], '}');
    assert_string_equal(said(), "p");
    assert_int_equal(world.opcode, 0x8a);
}

/* What no gateway sends ends the connection, with the code of RFC 6455 section 7.4. */
static void test_illegal(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        unsigned code;
    } cases[] = {
        {"\xc1\x02{}", 4, 1002},           /* RSV1 without an extension */
        {"\xa1\x02{}", 4, 1002},           /* RSV2 */
        {"\x91\x02{}", 4, 1002},           /* RSV3 */
        {"\x83\x00", 2, 1002},             /* opcode 3 */
        {"\x8b\x00", 2, 1002},             /* opcode 11 */
        {"\x81\x80\x01\x02\x03\x04", 6, 1002}, /* masked */
        {"\x80\x00", 2, 1002},             /* goes on with nothing */
        {"\x01\x01{\x81\x01}", 6, 1002},   /* a message within a message */
        {"\x09\x00", 2, 1002},             /* a ping in fragments */
        {"\x89\x7e\x00\x7e", 4, 1002},     /* a ping of 126 bytes */
        {"\x81\x7e\x00\x05", 4, 1002},     /* not the shortest length */
        {"\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x05", 10, 1002},
        {"\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x00", 10, 1002}, /* the top bit */
        {"\x88\x01\x03", 3, 1002},         /* a close with half a code */
        {"\x88\x02\x03\xed", 4, 1002},     /* 1005 */
        {"\x88\x02\x03\xe7", 4, 1002},     /* 999 */
        {"\x88\x03\x03\xe8\xff", 5, 1007}, /* a reason that is no UTF-8 */
        {"\x81\x01\xff", 3, 1007},
        {"\x81\x02\xc3(", 4, 1007},
        {"\x81\x02\xc0\x80", 4, 1007},     /* overlong */
        {"\x81\x03\xed\xa0\x80", 5, 1007}, /* a surrogate */
        {"\x81\x04\xf4\x90\x80\x80", 6, 1007}, /* above U+10FFFF */
        {"\x81\x01\xc3", 3, 1007},         /* ends inside a character */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t step = 1; step <= cases[i].n; step += cases[i].n - 1) { /* in bytes, and whole */
            world_setup(state);
            connect_to("e1", 7);
            for (size_t at = 0; at < cases[i].n; at += step)
                feed(cases[i].bytes + at, cases[i].n - at < step ? cases[i].n - at : step);
            const char *bye = said();
            if (bye == NULL || world.opcode != 0x88)
                fail_msg("case %zu was taken", i);
            assert_int_equal((unsigned)(uint8_t)bye[0] << 8 | (uint8_t)bye[1], cases[i].code);
            pass(1100);
            if (strncmp(event(), "closed ", 7) != 0)
                fail_msg("case %zu was not told", i);
            pass_until_connected(EDGEGW_CHANNEL_WS); /* it was the network, perhaps: try again */
        }
    }
}

/* Text that is no frame of the protocol is told as a problem or passed over; the
 * connection stays either way, and nothing of it is believed. */
static void test_no_frames(void **state)
{
    static const char *const bad[] = {
        "", "x", "[]", "7", "null", "{", "{}", "{\"type\":7}", "{\"type\":\"message\"}", "{\"type\":\"message\",\"room\":\"lobby\",\"seq\":-1,\"data\":1}",
        "{\"type\":\"message\",\"room\":\"lobby\",\"seq\":1e3,\"data\":1}", "{\"type\":\"message\",\"room\":\"lobby\",\"seq\":99999999999999999999,\"data\":1}",
        "{\"type\":\"message\",\"room\":\"lobby\",\"seq\":8}", "{\"type\":\"message\",\"room\":7,\"seq\":8,\"data\":1}",
        "{\"type\":\"ack\"}", "{\"type\":\"ack\",\"id\":[],\"room\":\"lobby\",\"seq\":8}", "{\"type\":\"subscribed\"}", "{\"type\":\"subscribed\",\"room\":\"lobby\",\"epoch\":7,\"seq\":8}",
        "{\"type\":\"gap\",\"room\":\"lobby\",\"from\":9,\"to\":1,\"reason\":\"x\"}", "{\"type\":\"error\"}", "{\"type\":\"message\",\"room\":\"lobby\",\"seq\":8,\"data\":1", "{\"type\":\"pong\"}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        world_setup(state);
        connect_to("e1", 7);
        say(bad[i]);
        for (const char *line = event(); *line; line = event()) {
            if (strncmp(line, "message", 7) == 0 || strncmp(line, "ack", 3) == 0)
                fail_msg("%s became %s", bad[i], line);
        }
        if (world.conn[EDGEGW_CHANNEL_WS] == 0)
            continue; /* a breach may end the connection as well */
        world.told = world.heard = 0;
        say(one);
        expect(told, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_byte_by_byte, world_setup), cmocka_unit_test_setup(test_fragments, world_setup),
        cmocka_unit_test_setup(test_pong_between_frames, world_setup), cmocka_unit_test_setup(test_illegal, world_setup),
        cmocka_unit_test_setup(test_no_frames, world_setup),
    };
    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
