/* Writing: frames and requests are put together again for each piece that is sent,
 * so that none has to be kept; and the hash of the handshake. */
#include "edgegw_internal.h"
#include <stdarg.h>

void edgegw_put_byte(struct edgegw_sink *s, unsigned b)
{
    uint32_t at = s->at++;
    if (at >= s->skip && s->fill < s->size) {
        if (s->mask) {
            b ^= s->mask[(at - s->mask_from) & 3];
        }
        s->out[s->fill++] = (uint8_t)b;
    }
}

static void put_hex(struct edgegw_sink *s, unsigned b)
{
    for (unsigned i = 0; i < 2; i++, b <<= 4) {
        unsigned d = b >> 4 & 15;
        edgegw_put_byte(s, d + (d < 10 ? '0' : 'A' - 10u));
    }
}

/* v / 10, without what boards have no instruction for. */
static uint64_t tenth(uint64_t v, unsigned *rest)
{
    unsigned r = 0;
    for (int i = 0; i < 64; i++) {
        r = r << 1 | (unsigned)(v >> 63);
        v <<= 1;
        if (r >= 10) {
            r -= 10;
            v |= 1;
        }
    }
    *rest = r;
    return v;
}

static void put_number(struct edgegw_sink *s, uint64_t v)
{
    char digit[20];
    unsigned n = 0, rest;
    do {
        v = tenth(v, &rest);
        digit[n++] = (char)('0' + rest);
    } while (v);
    while (n) {
        edgegw_put_byte(s, (unsigned char)digit[--n]);
    }
}

void edgegw_put_bytes(struct edgegw_sink *s, const uint8_t *p, size_t n)
{
    while (n--) {
        edgegw_put_byte(s, *p++);
    }
}

/* A text in the way of %s, %q or %e. */
static void put_text(struct edgegw_sink *s, char how, const char *p)
{
    for (unsigned b; (b = (unsigned char)*p++) != 0;) {
        bool word = b - '0' <= 9 || (b | 0x20) - 'a' < 26 || b == '-' || b == '.';
        if (how == 'e' && !word) {
            edgegw_put_byte(s, '%');
            put_hex(s, b);
        } else if (how == 'q' && b < ' ') {
            edgegw_put(s, "\\u00");
            put_hex(s, b);
        } else {
            if (how == 'q' && (b == '"' || b == '\\')) {
                edgegw_put_byte(s, '\\');
            }
            edgegw_put_byte(s, b);
        }
    }
}

void edgegw_put(struct edgegw_sink *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    for (unsigned ch; (ch = (unsigned char)*format++) != 0;) {
        if (ch != '%') {
            edgegw_put_byte(s, ch);
            continue;
        }
        char how = *format++;
        const void *p = va_arg(args, const void *);
        if (how == 'u') {
            put_number(s, *(const uint64_t *)p);
            continue;
        }
        if (how == 'q') {
            edgegw_put_byte(s, '"');
        }
        put_text(s, how, p);
        if (how == 'q') {
            edgegw_put_byte(s, '"');
        }
    }
    va_end(args);
}

const char edgegw_base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void edgegw_base64(const uint8_t *p, size_t n, char *out)
{
    for (size_t i = 0; i < n; i += 3) {
        uint32_t three = (uint32_t)p[i] << 16;
        three |= i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0;
        three |= i + 2 < n ? p[i + 2] : 0u;
        for (size_t k = 0; k < 4; k++) {
            *out++ = i + k > n ? '=' : edgegw_base64_digits[three >> 18 & 63];
            three <<= 6;
        }
    }
    *out = 0;
}

static uint32_t rotated(uint32_t v, unsigned n)
{
    return v << n | v >> (32 - n);
}

/* One block of SHA-1 (RFC 3174 method 2: the schedule turns in 16 words). */
static void sha1_block(uint32_t h[5], const uint8_t *p)
{
    uint32_t w[16], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (unsigned t = 0; t < 80; t++) {
        uint32_t *word = &w[t & 15], f = b ^ c ^ d, x = 0;
        if (t < 16) {
            for (unsigned i = 0; i < 4; i++) {
                x = x << 8 | *p++;
            }
        } else {
            x = rotated(w[(t + 13) & 15] ^ w[(t + 8) & 15] ^ w[(t + 2) & 15] ^ *word, 1);
        }
        *word = x;
        if (t < 20) {
            f = (d ^ (b & (c ^ d))) + 0x5a827999u;
        } else if (t < 40) {
            f += 0x6ed9eba1u;
        } else if (t < 60) {
            f = ((b & c) | (d & (b | c))) + 0x8f1bbcdcu;
        } else {
            f += 0xca62c1d6u;
        }
        x += rotated(a, 5) + f + e;
        e = d;
        d = c;
        c = rotated(b, 30);
        b = a;
        a = x;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

void edgegw_accept(const uint8_t *nonce, char *out)
{
    static const uint32_t start[5] = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u, 0xc3d2e1f0u};
    uint32_t h[5];
    uint8_t text[128];
    /* 24 and 36 bytes: the padding makes it two blocks, and the length is 480 bits. */
    memset(text, 0, sizeof text);
    edgegw_base64(nonce, 16, (char *)text);
    memcpy(text + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11\x80", 37);
    text[126] = 480 >> 8;
    text[127] = 480 & 255;
    memcpy(h, start, sizeof h);
    sha1_block(h, text);
    sha1_block(h, text + 64);
    for (unsigned i = 0; i < 20; i++) {
        text[i] = (uint8_t)(h[i >> 2] >> (24 - 8 * (i & 3)));
    }
    edgegw_base64(text, 20, out);
}
