/* The defaults of the limits; the list is in the header. */
#include "base/limits.h"

struct limits limits_default(void)
{
    return (struct limits){
#define LIMIT_DEFAULT(name, def, least, most, unit, help) .name = (def),
        LIMITS_LIST(LIMIT_DEFAULT)
#undef LIMIT_DEFAULT
    };
}
