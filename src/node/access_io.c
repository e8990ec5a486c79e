/* Two files into memory, each within limits.access_file_max, and from there to their readers. */
#include "node/access_io.h"

#include "base/buf.h"
#include "conf/conf_io.h"

static int text_of(struct str path, const struct access_io_text *instead, struct buf *out,
                   struct fault *f)
{
    if (!instead)
        return conf_io_read(path.p, out, f);
    buf_put(out, instead->text);
    return buf_check(out) ? fault_at(f, ERR_LIMIT, path.p, 0, 0, "%s", err_text(ERR_LIMIT)) : 0;
}

static int read_acl(const struct mqtt_settings *m, const struct limits *l,
                    const struct access_io_text *instead, struct acl **out, struct fault *f)
{
    struct buf text = buf_init(l->access_file_max_bytes);
    int rc = text_of(m->acl_file, instead, &text, f);

    if (!rc)
        rc = acl_read(buf_str(&text), m->acl_file.p, out, f);
    buf_fini(&text);
    return rc;
}

static int read_passwd(const struct mqtt_settings *m, const struct limits *l,
                       const struct access_io_text *instead, struct passwd **out, struct fault *f)
{
    struct buf text = buf_init(l->access_file_max_bytes);
    int rc = text_of(m->password_file, instead, &text, f);

    if (!rc)
        rc = passwd_read(buf_str(&text), m->password_file.p, l->password_iterations_max, out, f);
    buf_fini(&text);
    return rc;
}

int access_io_load(const struct mqtt_settings *m, const struct limits *l,
                   const struct access_user *users, size_t user_count, struct access **out,
                   struct fault *f)
{
    return access_io_load_with(m, l, users, user_count, NULL, out, f);
}

int access_io_load_with(const struct mqtt_settings *m, const struct limits *l,
                        const struct access_user *users, size_t user_count,
                        const struct access_io_text *instead, struct access **out, struct fault *f)
{
    struct acl *acl = NULL;
    struct passwd *passwd = NULL;
    int rc = 0;

    if (m->acl_file.n > 0)
        rc = read_acl(m, l, instead && !instead->users ? instead : NULL, &acl, f);
    if (!rc && m->password_file.n > 0)
        rc = read_passwd(m, l, instead && instead->users ? instead : NULL, &passwd, f);
    if (rc) {
        acl_free(acl);
        return rc;
    }
    *out = access_new(users, user_count, acl, passwd);
    return 0;
}
