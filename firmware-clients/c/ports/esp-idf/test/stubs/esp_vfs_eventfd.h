#pragma once
#include "esp_err.h"
#include <stddef.h>
typedef struct {
    size_t max_fds;
} esp_vfs_eventfd_config_t;
#define ESP_VFS_EVENTD_CONFIG_DEFAULT() ((esp_vfs_eventfd_config_t){.max_fds = 5})
esp_err_t esp_vfs_eventfd_register(const esp_vfs_eventfd_config_t *config);
int eventfd(unsigned int initval, int flags);
