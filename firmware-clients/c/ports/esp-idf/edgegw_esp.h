/*
 * edgegw on ESP-IDF 5.2 and newer: one FreeRTOS task with non-blocking sockets, and
 * esp-tls for https. The task alone drives the client; the functions below may be
 * called from any task, never from an interrupt.
 *
 *     struct edgegw_esp *gateway;
 *     struct edgegw_esp_config config = {
 *         .url = "https://gateway.local:8443", .ca = ca_pem, .ca_size = sizeof ca_pem,
 *         .device_key = key, .room = "hall", .event = on_event,
 *     };
 *     ESP_ERROR_CHECK(edgegw_esp_start(&config, &gateway));
 *     edgegw_esp_publish(gateway, NULL, NULL, "{\"temp\":21.5}", 13);
 *
 * The network interface has to be up, or to come up some time: until then the client
 * tries again and again. Reconnecting is the client's own, and no one else's: it
 * renews a token that has ended first, which esp_websocket_client does not.
 *
 * Sizes stand in menuconfig under "edgegw client". All memory but that of TLS is taken
 * by edgegw_esp_start. Names are looked up with getaddrinfo, which may hold the task
 * up for seconds; it holds up nobody else.
 */
#ifndef EDGEGW_ESP_H
#define EDGEGW_ESP_H

#include "edgegw.h"
#include "esp_err.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a client is given. Everything that is pointed to, but from, has to stay where it
 * is until edgegw_esp_stop has returned. What is NULL or 0 does not count. */
struct edgegw_esp_config {
    const char *url;   /* http://HOST[:PORT][/PATH] or https://…; required */
    const uint8_t *ca; /* the gateway's CA (`curl http://GATEWAY:8080/ca.crt`) in PEM with
                          its NUL counted, or in DER; required for https: no other one is
                          trusted, and the certificate has to be for HOST */
    size_t ca_size;

    const char *room;          /* as in struct edgegw_config: the default room, */
    const char *device_key;    /* how to log in, */
    const char *username;      /* */
    const char *password;      /* */
    const char *refresh_token; /* */
    const struct edgegw_position *from; /* where to go on in the default room, */
    bool latest;                        /* and whether its newest message is wanted */
    uint32_t timeout_ms;                /* of a request, and of a handshake; 0 is 10,000 */

    /* Is told what happens, in the client's task. It may call the functions below but
     * edgegw_esp_stop, and edgegw_bytes. While it runs nothing is received, and other
     * tasks wait that call functions of this client: it must not wait for them. */
    void (*event)(void *user, const struct edgegw_event *e);
    void *user;
};

struct edgegw_esp;

/* Makes a client, and begins to connect. Returns ESP_OK; ESP_ERR_INVALID_ARG for a
 * configuration that is against its description; ESP_ERR_NO_MEM; or what registering
 * event descriptors (esp_vfs_eventfd.h) returned. */
esp_err_t edgegw_esp_start(const struct edgegw_esp_config *config, struct edgegw_esp **out);

/* Says goodbye to the gateway, which takes a second at most if names are looked up fast,
 * ends the task and frees everything. What is not acknowledged is lost: see
 * edgegw_esp_unacknowledged. Returns ESP_OK, or ESP_ERR_INVALID_STATE in the client's own
 * task. */
esp_err_t edgegw_esp_stop(struct edgegw_esp *g);

/* Begins again after EDGEGW_EVENT_STOPPED; otherwise nothing. */
void edgegw_esp_again(struct edgegw_esp *g);

/* As edgegw_publish, edgegw_unacknowledged, edgegw_subscribe, edgegw_unsubscribe,
 * edgegw_position and edgegw_server_time. None of them waits for the network. */
int edgegw_esp_publish(struct edgegw_esp *g, const char *room, const char *id, const char *json, size_t n);
size_t edgegw_esp_unacknowledged(struct edgegw_esp *g);
int edgegw_esp_subscribe(struct edgegw_esp *g, const char *room, const struct edgegw_position *from, bool latest);
void edgegw_esp_unsubscribe(struct edgegw_esp *g, const char *room);
bool edgegw_esp_position(struct edgegw_esp *g, const char *room, struct edgegw_position *at);
uint64_t edgegw_esp_server_time(struct edgegw_esp *g);

#ifdef __cplusplus
}
#endif

#endif
