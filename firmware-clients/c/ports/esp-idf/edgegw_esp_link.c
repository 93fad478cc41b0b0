/* The sockets, and TLS on them. */
#include "edgegw_esp_internal.h"
#include "esp_log.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* How many pieces are read or written in a row before the other channel has its turn. */
#define ROUNDS 8

/* Results of reads and writes besides a number of bytes. */
enum { AGAIN = 0, GONE = -1 };

static const char *const tag = "edgegw";

static ssize_t socket_result(ssize_t n)
{
    return n >= 0 ? n : errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? AGAIN : GONE;
}

static bool tls_waits(ssize_t n)
{
    return n == ESP_TLS_ERR_SSL_WANT_READ || n == ESP_TLS_ERR_SSL_WANT_WRITE;
}

static ssize_t link_read(struct edgegw_esp_link *l, uint8_t *out, size_t size)
{
    ssize_t n = l->tls ? esp_tls_conn_read(l->tls, out, size) : recv(l->fd, out, size, 0);
    if (n == 0) {
        return GONE; /* the other side has ended it */
    }
    return !l->tls ? socket_result(n) : n > 0 ? n : tls_waits(n) ? AGAIN : GONE;
}

/* Sends what there is to send: 1 when nothing is left of it. */
static int link_write(struct edgegw_esp_link *l)
{
    while (l->out_sent < l->out_fill) {
        const uint8_t *bytes = l->out + l->out_sent;
        size_t left = l->out_fill - l->out_sent;
        ssize_t n = l->tls ? esp_tls_conn_write(l->tls, bytes, left) : socket_result(send(l->fd, bytes, left, 0));
        if (n <= 0) {
            return n == 0 || (l->tls && tls_waits(n)) ? AGAIN : GONE;
        }
        l->out_sent += (size_t)n;
    }
    l->out_sent = l->out_fill = 0;
    return 1;
}

static void link_close(struct edgegw_esp_link *l)
{
    if (l->state == LINK_OPEN) {
        (void)link_write(l); /* as far as it goes */
    }
    if (l->tls) {
        (void)esp_tls_conn_destroy(l->tls); /* closes the socket, too */
    } else if (l->fd >= 0) {
        (void)close(l->fd);
    }
    l->tls = NULL;
    l->fd = -1;
    l->state = LINK_CLOSED;
    l->wants_write = l->more = false;
    l->out_fill = l->out_sent = 0;
}

/* The connection is gone; the client decides what comes next. */
static void link_gone(struct edgegw_esp *g, struct edgegw_esp_link *l)
{
    uint16_t conn = l->conn;
    link_close(l);
    l->conn = 0;
    edgegw_esp_lock(g);
    edgegw_closed(&g->client, conn, edgegw_esp_now());
    edgegw_esp_unlock(g);
}

static void link_opened(struct edgegw_esp *g, struct edgegw_esp_link *l)
{
    l->state = LINK_OPEN;
    l->wants_write = false;
    edgegw_esp_lock(g);
    edgegw_opened(&g->client, l->conn, edgegw_esp_now());
    edgegw_esp_unlock(g);
}

/* A socket that connects to a, or -1. */
static int begin(const struct addrinfo *a)
{
    int one = 1, fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
    if (fd < 0) {
        return -1;
    }
    int flags = fcntl(fd, F_GETFL, 0);
    if (flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0 &&
        (connect(fd, a->ai_addr, a->ai_addrlen) == 0 || errno == EINPROGRESS)) {
        return fd;
    }
    (void)close(fd);
    return -1;
}

/* Begins to connect to the next address of the host; gone when there is none left. */
static void link_connect(struct edgegw_esp *g, struct edgegw_esp_link *l)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    if (getaddrinfo(g->host, g->port, &hints, &list) != 0) {
        list = NULL;
        ESP_LOGW(tag, "no address for %s", g->host);
    }
    uint32_t number = 0;
    for (const struct addrinfo *a = list; a && l->fd < 0; a = a->ai_next) {
        if (number++ >= l->next_addr) {
            l->next_addr = number;
            l->fd = begin(a);
        }
    }
    if (list) {
        freeaddrinfo(list);
    }
    if (l->fd < 0) {
        link_gone(g, l);
        return;
    }
    l->state = LINK_CONNECTING;
    l->wants_write = true;
}

