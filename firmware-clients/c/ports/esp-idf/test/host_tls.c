/* esp-tls as far as the port uses it, on mbedTLS 2.28. It follows the states of the real
 * one: from ESP_TLS_CONNECTING with non_block off it takes the socket as connected. As in
 * ESP-IDF, dates are not looked at (CONFIG_MBEDTLS_HAVE_TIME_DATE is off there unless it
 * is set), and addresses are, which mbedTLS does by itself from 3.5 on. */
#define _POSIX_C_SOURCE 200809L
#include "esp_tls.h"
#include <arpa/inet.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct esp_tls {
    esp_tls_conn_state_t state;
    mbedtls_net_context net;
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config config;
    mbedtls_x509_crt ca;
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context drbg;
    uint8_t address[16];
    uint8_t address_len; /* 0 for a name */
};

esp_tls_t *esp_tls_init(void)
{
    esp_tls_t *tls = calloc(1, sizeof *tls);
    if (tls) {
        mbedtls_net_init(&tls->net);
        mbedtls_ssl_init(&tls->ssl);
        mbedtls_ssl_config_init(&tls->config);
        mbedtls_x509_crt_init(&tls->ca);
        mbedtls_entropy_init(&tls->entropy);
        mbedtls_ctr_drbg_init(&tls->drbg);
    }
    return tls;
}

esp_err_t esp_tls_set_conn_sockfd(esp_tls_t *tls, int sockfd)
{
    if (!tls || sockfd < 0) {
        return ESP_ERR_INVALID_ARG;
    }
    tls->net.fd = sockfd;
    return ESP_OK;
}

esp_err_t esp_tls_set_conn_state(esp_tls_t *tls, esp_tls_conn_state_t conn_state)
{
    if (!tls || conn_state > ESP_TLS_DONE) {
        return ESP_ERR_INVALID_ARG;
    }
    tls->state = conn_state;
    return ESP_OK;
}

/* The tag of an address among the alternative names (RFC 5280 section 4.2.1.6). */
#define TAG_IP_ADDRESS 0x87

static bool has_address(const esp_tls_t *tls, const mbedtls_x509_crt *crt)
{
    for (const mbedtls_x509_sequence *name = &crt->subject_alt_names; name; name = name->next) {
        if (name->buf.tag == TAG_IP_ADDRESS && name->buf.len == tls->address_len &&
            memcmp(name->buf.p, tls->address, tls->address_len) == 0) {
            return true;
        }
    }
    return false;
}

static int verify(void *user, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
    const esp_tls_t *tls = user;
    *flags &= ~(uint32_t)(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE);
    if (depth == 0 && tls->address_len && !has_address(tls, crt)) {
        *flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
    }
    return 0;
}

static bool set_up(esp_tls_t *tls, const char *name, const esp_tls_cfg_t *cfg)
{
    if (mbedtls_ctr_drbg_seed(&tls->drbg, mbedtls_entropy_func, &tls->entropy, NULL, 0) != 0 ||
        mbedtls_x509_crt_parse(&tls->ca, cfg->cacert_buf, cfg->cacert_bytes) != 0 ||
        mbedtls_ssl_config_defaults(&tls->config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT) != 0) {
        return false;
    }
    mbedtls_ssl_conf_min_version(&tls->config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_authmode(&tls->config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_ca_chain(&tls->config, &tls->ca, NULL);
    mbedtls_ssl_conf_rng(&tls->config, mbedtls_ctr_drbg_random, &tls->drbg);
    tls->address_len = inet_pton(AF_INET, name, tls->address) == 1 ? 4 : inet_pton(AF_INET6, name, tls->address) == 1 ? 16 : 0;
    mbedtls_ssl_conf_verify(&tls->config, verify, tls);
    mbedtls_ssl_set_bio(&tls->ssl, &tls->net, mbedtls_net_send, mbedtls_net_recv, NULL);
    return mbedtls_ssl_setup(&tls->ssl, &tls->config) == 0 &&
           mbedtls_ssl_set_hostname(&tls->ssl, tls->address_len ? NULL : name) == 0;
}

int esp_tls_conn_new_async(const char *hostname, int hostlen, int port, const esp_tls_cfg_t *cfg, esp_tls_t *tls)
{
    (void)port;
    if (tls->state == ESP_TLS_CONNECTING) {
        char *name = strndup(hostname, (size_t)hostlen);
        if (cfg->non_block || !cfg->cacert_buf || cfg->skip_common_name || !name || !set_up(tls, name, cfg)) {
            tls->state = ESP_TLS_FAIL;
        } else {
            tls->state = ESP_TLS_HANDSHAKE;
        }
        free(name);
    }
    if (tls->state != ESP_TLS_HANDSHAKE) {
        return -1;
    }
    int result = mbedtls_ssl_handshake(&tls->ssl);
    if (result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE) {
        return 0;
    }
    tls->state = result == 0 ? ESP_TLS_DONE : ESP_TLS_FAIL;
    return result == 0 ? 1 : -1;
}

ssize_t esp_tls_conn_write(esp_tls_t *tls, const void *data, size_t datalen)
{
    return mbedtls_ssl_write(&tls->ssl, data, datalen);
}

ssize_t esp_tls_conn_read(esp_tls_t *tls, void *data, size_t datalen)
{
    int n = mbedtls_ssl_read(&tls->ssl, data, datalen);
    return n == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY ? 0 : n;
}

int esp_tls_conn_destroy(esp_tls_t *tls)
{
    if (!tls) {
        return -1;
    }
    mbedtls_ssl_free(&tls->ssl);
    mbedtls_ssl_config_free(&tls->config);
    mbedtls_x509_crt_free(&tls->ca);
    mbedtls_ctr_drbg_free(&tls->drbg);
    mbedtls_entropy_free(&tls->entropy);
    mbedtls_net_free(&tls->net); /* closes it */
    free(tls);
    return 0;
}
