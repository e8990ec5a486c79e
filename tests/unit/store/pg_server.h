#ifndef TESTS_PG_SERVER_H
#define TESTS_PG_SERVER_H
/*
 * A PostgreSQL server of the test's own, in a scratch folder, on a Unix socket: Debian's package. As
 * root it runs as the user postgres, since it refuses root. Ended by the test.
 */
#include <errno.h>
#include <glob.h>
#include <grp.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct pg_server {
    char dir[64], bin[128], conninfo[160];
    pid_t pid;
};

/* Runs a program as whoever may run PostgreSQL; its process. */
static inline pid_t pg_spawn(const struct pg_server *s, const char *const argv[])
{
    pid_t pid = fork();
    struct passwd *pw;
    char log[96];

    if (pid != 0)
        return pid;
    if (geteuid() == 0) {
        pw = getpwnam("postgres");
        if (!pw || setgroups(0, NULL) || setgid(pw->pw_gid) || setuid(pw->pw_uid))
            _exit(126);
    }
    snprintf(log, sizeof(log), "%s/log", s->dir);
    if (!freopen(log, "a", stdout) || dup2(1, 2) < 0 || chdir("/"))
        _exit(126);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

static inline void pg_server_start(struct pg_server *s)
{
    char postgres[160], data[96];
    const char *argv[] = { postgres, "-D",        data, "-k", s->dir, "-c", "listen_addresses=",
                           "-c",     "fsync=off", NULL };

    snprintf(postgres, sizeof(postgres), "%s/postgres", s->bin);
    snprintf(data, sizeof(data), "%s/data", s->dir);
    s->pid = pg_spawn(s, argv);
    /* Its socket is there before it takes questions. */
    for (int i = 0; i < 1000 && PQping(s->conninfo) != PQPING_OK; i++)
        poll(NULL, 0, 30); /* between two looks; the deadline is 30 s */
}

static inline void pg_server_stop(struct pg_server *s, int signal_number)
{
    if (s->pid > 0) {
        kill(s->pid, signal_number);
        waitpid(s->pid, NULL, 0);
    }
    s->pid = 0;
}

/* NULL: it stands. Else why not. */
static inline const char *pg_server_make(struct pg_server *s)
{
    char initdb[160], data[96];
    const char *argv[] = { initdb,  "-D", data,   "-U",         "wayside",   "-A",
                           "trust", "-E", "UTF8", "--locale=C", "--no-sync", NULL };
    struct passwd *pw = getpwnam("postgres");
    glob_t g = { 0 };
    int status;

    memset(s, 0, sizeof(*s));
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &g) != 0)
        return "PostgreSQL is not installed: tools/setup does that";
    snprintf(initdb, sizeof(initdb), "%s", g.gl_pathv[g.gl_pathc - 1]);
    snprintf(s->bin, sizeof(s->bin), "%.*s", (int)(strlen(initdb) - strlen("/initdb")), initdb);
    globfree(&g);
    snprintf(s->dir, sizeof(s->dir), "/tmp/wayside-pg-XXXXXX");
    if (!mkdtemp(s->dir) || (geteuid() == 0 && (!pw || chown(s->dir, pw->pw_uid, pw->pw_gid))))
        return "no scratch folder";
    snprintf(data, sizeof(data), "%s/data", s->dir);
    if (waitpid(pg_spawn(s, argv), &status, 0) < 0 || status != 0)
        return "initdb failed";
    snprintf(s->conninfo, sizeof(s->conninfo), "host=%s user=wayside dbname=postgres", s->dir);
    pg_server_start(s);
    return NULL;
}

static inline void pg_server_free(struct pg_server *s)
{
    const char *argv[] = { "/bin/rm", "-rf", s->dir, NULL };

    pg_server_stop(s, SIGINT); /* fast: it does not wait for its clients */
    waitpid(pg_spawn(s, argv), NULL, 0);
}

#endif
