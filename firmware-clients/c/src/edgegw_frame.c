/* The frames of the WebSocket that come (RFC 6455 section 5), and what is illegal
 * about them. A message that is longer than the buffer is passed over as it comes. */
#include "edgegw_internal.h"

enum { OP_CONTINUATION, OP_TEXT, OP_BINARY, OP_CLOSE = 8, OP_PING, OP_PONG };

/* No gateway sends longer ones: an end that far away is none. */
#define LONGEST_MESSAGE (UINT32_C(16) << 20)

void edgegw_breach(struct edgegw *c, uint16_t code, const char *why)
{
    c->close_code = code;
    edgegw_over(c, 0, why, 0, ACT_RECONNECT);
}

static bool lives(const struct edgegw *c)
{
    return c->phase >= PHASE_WELCOME;
}

/* How long the header is, as far as that is known. */
static unsigned head_size(const struct edgegw *c)
{
    unsigned length = c->head[1] & 0x7fu;
    return c->head_fill < 2 || length < 126 ? 2 : length == 126 ? 4 : 10;
}

static void begin(struct edgegw *c)
{
    unsigned size = c->head_fill, first = c->head[0], op = first & 15;
    uint32_t length = c->head[1];
    bool far = false;
    c->head_fill = 0;
    if (size > 2) {
        length = 0;
        for (unsigned i = 2; i < size; i++) {
            far |= length >> 23;
            length = length << 8 | c->head[i];
        }
        /* The shortest way to write it is the only one. */
        if (!far && length < (size == 4 ? 126u : 65536u)) {
            first |= 0x70;
        }
    }
    bool control = op >= OP_CLOSE, inside = c->message_opcode != 0;
    if ((first & 0x70) || (c->head[1] & 0x80) || (op > OP_BINARY && !control) || op > OP_PONG ||
        (control && (!(first & 0x80) || length > 125 || far)) || (!control && inside == (op != OP_CONTINUATION)) ||
        (c->head[2] & 0x80 && size == 10)) {
        edgegw_breach(c, 1002, "illegal frame");
        return;
    }
    if (!control) {
        c->message_opcode = (uint8_t)(inside ? c->message_opcode : op);
        if (far || length > LONGEST_MESSAGE - c->rx_fill) {
            edgegw_breach(c, 1009, "message without an end");
            return;
        }
    }
    c->opcode = (uint8_t)(op | (first & 0x80));
    c->control_fill = 0;
    c->left = length;
}

static void payload(struct edgegw *c, const uint8_t *p, uint32_t n)
{
    c->left -= n;
    if (c->opcode & 8) {
        memcpy(c->control + c->control_fill, p, n);
        c->control_fill = (uint8_t)(c->control_fill + n);
        return;
    }
    if (c->message_opcode == OP_TEXT) {
        if (!edgegw_utf8_check(&c->utf8, p, n)) {
            edgegw_breach(c, 1007, "text is not UTF-8");
            return;
        }
        uint32_t size = (uint32_t)c->config.rx_size - 1; /* and a NUL */
        if (c->rx_fill < size) {
            memcpy(c->config.rx + c->rx_fill, p, n < size - c->rx_fill ? n : size - c->rx_fill);
        }
    }
    c->rx_fill += n;
}

/* Reads the time to wait in a close reason, in ms; 0 when there is none. */
static uint32_t retry_after(const char *p)
{
    static const char word[] = "retry_after_ms=";
    uint64_t v, told = 0;
    while (*p) {
        size_t n = strcspn(p, " "), name = sizeof word - 1;
        if (strncmp(p, word, name) == 0 && edgegw_number(p + name, n - name, &v) && v && v <= INT32_MAX) {
            told = v;
        }
        p += n;
        p += *p == ' ';
    }
    return (uint32_t)told;
}

/* The table of section 7. */
static enum action act_of(unsigned code)
{
    return code == 1002 || code == 1007   ? ACT_STOP
           : code == 1009                 ? ACT_SKIP
           : code == 4001                 ? ACT_REFRESH
           : code == 4501                 ? ACT_LOGIN
           : code >= 4500 && code <= 4999 ? ACT_STOP
                                          : ACT_RECONNECT;
}

static void closed(struct edgegw *c)
{
    unsigned n = c->control_fill, code = 1005;
    char *reason = (char *)c->control;
    c->control[n] = 0;
    if (c->phase == PHASE_LEAVING) { /* whatever it says */
        c->phase = PHASE_IDLE;
        c->conn[EDGEGW_CHANNEL_WS] = 0;
        return;
    }
    if (n) {
        struct edgegw_utf8 u = {0, 0, 0};
        code = (unsigned)c->control[0] << 8 | c->control[1];
        reason += 2;
        if (n < 2 || code < 1000 || (code >= 1004 && code <= 1006) || (code >= 1015 && code < 3000)) {
            edgegw_breach(c, 1002, "illegal close frame");
            return;
        }
        if (!edgegw_utf8_check(&u, c->control + 2, n - 2) || u.left) {
            edgegw_breach(c, 1007, "close reason is not UTF-8");
            return;
        }
    }
    c->close_code = (uint16_t)code; /* the answer has the same */
    edgegw_over(c, code, reason, retry_after(reason), act_of(code));
}

static void end(struct edgegw *c)
{
    unsigned op = c->opcode & 15u;
    if (op == OP_PING) {
        memcpy(c->pong, c->control, c->control_fill);
        c->pong_len = c->control_fill;
        c->flags |= FLAG_PONG;
    } else if (op == OP_CLOSE) {
        closed(c);
    } else if (op < OP_CLOSE && (c->opcode & 0x80)) {
        bool text = c->message_opcode == OP_TEXT;
        uint32_t size = (uint32_t)c->config.rx_size - 1, n = c->rx_fill;
        c->message_opcode = 0;
        c->rx_fill = 0;
        if (c->utf8.left) {
            edgegw_breach(c, 1007, "text is not UTF-8");
        } else if (text && c->phase != PHASE_LEAVING) { /* binary frames are of another format */
            c->config.rx[n < size ? n : size] = 0;
            edgegw_take(c, n > size);
        }
    }
}

void edgegw_frames(struct edgegw *c, const uint8_t *p, size_t n)
{
    bool done;
    while (n && lives(c)) {
        if (c->left) {
            uint32_t k = n < c->left ? (uint32_t)n : c->left;
            payload(c, p, k);
            p += k;
            n -= k;
            done = c->left == 0;
        } else {
            c->head[c->head_fill++] = *p++;
            n--;
            done = c->head_fill == head_size(c);
            if (done) {
                begin(c);
                done = c->left == 0;
            } else {
                done = false;
            }
        }
        if (done && lives(c)) {
            end(c);
        }
    }
}
