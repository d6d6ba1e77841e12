/* Read Mien's local event stream: JSON lines from a Unix socket. No library needed.
 * cc -o read_events read_events.c && ./read_events /run/mien/events.sock
 * Prints the name of each event, and each description's joint, audio and visual line as they are. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int channel = socket(AF_UNIX, SOCK_STREAM, 0);
    if (argc != 2 || strlen(argv[1]) >= sizeof address.sun_path) {
        fprintf(stderr, "usage: %s SOCKET\n", argv[0]);
        return 2;
    }
    strcpy(address.sun_path, argv[1]);
    if (connect(channel, (struct sockaddr *)&address, sizeof address) != 0) {
        perror(argv[1]);
        return 1;
    }
    FILE *lines = fdopen(channel, "r");
    char line[65536];
    while (fgets(line, sizeof line, lines)) {
        if (strstr(line, "\"type\":\"event\"") || strstr(line, "\"type\":\"description\"")) {
            fputs(line, stdout);
            fflush(stdout);
        }
    }
    fclose(lines);
    return 0;
}
