#ifndef NODE_CHECK_IO_H
#define NODE_CHECK_IO_H
/* What a configuration names on the disk. Blocking; changes nothing. */
#include "conf/conf.h"

/* Reads the files that a start would read (certificates, keys, authorities, the access and the password file) and
 * looks whether its data folder could be written. All that is wrong goes to *r. Is for whoever would start the
 * node: another user may read other files. */
MUST_USE int check_files(const struct conf *conf, struct conf_report *r);

#endif
