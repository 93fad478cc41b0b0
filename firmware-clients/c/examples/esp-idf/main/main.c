/* Publishes how much memory is free, and logs what others publish. The network, the
 * gateway and the key are set with `idf.py menuconfig`. */
#include "edgegw_esp.h"
#include "esp_event.h"
#include "esp_log.h"
#include "esp_netif.h"
#include "esp_system.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "nvs_flash.h"
#include "protocol_examples_common.h"
#include "sdkconfig.h"
#include <stdio.h>

static const char *const tag = "example";

#if EXAMPLE_CA
extern const uint8_t ca_start[] asm("_binary_ca_crt_start");
extern const uint8_t ca_end[] asm("_binary_ca_crt_end");
#endif

static void on_event(void *user, const struct edgegw_event *e)
{
    (void)user;
    switch (e->event) {
    case EDGEGW_EVENT_CONNECTED:
        ESP_LOGI(tag, "connected to room %s", e->room.p);
        break;
    case EDGEGW_EVENT_MESSAGE:
        ESP_LOGI(tag, "%s: %s", e->user.p, e->data.p);
        break;
    case EDGEGW_EVENT_GAP:
    case EDGEGW_EVENT_LOST:
        ESP_LOGW(tag, "messages of room %s are missing", e->room.p);
        break;
    case EDGEGW_EVENT_FAILED:
        ESP_LOGW(tag, "publication %s was refused: %s", e->id.p, e->code.p);
        break;
    case EDGEGW_EVENT_STOPPED:
        ESP_LOGE(tag, "ended, somebody has to look: %s", e->reason.p);
        break;
    default:
        break;
    }
}

static void start_network(void)
{
    esp_err_t result = nvs_flash_init();
    if (result == ESP_ERR_NVS_NO_FREE_PAGES || result == ESP_ERR_NVS_NEW_VERSION_FOUND) {
        ESP_ERROR_CHECK(nvs_flash_erase());
        result = nvs_flash_init();
    }
    ESP_ERROR_CHECK(result);
    ESP_ERROR_CHECK(esp_netif_init());
    ESP_ERROR_CHECK(esp_event_loop_create_default());
    ESP_ERROR_CHECK(example_connect());
}

void app_main(void)
{
    start_network();

    struct edgegw_esp *gateway;
    const struct edgegw_esp_config config = {
        .url = CONFIG_EXAMPLE_GATEWAY_URL,
#if EXAMPLE_CA
        .ca = ca_start,
        .ca_size = (size_t)(ca_end - ca_start), /* with the NUL that EMBED_TXTFILES puts */
#endif
        .device_key = CONFIG_EXAMPLE_DEVICE_KEY,
        .room = CONFIG_EXAMPLE_ROOM,
        .event = on_event,
    };
    ESP_ERROR_CHECK(edgegw_esp_start(&config, &gateway));

    for (;;) {
        char json[32];
        int n = snprintf(json, sizeof json, "{\"free\":%lu}", (unsigned long)esp_get_free_heap_size());
        if (edgegw_esp_publish(gateway, NULL, NULL, json, (size_t)n) != EDGEGW_OK) {
            ESP_LOGW(tag, "the outbox is full");
        }
        vTaskDelay(pdMS_TO_TICKS(CONFIG_EXAMPLE_PERIOD * 1000));
    }
}