/* Gives the socket, which is connected, to esp-tls; false when there is no memory. */
static bool tls_begin(struct edgegw_esp_link *l)
{
    esp_tls_t *tls = esp_tls_init();
    if (!tls) {
        return false;
    }
    if (esp_tls_set_conn_sockfd(tls, l->fd) != ESP_OK) {
        (void)esp_tls_conn_destroy(tls);
        return false;
    }
    l->tls = tls;
    return esp_tls_set_conn_state(tls, ESP_TLS_CONNECTING) == ESP_OK;
}

/* Goes on with the handshake. */
static void link_shake(struct edgegw_esp *g, struct edgegw_esp_link *l)
{
    int port = 0; /* only its own connect would ask for it */
    int done = esp_tls_conn_new_async(g->host, (int)strlen(g->host), port, &g->tls_config, l->tls);
    if (done == 1) {
        l->more = true;
        link_opened(g, l);
    } else if (done < 0) {
        ESP_LOGW(tag, "no TLS with %s: not its certificate, or no memory", g->host);
        link_gone(g, l);
    }
}

/* The socket can be written to: it is connected, or that failed. */
static void link_connected(struct edgegw_esp *g, struct edgegw_esp_link *l)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error) {
        link_close(l);
        link_connect(g, l);
        return;
    }
    l->wants_write = false;
    if (!g->tls) {
        link_opened(g, l);
    } else if (tls_begin(l)) {
        l->state = LINK_SHAKING;
        link_shake(g, l);
    } else {
        link_gone(g, l);
    }
}

/* Reads what has come, a few pieces at a time. */
static void link_input(struct edgegw_esp *g, struct edgegw_esp_link *l)
{
    l->more = false;
    for (int i = 0; i < ROUNDS; i++) {
        ssize_t n = link_read(l, g->input, sizeof g->input);
        if (n == GONE) {
            link_gone(g, l);
        }
        if (n <= 0) {
            return;
        }
        edgegw_esp_lock(g);
        edgegw_input(&g->client, l->conn, g->input, (size_t)n, edgegw_esp_now());
        edgegw_esp_unlock(g);
    }
    l->more = true;
}

static void link_output(struct edgegw_esp *g, struct edgegw_esp_link *l)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (!l->out_fill) {
            edgegw_esp_lock(g);
            l->out_fill = edgegw_output(&g->client, l->conn, l->out, sizeof l->out, edgegw_esp_now());
            edgegw_esp_unlock(g);
        }
        if (!l->out_fill) {
            l->wants_write = false;
            return;
        }
        int done = link_write(l);
        l->wants_write = done == AGAIN;
        if (done == GONE) {
            /* Why it ended may still stand in what has come. */
            link_input(g, l);
            if (l->state == LINK_OPEN) {
                link_gone(g, l);
            }
        }
        if (done != 1) {
            return;
        }
    }
    l->wants_write = true; /* to come back here */
}

void edgegw_esp_link_work(struct edgegw_esp *g, unsigned channel)
{
    struct edgegw_esp_link *l = &g->links[channel];
    edgegw_esp_lock(g);
    uint16_t conn = edgegw_wanted(&g->client, channel);
    edgegw_esp_unlock(g);
    if (conn != l->conn) {
        link_close(l);
        l->conn = conn;
        l->next_addr = 0;
        if (conn) {
            link_connect(g, l);
        }
    }
    if (l->state == LINK_OPEN) {
        link_output(g, l);
    }
}

bool edgegw_esp_link_pending(const struct edgegw_esp *g, unsigned channel)
{
    const struct edgegw_esp_link *l = &g->links[channel];
    return l->more || edgegw_wanted(&g->client, channel) != l->conn;
}

void edgegw_esp_link_ready(struct edgegw_esp *g, unsigned channel, bool readable, bool writable)
{
    struct edgegw_esp_link *l = &g->links[channel];
    if (l->state == LINK_CONNECTING && (readable || writable)) {
        link_connected(g, l);
    } else if (l->state == LINK_SHAKING) {
        link_shake(g, l);
    }
    if (l->state == LINK_OPEN && (l->more || readable)) {
        link_input(g, l);
    }
}
