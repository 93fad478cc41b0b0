/* Answers of HTTP/1.1 (RFC 9112), as far as a gateway and a proxy in front of one
 * send them. The line at hand, and then the body, stand behind the tokens. */
#include "edgegw_internal.h"

enum { STEP_STATUS, STEP_HEADER, STEP_SIZE, STEP_CHUNK, STEP_CHUNK_END, STEP_TRAILER, STEP_BODY, STEP_REST, STEP_DONE };

/* Headers that count: what they are called, what they have to hold, and their bits in
 * edgegw_http.seen. */
static const char headers[] = "sec-websocket-extensions\0sec-websocket-accept\0sec-websocket-protocol\0upgrade\0"
                              "connection\0transfer-encoding\0content-length\0retry-after\0";
static const char *const words[] = {"-", "", "bearer", "websocket", "upgrade", "chunked"};
enum { ACCEPT = 1, UPGRADE = 3, CODING = 5, LENGTH, RETRY_AFTER };
enum {
    SEEN_BAD = 1,
    SEEN_ACCEPT = 2,
    SEEN_PROTOCOL = 4,
    SEEN_UPGRADE = 8,
    SEEN_CONNECTION = 16,
    SEEN_CHUNKED = 32,
    SEEN_LENGTH = 64
};

char *edgegw_http_area(const struct edgegw *c)
{
    return c->config.tokens + c->access_len + 1;
}

static void fold(char *p)
{
    for (; *p; p++) {
        if ((unsigned)*p - 'A' <= 25) {
            *p = (char)(*p | 0x20);
        }
    }
}

static void header(struct edgegw *c, char *p)
{
    struct edgegw_http *h = &c->http;
    char *value = strchr(p, ':'), accept[29];
    uint64_t number = 0;
    if (!value) {
        return;
    }
    *value++ = 0;
    fold(p);
    unsigned name = edgegw_find(headers, p), bit = 1u << name;
    while (*value == ' ' || *value == '\t') {
        value++;
    }
    if (name == NOT_FOUND) {
        return;
    }
    if (name >= LENGTH) {
        edgegw_number(value, value + strcspn(value, " \t"), &number);
        if (number > INT32_MAX) {
            number = INT32_MAX;
        }
        if (name == LENGTH) {
            h->left = (uint32_t)number;
        } else {
            h->retry_s = (uint32_t)number;
        }
    } else {
        const char *word = words[name];
        if (name == ACCEPT) {
            edgegw_accept(c->nonce, accept);
            word = accept;
        } else if (name >= UPGRADE) {
            fold(value);
        }
        if (!strstr(value, word)) {
            bit = name < UPGRADE ? SEEN_BAD : 0;
        }
    }
    h->seen |= bit;
}

/* What follows the headers. */
static void body(struct edgegw *c)
{
    struct edgegw_http *h = &c->http;
    unsigned shaken = SEEN_UPGRADE | SEEN_CONNECTION | SEEN_ACCEPT;
    if (h->status == 101) {
        if (c->config.subprotocol) {
            shaken |= SEEN_PROTOCOL;
        }
        if (h->purpose != ASK_SHAKE || (h->seen & (SEEN_CHUNKED - 1)) != shaken) {
            h->status = 0; /* RFC 6455 section 4.1: it is no answer to this handshake */
        }
        h->step = STEP_DONE;
    } else if (h->status < 200) {
        h->step = STEP_STATUS; /* only to hold the line */
        h->seen = 0;
    } else if (h->seen & SEEN_CHUNKED) {
        h->step = STEP_SIZE;
    } else if (h->seen & SEEN_LENGTH) {
        h->step = h->left ? STEP_BODY : STEP_DONE;
    } else {
        h->step = STEP_REST;
    }
}

static void line(struct edgegw *c, char *p)
{
    struct edgegw_http *h = &c->http;
    uint64_t status = 0;
    uint32_t v = 0;
    switch (h->step) {
    case STEP_STATUS:
        if (strlen(p) >= 12 && strncmp(p, "HTTP/1.", 7) == 0) {
            edgegw_number(p + 9, p + 12, &status);
        }
        h->status = (uint32_t)status;
        h->step = status >= 100 ? STEP_HEADER : STEP_DONE;
        break;
    case STEP_HEADER:
        if (*p) {
            header(c, p);
        } else {
            body(c);
        }
        break;
    case STEP_SIZE:
        fold(p);
        for (unsigned d; (d = (unsigned)*p - '0') <= 9 || ((d = (unsigned)*p - 'a' + 10) - 10) <= 5; p++) {
            v = v << 4 | d;
        }
        h->left = v;
        h->step = v ? STEP_CHUNK : STEP_TRAILER;
        break;
    case STEP_CHUNK_END:
        h->step = STEP_SIZE;
        if (*p) { /* the chunk is longer than it said */
            h->status = 0;
            h->step = STEP_DONE;
        }
        break;
    default: /* a trailer */
        h->step = *p ? STEP_TRAILER : STEP_DONE;
    }
}

size_t edgegw_http_input(struct edgegw *c, const uint8_t *p, size_t n)
{
    struct edgegw_http *h = &c->http;
    const char *end = (c->refresh ? c->refresh : c->config.tokens + c->config.tokens_size) - 1;
    size_t i = 0;
    if (!h->fill) {
        h->fill = h->line = edgegw_http_area(c);
    }
    while (i < n && h->step != STEP_DONE) {
        char ch = (char)p[i++];
        bool in_body = h->step == STEP_BODY || h->step == STEP_REST || h->step == STEP_CHUNK;
        if (!in_body && ch == '\n') {
            if (h->fill > h->line && h->fill[-1] == '\r') {
                h->fill--;
            }
            *h->fill = 0;
            h->fill = h->line;
            line(c, h->line);
            continue;
        }
        if (h->fill < end) { /* what there is no space for is left out */
            *h->fill++ = ch;
        }
        if (in_body) {
            h->line = h->fill;
            if (h->step != STEP_REST && --h->left == 0) {
                h->step = h->step == STEP_BODY ? STEP_DONE : STEP_CHUNK_END;
            }
        }
    }
    if (h->step == STEP_DONE) {
        edgegw_answered(c);
    }
    return i;
}

void edgegw_http_end(struct edgegw *c)
{
    if (c->http.step != STEP_REST) {
        c->http.status = 0;
    }
    edgegw_answered(c);
}
