/* What the facade and its example use of Arduino, with the signatures of its API. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

unsigned long millis();

class Print
{
  public:
    virtual ~Print()
    {
    }
    virtual size_t write(uint8_t byte) = 0;
    virtual size_t write(const uint8_t *buffer, size_t size) = 0;
    size_t print(const char *text);
    size_t println(const char *text);
};

class Stream : public Print
{
  public:
    virtual int available() = 0;
    virtual int read() = 0;
    virtual int peek() = 0;
};

class HardwareSerial
{
  public:
    void begin(unsigned long baud);
    size_t print(const char *text);
    size_t println(const char *text);
};
extern HardwareSerial Serial;

#if defined(ESP8266)
class EspClass
{
  public:
    uint8_t *random(uint8_t *out, size_t size) const;
};
extern EspClass ESP;
#endif
