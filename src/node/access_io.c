/* Two files into memory, each within limits.access_file_max, and from there to their readers. */
#include "node/access_io.h"

#include "base/buf.h"
#include "conf/conf_io.h"

static int read_acl(const struct mqtt_settings *m, const struct limits *l, struct acl **out,
                    struct fault *f)
{
    struct buf text = buf_init(l->access_file_max_bytes);
    int rc = conf_io_read(m->acl_file.p, &text, f);

    if (!rc)
        rc = acl_read(buf_str(&text), m->acl_file.p, out, f);
    buf_fini(&text);
    return rc;
}

static int read_passwd(const struct mqtt_settings *m, const struct limits *l, struct passwd **out,
                       struct fault *f)
{
    struct buf text = buf_init(l->access_file_max_bytes);
    int rc = conf_io_read(m->password_file.p, &text, f);

    if (!rc)
        rc = passwd_read(buf_str(&text), m->password_file.p, l->password_iterations_max, out, f);
    buf_fini(&text);
    return rc;
}

int access_io_load(const struct mqtt_settings *m, const struct limits *l,
                   const struct access_user *users, size_t user_count, struct access **out,
                   struct fault *f)
{
    struct acl *acl = NULL;
    struct passwd *passwd = NULL;
    int rc = 0;

    if (m->acl_file.n > 0)
        rc = read_acl(m, l, &acl, f);
    if (!rc && m->password_file.n > 0)
        rc = read_passwd(m, l, &passwd, f);
    if (rc) {
        acl_free(acl);
        return rc;
    }
    *out = access_new(users, user_count, acl, passwd);
    return 0;
}
