/* JSON (RFC 8259): a scanner that needs no stack but a bit a level, and the members
 * of an object into an event. The NUL behind the text ends every loop: outside of a
 * string nothing takes it, and inside of one it has to be escaped. */
#include "edgegw_internal.h"

unsigned edgegw_find(const char *list, const char *word, size_t n)
{
    for (unsigned i = 0; *list; i++) {
        size_t len = strlen(list);
        if (len == n && memcmp(list, word, n) == 0) {
            return i;
        }
        list += len + 1;
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
            u->left = (uint8_t)(1 + (b >= 0xe0) + (b >= 0xf0));
            /* The shortest form, no surrogates, and nothing above U+10FFFF. */
            u->low = b == 0xe0 ? 0xa0 : b == 0xf0 ? 0x90 : 0x80;
            u->high = b == 0xed ? 0x9f : b == 0xf4 ? 0x8f : 0xbf;
        }
    }
    return true;
}

static char *space(char *p)
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
    unsigned more = v < 0x80 ? 0 : v < 0x800 ? 1 : v < 0x10000 ? 2 : 3;
    *w++ = (char)(lead[more] | (v >> (6 * more)));
    while (more) {
        more--;
        *w++ = (char)(0x80 | ((v >> (6 * more)) & 0x3f));
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

char *edgegw_json_value(char *p)
{
    uint8_t object[JSON_DEPTH / 8]; /* a bit a level: whether it is one */
    unsigned depth = 0;
    bool key = false;
    for (;;) {
        p = space(p);
        if (key) {
            p = edgegw_json_string(p, NULL);
            if (!p || *(p = space(p)) != ':') {
                return NULL;
            }
            p = space(p + 1);
        }
        char ch = *p;
        bool opened = ch == '{' || ch == '[';
        if (opened) {
            if (depth == JSON_DEPTH) {
                return NULL;
            }
            uint8_t bit = (uint8_t)(1u << (depth & 7));
            object[depth >> 3] &= (uint8_t)~bit;
            object[depth >> 3] |= ch == '{' ? bit : 0;
            depth++;
            p++;
        } else {
            p = ch == '"' ? edgegw_json_string(p, NULL) : scalar(p);
            if (!p) {
                return NULL;
            }
        }
        for (;; opened = false) { /* what stands behind a value, or at the start of a list */
            if (depth == 0) {
                return p;
            }
            p = space(p);
            unsigned top = depth - 1;
            key = object[top >> 3] >> (top & 7) & 1;
            if (*p == (key ? '}' : ']')) {
                p++;
                depth--;
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

bool edgegw_number(const char *p, size_t n, uint64_t *v)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned d = (unsigned)p[i] - '0';
        if (d > 9 || sum > EDGEGW_SEQ_MAX) {
            return false;
        }
        sum = (sum << 3) + (sum << 1) + d;
    }
    *v = sum;
    return n > 0 && sum <= EDGEGW_SEQ_MAX;
}

/* The members of all frames and answers, in the order of those of edgegw_event. */
static const char names[] = "room\0id\0user\0data\0reason\0code\0epoch\0encoding\0message\0"
                            "durability\0clock\0role\0session\0connection\0refresh_token\0access_token\0type\0"
                            "seq\0from\0to\0ts\0replay\0server_time\0expires_in\0ping_interval\0"
                            "max_message_bytes\0retry_after_ms\0protocol\0recovered\0";
enum { NAME_DATA = 3, NAME_SEQ = 17, NAME_REPLAY = 21, NAME_RECOVERED = 28 };

/* Reads the value at p into the member of that number, if it is of the right kind. */
static char *member(char *p, unsigned name, struct edgegw_event *e)
{
    struct edgegw_text *text = &e->room + name;
    char *start = p;
    if (name < NAME_SEQ && name != NAME_DATA && *p == '"') {
        return edgegw_json_string(p, text);
    }
    p = edgegw_json_value(p);
    if (!p) {
        return NULL;
    }
    if (name == NAME_DATA) {
        text->p = start;
        text->len = (size_t)(p - start);
    } else if (name == NAME_RECOVERED) {
        e->has_recovered = true;
        e->recovered = *start == 't';
    } else if (name >= NAME_SEQ && name < NAME_RECOVERED) {
        bool is = edgegw_number(start, (size_t)(p - start), &e->seq + (name - NAME_SEQ));
        e->has_replay |= is && name == NAME_REPLAY;
    }
    return p;
}

bool edgegw_json_members(char *p, struct edgegw_event *e)
{
    bool good = false;
    memset(e, 0, sizeof *e);
    p = space(p);
    if (*p != '{') {
        return false;
    }
    p = space(p + 1);
    while (*p != '}') {
        struct edgegw_text name;
        p = edgegw_json_string(p, &name);
        if (!p || *(p = space(p)) != ':') {
            goto end;
        }
        p = member(space(p + 1), edgegw_find(names, name.p, name.len), e);
        if (!p) {
            goto end;
        }
        p = space(p);
        if (*p == ',') {
            p = space(p + 1);
            if (*p == '}') {
                goto end;
            }
        } else if (*p != '}') {
            goto end;
        }
    }
    good = *space(p + 1) == 0;
end:
    if (e->data.p) {
        ((char *)(uintptr_t)e->data.p)[e->data.len] = 0; /* over what has been read */
    }
    return good;
}
