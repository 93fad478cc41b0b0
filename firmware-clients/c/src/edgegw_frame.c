/* The frames of the WebSocket that come (RFC 6455 section 5), and what is illegal
 * about them. A message that is longer than the buffer is passed over as it comes. */
#include "edgegw_internal.h"

enum { OP_CONTINUATION, OP_TEXT, OP_BINARY, OP_CLOSE = 8, OP_PING, OP_PONG };

/* No gateway sends longer ones: an end that far away is none. */
#define LONGEST_MESSAGE (UINT32_C(16) << 20)

void edgegw_breach(struct edgegw *c, unsigned code)
{
    c->close_code = code;
    edgegw_over(c, 0, "protocol error", 0, ACT_RECONNECT);
}

static bool lives(const struct edgegw *c)
{
    return c->phase >= PHASE_WELCOME;
}

/* How long the header is, once its second byte is there. */
static unsigned head_size(const struct edgegw *c)
{
    unsigned length = c->head[1] & 0x7fu;
    return length == 126 ? 4 : length == 127 ? 10 : 2;
}

static void begin(struct edgegw *c)
{
    unsigned size = c->head_fill, first = c->head[0], op = first & 15;
    uint32_t length = c->head[1], least = 0, over = 0;
    c->head_fill = 0;
    if (size > 2) {
        least = size == 4 ? 126 : 65536; /* the shortest way to write it is the only one */
        length = 0;
        for (unsigned i = 2; i < size; i++) {
            over |= length >> 24;
            length = length << 8 | c->head[i];
        }
    }
    bool control = op >= OP_CLOSE, inside = c->message_opcode != 0;
    if ((first & 0x70) || (c->head[1] & 0x80) || op > OP_PONG || (!over && length < least) ||
        (size == 10 && (c->head[2] & 0x80)) ||
        (control ? !(first & 0x80) || size > 2 : op > OP_BINARY || inside == (op != OP_CONTINUATION))) {
        edgegw_breach(c, 1002);
        return;
    }
    if (!control) {
        if (!inside) {
            c->message_opcode = op;
        }
        if (over || length > LONGEST_MESSAGE - c->rx_fill) {
            edgegw_breach(c, 1009);
            return;
        }
    }
    c->opcode = op;
    c->final = first & 0x80;
    c->control_fill = 0;
    c->left = length;
}

static void payload(struct edgegw *c, const uint8_t *p, uint32_t n)
{
    c->left -= n;
    if (c->opcode >= OP_CLOSE) {
        memcpy(c->control + c->control_fill, p, n);
        c->control_fill += n;
        return;
    }
    if (c->message_opcode == OP_TEXT) {
        if (!edgegw_utf8_check(&c->utf8, p, n)) {
            edgegw_breach(c, 1007);
            return;
        }
        uint32_t space = (uint32_t)c->config.rx_size - 1; /* and a NUL */
        if (c->rx_fill < space) {
            space -= c->rx_fill;
            memcpy(c->config.rx + c->rx_fill, p, n < space ? n : space);
        }
    }
    c->rx_fill += n;
}

/* Reads the time to wait in a close reason, in ms; 0 when there is none. */
static uint32_t retry_after(const char *p)
{
    uint64_t v, told = 0;
    while (*p) {
        const char *end = p + strcspn(p, " ");
        if (strncmp(p, "retry_after_ms=", 15) == 0 && edgegw_number(p + 15, end, &v) && v <= INT32_MAX) {
            told = v ? v : told;
        }
        p = end + (*end != 0);
    }
    return (uint32_t)told;
}

/* The table of section 7. */
static enum action act_of(unsigned code)
{
    return code == 1009                                                 ? ACT_SKIP
           : code == 4001                                               ? ACT_REFRESH
           : code == 4501                                               ? ACT_LOGIN
           : code == 1002 || code == 1007 || code - 4500 <= 4999 - 4500 ? ACT_STOP
                                                                        : ACT_RECONNECT;
}

static void closed(struct edgegw *c)
{
    unsigned n = c->control_fill, code = 1005;
    char *reason = (char *)c->control;
    c->control[n] = 0;
    if (c->phase == PHASE_LEAVING) { /* whatever it says */
        edgegw_left(c);
        return;
    }
    if (n) {
        code = (unsigned)c->control[0] << 8 | c->control[1];
        reason += 2;
        unsigned fault = 0;
        if (n < 2 || code < 1000 || code - 1004 <= 1006 - 1004 || code - 1015 < 3000 - 1015) {
            fault = 1002;
        } else if (!edgegw_utf8_whole(reason, n - 2)) {
            fault = 1007;
        }
        if (fault) {
            edgegw_breach(c, fault);
            return;
        }
    }
    c->close_code = code; /* the answer has the same */
    edgegw_over(c, code, reason, retry_after(reason), act_of(code));
}

static void end(struct edgegw *c)
{
    unsigned op = c->opcode;
    if (op == OP_PING) {
        memcpy(c->pong, c->control, c->control_fill);
        c->pong_len = c->control_fill;
        c->pong_due = 1;
    } else if (op == OP_CLOSE) {
        closed(c);
    } else if (op < OP_CLOSE && c->final) {
        unsigned kind = c->message_opcode;
        uint32_t space = (uint32_t)c->config.rx_size - 1, n = c->rx_fill;
        c->message_opcode = 0;
        c->rx_fill = 0;
        if (c->utf8.left) {
            edgegw_breach(c, 1007);
        } else if (kind == OP_TEXT && c->phase != PHASE_LEAVING) { /* binary is of another format */
            c->config.rx[n < space ? n : space] = 0;
            edgegw_take(c, n > space);
        }
    }
}

void edgegw_frames(struct edgegw *c, const uint8_t *p, size_t n)
{
    while (n && lives(c)) {
        uint32_t k = 1;
        if (c->left) {
            k = n < c->left ? (uint32_t)n : c->left;
            payload(c, p, k);
        } else {
            c->head[c->head_fill++] = *p;
            if (c->head_fill > 1 && c->head_fill == head_size(c)) {
                begin(c);
            }
        }
        p += k;
        n -= k;
        if (!c->left && !c->head_fill && lives(c)) {
            end(c);
        }
    }
}
