/* TLS by mbedTLS 2.28: the gateway's own CA and no other, the name or the address,
 * and, if that is wished, the CA's key and no calendar. */
#define _POSIX_C_SOURCE 200809L
#include "edgegw_posix_internal.h"

#ifdef EDGEGW_MBEDTLS

#include <errno.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/sha256.h>
#include <string.h>
#include <sys/socket.h>

/* The tag of an address among the subject's alternative names (RFC 5280 section
 * 4.2.1.6): [7], context-specific. */
#define TAG_IP_ADDRESS 0x87

/* mbedTLS 2.28 knows host names only. */
static bool has_address(const struct edgegw_posix *p, const mbedtls_x509_crt *crt)
{
    for (const mbedtls_x509_sequence *name = &crt->subject_alt_names; name; name = name->next) {
        if (name->buf.tag == TAG_IP_ADDRESS && name->buf.len == p->address_len &&
            memcmp(name->buf.p, p->address, p->address_len) == 0) {
            return true;
        }
    }
    return false;
}

/* Is asked about each certificate of the chain, the CA's own (the deepest) first. */
static int verify(void *user, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
    struct edgegw_posix_link *l = user;
    const struct edgegw_posix *p = l->owner;
    if (p->options.untimed) {
        *flags &= ~(uint32_t)(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE);
    }
    if (depth == 0 && p->address_len && !has_address(p, crt)) {
        *flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
    }
    if (p->options.pin) {
        uint8_t sum[32];
        if (mbedtls_sha256_ret(crt->pk_raw.p, crt->pk_raw.len, sum, 0) == 0 &&
            memcmp(sum, p->options.pin, sizeof sum) == 0) {
            l->pinned = true;
        }
        if (depth == 0 && !l->pinned) {
            *flags |= MBEDTLS_X509_BADCERT_NOT_TRUSTED;
        }
    }
    return 0;
}

static int tls_send(void *user, const unsigned char *bytes, size_t n)
{
    ssize_t sent = send(*(int *)user, bytes, n, MSG_NOSIGNAL);
    if (sent < 0) {
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_WRITE
                                                                         : MBEDTLS_ERR_NET_SEND_FAILED;
    }
    return (int)sent;
}

static int tls_recv(void *user, unsigned char *out, size_t size)
{
    ssize_t got = recv(*(int *)user, out, size, 0);
    if (got < 0) {
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_READ
                                                                         : MBEDTLS_ERR_NET_RECV_FAILED;
    }
    return (int)got;
}

int edgegw_posix_tls_init(struct edgegw_posix *p)
{
    mbedtls_ssl_config *config = &p->tls_config;
    mbedtls_ssl_config_init(config);
    mbedtls_x509_crt_init(&p->ca);
    mbedtls_entropy_init(&p->entropy);
    mbedtls_ctr_drbg_init(&p->drbg);
    if (!p->options.ca || mbedtls_x509_crt_parse(&p->ca, p->options.ca, p->options.ca_size) != 0 ||
        mbedtls_ctr_drbg_seed(&p->drbg, mbedtls_entropy_func, &p->entropy, NULL, 0) != 0 ||
        mbedtls_ssl_config_defaults(config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT) != 0) {
        edgegw_posix_tls_free(p);
        p->tls = false;
        return EDGEGW_INVALID;
    }
    mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3); /* TLS 1.2 */
    mbedtls_ssl_conf_authmode(config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_ca_chain(config, &p->ca, NULL);
    mbedtls_ssl_conf_rng(config, mbedtls_ctr_drbg_random, &p->drbg);
    return EDGEGW_OK;
}

void edgegw_posix_tls_free(struct edgegw_posix *p)
{
    mbedtls_ssl_config_free(&p->tls_config);
    mbedtls_x509_crt_free(&p->ca);
    mbedtls_ctr_drbg_free(&p->drbg);
    mbedtls_entropy_free(&p->entropy);
}

int edgegw_posix_tls_open(struct edgegw_posix *p, struct edgegw_posix_link *l)
{
    l->owner = p;
    l->pinned = false;
    mbedtls_ssl_init(&l->ssl);
    if (mbedtls_ssl_setup(&l->ssl, &p->tls_config) != 0 ||
        /* A name is checked, and told to the other side; an address, verify checks. */
        mbedtls_ssl_set_hostname(&l->ssl, p->address_len ? NULL : p->host) != 0) {
        mbedtls_ssl_free(&l->ssl);
        return LINK_GONE;
    }
    mbedtls_ssl_set_verify(&l->ssl, verify, l);
    mbedtls_ssl_set_bio(&l->ssl, &l->fd, tls_send, tls_recv, NULL);
    return LINK_AGAIN;
}

/* What a result of mbedTLS means, and what to poll for. */
static int meaning(struct edgegw_posix_link *l, int result)
{
    l->wants_write = result == MBEDTLS_ERR_SSL_WANT_WRITE;
    return l->wants_write || result == MBEDTLS_ERR_SSL_WANT_READ ? LINK_AGAIN : LINK_GONE;
}

int edgegw_posix_tls_shake(struct edgegw_posix *p, struct edgegw_posix_link *l)
{
    int result = mbedtls_ssl_handshake(&l->ssl);
    if (result != 0) {
        return meaning(l, result);
    }
    return p->options.pin && !l->pinned ? LINK_GONE : 1;
}

ssize_t edgegw_posix_tls_read(struct edgegw_posix_link *l, uint8_t *out, size_t size)
{
    int result = mbedtls_ssl_read(&l->ssl, out, size);
    return result > 0 ? result : result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE ? LINK_AGAIN : LINK_GONE;
}

ssize_t edgegw_posix_tls_write(struct edgegw_posix_link *l, const uint8_t *bytes, size_t n)
{
    int result = mbedtls_ssl_write(&l->ssl, bytes, n);
    return result > 0 ? result : meaning(l, result);
}

void edgegw_posix_tls_close(struct edgegw_posix_link *l)
{
    (void)mbedtls_ssl_close_notify(&l->ssl); /* as far as it goes */
    mbedtls_ssl_free(&l->ssl);
}

#else

/* A build without TLS: https is refused when the client is made. */
int edgegw_posix_tls_init(struct edgegw_posix *p)
{
    p->tls = false;
    return EDGEGW_INVALID;
}

void edgegw_posix_tls_free(struct edgegw_posix *p)
{
    (void)p;
}

int edgegw_posix_tls_open(struct edgegw_posix *p, struct edgegw_posix_link *l)
{
    (void)p;
    (void)l;
    return LINK_GONE;
}

int edgegw_posix_tls_shake(struct edgegw_posix *p, struct edgegw_posix_link *l)
{
    (void)p;
    (void)l;
    return LINK_GONE;
}

ssize_t edgegw_posix_tls_read(struct edgegw_posix_link *l, uint8_t *out, size_t size)
{
    (void)l;
    (void)out;
    (void)size;
    return LINK_GONE;
}

ssize_t edgegw_posix_tls_write(struct edgegw_posix_link *l, const uint8_t *bytes, size_t n)
{
    (void)l;
    (void)bytes;
    (void)n;
    return LINK_GONE;
}

void edgegw_posix_tls_close(struct edgegw_posix_link *l)
{
    (void)l;
}

#endif
