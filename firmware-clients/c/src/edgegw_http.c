/* Answers of HTTP/1.1 (RFC 9112), as far as a gateway and a proxy in front of one
 * send them. The line at hand, and then the body, stand behind the tokens. */
#include "edgegw_internal.h"

enum { STEP_STATUS, STEP_HEADER, STEP_SIZE, STEP_CHUNK, STEP_CHUNK_END, STEP_TRAILER, STEP_BODY, STEP_REST, STEP_DONE };

/* Bits of edgegw_http.seen. */
enum { SEEN_LENGTH = 1, SEEN_CHUNKED = 2, SEEN_UPGRADE = 4, SEEN_CONNECTION = 8, SEEN_ACCEPT = 16, SEEN_PROTOCOL = 32, SEEN_BAD = 64 };

char *edgegw_http_area(const struct edgegw *c, size_t *size)
{
    char *p = c->config.tokens;
    if (c->access_len && c->access + c->access_len + 1 > p) {
        p = c->access + c->access_len + 1;
    }
    if (c->refresh_len && c->refresh + c->refresh_len + 1 > p) {
        p = c->refresh + c->refresh_len + 1;
    }
    *size = (size_t)(c->config.tokens + c->config.tokens_size - p) - 1;
    return p;
}

static void fold(char *p)
{
    for (; *p; p++) {
        if (*p >= 'A' && *p <= 'Z') {
            *p = (char)(*p | 0x20);
        }
    }
}

static void number(const char *p, uint32_t *v)
{
    uint64_t n;
    if (edgegw_number(p, strlen(p), &n)) {
        *v = n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
    }
}

static void header(struct edgegw *c, char *p)
{
    struct edgegw_http *h = &c->http;
    char *value = strchr(p, ':'), *end, accept[29];
    if (!value) {
        return;
    }
    *value++ = 0;
    fold(p);
    value += strspn(value, " \t");
    for (end = value + strlen(value); end > value && (end[-1] == ' ' || end[-1] == '\t'); end--) {
        end[-1] = 0;
    }
    unsigned name = edgegw_find("retry-after\0content-length\0sec-websocket-accept\0sec-websocket-protocol\0"
                                "sec-websocket-extensions\0transfer-encoding\0upgrade\0connection\0",
                                p, strlen(p));
    unsigned seen = 0;
    switch (name) {
    case 0:
        number(value, &h->retry_s);
        return;
    case 1:
        number(value, &h->left);
        seen = SEEN_LENGTH;
        break;
    case 2:
        edgegw_accept(c->nonce, accept);
        seen = strcmp(value, accept) == 0 ? SEEN_ACCEPT : SEEN_BAD;
        break;
    case 3:
        seen = strcmp(value, "bearer") == 0 ? SEEN_PROTOCOL : SEEN_BAD;
        break;
    case 4:
        seen = SEEN_BAD; /* nobody asked for them */
        break;
    case NOT_FOUND:
        return;
    default:
        fold(value);
        name -= 5;
        if (strstr(value, name == 0 ? "chunked" : name == 1 ? "websocket" : "upgrade")) {
            seen = name == 0 ? SEEN_CHUNKED : name == 1 ? SEEN_UPGRADE : SEEN_CONNECTION;
        }
    }
    h->seen |= (uint16_t)seen;
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
        if (h->purpose != ASK_SHAKE || (h->seen & (shaken | SEEN_PROTOCOL | SEEN_BAD)) != shaken) {
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
        if (strlen(p) < 12 || strncmp(p, "HTTP/1.", 7) != 0 || !edgegw_number(p + 9, 3, &status)) {
            status = 0;
        }
        h->status = (uint16_t)status;
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
        for (; (unsigned)*p - '0' <= 9 || (unsigned)*p - 'a' <= 5; p++) {
            v = v << 4 | (unsigned)(*p <= '9' ? *p - '0' : *p - 'a' + 10);
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
    size_t size, i = 0;
    char *area = edgegw_http_area(c, &size);
    while (i < n && h->step != STEP_DONE) {
        char ch = (char)p[i++];
        char *at = area + h->body;
        bool space = (size_t)h->body + h->line < size; /* what there is none for is left out */
        if (h->step == STEP_BODY || h->step == STEP_REST || h->step == STEP_CHUNK) {
            if (space) {
                *at = ch;
                h->body++;
            }
            if (h->step != STEP_REST && --h->left == 0) {
                h->step = h->step == STEP_BODY ? STEP_DONE : STEP_CHUNK_END;
            }
        } else if (ch == '\n') {
            if (h->line && at[h->line - 1] == '\r') {
                h->line--;
            }
            at[h->line] = 0;
            h->line = 0;
            line(c, at);
        } else if (space) {
            at[h->line++] = ch;
        }
    }
    if (h->step == STEP_DONE) {
        area[h->body] = 0;
        edgegw_answered(c);
    }
    return i;
}

void edgegw_http_end(struct edgegw *c)
{
    size_t size;
    if (c->http.step == STEP_REST) {
        edgegw_http_area(c, &size)[c->http.body] = 0;
    } else {
        c->http.status = 0;
    }
    edgegw_answered(c);
}
