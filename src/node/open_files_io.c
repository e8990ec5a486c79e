/*
 * Open files. Each connection is one, and so is whatever the node does itself: a segment of the journal, a
 * certificate that is read again, a question on the control socket. Strangers must not take those, so
 * connections leave a reserve (limits.open_files_reserve).
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

struct listener_places open_files_places(const struct limits *l, uint64_t files, struct metrics *m)
{
    uint64_t reserve = l->open_files_reserve;

    if (files < l->connections_max + reserve)
        log_warn("node", "fewer files may be open than limits.connections_max connections need",
                 lf_u64("allowed", files), lf_u64("needed", l->connections_max + reserve),
                 lf_text("do", "raise the limit (LimitNOFILE of systemd, ulimit -Hn), or lower "
                               "limits.connections_max"));
    if (reserve > files / 4)
        reserve = files / 4;
    return (struct listener_places){
        .connections_max = l->connections_max,
        .files_max = (int)(files - reserve),
        .places =
            metrics_counter(m, LISTENER_TURNED_AWAY, "cause=\"places\"", LISTENER_TURNED_AWAY_HELP),
        .files =
            metrics_counter(m, LISTENER_TURNED_AWAY, "cause=\"files\"", LISTENER_TURNED_AWAY_HELP),
    };
}
