// Publishes a number every ten seconds and prints what others publish. On a board other
// than the ESP32 and the ESP8266 give gateway.setRandom() a source of random bytes that
// nobody can guess.
#if defined(ESP8266)
#include <ESP8266WiFi.h>
#else
#include <WiFi.h>
#endif
#include <EdgeGWClient.h>

const char *NETWORK = "your network";
const char *PASSWORD = "its password";
const char *GATEWAY = "192.168.1.5";       // or a name
const uint16_t PORT = 8080;
const char *KEY = "the key of the device";  // edgegw device add NAME --room hall

WiFiClient webSocket, http;
EdgeGWClient gateway(webSocket, http);
uint32_t last;

void heard(const edgegw_event &e) {
  Serial.print(e.user.p);
  Serial.print(": ");
  Serial.println(e.data.p);
}

void happened(const edgegw_event &e) {
  switch (e.event) {
    case EDGEGW_EVENT_CONNECTED:
      Serial.println("connected");
      break;
    case EDGEGW_EVENT_LOST:
    case EDGEGW_EVENT_GAP:
      Serial.println("something is missing");
      break;
    case EDGEGW_EVENT_STOPPED:
      Serial.print("ended, somebody has to look: ");
      Serial.println(e.reason.p);
      break;
    default:
      break;
  }
}

void setup() {
  Serial.begin(115200);
  WiFi.begin(NETWORK, PASSWORD);
  gateway.setDeviceKey(KEY);
  gateway.setRoom("hall");
  gateway.onMessage(heard);
  gateway.onEvent(happened);
  if (!gateway.begin(GATEWAY, PORT)) {
    Serial.println("no memory, no random source, or wrong settings");
  }
}

void loop() {
  gateway.loop();
  if (gateway.connected() && millis() - last >= 10000) {
    last = millis();
    char json[32];
    snprintf(json, sizeof json, "{\"up\":%lu}", (unsigned long)(last / 1000));
    if (gateway.publish(json) != EDGEGW_OK) {
      Serial.println("the outbox is full");
    }
  }
}
