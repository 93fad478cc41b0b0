/* The facade for Arduino in the fault course, on the host: WiFiClient on sockets of POSIX,
 * and the functions of the port to ESP-IDF around the facade, so that the driver of that
 * port drives it (ports/esp-idf/test/course.c). loop() runs in a thread of its own, and a
 * lock makes of the two threads the one that a sketch has. */
#include "WiFi.h"
#include "EdgeGWClient.h"
#include "edgegw_esp.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

unsigned long millis()
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<unsigned long>(t.tv_sec) * 1000 + static_cast<unsigned long>(t.tv_nsec) / 1000000;
}

int WiFiClient::connect(IPAddress, uint16_t)
{
    abort(); /* the facade does not use it */
}

int WiFiClient::connect(const char *host, uint16_t port)
{
    struct addrinfo hints = {}, *list = nullptr;
    char service[6];
    int one = 1;
    stop();
    snprintf(service, sizeof service, "%u", port);
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(host, service, &hints, &list) != 0) {
        return 0;
    }
    fd_ = socket(list->ai_family, SOCK_STREAM, 0);
    if (::connect(fd_, list->ai_addr, list->ai_addrlen) != 0) {
        stop();
    } else {
        fcntl(fd_, F_SETFL, O_NONBLOCK);
        setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    freeaddrinfo(list);
    return fd_ >= 0;
}

size_t WiFiClient::write(uint8_t byte)
{
    return write(&byte, 1);
}

/* Waits for space as long as those of real boards, a second or so. */
size_t WiFiClient::write(const uint8_t *buffer, size_t size)
{
    struct pollfd out = {fd_, POLLOUT, 0};
    if (fd_ < 0 || poll(&out, 1, 1000) <= 0) {
        return 0;
    }
    ssize_t n = send(fd_, buffer, size, MSG_NOSIGNAL);
    return n > 0 ? static_cast<size_t>(n) : 0;
}

/* All that is there, up to 4 KB: as lwIP tells of one buffer at a time. */
int WiFiClient::available()
{
    uint8_t bytes[4096];
    ssize_t n = fd_ < 0 ? 0 : recv(fd_, bytes, sizeof bytes, MSG_PEEK);
    return n > 0 ? static_cast<int>(n) : 0;
}

int WiFiClient::read()
{
    uint8_t byte;
    return read(&byte, 1) == 1 ? byte : -1;
}

int WiFiClient::read(uint8_t *buffer, size_t size)
{
    return fd_ < 0 ? -1 : static_cast<int>(recv(fd_, buffer, size, 0));
}

int WiFiClient::peek()
{
    uint8_t byte;
    return fd_ >= 0 && recv(fd_, &byte, 1, MSG_PEEK) == 1 ? byte : -1;
}

void WiFiClient::flush()
{
}

void WiFiClient::stop()
{
    if (fd_ >= 0) {
        close(fd_);
    }
    fd_ = -1;
}

uint8_t WiFiClient::connected()
{
    uint8_t byte;
    ssize_t n = fd_ < 0 ? 0 : recv(fd_, &byte, 1, MSG_PEEK);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR));
}

WiFiClient::operator bool()
{
    return connected();
}

struct edgegw_esp {
    WiFiClient socket, http;
    EdgeGWClient gateway;
    char host[256];
    pthread_t thread;
    pthread_mutex_t lock;
    bool ending;
    void (*event)(void *user, const edgegw_event *e);

    edgegw_esp() : gateway(socket, http), host(), thread(), lock(), ending(false), event(nullptr)
    {
    }
};

/* Handlers of sketches have no argument of their own. */
static edgegw_esp *the_one;

static void on_event(const edgegw_event &e)
{
    the_one->event(nullptr, &e);
}

static void random_bytes(uint8_t *out, size_t n)
{
    if (getrandom(out, n, 0) != static_cast<ssize_t>(n)) {
        abort();
    }
}

static void *run(void *user)
{
    edgegw_esp *g = static_cast<edgegw_esp *>(user);
    for (bool done = false; !done;) {
        pthread_mutex_lock(&g->lock);
        g->gateway.loop();
        done = g->ending && !g->gateway.active();
        pthread_mutex_unlock(&g->lock);
        usleep(500);
    }
    return nullptr;
}

esp_err_t edgegw_esp_start(const edgegw_esp_config *config, edgegw_esp **out)
{
    const char *rx = getenv("COURSE_MAX_MESSAGE");
    unsigned port = 0;
    edgegw_esp *g = the_one = *out = new edgegw_esp();
    if (!config->url || sscanf(config->url, "http://%255[^:/]:%u", g->host, &port) != 2) {
        return ESP_ERR_INVALID_ARG; /* TLS is the Client's, and none of the facade's */
    }
    g->event = config->event;
    pthread_mutex_init(&g->lock, nullptr);
    if (config->username) {
        g->gateway.setLogin(config->username, config->password);
    }
    g->gateway.setDeviceKey(config->device_key);
    g->gateway.setRefreshToken(config->refresh_token);
    g->gateway.setRoom(config->room, config->from, config->latest);
    g->gateway.setTimeout(config->timeout_ms);
    g->gateway.setBuffers(rx && *rx ? strtoul(rx, nullptr, 10) : 131072, 1 << 20, 4096, 8);
    g->gateway.setRandom(random_bytes);
    g->gateway.onMessage(on_event);
    g->gateway.onEvent(on_event);
    if (!g->gateway.begin(g->host, static_cast<uint16_t>(port)) || pthread_create(&g->thread, nullptr, run, g) != 0) {
        return ESP_FAIL;
    }
    return ESP_OK;
}

esp_err_t edgegw_esp_stop(edgegw_esp *g)
{
    pthread_mutex_lock(&g->lock);
    g->gateway.stop();
    g->ending = true;
    pthread_mutex_unlock(&g->lock);
    pthread_join(g->thread, nullptr);
    pthread_mutex_destroy(&g->lock);
    delete g;
    return ESP_OK;
}

/* The facade takes data that ends with a NUL. */
int edgegw_esp_publish(edgegw_esp *g, const char *room, const char *id, const char *json, size_t n)
{
    char *text = strndup(json, n);
    pthread_mutex_lock(&g->lock);
    int result = g->gateway.publish(room, text, id);
    pthread_mutex_unlock(&g->lock);
    free(text);
    return result;
}

int edgegw_esp_subscribe(edgegw_esp *g, const char *room, const struct edgegw_position *from, bool latest)
{
    pthread_mutex_lock(&g->lock);
    int result = g->gateway.subscribe(room, from, latest);
    pthread_mutex_unlock(&g->lock);
    return result;
}

uint64_t edgegw_esp_server_time(edgegw_esp *g)
{
    pthread_mutex_lock(&g->lock);
    uint64_t t = g->gateway.serverTime();
    pthread_mutex_unlock(&g->lock);
    return t;
}
