/* Two files into memory, each within limits.access_file_max, and from there to their readers. */
#include "node/access_io.h"

#include "base/buf.h"
#include "conf/conf_io.h"

static int read_acl(const struct settings *s, struct acl **out, struct fault *f)
{
    struct buf text = buf_init(s->limits.access_file_max_bytes);
    int rc = conf_io_read(s->mqtt.acl_file.p, &text, f);

    if (!rc)
        rc = acl_read(buf_str(&text), s->mqtt.acl_file.p, out, f);
    buf_fini(&text);
    return rc;
}

static int read_passwd(const struct settings *s, struct passwd **out, struct fault *f)
{
    struct buf text = buf_init(s->limits.access_file_max_bytes);
    int rc = conf_io_read(s->mqtt.password_file.p, &text, f);

    if (!rc)
        rc = passwd_read(buf_str(&text), s->mqtt.password_file.p, s->limits.password_iterations_max,
                         out, f);
    buf_fini(&text);
    return rc;
}

int access_io_load(const struct settings *s, const struct access_user *users, size_t user_count,
                   struct access **out, struct fault *f)
{
    struct acl *acl = NULL;
    struct passwd *passwd = NULL;
    int rc = 0;

    if (s->mqtt.acl_file.n > 0)
        rc = read_acl(s, &acl, f);
    if (!rc && s->mqtt.password_file.n > 0)
        rc = read_passwd(s, &passwd, f);
    if (rc) {
        acl_free(acl);
        return rc;
    }
    *out = access_new(users, user_count, acl, passwd);
    return 0;
}
