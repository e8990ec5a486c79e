#ifndef CLI_BENCH_PROC_IO_H
#define CLI_BENCH_PROC_IO_H
/* What another process on this machine has used. */
#include <stdint.h>

/* CPU time of all its threads in ns; 0: there is no such process. Threads that ended are not in it. */
uint64_t bench_proc_cpu_ns(uint64_t pid);
/* Its anonymous resident memory in bytes; 0: there is no such process. */
uint64_t bench_proc_memory(uint64_t pid);

#endif
