/* The sockets. */
#define _POSIX_C_SOURCE 200809L
#include "edgegw_posix_internal.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { STATE_CLOSED, STATE_CONNECTING, STATE_SHAKING, STATE_OPEN };

/* How many pieces are read or written in a row before the other channel has its turn. */
#define ROUNDS 8

uint32_t edgegw_posix_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint32_t)((uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u);
}

void edgegw_posix_random(void *user, uint8_t *out, size_t n)
{
    (void)user;
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && n) {
        ssize_t got = read(fd, out, n);
        if (got <= 0) {
            break;
        }
        out += got;
        n -= (size_t)got;
    }
    if (n) {
        abort(); /* masks and ids that can be guessed are worse than none */
    }
    close(fd);
}

/* Takes url apart. */
static bool parse(struct edgegw_posix *p, const char *url)
{
    p->tls = strncmp(url, "https://", 8) == 0;
    if (!p->tls && strncmp(url, "http://", 7) != 0) {
        return false;
    }
    const char *host = url + (p->tls ? 8 : 7);
    size_t all = strcspn(host, "/"), n = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
    const char *path = host + all, *port = host + n;
    size_t path_len = strlen(path), port_len = n < all ? all - n - 1 : 0;
    while (path_len && path[path_len - 1] == '/') {
        path_len--;
    }
    if (n == 0 || n > all || strpbrk(url, "@?#") || all >= sizeof p->host_port || path_len >= sizeof p->path ||
        port_len >= sizeof p->port || (n < all && *port != ':') || n >= sizeof p->host) {
        return false;
    }
    memcpy(p->host_port, host, all);
    memcpy(p->path, path, path_len);
    memcpy(p->port, port + 1, port_len);
    if (!port_len) {
        memcpy(p->port, p->tls ? "443" : "80", p->tls ? 4 : 3);
    }
    bool six = *host == '[';
    memcpy(p->host, host + six, six ? n - 2 : n);
    if (inet_pton(AF_INET, p->host, p->address) == 1) {
        p->address_len = 4;
    } else if (inet_pton(AF_INET6, p->host, p->address) == 1) {
        p->address_len = 16;
    }
    return true;
}

int edgegw_posix_init(struct edgegw_posix *p, const char *url, const struct edgegw_posix_options *options,
                      const struct edgegw_config *config)
{
    struct edgegw_config own = *config;
    memset(p, 0, sizeof *p);
    p->links[0].fd = p->links[1].fd = -1;
    if (options) {
        p->options = *options;
    }
    if (!parse(p, url)) {
        return EDGEGW_INVALID;
    }
    own.host = p->host_port;
    own.path = p->path;
    if (!own.random) {
        own.random = edgegw_posix_random;
    }
    int result = edgegw_init(&p->client, &own);
    if (result == EDGEGW_OK && p->tls) {
        result = edgegw_posix_tls_init(p);
    }
    return result;
}

static ssize_t link_read(struct edgegw_posix *p, struct edgegw_posix_link *l, uint8_t *out, size_t size)
{
    if (p->tls) {
        return edgegw_posix_tls_read(l, out, size);
    }
    ssize_t n = recv(l->fd, out, size, 0);
    return n > 0                                                                ? n
           : n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) ? LINK_AGAIN
                                                                                : LINK_GONE;
}

/* Sends what there is to send: 1 when nothing is left of it. */
static int link_write(struct edgegw_posix *p, struct edgegw_posix_link *l)
{
    while (l->out_sent < l->out_fill) {
        const uint8_t *bytes = l->out + l->out_sent;
        size_t left = l->out_fill - l->out_sent;
        ssize_t n = p->tls ? edgegw_posix_tls_write(l, bytes, left) : send(l->fd, bytes, left, MSG_NOSIGNAL);
        if (!p->tls && n < 0) {
            n = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? LINK_AGAIN : LINK_GONE;
        }
        if (n <= 0) {
            return (int)n;
        }
        l->out_sent += (size_t)n;
    }
    l->out_sent = l->out_fill = 0;
    return 1;
}

static void link_close(struct edgegw_posix *p, struct edgegw_posix_link *l)
{
    if (l->fd >= 0) {
        if (l->state == STATE_OPEN) {
            (void)link_write(p, l); /* as far as it goes */
        }
        if (p->tls && l->state > STATE_CONNECTING) {
            edgegw_posix_tls_close(l);
        }
        close(l->fd);
    }
    l->fd = -1;
    l->state = STATE_CLOSED;
    l->wants_write = l->more = l->pinned = false;
    l->out_fill = l->out_sent = 0;
}

/* The connection is gone; the client decides what comes next. */
static void link_gone(struct edgegw_posix *p, struct edgegw_posix_link *l)
{
    uint16_t conn = l->conn;
    link_close(p, l);
    l->conn = 0;
    edgegw_closed(&p->client, conn, edgegw_posix_now());
}

/* Begins to connect to the next address of the host; gone when there is none left. */
static void link_connect(struct edgegw_posix *p, struct edgegw_posix_link *l)
{
    struct addrinfo hints, *list = NULL, *a;
    memset(&hints, 0, sizeof hints);
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(p->host, p->port, &hints, &list) != 0) {
        list = NULL;
    }
    uint32_t number = 0;
    for (a = list; a && l->fd < 0; a = a->ai_next) {
        if (number++ < l->next_addr) {
            continue;
        }
        l->next_addr = number;
        int one = 1, fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
        if (fd < 0) {
            continue;
        }
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0 &&
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0 &&
            (connect(fd, a->ai_addr, a->ai_addrlen) == 0 || errno == EINPROGRESS)) {
            l->fd = fd;
            l->state = STATE_CONNECTING;
            l->wants_write = true;
        } else {
            close(fd);
        }
    }
    if (list) {
        freeaddrinfo(list);
    }
    if (l->fd < 0) {
        link_gone(p, l);
    }
}

