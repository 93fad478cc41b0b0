/* The task, and what other tasks call. */
#include "edgegw_esp_internal.h"
#include "esp_random.h"
#include "esp_timer.h"
#include "esp_vfs_eventfd.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The longest wait in a row, ms: select takes no number of any size. */
#define WAIT_MAX 60000u
/* esp-tls does not say whether its handshake waits to read or to write, so what it
 * cannot send now is tried again after so many ms. */
#define SHAKING_WAIT 100u

void edgegw_esp_lock(struct edgegw_esp *g)
{
    (void)xSemaphoreTakeRecursive(g->lock, portMAX_DELAY);
}

void edgegw_esp_unlock(struct edgegw_esp *g)
{
    (void)xSemaphoreGiveRecursive(g->lock);
}

uint32_t edgegw_esp_now(void)
{
    return (uint32_t)((uint64_t)esp_timer_get_time() / 1000u);
}

/* True random numbers as long as Wi-Fi or Bluetooth is on, or the internal entropy
 * source; the port has no use for them before a network is there. */
static void random_bytes(void *user, uint8_t *out, size_t n)
{
    (void)user;
    esp_fill_random(out, n);
}

static void wake(struct edgegw_esp *g)
{
    uint64_t one = 1;
    (void)!write(g->wake, &one, sizeof one); /* that fails when it is awake anyway */
}

/* Waits until something is to be done, or ms have passed. */
static void wait_for(struct edgegw_esp *g, uint32_t ms)
{
    fd_set in, out;
    int top = g->wake;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(g->wake, &in);
    for (unsigned ch = 0; ch < 2; ch++) {
        const struct edgegw_esp_link *l = &g->links[ch];
        if (l->fd < 0) {
            continue;
        }
        FD_SET(l->fd, &in);
        if (l->wants_write) {
            FD_SET(l->fd, &out);
        }
        if (l->state == LINK_SHAKING && ms > SHAKING_WAIT) {
            ms = SHAKING_WAIT;
        }
        top = l->fd > top ? l->fd : top;
    }
    ms = ms > WAIT_MAX ? WAIT_MAX : ms;
    struct timeval t = {.tv_sec = (time_t)(ms / 1000u), .tv_usec = (suseconds_t)(ms % 1000u * 1000u)};
    if (select(top + 1, &in, &out, NULL, &t) < 0) {
        vTaskDelay(pdMS_TO_TICKS(10)); /* no memory: others have to run for it to come back */
        return;
    }
    if (FD_ISSET(g->wake, &in)) {
        uint64_t count;
        (void)!read(g->wake, &count, sizeof count);
    }
    for (unsigned ch = 0; ch < 2; ch++) {
        int fd = g->links[ch].fd;
        if (fd >= 0) {
            edgegw_esp_link_ready(g, ch, FD_ISSET(fd, &in), FD_ISSET(fd, &out));
        }
    }
}

static void run(void *user)
{
    struct edgegw_esp *g = user;
    for (;;) {
        edgegw_esp_lock(g);
        edgegw_tick(&g->client, edgegw_esp_now());
        edgegw_esp_unlock(g);
        edgegw_esp_link_work(g, EDGEGW_CHANNEL_WS);
        edgegw_esp_link_work(g, EDGEGW_CHANNEL_HTTP);

        edgegw_esp_lock(g);
        bool more = edgegw_esp_link_pending(g, EDGEGW_CHANNEL_WS) || edgegw_esp_link_pending(g, EDGEGW_CHANNEL_HTTP);
        uint32_t due = edgegw_next_timeout(&g->client, edgegw_esp_now());
        bool ended = g->ending && due == EDGEGW_NEVER;
        edgegw_esp_unlock(g);
        if (ended && !more && g->links[0].fd < 0 && g->links[1].fd < 0) {
            break;
        }
        wait_for(g, more ? 0 : due);
    }
    xSemaphoreGive(g->done); /* from here on g is gone */
    vTaskDelete(NULL);
}

/* Takes url apart. */
static bool parse(struct edgegw_esp *g, const char *url)
{
    g->tls = strncmp(url, "https://", 8) == 0;
    if (!g->tls && strncmp(url, "http://", 7) != 0) {
        return false;
    }
    const char *host = url + (g->tls ? 8 : 7);
    size_t all = strcspn(host, "/"), n = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
    size_t path_len = strlen(host + all), port_len = n < all ? all - n - 1 : 0;
    while (path_len && host[all + path_len - 1] == '/') {
        path_len--;
    }
    bool six = *host == '[';
    size_t name_len = six ? n - 2 : n;
    if (n <= (six ? 2u : 0u) || n > all || strpbrk(url, "@?#") || all >= sizeof g->host_port ||
        path_len >= sizeof g->path || port_len >= sizeof g->port || (n < all && host[n] != ':') ||
        name_len >= sizeof g->host) {
        return false;
    }
    memcpy(g->host_port, host, all);
    memcpy(g->path, host + all, path_len);
    memcpy(g->host, host + six, name_len);
    if (port_len) {
        memcpy(g->port, host + n + 1, port_len);
    } else {
        strcpy(g->port, g->tls ? "443" : "80");
    }
    return true;
}

