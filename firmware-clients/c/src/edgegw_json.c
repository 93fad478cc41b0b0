/* JSON (RFC 8259): a scanner that needs no stack but a bit a level, and the members
 * of an object into an event. The NUL behind the text ends every loop: outside of a
 * string nothing takes it, and inside of one it has to be escaped. */
#include "edgegw_internal.h"

unsigned edgegw_find(const char *list, const char *word)
{
    for (unsigned i = 0; *list; i++) {
        if (strcmp(list, word) == 0) {
            return i;
        }
        list += strlen(list) + 1;
    }
    return NOT_FOUND;
}

bool edgegw_utf8_check(struct edgegw_utf8 *u, const uint8_t *p, size_t n)
{
    for (const uint8_t *end = p + n; p < end; p++) {
        unsigned b = *p;
        if (u->left) {
            if (b < u->low || b > u->high) {
                return false;
            }
            u->low = 0x80;
            u->high = 0xbf;
            u->left--;
        } else if (b >= 0x80) {
            if (b < 0xc2 || b > 0xf4) {
                return false;
            }
            u->left = b < 0xe0 ? 1 : b < 0xf0 ? 2 : 3;
            /* The shortest form, no surrogates, and nothing above U+10FFFF. */
            u->low = b == 0xe0 ? 0xa0 : b == 0xf0 ? 0x90 : 0x80;
            u->high = b == 0xed ? 0x9f : b == 0xf4 ? 0x8f : 0xbf;
        }
    }
    return true;
}

bool edgegw_utf8_whole(const void *p, size_t n)
{
    struct edgegw_utf8 u = {0, 0, 0};
    return edgegw_utf8_check(&u, p, n) && !u.left;
}

char *edgegw_json_space(char *p)
{
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t') {
        p++;
    }
    return p;
}

/* Four hexadecimal digits, or a number above 0xffff. */
static uint32_t hex4(const char *p)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++) {
        unsigned d = (unsigned char)p[i] - '0';
        if (d > 9) {
            d = (((unsigned char)p[i]) | 0x20u) - 'a';
            if (d > 5) {
                return UINT32_MAX;
            }
            d += 10;
        }
        v = v << 4 | d;
    }
    return v;
}

static char *put_utf8(char *w, uint32_t v)
{
    static const uint8_t lead[] = {0, 0xc0, 0xe0, 0xf0};
    unsigned more = v < 0x80 ? 0 : v < 0x800 ? 1 : v < 0x10000 ? 2 : 3, shift = 6 * more;
    *w++ = (char)(lead[more] | (v >> shift));
    while (shift) {
        shift -= 6;
        *w++ = (char)(0x80 | ((v >> shift) & 0x3f));
    }
    return w;
}

/* Reads the escape whose letter is at *p, which then is behind it. UINT32_MAX if it
 * is none. Half of a surrogate pair is U+FFFD. */
static uint32_t escape(char **p)
{
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    char ch = *(*p)++;
    const char *at;
    if (ch != 'u') {
        at = ch ? strchr(letters, ch) : NULL;
        return at ? (uint32_t)meant[at - letters] : UINT32_MAX;
    }
    uint32_t v = hex4(*p);
    if (v > 0xffff) {
        return v;
    }
    *p += 4;
    if (v - 0xd800 < 0x800) {
        uint32_t low = v < 0xdc00 && (*p)[0] == '\\' && (*p)[1] == 'u' ? hex4(*p + 2) : 0;
        if (low - 0xdc00 >= 0x400) {
            return 0xfffd;
        }
        *p += 6;
        v = 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
    }
    return v;
}

char *edgegw_json_string(char *p, struct edgegw_text *out)
{
    if (*p++ != '"') {
        return NULL;
    }
    char *w = p;
    const char *start = p;
    for (;;) {
        unsigned char ch = (unsigned char)*p++;
        if (ch < ' ') {
            return NULL;
        }
        if (ch == '"') {
            break;
        }
        if (ch == '\\') {
            uint32_t v = escape(&p);
            if (v == UINT32_MAX) {
                return NULL;
            }
            if (out) {
                w = put_utf8(w, v); /* never longer than the escape */
            }
        } else if (out) {
            *w++ = (char)ch;
        }
    }
    if (out) {
        *w = 0;
        out->p = start;
        out->len = (size_t)(w - start);
    }
    return p;
}

static char *digits(char *p)
{
    if ((unsigned)*p - '0' > 9) {
        return NULL;
    }
    while ((unsigned)*p - '0' <= 9) {
        p++;
    }
    return p;
}

/* A number, true, false or null. */
static char *scalar(char *p)
{
    static const char words[] = "true\0false\0null\0";
    const char *w = words;
    for (size_t n; *w; w += n + 1) {
        n = strlen(w);
        if (strncmp(p, w, n) == 0) {
            return p + n;
        }
    }
    p += *p == '-';
    p = *p == '0' ? p + 1 : digits(p);
    if (p && *p == '.') {
        p = digits(p + 1);
    }
    if (p && (*p | 0x20) == 'e') {
        p++;
        p = digits(p + (*p == '+' || *p == '-'));
    }
    return p;
}

