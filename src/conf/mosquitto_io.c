/* The files of a mosquitto.conf, the folders that it includes, and what else its reader asks. */
#include "conf/mosquitto_io.h"

#include "conf/conf_io.h"
#include "conf/report.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static int list_dir(void *ctx, const char *path, struct buf *out, struct fault *f)
{
    DIR *dir = opendir(path);
    struct dirent *entry;

    (void)ctx;
    if (!dir)
        return fault_set(f, -errno, "cannot open %s: %s", path, err_text(-errno));
    while ((entry = readdir(dir)) != NULL)
        buf_put_bytes(out, entry->d_name, strlen(entry->d_name) + 1);
    closedir(dir);
    return 0;
}

static int read_text(void *ctx, const char *path, struct buf *out, struct fault *f)
{
    (void)ctx;
    return conf_io_read(path, out, f);
}

static int readable(void *ctx, const char *path, struct fault *f)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    (void)ctx;
    if (fd < 0)
        return fault_set(f, -errno, "cannot open %s: %s", path, err_text(-errno));
    close(fd);
    return 0;
}

static bool has_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0)
        close(fd);
    return fd >= 0 && access("/proc/net/if_inet6", F_OK) == 0;
}

struct mosquitto *mosquitto_io_read(const struct conf_schema *s, const char *path,
                                    struct conf_report *r)
{
    char cwd[4096];
    struct mosquitto_world world = {
        getcwd(cwd, sizeof(cwd)), has_ipv6(), list_dir, read_text, readable, NULL
    };
    struct buf text = buf_init(CONF_FILE_MAX);
    struct mosquitto *m = NULL;
    struct fault f;

    if (!world.cwd)
        world.cwd = ""; /* the folder is gone: then only absolute paths mean anything */
    if (conf_io_read(path, &text, &f))
        report_add(r, REPORT_ERROR, NULL, NULL, "%s", f.text);
    else
        m = mosquitto_new(s, &(struct conf_source){ path, buf_str(&text) }, &world, r);
    buf_fini(&text);
    return m;
}
