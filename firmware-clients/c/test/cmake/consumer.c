/* Links all of the client, and sees that it was built with TLS: without, any https would
 * be refused, and with it only one without a CA. */
#include <edgegw_posix.h>
#include <stdio.h>
#include <string.h>

static void on_event(void *user, const struct edgegw_event *e)
{
    (void)user;
    (void)e;
}

int main(int argc, char **argv)
{
    static uint8_t rx[EDGEGW_RX_MIN], ca[8192];
    static char tokens[EDGEGW_TOKENS_MIN];
    static struct edgegw_room rooms[1];
    static struct edgegw_posix p;
    struct edgegw_posix_options options = {0};
    struct edgegw_config config = {0};
    FILE *f = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!f) {
        return 2;
    }
    options.ca = ca;
    options.ca_size = fread(ca, 1, sizeof ca - 1, f) + 1;
    fclose(f);
    config.device_key = "key";
    config.rx = rx;
    config.rx_size = sizeof rx;
    config.tokens = tokens;
    config.tokens_size = sizeof tokens;
    config.rooms = rooms;
    config.room_count = 1;
    config.event = on_event;
    if (edgegw_posix_init(&p, "https://gateway.local", NULL, &config) != EDGEGW_INVALID) {
        fprintf(stderr, "https without a CA is not refused\n");
        return 1;
    }
    if (edgegw_posix_init(&p, "https://gateway.local", &options, &config) != EDGEGW_OK) {
        fprintf(stderr, "https is refused\n");
        return 1;
    }
    edgegw_start(&p.client, edgegw_posix_now());
    edgegw_stop(&p.client);
    if (edgegw_posix_step(&p, -1, 0) >= 0) {
        fprintf(stderr, "it does not stop\n");
        return 1;
    }
    edgegw_posix_free(&p);
    printf("edgegw %s\n", EDGEGW_VERSION);
    return 0;
}