bool edgegw_number(const char *p, const char *end, uint64_t *v)
{
    uint32_t high = 0, low = 0;
    if (p == end) {
        return false;
    }
    for (; p < end; p++) {
        unsigned d = (unsigned)*p - '0';
        if (d > 9 || high > 0x200000) {
            return false;
        }
        /* Ten times as much, in pieces: no board has to multiply 64 bits. */
        uint32_t a = (low & 0xffff) * 10 + d, b = (low >> 16) * 10 + (a >> 16);
        high = high * 10 + (b >> 16);
        low = b << 16 | (a & 0xffff);
    }
    *v = (uint64_t)high << 32 | low;
    return *v <= EDGEGW_SEQ_MAX;
}

/* The members of all frames and answers, in the order of those of edgegw_event. */
static const char names[] = "room\0id\0user\0data\0reason\0code\0epoch\0encoding\0message\0"
                            "durability\0clock\0role\0session\0connection\0refresh_token\0access_token\0type\0"
                            "seq\0from\0to\0ts\0replay\0server_time\0expires_in\0ping_interval\0"
                            "max_message_bytes\0retry_after_ms\0protocol\0recovered\0";
enum { NAME_DATA = 3, NAME_SEQ = 17, NAME_REPLAY = 21, NAME_EXPIRES_IN = 23, NAME_RECOVERED = 28 };

/* Puts a value that is no string into the member of that number, if it is of the
 * right kind. */
static void member(struct edgegw_event *e, unsigned name, char *p, char *end)
{
    uint64_t v;
    if (name == NAME_DATA) {
        e->data.p = p;
        e->data.len = (size_t)(end - p);
    } else if (name == NAME_RECOVERED) {
        e->has_recovered = true;
        e->recovered = *p == 't';
    } else if (name - NAME_SEQ < NAME_RECOVERED - NAME_SEQ && edgegw_number(p, end, &v)) {
        if (name == NAME_REPLAY) {
            e->has_replay = true;
        }
        if (name < NAME_EXPIRES_IN) {
            (&e->seq)[name - NAME_SEQ] = v;
        } else {
            (&e->expires_in)[name - NAME_EXPIRES_IN] = v > INT32_MAX ? INT32_MAX : (uint32_t)v;
        }
    }
}

char *edgegw_json_value(char *p, struct edgegw_event *e)
{
    uint8_t object[JSON_DEPTH / 8]; /* a bit a level: whether it is one */
    unsigned depth = 0, name = NOT_FOUND;
    char *start = p, closing = 0; /* what ends the level at hand */
    for (;;) {
        struct edgegw_text text, *out = e && depth == 1 ? &text : NULL;
        p = edgegw_json_space(p);
        if (closing == '}') {
            p = edgegw_json_string(p, out);
            if (!p || *(p = edgegw_json_space(p)) != ':') {
                return NULL;
            }
            p = edgegw_json_space(p + 1);
        }
        if (out) {
            name = edgegw_find(names, text.p);
            start = p;
            out = name < NAME_SEQ && name != NAME_DATA ? &e->room + name : NULL;
        }
        bool opened = *p == '{' || *p == '[';
        if (opened) {
            if (depth == JSON_DEPTH) {
                return NULL;
            }
            unsigned bit = 1u << (depth & 7), bits = object[depth >> 3] & ~bit;
            object[depth++ >> 3] = (uint8_t)(*p == '{' ? bits | bit : bits);
            closing = (char)(*p++ + 2); /* that is what ASCII is like */
        } else {
            p = *p == '"' ? edgegw_json_string(p, out) : scalar(p);
        }
        for (;; opened = false) { /* what stands behind a value, or at the start of a list */
            if (!p) {
                return NULL;
            }
            if (e && depth == 1 && !opened) {
                member(e, name, start, p);
            }
            if (depth == 0) {
                return p;
            }
            p = edgegw_json_space(p);
            if (*p == closing) {
                p++;
                if (--depth) {
                    closing = object[(depth - 1) >> 3] >> ((depth - 1) & 7) & 1 ? '}' : ']';
                }
            } else if (opened) {
                break;
            } else if (*p++ == ',') {
                break;
            } else {
                return NULL;
            }
        }
    }
}

bool edgegw_json_members(char *p, struct edgegw_event *e)
{
    edgegw_clear(e);
    p = edgegw_json_space(p);
    char *end = *p == '{' ? edgegw_json_value(p, e) : NULL;
    if (end) {
        end = edgegw_json_space(end);
    }
    bool good = end && *end == 0;
    if (e->data.len) {
        ((char *)(uintptr_t)e->data.p)[e->data.len] = 0; /* over what has been read */
    }
    return good;
}
