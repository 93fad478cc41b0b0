/*
 * edgegw on POSIX sockets: one thread, poll(2), bounded memory; TLS by mbedTLS when
 * compiled with EDGEGW_MBEDTLS. Names are looked up with getaddrinfo, which waits as
 * long as the system's resolver does; everything else never blocks.
 *
 *     struct edgegw_posix p;
 *     struct edgegw_config config = { ... };   // without host, path and random
 *     edgegw_posix_init(&p, "https://gateway.local", &options, &config)
 *     edgegw_start(&p.client, edgegw_posix_now())
 *     while (edgegw_posix_step(&p, -1, 1000) >= 0) ...
 */
#ifndef EDGEGW_POSIX_H
#define EDGEGW_POSIX_H

#include "edgegw.h"

#ifdef EDGEGW_MBEDTLS
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define EDGEGW_POSIX_HOST_MAX 255u
#define EDGEGW_POSIX_OUTPUT 1536u

/* How to trust a gateway. */
struct edgegw_posix_options {
    const uint8_t *ca; /* the CA's certificate, DER, or PEM with its NUL counted; required
                          for https: no other one is trusted */
    size_t ca_size;
    const uint8_t *pin; /* SHA-256 of the public key (SPKI, 32 bytes) that has to be in
                           the chain as well, or NULL; `edgegw tls show` prints it */
    bool untimed;       /* leave out the calendar: a certificate that has ended or has not
                           begun is taken. For devices whose clock nobody has set */
};

/* One channel's connection. */
struct edgegw_posix_link {
    int fd;        /* or -1 */
    uint16_t conn; /* which the client wanted; 0 for none */
    uint8_t state;
    bool wants_write;   /* poll for that, too */
    bool more;          /* there may be bytes that poll does not know of */
    bool pinned;        /* the pin has been seen in the handshake */
    uint32_t next_addr; /* which of the host's addresses is to be tried */
    size_t out_fill, out_sent;
    uint8_t out[EDGEGW_POSIX_OUTPUT];
#ifdef EDGEGW_MBEDTLS
    struct edgegw_posix *owner;
    mbedtls_ssl_context ssl;
#endif
};

/* A client with its sockets. Only client is for others. */
struct edgegw_posix {
    struct edgegw client;
    struct edgegw_posix_link links[2];
    struct edgegw_posix_options options;
    char host[EDGEGW_POSIX_HOST_MAX + 1];      /* to look up */
    char host_port[EDGEGW_POSIX_HOST_MAX + 9]; /* as in the URL */
    char port[6];
    char path[128];
    bool tls;
    uint8_t address[16]; /* host, if it is an IP address, */
    uint8_t address_len; /* of so many bytes; else 0 */
#ifdef EDGEGW_MBEDTLS
    mbedtls_ssl_config tls_config;
    mbedtls_x509_crt ca;
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context drbg;
#endif
};

/* Makes a client for url, http://HOST[:PORT][/PATH] or https://…. options is copied
 * (what it points to is not, and has to stay); it may be NULL for http. config is as
 * for edgegw_init; host, path, and random if it is NULL, are filled in.
 * Returns EDGEGW_OK, or EDGEGW_INVALID: also for https in a build without TLS, or
 * without a CA that can be read. */
int edgegw_posix_init(struct edgegw_posix *p, const char *url, const struct edgegw_posix_options *options,
                      const struct edgegw_config *config);

/* Does what there is to do, waiting for it up to wait_ms (-1: as long as it takes).
 * It comes back when something has been done, or when the descriptor extra (-1: none)
 * can be read. Returns 1 when extra can be read, 0 when not, and -1 when the client
 * has stopped and its connections are closed: then nothing more will happen. */
int edgegw_posix_step(struct edgegw_posix *p, int extra, int wait_ms);

/* Closes everything and frees what TLS holds. */
void edgegw_posix_free(struct edgegw_posix *p);

/* Milliseconds of the system's monotonic clock, running over. */
uint32_t edgegw_posix_now(void);

/* Random bytes of the kernel (/dev/urandom). It ends the program rather than give
 * none. */
void edgegw_posix_random(void *user, uint8_t *out, size_t n);

#ifdef __cplusplus
}
#endif

#endif
