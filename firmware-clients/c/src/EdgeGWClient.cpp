/* The facade for Arduino. Other builds may have this file among theirs. */
#if defined(ARDUINO)

#include "EdgeGWClient.h"
#include <stdlib.h>
#include <string.h>

#if defined(ESP32) || defined(ARDUINO_ARCH_ESP32)
/* In esp_system.h or esp_random.h, as the core's version will have it. */
extern "C" void esp_fill_random(void *buf, size_t len);
static void board_random(uint8_t *out, size_t n)
{
    esp_fill_random(out, n);
}
static const EdgeGWClient::Random board_source = board_random;
#elif defined(ESP8266) || defined(ARDUINO_ARCH_ESP8266)
static void board_random(uint8_t *out, size_t n)
{
    (void)ESP.random(out, n);
}
static const EdgeGWClient::Random board_source = board_random;
#else
static const EdgeGWClient::Random board_source = nullptr;
#endif

/* How many bytes are read at a time, and how many times in a row. */
static const size_t piece = 256;
static const int rounds = 16;

static uint32_t now()
{
    return static_cast<uint32_t>(millis());
}

EdgeGWClient::EdgeGWClient(Client &socket, Client &http)
    : client_(), config_(), links_(), random_(board_source), message_(nullptr), event_(nullptr), host_(nullptr), port_(0),
      begun_(false), ready_(false), connected_(false), host_port_()
{
    links_[EDGEGW_CHANNEL_WS].client = &socket;
    links_[EDGEGW_CHANNEL_HTTP].client = &http;
    config_.random = fill;
    config_.event = event;
    config_.user = this;
    setBuffers(2048, 2048, 2048, 1);
}

EdgeGWClient::~EdgeGWClient()
{
    for (Link &link : links_) {
        if (link.open) {
            link.client->stop();
        }
        free(link.out);
    }
    free(config_.rx);
    free(config_.outbox);
    free(config_.tokens);
    free(config_.rooms);
}

void EdgeGWClient::setDeviceKey(const char *key)
{
    config_.device_key = key;
}

void EdgeGWClient::setLogin(const char *username, const char *password)
{
    config_.username = username;
    config_.password = password;
}

void EdgeGWClient::setRefreshToken(const char *token)
{
    config_.refresh_token = token;
}

void EdgeGWClient::setRoom(const char *room, const struct edgegw_position *from, bool latest)
{
    config_.room = room;
    config_.from = from;
    config_.latest = latest;
}

void EdgeGWClient::setTimeout(uint32_t ms)
{
    config_.timeout_ms = ms;
}

void EdgeGWClient::setBuffers(size_t rx, size_t outbox, size_t tokens, size_t rooms)
{
    if (!begun_) {
        config_.rx_size = rx;
        config_.outbox_size = outbox;
        config_.tokens_size = tokens;
        config_.room_count = rooms;
    }
}

void EdgeGWClient::setRandom(Random source)
{
    random_ = source;
}

void EdgeGWClient::onMessage(Handler handler)
{
    message_ = handler;
}

void EdgeGWClient::onEvent(Handler handler)
{
    event_ = handler;
}

bool EdgeGWClient::allocate()
{
    config_.rx = static_cast<uint8_t *>(malloc(config_.rx_size));
    config_.outbox = static_cast<uint8_t *>(malloc(config_.outbox_size ? config_.outbox_size : 1));
    config_.tokens = static_cast<char *>(malloc(config_.tokens_size));
    config_.rooms = static_cast<edgegw_room *>(calloc(config_.room_count, sizeof(edgegw_room)));
    for (Link &link : links_) {
        link.out = static_cast<uint8_t *>(malloc(EDGEGW_OUTPUT_MIN));
    }
    return config_.rx && config_.outbox && config_.tokens && config_.rooms && links_[0].out && links_[1].out;
}

/* Writes a number of up to 5 digits, and a NUL. */
static void put_port(char *out, uint16_t port)
{
    char digits[5];
    size_t n = 0;
    do {
        digits[n++] = static_cast<char>('0' + port % 10);
        port = static_cast<uint16_t>(port / 10);
    } while (port);
    while (n) {
        *out++ = digits[--n];
    }
    *out = 0;
}

bool EdgeGWClient::begin(const char *host, uint16_t port, const char *path)
{
    size_t n = strlen(host);
    if (begun_ || !random_ || n == 0 || n > 255) {
        return false;
    }
    begun_ = true;
    host_ = host;
    port_ = port;
    memcpy(host_port_, host, n);
    host_port_[n] = ':';
    put_port(host_port_ + n + 1, port);
    config_.host = host_port_;
    config_.path = path;
    if (!allocate() || edgegw_init(&client_, &config_) != EDGEGW_OK) {
        return false;
    }
    ready_ = true;
    start();
    return true;
}

