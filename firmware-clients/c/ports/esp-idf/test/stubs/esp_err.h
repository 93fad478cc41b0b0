#pragma once
typedef int esp_err_t;
#define ESP_OK 0
#define ESP_FAIL (-1)
#define ESP_ERR_NO_MEM 0x101
#define ESP_ERR_INVALID_ARG 0x102
#define ESP_ERR_INVALID_STATE 0x103
#define ESP_ERR_NVS_BASE 0x1100
#define ESP_ERR_NVS_NO_FREE_PAGES (ESP_ERR_NVS_BASE + 0x0d)
#define ESP_ERR_NVS_NEW_VERSION_FOUND (ESP_ERR_NVS_BASE + 0x10)
#include <stdlib.h> /* abort */
#define ESP_ERROR_CHECK(x)                                                                                             \
    do {                                                                                                               \
        if ((x) != ESP_OK) {                                                                                           \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)
