/*
 * edgegw for Arduino: a thin class around the core (edgegw.h), on two Clients that the
 * sketch supplies: one for the WebSocket, and one for the short requests that get tokens.
 * Both are of the same kind, such as WiFiClient, WiFiClientSecure or EthernetClient; for
 * TLS the sketch gives both the gateway's CA before begin().
 *
 *     WiFiClient socket, http;
 *     EdgeGWClient gateway(socket, http);
 *
 *     void setup() { gateway.setDeviceKey(KEY); gateway.setRoom("hall"); gateway.begin("192.168.1.5", 8080); }
 *     void loop()  { gateway.loop(); }
 *
 * Client::connect and Client::write wait as long as the board's library does; everything
 * else never waits. Texts that are given have to stay where they are. It needs some 10 KB
 * of RAM: boards of the size of an Uno have not enough.
 */
#ifndef EDGEGW_CLIENT_H
#define EDGEGW_CLIENT_H

#include "edgegw.h"
#include <Arduino.h>
#include <Client.h>

class EdgeGWClient
{
  public:
    typedef void (*Handler)(const edgegw_event &event);
    typedef void (*Random)(uint8_t *out, size_t n);

    EdgeGWClient(Client &socket, Client &http);
    ~EdgeGWClient();
    EdgeGWClient(const EdgeGWClient &) = delete;
    EdgeGWClient &operator=(const EdgeGWClient &) = delete;

    /* Before begin(): how to log in; the default room, and where to go on in it. */
    void setDeviceKey(const char *key);
    void setLogin(const char *username, const char *password);
    void setRefreshToken(const char *token);
    void setRoom(const char *room, const struct edgegw_position *from = nullptr, bool latest = false);

    /* Before begin(): how long a request or a handshake may take, ms; at first 10,000. */
    void setTimeout(uint32_t ms);

    /* Before begin(): bytes of the longest message that is received (768 or more), of what
     * is published and not acknowledged, and of the tokens (1,024 or more), and how many
     * rooms. At first it is 2048, 2048, 2048 and 1. */
    void setBuffers(size_t rx, size_t outbox, size_t tokens, size_t rooms);

    /* Before begin(): where random bytes come from, which have to be such that nobody can
     * guess them. ESP32 and ESP8266 have a source; for every other board this is required:
     * random() with a seed of the clock or of an open pin is none. */
    void setRandom(Random source);

    /* What is told of messages, and of everything else. They run in loop(), and may
     * publish, subscribe, unsubscribe and stop. */
    void onMessage(Handler handler);
    void onEvent(Handler handler);

    /* Takes all memory there will be, and starts; path is what stands before /ws. False
     * for settings that are against their description, without a random source, and when
     * memory is short. Once only. */
    bool begin(const char *host, uint16_t port, const char *path = nullptr);

    /* Does what there is to do; call it all the time. */
    void loop();

    /* Says goodbye: loop() goes on for a second to do so. start() begins again, as after
     * EDGEGW_EVENT_STOPPED. */
    void stop();
    void start();

    /* Whether loop() has anything to do, now or later. False after stop() as soon as the
     * goodbye is said: the board may sleep. */
    bool active() const;

    /* As edgegw_publish and so on, and EDGEGW_FULL before begin(); room may be left out
     * for the default room. */
    int publish(const char *json);
    int publish(const char *room, const char *json, const char *id = nullptr);
    int subscribe(const char *room, const struct edgegw_position *from = nullptr, bool latest = false);
    void unsubscribe(const char *room);
    bool position(struct edgegw_position &at, const char *room = nullptr) const;
    size_t unacknowledged() const;
    uint64_t serverTime() const;

    /* Between the welcome and the end of a connection. */
    bool connected() const
    {
        return connected_;
    }

  private:
    struct Link {
        Client *client;
        uint16_t conn; /* which the core wanted; 0 for none */
        bool open;
        size_t filled, sent;
        uint8_t *out;
    };

    static void fill(void *self, uint8_t *out, size_t n);
    static void event(void *self, const edgegw_event *e);
    bool allocate();
    void follow(unsigned channel);
    void input(Link &link);
    void output(Link &link);
    void gone(Link &link);

    edgegw client_;
    edgegw_config config_;
    Link links_[2];
    Random random_;
    Handler message_, event_;
    const char *host_;
    uint16_t port_;
    bool begun_, ready_, connected_;
    char host_port_[256 + 6];
};

#endif
