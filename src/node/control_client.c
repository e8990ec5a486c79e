/*
 * The asking side of the control socket. It connects, sends one line and reads one line, all with
 * one deadline, and turns each failure into a sentence that leads on.
 */
#include "node/control_client.h"

#include "base/addr.h"
#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static int wait_for(int fd, short what, uint64_t deadline_ns)
{
    struct pollfd p = { .fd = fd, .events = what };
    uint64_t now = clock_mono_ns();
    int rc;

    if (now >= deadline_ns)
        return -ETIMEDOUT;
    rc = poll(&p, 1, (int)((deadline_ns - now) / 1000000) + 1);
    if (rc < 0)
        return errno == EINTR ? 0 : -errno;
    return rc == 0 ? -ETIMEDOUT : 0;
}

static int send_all(int fd, struct str s, uint64_t deadline_ns)
{
    while (s.n > 0) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n >= 0) {
            s = str_skip(s, (size_t)n);
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        n = wait_for(fd, POLLOUT, deadline_ns);
        if (n)
            return (int)n;
    }
    return 0;
}

static int read_line(int fd, struct buf *out, uint64_t deadline_ns)
{
    for (;;) {
        char *room = buf_reserve(out, 4096);
        ssize_t n;
        int rc;

        if (!room)
            return ERR_LIMIT;
        n = recv(fd, room, 4096, MSG_DONTWAIT);
        if (n == 0)
            return ERR_CLOSED;
        if (n > 0) {
            buf_commit(out, (size_t)n);
            if (out->p[out->n - 1] == '\n') {
                out->n--;
                return 0;
            }
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        rc = wait_for(fd, POLLIN, deadline_ns);
        if (rc)
            return rc;
    }
}

static int explain(struct fault *f, int rc, const char *path)
{
    switch (rc) {
    case 0:
        return 0;
    case -ENOENT:
    case -ECONNREFUSED:
        return fault_set(f, rc,
                         "no wayside answers at %s; start one (wayside hub), or name its control "
                         "socket with --control",
                         path);
    case -EACCES:
        return fault_set(f, rc, "not allowed to use %s; run as the user that wayside runs as",
                         path);
    case -ETIMEDOUT:
        return fault_set(f, rc, "%s did not answer in time; the process may be stopped", path);
    default:
        return fault_set(f, rc, "%s: %s", path, err_text(rc));
    }
}

int control_ask(const char *path, struct str request, unsigned timeout_ms, struct buf *out,
                struct fault *f)
{
    uint64_t deadline = clock_mono_ns() + (uint64_t)timeout_ms * 1000000;
    struct addr a;
    char full[ADDR_TEXT_SIZE];
    int fd = -1, rc;

    if (strlen(path) + 6 > sizeof(full))
        return fault_set(f, ERR_LIMIT, "%s: the path of a socket has at most 107 characters", path);
    memcpy(full, "unix:", 5);
    memcpy(full + 5, path, strlen(path) + 1);
    rc = addr_parse(str_of(full), 0, &a);
    if (rc)
        return fault_set(f, rc, "%s: the path of a socket has at most 107 characters", path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        rc = -errno;
        goto out;
    }
    if (connect(fd, (const struct sockaddr *)&a.ss, a.len)) {
        rc = -errno;
        goto out;
    }
    rc = send_all(fd, request, deadline);
    if (!rc)
        rc = send_all(fd, STR("\n"), deadline);
    if (!rc)
        rc = read_line(fd, out, deadline);
out:
    if (fd >= 0)
        close(fd);
    return explain(f, rc, path);
}