/* Brings a channel to what the client wants. */
static void link_follow(struct edgegw_posix *p, unsigned channel)
{
    struct edgegw_posix_link *l = &p->links[channel];
    uint16_t conn = edgegw_wanted(&p->client, channel);
    if (conn == l->conn) {
        return;
    }
    link_close(p, l);
    l->conn = conn;
    l->next_addr = 0;
    if (conn) {
        link_connect(p, l);
    }
}

/* The socket can be written to: it is connected, or that failed. */
static void link_connected(struct edgegw_posix *p, struct edgegw_posix_link *l)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error) {
        link_close(p, l);
        link_connect(p, l);
        return;
    }
    l->wants_write = false;
    if (p->tls && edgegw_posix_tls_open(p, l) != LINK_AGAIN) {
        link_gone(p, l);
        return;
    }
    l->state = p->tls ? STATE_SHAKING : STATE_OPEN;
    if (!p->tls) {
        edgegw_opened(&p->client, l->conn, edgegw_posix_now());
    }
}

/* Reads what has come, a few pieces at a time. */
static void link_input(struct edgegw_posix *p, struct edgegw_posix_link *l)
{
    uint8_t bytes[2048];
    uint16_t conn = l->conn;
    l->more = false;
    for (int i = 0; i < ROUNDS; i++) {
        ssize_t n = link_read(p, l, bytes, sizeof bytes);
        if (n == LINK_GONE) {
            link_gone(p, l);
        }
        if (n <= 0) {
            return;
        }
        edgegw_input(&p->client, conn, bytes, (size_t)n, edgegw_posix_now());
    }
    l->more = true;
}

static void link_output(struct edgegw_posix *p, struct edgegw_posix_link *l)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (!l->out_fill) {
            l->out_fill = edgegw_output(&p->client, l->conn, l->out, sizeof l->out, edgegw_posix_now());
        }
        if (!l->out_fill) {
            l->wants_write = false;
            return;
        }
        int done = link_write(p, l);
        l->wants_write = done == LINK_AGAIN;
        if (done == LINK_GONE) {
            /* Why it ended may still stand in what has come. */
            link_input(p, l);
            if (l->state == STATE_OPEN) {
                link_gone(p, l);
            }
            return;
        }
        if (done == LINK_AGAIN) {
            return;
        }
    }
    l->wants_write = true; /* to come back here */
}

static void link_run(struct edgegw_posix *p, struct edgegw_posix_link *l, short events)
{
    if (l->state == STATE_CONNECTING && events) {
        link_connected(p, l);
    }
    if (l->state == STATE_SHAKING) {
        int done = edgegw_posix_tls_shake(p, l);
        if (done == LINK_GONE) {
            link_gone(p, l);
        } else if (done == 1) {
            l->state = STATE_OPEN;
            l->wants_write = false;
            l->more = true;
            edgegw_opened(&p->client, l->conn, edgegw_posix_now());
        }
    }
    if (l->state == STATE_OPEN && (l->more || (events & (POLLIN | POLLHUP | POLLERR)))) {
        link_input(p, l);
    }
}

/* What is due: time, connections, and bytes to send. Returns whether there is more of
 * it at once. */
static bool work(struct edgegw_posix *p)
{
    bool more = false;
    edgegw_tick(&p->client, edgegw_posix_now());
    for (unsigned ch = 0; ch < 2; ch++) {
        struct edgegw_posix_link *l = &p->links[ch];
        link_follow(p, ch);
        if (l->state == STATE_OPEN) {
            link_output(p, l);
        }
    }
    for (unsigned ch = 0; ch < 2; ch++) {
        more |= edgegw_wanted(&p->client, ch) != p->links[ch].conn || p->links[ch].more;
    }
    return more;
}

int edgegw_posix_step(struct edgegw_posix *p, int extra, int wait_ms)
{
    struct pollfd fds[3];
    bool more = work(p);
    uint32_t due = edgegw_next_timeout(&p->client, edgegw_posix_now());
    if (due == EDGEGW_NEVER && !more && p->links[0].fd < 0 && p->links[1].fd < 0) {
        return -1;
    }
    if (more) {
        wait_ms = 0;
    } else if (due != EDGEGW_NEVER && (wait_ms < 0 || due < (uint32_t)wait_ms)) {
        wait_ms = due > 60000 ? 60000 : (int)due;
    }
    for (unsigned ch = 0; ch < 2; ch++) {
        const struct edgegw_posix_link *l = &p->links[ch];
        fds[ch].fd = l->fd;
        fds[ch].events = (short)(POLLIN | (l->wants_write ? POLLOUT : 0));
        fds[ch].revents = 0;
    }
    fds[2].fd = extra;
    fds[2].events = POLLIN;
    fds[2].revents = 0;
    if (poll(fds, 3, wait_ms) < 0) {
        return 0; /* a signal, or no memory: the next step tries again */
    }
    for (unsigned ch = 0; ch < 2; ch++) {
        if (fds[ch].fd >= 0 && fds[ch].fd == p->links[ch].fd) {
            link_run(p, &p->links[ch], fds[ch].revents);
        }
    }
    work(p);
    return fds[2].revents != 0;
}

void edgegw_posix_free(struct edgegw_posix *p)
{
    for (unsigned ch = 0; ch < 2; ch++) {
        link_close(p, &p->links[ch]);
        p->links[ch].conn = 0;
    }
    if (p->tls) {
        edgegw_posix_tls_free(p);
    }
}
