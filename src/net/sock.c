/*
 * Sockets' options and what the system says about them, in one place. A failure to set an option is
 * never worth a connection.
 */
#include "net/stream_impl.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

void sock_tune(int fd)
{
    int on = 1;

    /* Output is gathered per turn here, so the kernel need not wait for more (Nagle). */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    /* Where nothing above asks whether the peer is still there (MQTT without a keep-alive), the kernel does, in the
     * system's time (tcp_keepalive_time). */
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

void sock_user_timeout(int fd, unsigned ms)
{
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

int sock_error(int fd)
{
    int e = 0;
    socklen_t n = sizeof(e);

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n))
        return -errno;
    return -e;
}

int sock_explain(int error, const struct addr *a, struct fault *f)
{
    char text[ADDR_TEXT_SIZE];

    addr_format(a, text);
    switch (error) {
    case -EADDRINUSE:
        return fault_set(
            f, error, "%s is in use by another program; stop it, or choose another one here", text);
    case -EACCES:
        if (addr_is_unix(a))
            return fault_set(f, error, "%s: no permission to make a socket there", text);
        return fault_set(f, error,
                         "%s: ports below 1024 need the capability CAP_NET_BIND_SERVICE; "
                         "grant it, or choose a higher port",
                         text);
    case -EADDRNOTAVAIL:
        return fault_set(f, error, "%s: this machine has no such address; choose one of its own",
                         text);
    case -ENOENT:
        return fault_set(f, error, "%s: its folder does not exist; make it first", text);
    case -ENOTSOCK:
        return fault_set(f, error,
                         "%s: there is a file that is no socket; remove it, or choose "
                         "another path here",
                         text);
    default:
        return fault_set(f, error, "%s: cannot listen there: %s", text, err_text(error));
    }
}

int sock_bind_tcp(const struct addr *a, bool shared)
{
    int on = 1, rc = 0;
    int fd = socket(a->ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
        (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on))) ||
        /* "[::]" means IPv6 and nothing else, however the system is set. */
        (a->ss.ss_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on))) ||
        bind(fd, (const struct sockaddr *)&a->ss, a->len))
        rc = -errno;
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}

int sock_remove_stale(const struct addr *a, const char *path)
{
    struct stat st;
    int fd, rc;

    if (lstat(path, &st))
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode))
        return -ENOTSOCK; /* somebody's file: not ours to remove */
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    rc = connect(fd, (const struct sockaddr *)&a->ss, a->len) ? -errno : 0;
    close(fd);
    if (rc != -ECONNREFUSED)
        return -EADDRINUSE;
    return unlink(path) && errno != ENOENT ? -errno : 0;
}