static bool make_client(struct edgegw_esp *g, const struct edgegw_esp_config *config)
{
    if (!config->url || !parse(g, config->url) || (g->tls && (!config->ca || !config->ca_size))) {
        return false;
    }
    g->tls_config.cacert_buf = config->ca;
    g->tls_config.cacert_bytes = (unsigned int)config->ca_size;
    /* The socket does not block. esp-tls is not told: it would select on it, without
     * end, and is only called for one that is connected. */
    g->tls_config.non_block = false;
    struct edgegw_config own = {
        .host = g->host_port,
        .path = g->path,
        .room = config->room,
        .device_key = config->device_key,
        .username = config->username,
        .password = config->password,
        .refresh_token = config->refresh_token,
        .rx = g->rx,
        .rx_size = sizeof g->rx,
        .outbox = (uint8_t *)g->outbox,
        .outbox_size = CONFIG_EDGEGW_OUTBOX_BYTES,
        .tokens = g->tokens,
        .tokens_size = sizeof g->tokens,
        .rooms = g->rooms,
        .room_count = CONFIG_EDGEGW_ROOMS,
        .random = random_bytes,
        .event = config->event,
        .user = config->user,
        .from = config->from,
        .latest = config->latest,
        .timeout_ms = config->timeout_ms,
    };
    return edgegw_init(&g->client, &own) == EDGEGW_OK;
}

static void destroy(struct edgegw_esp *g)
{
    if (g->lock) {
        vSemaphoreDelete(g->lock);
    }
    if (g->done) {
        vSemaphoreDelete(g->done);
    }
    if (g->wake >= 0) {
        close(g->wake);
    }
    free(g);
}

esp_err_t edgegw_esp_start(const struct edgegw_esp_config *config, struct edgegw_esp **out)
{
    const esp_vfs_eventfd_config_t events = ESP_VFS_EVENTD_CONFIG_DEFAULT();
    esp_err_t result = esp_vfs_eventfd_register(&events);
    if (result != ESP_OK && result != ESP_ERR_INVALID_STATE) { /* that: somebody has done it */
        return result;
    }
    struct edgegw_esp *g = calloc(1, sizeof *g);
    if (!g) {
        return ESP_ERR_NO_MEM;
    }
    g->wake = g->links[0].fd = g->links[1].fd = -1;
    if (!make_client(g, config)) {
        destroy(g);
        return ESP_ERR_INVALID_ARG;
    }
    g->lock = xSemaphoreCreateRecursiveMutex();
    g->done = xSemaphoreCreateBinary();
    g->wake = eventfd(0, 0);
    edgegw_start(&g->client, edgegw_esp_now());
    BaseType_t core = CONFIG_EDGEGW_TASK_CORE < 0 ? tskNO_AFFINITY : CONFIG_EDGEGW_TASK_CORE;
    *out = g; /* before there is an event, whose function may want it */
    if (!g->lock || !g->done || g->wake < 0 ||
        xTaskCreatePinnedToCore(run, "edgegw", CONFIG_EDGEGW_TASK_STACK, g, CONFIG_EDGEGW_TASK_PRIORITY, &g->task, core) !=
            pdPASS) {
        *out = NULL;
        destroy(g);
        return ESP_ERR_NO_MEM;
    }
    return ESP_OK;
}

esp_err_t edgegw_esp_stop(struct edgegw_esp *g)
{
    if (xTaskGetCurrentTaskHandle() == g->task) {
        return ESP_ERR_INVALID_STATE;
    }
    edgegw_esp_lock(g);
    edgegw_stop(&g->client);
    g->ending = true;
    edgegw_esp_unlock(g);
    wake(g);
    (void)xSemaphoreTake(g->done, portMAX_DELAY);
    destroy(g);
    return ESP_OK;
}

void edgegw_esp_again(struct edgegw_esp *g)
{
    edgegw_esp_lock(g);
    if (!g->ending) {
        edgegw_start(&g->client, edgegw_esp_now());
    }
    edgegw_esp_unlock(g);
    wake(g);
}

int edgegw_esp_publish(struct edgegw_esp *g, const char *room, const char *id, const char *json, size_t n)
{
    edgegw_esp_lock(g);
    int result = edgegw_publish(&g->client, room, id, json, n);
    edgegw_esp_unlock(g);
    wake(g);
    return result;
}

size_t edgegw_esp_unacknowledged(struct edgegw_esp *g)
{
    edgegw_esp_lock(g);
    size_t n = edgegw_unacknowledged(&g->client);
    edgegw_esp_unlock(g);
    return n;
}

int edgegw_esp_subscribe(struct edgegw_esp *g, const char *room, const struct edgegw_position *from, bool latest)
{
    edgegw_esp_lock(g);
    int result = edgegw_subscribe(&g->client, room, from, latest);
    edgegw_esp_unlock(g);
    wake(g);
    return result;
}

void edgegw_esp_unsubscribe(struct edgegw_esp *g, const char *room)
{
    edgegw_esp_lock(g);
    edgegw_unsubscribe(&g->client, room);
    edgegw_esp_unlock(g);
    wake(g);
}

bool edgegw_esp_position(struct edgegw_esp *g, const char *room, struct edgegw_position *at)
{
    edgegw_esp_lock(g);
    bool known = edgegw_position(&g->client, room, at);
    edgegw_esp_unlock(g);
    return known;
}

uint64_t edgegw_esp_server_time(struct edgegw_esp *g)
{
    edgegw_esp_lock(g);
    uint64_t t = edgegw_server_time(&g->client, edgegw_esp_now());
    edgegw_esp_unlock(g);
    return t;
}
