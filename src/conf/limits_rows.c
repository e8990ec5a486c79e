/* The settings under `limits:`: one row per limit of base/limits.h, made from the same list, so
 * that no limit is without a setting. Keys are written without their unit, since the value has it. */
#include "base/limits.h"

#include "conf/conf.h"

#define TYPE_COUNT CONF_UINT
#define TYPE_BYTES CONF_SIZE
#define TYPE_MS    CONF_DURATION

/* clang-format off */
const struct conf_row conf_limits_rows[] = {
#define LIMIT_ROW(name, number_, least, most, unit_, help_)                                        \
    { #name,                                                                                       \
      TYPE_##unit_,                                                                                \
      CONF_AT(struct limits, name),                                                                \
      .number = (number_),                                                                         \
      .min = (int64_t)(least),                                                                     \
      .max = (int64_t)(most),                                                                      \
      .flags = CONF_CUT_UNIT,                                                                      \
      .help = help_ },
    LIMITS_LIST(LIMIT_ROW)
#undef LIMIT_ROW
    { 0 },
};
/* clang-format on */
