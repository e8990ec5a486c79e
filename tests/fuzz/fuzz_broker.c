/*
 * The whole broker under any program of several clients: the input says what they do, a byte for each
 * choice, and what it begins with decides how workers, connections and the log interleave. The model of
 * sim/mqtt holds every packet against what MQTT allows and asks for.
 */
#include "fuzz/fuzz.h"

#include "base/log.h"
#include "sim/mqtt/program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t start = 0;

    log_setup(LOG_OFF, LOG_LOGFMT, 2);
    if (size < 3)
        return 0;
    start = (uint64_t)data[0] | (uint64_t)data[1] << 8;
    bytes_of = luck_of = (struct chance){ .state = chance_seed(start, 1) };
    dice_of = (struct chance){ .bytes = data + 3, .left = size - 3 };
    program_begins(data[2] & 1 ? 1 : 3, (data[2] & 2) != 0);
    for (unsigned i = 0; i < STEPS_MOST && dice_of.left > 0; i++)
        one_step();
    program_ends();
    return 0;
}
