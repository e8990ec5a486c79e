/*
 * The least that answers MQTT pings: one loop over epoll that accepts every CONNECT, answers every
 * PINGREQ and knows nothing else. What a ping of it takes is what this machine takes at the moment;
 * bench/mqtt holds a broker's pings against it.
 *
 *     bench_echo PORT
 */
#include "base/str.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int die(const char *what)
{
    perror(what);
    return 1;
}

/* bytes: whole packets, since a ping waits for its answer. */
static bool answer(int fd, const unsigned char *bytes, size_t n)
{
    static const char connack[] = "\x20\x03\x00\x00\x00", pong[] = "\xd0\x00";

    if (n > 0 && bytes[0] == 0x10)
        return write(fd, connack, sizeof(connack) - 1) > 0;
    for (size_t i = 0; i + 1 < n; i += 2)
        if (bytes[i] == 0xc0 && write(fd, pong, sizeof(pong) - 1) <= 0)
            return false;
    return true;
}

int main(int argc, char **argv)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct epoll_event e = { .events = EPOLLIN };
    int one = 1, door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int ep = epoll_create1(EPOLL_CLOEXEC);
    uint64_t port = 0;

    if (argc != 2 || str_to_u64(str_of(argv[1]), &port) || port > UINT16_MAX) {
        fprintf(stderr, "usage: bench_echo PORT\n");
        return 2;
    }
    a.sin_port = htons((uint16_t)port);
    setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(door, (struct sockaddr *)&a, sizeof(a)) || listen(door, 100))
        return die("bench_echo: listen");
    e.data.fd = door;
    if (epoll_ctl(ep, EPOLL_CTL_ADD, door, &e))
        return die("bench_echo: epoll_ctl");
    for (;;) {
        struct epoll_event events[64];
        int n = epoll_wait(ep, events, 64, -1);

        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            unsigned char bytes[4096];
            ssize_t got;

            if (fd == door) {
                e.data.fd = accept4(door, NULL, NULL, SOCK_CLOEXEC);
                setsockopt(e.data.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
                if (e.data.fd >= 0 && epoll_ctl(ep, EPOLL_CTL_ADD, e.data.fd, &e))
                    return die("bench_echo: epoll_ctl");
                continue;
            }
            got = read(fd, bytes, sizeof(bytes));
            if (got <= 0 || !answer(fd, bytes, (size_t)got))
                close(fd);
        }
    }
}
