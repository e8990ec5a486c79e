/*
 * Open files. Each connection is one, and so is whatever the node does itself: a segment of the journal, a
 * certificate that is read again, a question on the control socket. Strangers must not take those, so
 * connections leave a reserve (limits.open_files_reserve). Health has places apart, since whoever watches a
 * node restarts one that does not answer, and a full one is not a dead one.
 *
 * The soft limit that a shell or systemd gives (1024) is for programs that use select(); this one does
 * not, and takes the hard one.
 */
#include "node/open_files_io.h"

#include "base/log.h"

#include <limits.h>
#include <sys/resource.h>

uint64_t open_files_raise(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r))
        return INT_MAX; /* accept4() tells */
    if (r.rlim_cur < r.rlim_max) {
        struct rlimit more = { r.rlim_max, r.rlim_max };

        if (setrlimit(RLIMIT_NOFILE, &more) == 0)
            r = more;
    }
    return r.rlim_cur < INT_MAX ? r.rlim_cur : INT_MAX;
}

static struct listener_places places_of(uint64_t connections_max, uint64_t files_max,
                                        struct metrics *m)
{
    return (struct listener_places){
        .connections_max = connections_max,
        .files_max = (int)files_max,
        .places =
            metrics_counter(m, LISTENER_TURNED_AWAY, "cause=\"places\"", LISTENER_TURNED_AWAY_HELP),
        .files =
            metrics_counter(m, LISTENER_TURNED_AWAY, "cause=\"files\"", LISTENER_TURNED_AWAY_HELP),
    };
}

/* What the connections of all but health leave, health's among it. */
static uint64_t reserve_of(const struct limits *l, uint64_t files)
{
    uint64_t wanted = l->open_files_reserve + l->health_connections_max;

    return wanted < files / 4 ? wanted : files / 4;
}

struct listener_places open_files_places(const struct limits *l, uint64_t files, struct metrics *m)
{
    uint64_t needed = l->connections_max + l->open_files_reserve + l->health_connections_max;

    if (files < needed)
        log_warn("node", "fewer files may be open than limits.connections_max connections need",
                 lf_u64("allowed", files), lf_u64("needed", needed),
                 lf_text("do", "raise the limit (LimitNOFILE of systemd, ulimit -Hn), or lower "
                               "limits.connections_max"));
    return places_of(l->connections_max, files - reserve_of(l, files), m);
}

struct listener_places open_files_health_places(const struct limits *l, uint64_t files,
                                                struct metrics *m)
{
    /* Where the reserve is less than was wanted, so is health's share of it. */
    uint64_t own = reserve_of(l, files) * l->open_files_reserve /
                   (l->open_files_reserve + l->health_connections_max);

    return places_of(l->health_connections_max, files - own, m);
}