void EdgeGWClient::fill(void *self, uint8_t *out, size_t n)
{
    static_cast<EdgeGWClient *>(self)->random_(out, n);
}

void EdgeGWClient::event(void *self, const edgegw_event *e)
{
    EdgeGWClient *g = static_cast<EdgeGWClient *>(self);
    if (e->event == EDGEGW_EVENT_CONNECTED) {
        g->connected_ = true;
    } else if (e->event == EDGEGW_EVENT_CLOSED || e->event == EDGEGW_EVENT_STOPPED) {
        g->connected_ = false;
    }
    Handler handler = e->event == EDGEGW_EVENT_MESSAGE ? g->message_ : g->event_;
    if (handler) {
        handler(*e);
    }
}

/* The connection is gone; the core decides what comes next. */
void EdgeGWClient::gone(Link &link)
{
    uint16_t conn = link.conn;
    link.client->stop();
    link.open = false;
    link.conn = 0;
    edgegw_closed(&client_, conn, now());
}

/* Brings a channel to what the core wants. */
void EdgeGWClient::follow(unsigned channel)
{
    Link &link = links_[channel];
    uint16_t conn = edgegw_wanted(&client_, channel);
    if (conn == link.conn) {
        return;
    }
    if (link.open) {
        if (link.sent < link.filled) {
            (void)link.client->write(link.out + link.sent, link.filled - link.sent);
        }
        link.client->stop();
    }
    link.conn = conn;
    link.open = false;
    link.filled = link.sent = 0;
    if (!conn) {
        return;
    }
    if (link.client->connect(host_, port_)) {
        link.open = true;
        edgegw_opened(&client_, conn, now());
    } else {
        gone(link);
    }
}

void EdgeGWClient::input(Link &link)
{
    uint8_t bytes[piece];
    for (int i = 0; i < rounds && link.client->available() > 0; i++) {
        int n = link.client->read(bytes, sizeof bytes);
        if (n <= 0) {
            return;
        }
        edgegw_input(&client_, link.conn, bytes, static_cast<size_t>(n), now());
    }
}

void EdgeGWClient::output(Link &link)
{
    for (int i = 0; i < rounds; i++) {
        if (link.sent == link.filled) {
            link.sent = 0;
            link.filled = edgegw_output(&client_, link.conn, link.out, EDGEGW_OUTPUT_MIN, now());
        }
        if (!link.filled) {
            return;
        }
        size_t n = link.client->write(link.out + link.sent, link.filled - link.sent);
        if (n == 0) {
            return; /* no space, or it is broken: connected() knows */
        }
        link.sent += n;
    }
}

void EdgeGWClient::loop()
{
    if (!ready_) {
        return;
    }
    edgegw_tick(&client_, now());
    for (unsigned channel = 0; channel < 2; channel++) {
        Link &link = links_[channel];
        follow(channel);
        if (link.open) {
            output(link);
            input(link);
            if (!link.client->connected() && link.client->available() <= 0) {
                gone(link);
            }
        }
    }
}

void EdgeGWClient::stop()
{
    if (ready_) {
        edgegw_stop(&client_);
    }
    connected_ = false;
}

void EdgeGWClient::start()
{
    if (ready_) {
        edgegw_start(&client_, now());
    }
}

bool EdgeGWClient::active() const
{
    return ready_ && (links_[0].open || links_[1].open || edgegw_next_timeout(&client_, now()) != EDGEGW_NEVER);
}

int EdgeGWClient::publish(const char *json)
{
    return publish(nullptr, json);
}

int EdgeGWClient::publish(const char *room, const char *json, const char *id)
{
    return !ready_ ? EDGEGW_FULL : edgegw_publish(&client_, room, id, json, strlen(json));
}

int EdgeGWClient::subscribe(const char *room, const struct edgegw_position *from, bool latest)
{
    return !ready_ ? EDGEGW_FULL : edgegw_subscribe(&client_, room, from, latest);
}

void EdgeGWClient::unsubscribe(const char *room)
{
    if (ready_) {
        edgegw_unsubscribe(&client_, room);
    }
}

bool EdgeGWClient::position(struct edgegw_position &at, const char *room) const
{
    return ready_ && edgegw_position(&client_, room, &at);
}

size_t EdgeGWClient::unacknowledged() const
{
    return ready_ ? edgegw_unacknowledged(&client_) : 0;
}

uint64_t EdgeGWClient::serverTime() const
{
    return ready_ ? edgegw_server_time(&client_, now()) : 0;
}

#endif
