#ifndef BASE_ERR_H
#define BASE_ERR_H
/*
 * One idiom for failure everywhere: an int, 0 or a negative code. System and libuv errors are
 * -errno as they come; our own start below -10000 and come from this one list with their text.
 * Where a person reads the failure, a struct fault carries the place and a sentence as well.
 */
#define MUST_USE          __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

#define ERR_LIST(X)                                                                                \
    X(MORE, "more bytes are needed")                                                               \
    X(PROTO, "peer broke the protocol")                                                            \
    X(LIMIT, "over a limit")                                                                       \
    X(SYNTAX, "cannot be parsed")                                                                  \
    X(VALUE, "a value is not allowed")                                                             \
    X(VERSION, "unsupported version")                                                              \
    X(CORRUPT, "stored data is damaged")                                                           \
    X(REFUSED, "not allowed")                                                                      \
    X(FULL, "no room is left")                                                                     \
    X(CLOSED, "connection closed")                                                                 \
    X(STOPPED, "shutting down")                                                                    \
    X(UNKNOWN, "no such thing")                                                                    \
    X(EXISTS, "there is one already")                                                              \
    X(STALE, "overtaken by something newer")                                                       \
    X(TLS, "TLS failure")                                                                          \
    X(DB, "database failure")                                                                      \
    X(BUSY, "busy, try again later")

enum err {
    ERR_BASE = -10000,
#define ERR_MINUS(name, text) ERR_POS_##name,
    ERR_POS_START = 0,
    ERR_LIST(ERR_MINUS) ERR_POS_END,
#undef ERR_MINUS
#define ERR_CODE(name, text) ERR_##name = ERR_BASE - ERR_POS_##name,
    ERR_LIST(ERR_CODE)
#undef ERR_CODE
};

/* The text of a code: ours, or the system's for -errno. Constant or thread-local; never NULL. */
const char *err_text(int code);

/* A failure that a person reads. line and column count from 1; 0 means unknown. */
struct fault {
    int code;
    unsigned line, column;
    char file[256];
    char text[512];
};

/* Fill *f (which may be NULL) and return code, so that a caller can write `return fault_set(…)`. */
int fault_set(struct fault *f, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
int fault_at(struct fault *f, int code, const char *file, unsigned line, unsigned column,
             const char *fmt, ...) PRINTF_LIKE(6, 7);

/* "file:line:column: text", as far as known, into out (always terminated). Returns out. */
const char *fault_text(const struct fault *f, char *out, unsigned long out_size);

#endif
