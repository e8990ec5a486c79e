/* Reads the files that a login names: password, authorities, certificate and key. */
#include "cli/mqtt_login_io.h"

#include "conf/conf_io.h"
#include "net/tls.h"

/* The first line of the file, without its line end. */
static int read_password(const char *file, struct buf *out, struct fault *f)
{
    struct fault why = { 0 };
    struct str rest, line;

    if (conf_io_read(file, out, &why))
        return fault_set(f, ERR_VALUE, "--password-file: %s", why.text);
    rest = buf_str(out);
    line = str_cut(&rest, '\n');
    if (str_ends(line, STR("\r")))
        line.n--;
    if (line.n == 0)
        return fault_set(f, ERR_VALUE, "--password-file: the first line of %s is empty", file);
    out->n = line.n;
    return 0;
}

int mqtt_login_open(const struct mqtt_login *l, struct buf *password, struct tls_context **out_tls,
                    struct fault *f)
{
    struct tls_client_options o = { .ca_file = l->ca, .cert_file = l->cert, .key_file = l->key };
    struct fault why = { 0 };
    char text[1024];
    int rc = 0;

    if (l->password_file)
        rc = read_password(l->password_file, password, f);
    else if (l->to.has_password)
        buf_put(password, str_of(l->to.password));
    if (rc || !l->to.tls || !tls_client_new(&o, out_tls, &why))
        return rc;
    return fault_set(f, ERR_TLS, "%s", fault_text(&why, text, sizeof(text)));
}
