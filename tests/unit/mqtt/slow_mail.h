#ifndef UNIT_MQTT_SLOW_MAIL_H
#define UNIT_MQTT_SLOW_MAIL_H
/*
 * The mail between the workers takes its time: now and then a thread stands still before it posts, so that what is
 * posted to one worker and then to another arrives in any order that there can be. For tests that are linked
 * with a wrapped loop_post() (CMakeLists.txt).
 */
#include "broker_rig.h"

#include <poll.h>
#include <stdlib.h>

void __real_loop_post(struct loop *l, struct mail *m);
void __wrap_loop_post(struct loop *l, struct mail *m);
void __wrap_loop_post(struct loop *l, struct mail *m)
{
    static _Thread_local unsigned seed;
    struct timespec t = { 0 };

    if (seed == 0)
        seed = (unsigned)(uintptr_t)&seed | 1;
    if (rand_r(&seed) % 2 == 0) {
        t.tv_nsec = rand_r(&seed) % 1000000;
        ppoll(NULL, 0, &t, NULL);
    }
    __real_loop_post(l, m);
}

#endif
