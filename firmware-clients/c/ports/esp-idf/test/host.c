/* Enough of ESP-IDF to run the port on Linux: tasks and semaphores are POSIX threads
 * and mutexes. What it does not do as FreeRTOS does ends the program. */
#define _GNU_SOURCE
#include "esp_log.h"
#include "esp_random.h"
#include "esp_timer.h"
#include "esp_vfs_eventfd.h"
#include "freertos/semphr.h"
#include "freertos/task.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

void stub_log(const char *tag, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    fprintf(stderr, "%s: ", tag);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
    va_end(ap);
}

void esp_fill_random(void *buf, size_t len)
{
    if (getrandom(buf, len, 0) != (ssize_t)len) {
        abort();
    }
}

int64_t esp_timer_get_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

esp_err_t esp_vfs_eventfd_register(const esp_vfs_eventfd_config_t *config)
{
    static bool registered;
    bool again = registered;
    registered = true;
    return config->max_fds == 0 ? ESP_ERR_INVALID_ARG : again ? ESP_ERR_INVALID_STATE : ESP_OK;
}

struct tskTaskControlBlock {
    TaskFunction_t code;
    void *parameters;
};
static _Thread_local TaskHandle_t current;

static void *task_main(void *user)
{
    current = user;
    current->code(current->parameters);
    abort(); /* a task must not return */
}

BaseType_t xTaskCreatePinnedToCore(TaskFunction_t pxTaskCode, const char *const pcName, const uint32_t ulStackDepth,
                                   void *const pvParameters, UBaseType_t uxPriority, TaskHandle_t *const pxCreatedTask,
                                   const BaseType_t xCoreID)
{
    (void)pcName;
    (void)ulStackDepth; /* glibc and words of 64 bits need more */
    (void)uxPriority;
    (void)xCoreID;
    pthread_t thread;
    pthread_attr_t attr;
    TaskHandle_t task = calloc(1, sizeof *task);
    if (!task) {
        return pdFALSE;
    }
    task->code = pxTaskCode;
    task->parameters = pvParameters;
    *pxCreatedTask = task;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int failed = pthread_create(&thread, &attr, task_main, task);
    pthread_attr_destroy(&attr);
    if (failed) {
        free(task);
        return pdFALSE;
    }
    return pdPASS;
}

TaskHandle_t xTaskGetCurrentTaskHandle(void)
{
    return current;
}

void vTaskDelay(const TickType_t xTicksToDelay)
{
    usleep((useconds_t)xTicksToDelay * (1000000u / configTICK_RATE_HZ));
}

void vTaskDelete(TaskHandle_t xTaskToDelete)
{
    if (xTaskToDelete) {
        abort(); /* only a task's own end is made */
    }
    free(current);
    pthread_exit(NULL);
}

struct QueueDefinition {
    pthread_mutex_t mutex;
    pthread_cond_t given;
    bool full;
};

static SemaphoreHandle_t semaphore(int type)
{
    SemaphoreHandle_t s = calloc(1, sizeof *s);
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, type);
    if (s) {
        pthread_mutex_init(&s->mutex, &attr);
        pthread_cond_init(&s->given, NULL);
    }
    pthread_mutexattr_destroy(&attr);
    return s;
}

SemaphoreHandle_t xSemaphoreCreateBinary(void)
{
    return semaphore(PTHREAD_MUTEX_NORMAL);
}

SemaphoreHandle_t xSemaphoreCreateRecursiveMutex(void)
{
    return semaphore(PTHREAD_MUTEX_RECURSIVE);
}

BaseType_t xSemaphoreTakeRecursive(SemaphoreHandle_t xMutex, TickType_t xBlockTime)
{
    if (xBlockTime != portMAX_DELAY) {
        abort(); /* not made */
    }
    return pthread_mutex_lock(&xMutex->mutex) == 0;
}

BaseType_t xSemaphoreGiveRecursive(SemaphoreHandle_t xMutex)
{
    if (pthread_mutex_unlock(&xMutex->mutex) != 0) {
        abort(); /* somebody else holds it */
    }
    return pdTRUE;
}

BaseType_t xSemaphoreTake(SemaphoreHandle_t xSemaphore, TickType_t xBlockTime)
{
    if (xBlockTime != portMAX_DELAY) {
        abort();
    }
    pthread_mutex_lock(&xSemaphore->mutex);
    while (!xSemaphore->full) {
        pthread_cond_wait(&xSemaphore->given, &xSemaphore->mutex);
    }
    xSemaphore->full = false;
    pthread_mutex_unlock(&xSemaphore->mutex);
    return pdTRUE;
}

BaseType_t xSemaphoreGive(SemaphoreHandle_t xSemaphore)
{
    pthread_mutex_lock(&xSemaphore->mutex);
    xSemaphore->full = true;
    pthread_cond_signal(&xSemaphore->given);
    pthread_mutex_unlock(&xSemaphore->mutex);
    return pdTRUE;
}

void vSemaphoreDelete(SemaphoreHandle_t xSemaphore)
{
    /* Whoever gave it may still be in there. */
    pthread_mutex_lock(&xSemaphore->mutex);
    pthread_mutex_unlock(&xSemaphore->mutex);
    pthread_cond_destroy(&xSemaphore->given);
    pthread_mutex_destroy(&xSemaphore->mutex);
    free(xSemaphore);
}
