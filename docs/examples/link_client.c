/* A Mien device in plain C, without a library: says hello by MQTT 3.1.1, sends one turn, and prints what comes back.
 * cc -o link_client docs/examples/link_client.c && ./link_client 127.0.0.1 1883 car-7 "What a day."
 * The packets are those of edge/wire/README.md; each line that writes a field names it. */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef struct { uint8_t at[2048]; size_t size; } Bytes;

static void put(Bytes *b, const void *data, size_t size) {
    if (b->size + size > sizeof b->at) exit(3);
    memcpy(b->at + b->size, data, size);
    b->size += size;
}
static void byte(Bytes *b, uint8_t value) { put(b, &value, 1); }
static void varint(Bytes *b, uint64_t value) {
    for (; value > 127; value >>= 7) byte(b, (uint8_t)(value | 128));
    byte(b, (uint8_t)value);
}
/* Protobuf: a key is field number * 8 + wire type (0 varint, 1 fixed64, 2 bytes). */
static void number(Bytes *b, int field, uint64_t value) { varint(b, field * 8u); varint(b, value); }
static void fixed(Bytes *b, int field, uint64_t value) {
    varint(b, field * 8u + 1);
    for (int i = 0; i < 8; i++) byte(b, (uint8_t)(value >> 8 * i));
}
static void bytes(Bytes *b, int field, const void *data, size_t size) {
    varint(b, field * 8u + 2);
    varint(b, size);
    put(b, data, size);
}
/* MQTT: strings have two bytes of length before them; a packet a type, a length and a body. */
static void text(Bytes *b, const char *s) {
    byte(b, (uint8_t)(strlen(s) >> 8));
    byte(b, (uint8_t)strlen(s));
    put(b, s, strlen(s));
}
static void send_packet(int broker, uint8_t type, const Bytes *body) {
    Bytes packet = {.size = 0};
    byte(&packet, type);
    varint(&packet, body->size);
    put(&packet, body->at, body->size);
    if (write(broker, packet.at, packet.size) != (ssize_t)packet.size) exit(4);
}
static void publish(int broker, const char *device, const char *leaf, const Bytes *payload, int id) {
    char topic[128];
    snprintf(topic, sizeof topic, "mien/v1/default/%s/up/%s", device, leaf);
    Bytes body = {.size = 0};
    text(&body, topic);
    byte(&body, (uint8_t)(id >> 8));
    byte(&body, (uint8_t)id);
    put(&body, payload->at, payload->size);
    send_packet(broker, 0x32, &body); /* PUBLISH, QoS 1 */
}
static void take(int broker, void *to, size_t size) {
    for (size_t got = 0; got < size;) {
        ssize_t n = read(broker, (char *)to + got, size - got);
        if (n <= 0) { fputs("the broker hung up\n", stderr); exit(5); }
        got += (size_t)n;
    }
}
static uint64_t read_varint(const uint8_t **at) {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
        value |= (uint64_t)(**at & 127) << shift;
        if (!(*(*at)++ & 128)) return value;
    }
}
static uint64_t draw(void) {
    uint64_t value = 0;
    FILE *random = fopen("/dev/urandom", "rb");
    if (!random || fread(&value, sizeof value, 1, random) != 1) exit(6);
    fclose(random);
    return value | 1; /* never 0 */
}

int main(int argc, char **argv) {
    if (argc != 5 || strlen(argv[3]) > 64 || strlen(argv[4]) > 500) {
        fprintf(stderr, "usage: %s ADDRESS PORT DEVICE WORDS\n", argv[0]);
        return 2;
    }
    const char *device = argv[3];
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    int broker = socket(AF_INET, SOCK_STREAM, 0);
    if (inet_pton(AF_INET, argv[1], &where.sin_addr) != 1 || connect(broker, (void *)&where, sizeof where) != 0) {
        perror(argv[1]);
        return 1;
    }
    uint64_t boot = draw(), link = draw();

    Bytes body = {.size = 0}; /* CONNECT: protocol, level 4 (3.1.1), clean session, keepalive, client id = device */
    text(&body, "MQTT");
    put(&body, "\x04\x02\x00\x3c", 4);
    text(&body, device);
    send_packet(broker, 0x10, &body);

    char down[128];
    snprintf(down, sizeof down, "mien/v1/default/%s/down", device);
    body.size = 0; /* SUBSCRIBE, QoS 1: before the hello */
    put(&body, "\x00\x01", 2);
    text(&body, down);
    byte(&body, 1);
    send_packet(broker, 0x82, &body);

    Bytes hello = {.size = 0}, uplink = {.size = 0};
    number(&hello, 1, 1); /* v */
    bytes(&hello, 2, device, strlen(device));
    fixed(&hello, 3, boot);
    bytes(&hello, 4, "link_client 1", 13); /* software */
    bytes(&uplink, 1, hello.at, hello.size);
    fixed(&uplink, 8, link); /* MQTT 3.1.1 has no correlation data */
    publish(broker, device, "hello", &uplink, 2);

    for (;;) { /* until the turn is acknowledged */
        uint8_t type, piece;
        size_t size = 0;
        int shift = 0;
        take(broker, &type, 1);
        do {
            take(broker, &piece, 1);
            size |= (size_t)(piece & 127) << shift;
            shift += 7;
        } while (piece & 128);
        uint8_t *packet = malloc(size + 1);
        take(broker, packet, size);
        if (type >> 4 == 2 && packet[1] != 0) { fprintf(stderr, "refused: %d\n", packet[1]); return 1; }
        if (type >> 4 == 3) { /* PUBLISH: topic, id where QoS is 1, then a Downlink */
            const uint8_t *at = packet + 2 + (packet[0] << 8 | packet[1]), *end = packet + size;
            if (type & 6) {
                send_packet(broker, 0x40, &(Bytes){.at = {at[0], at[1]}, .size = 2}); /* PUBACK */
                at += 2;
            }
            while (at < end) {
                uint64_t key = read_varint(&at);
                if (key % 8 == 0) { read_varint(&at); continue; }
                if (key % 8 == 1) { at += 8; continue; } /* link = 7: one connection at a time, so it is ours */
                uint64_t length = read_varint(&at);
                if (key / 8 == 1) { /* welcome: now the turn may go */
                    puts("welcome");
                    Bytes envelope = {.size = 0};
                    struct timespec now;
                    clock_gettime(CLOCK_MONOTONIC, &now);
                    number(&envelope, 1, 1); /* v */
                    bytes(&envelope, 2, device, strlen(device));
                    fixed(&envelope, 3, boot);
                    number(&envelope, 4, 1); /* seq */
                    number(&envelope, 5, 1); /* turn */
                    number(&envelope, 6, (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000); /* mono_ms */
                    number(&envelope, 11, 4); /* kind: TURN_END */
                    bytes(&envelope, 16, argv[4], strlen(argv[4])); /* words */
                    uplink.size = 0;
                    bytes(&uplink, 2, envelope.at, envelope.size);
                    fixed(&uplink, 8, link);
                    publish(broker, device, "env", &uplink, 3);
                } else if (key / 8 == 2) { /* ack: a real device forgets these numbers now, and not before */
                    puts("acknowledged");
                    return 0;
                } else {
                    printf("downlink %d\n", (int)(key / 8)); /* 3 reply, 4 command, 5 refused, 6 missing */
                }
                at += length;
            }
        }
        free(packet);
        fflush(stdout);
    }
}
