/* Reads /proc: schedstat has ns, where stat has ticks of 10 ms. */
#include "cli/bench_proc_io.h"

#include "base/str.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

uint64_t bench_proc_cpu_ns(uint64_t pid)
{
    char path[64];
    uint64_t total = 0;
    DIR *d;

    snprintf(path, sizeof(path), "/proc/%llu/task", (unsigned long long)pid);
    d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        char file[400], text[128] = "";
        FILE *f;

        if (e->d_name[0] == '.')
            continue;
        snprintf(file, sizeof(file), "%s/%s/schedstat", path, e->d_name);
        f = fopen(file, "r");
        if (!f)
            continue;
        if (fgets(text, sizeof(text), f))
            total += strtoull(text, NULL, 10);
        fclose(f);
    }
    if (d)
        closedir(d);
    return total;
}

uint64_t bench_proc_memory(uint64_t pid)
{
    static const char key[] = "RssAnon:";
    char path[64], line[256];
    uint64_t kb = 0;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%llu/status", (unsigned long long)pid);
    f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, key, sizeof(key) - 1) == 0)
            kb = strtoull(line + sizeof(key) - 1, NULL, 10);
    if (f)
        fclose(f);
    return kb * 1024;
}
