/* What the parts of the ESP-IDF port have in common; not for others. */
#ifndef EDGEGW_ESP_INTERNAL_H
#define EDGEGW_ESP_INTERNAL_H

#include "edgegw_esp.h"
#include "esp_tls.h"
#include "freertos/FreeRTOS.h"
#include "freertos/semphr.h"
#include "freertos/task.h"
#include "sdkconfig.h"
#include <sys/select.h>

#define ESP_HOST_MAX 255u
#define ESP_INPUT_BYTES 1024u

enum { LINK_CLOSED, LINK_CONNECTING, LINK_SHAKING, LINK_OPEN };

/* One channel's connection. Its socket belongs to tls as soon as that is there. */
struct edgegw_esp_link {
    int fd;        /* or -1 */
    uint16_t conn; /* which the client wanted; 0 for none */
    uint8_t state;
    bool wants_write;   /* wait for that, too */
    bool more;          /* there may be bytes that select does not know of */
    uint32_t next_addr; /* which of the host's addresses is to be tried */
    esp_tls_t *tls;
    size_t out_fill, out_sent;
    uint8_t out[CONFIG_EDGEGW_OUTPUT_BYTES];
};

struct edgegw_esp {
    /* Guarded by lock, which the task holds only while it is in the client. */
    SemaphoreHandle_t lock; /* recursive: the event function calls back */
    struct edgegw client;
    bool ending;

    /* Fixed after the start. */
    SemaphoreHandle_t done; /* given as the last act of the task */
    TaskHandle_t task;
    int wake; /* an event descriptor that ends the task's waiting */
    bool tls;
    esp_tls_cfg_t tls_config;
    char host[ESP_HOST_MAX + 1];      /* to look up, and to find in the certificate */
    char host_port[ESP_HOST_MAX + 9]; /* as in the URL */
    char port[6];
    char path[128];

    /* The task's. */
    struct edgegw_esp_link links[2];
    uint8_t input[ESP_INPUT_BYTES];

    /* The client's. The outbox has to lie on a multiple of 4. */
    uint32_t outbox[CONFIG_EDGEGW_OUTBOX_BYTES / 4 + 1];
    struct edgegw_room rooms[CONFIG_EDGEGW_ROOMS];
    uint8_t rx[CONFIG_EDGEGW_RX_BYTES];
    char tokens[CONFIG_EDGEGW_TOKENS_BYTES];
};

void edgegw_esp_lock(struct edgegw_esp *g);
void edgegw_esp_unlock(struct edgegw_esp *g);
/* Milliseconds since the start of the chip, running over. */
uint32_t edgegw_esp_now(void);

/* Brings a channel to what the client wants, and sends what there is to send. */
void edgegw_esp_link_work(struct edgegw_esp *g, unsigned channel);
/* Whether there is more to do at once; called under the lock. */
bool edgegw_esp_link_pending(const struct edgegw_esp *g, unsigned channel);
/* Goes on with what the socket can be read from, or written to. */
void edgegw_esp_link_ready(struct edgegw_esp *g, unsigned channel, bool readable, bool writable);

#endif
