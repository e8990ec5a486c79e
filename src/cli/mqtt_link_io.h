#ifndef CLI_MQTT_LINK_IO_H
#define CLI_MQTT_LINK_IO_H
/* What the MQTT commands share: a client on a loop of its own, from the command line's options to a
 * sentence about each failure, and Ctrl-C. */
#include "cli/mqtt_args.h"
#include "mqtt/client_io.h"
#include "net/loop.h"

struct mqtt_link {
    const char *command; /* "mqtt pub", in front of each message */
    const struct mqtt_login *login;
    struct loop *loop;
    struct mqtt_client *client; /* NULL after mqtt_link_end() */
    struct tls_context *tls;
    struct loop_signal *signals[2];
    char server[MQTT_TARGET_TEXT_MAX + 8], id[32];
    bool was_up, is_up;
    bool told; /* of this outage; not of each attempt in it */
    uint64_t up_at_ms;
    unsigned short_sessions; /* in a row: they broke within SHORT_SESSION_MS */
    unsigned mute_sessions;  /* of these: and the server had answered nothing */
    bool answered;           /* in this session */
    /* The retained messages that a new subscription brings. */
    struct timer quiet;
    bool quiet_on, asked, news;
    unsigned waiting; /* subscriptions without an answer */
    void (*all_came)(void *ctx);
    void *ctx;
};

struct mqtt_link_options {
    const char *command;
    const struct mqtt_login *login;
    const struct mqtt_client_handler *handler;
    void (*stop)(void *ctx, int signum); /* SIGINT, SIGTERM */
    void (*all_came)(void *ctx);         /* see mqtt_link_quiet(); may be NULL */
    void *ctx;
    bool keep_session, resend;
    uint32_t session_expiry_s;
    size_t packet_max_bytes; /* from the server; 0: the most that MQTT knows */
};
/* Starts connecting. EXIT_DONE, or what to end with; then it has said why, and mqtt_link_close() is
 * still due. */
MUST_USE int mqtt_link_open(struct mqtt_link *l, const struct mqtt_link_options *o);
/* Runs the loop until mqtt_link_end(). */
void mqtt_link_run(struct mqtt_link *l);
/* DISCONNECT, and mqtt_link_run() returns when all is closed. Idempotent. */
void mqtt_link_end(struct mqtt_link *l);
void mqtt_link_close(struct mqtt_link *l);

/* For the handler's disconnected(): says why, on standard error, and whether it tries again; once an
 * outage. False: it is final, since nothing stood before or trying again is pointless. */
bool mqtt_link_down(struct mqtt_link *l, int code, unsigned reason, struct str text);
/* For connected(): says it when there was a session before. */
void mqtt_link_up(struct mqtt_link *l);
/* The server answered something, or was asked nothing. Where each of a few sessions in a row breaks before
 * that, what is asked breaks them, and mqtt_link_down() is final. */
void mqtt_link_answered(struct mqtt_link *l);
/* "wayside COMMAND: …" and a line feed on standard error. */
void mqtt_link_say(const struct mqtt_link *l, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* When are all retained messages here? MQTT has no sign of it. They follow the answer to the
 * subscription, so: when every subscription was answered, nothing came for QUIET_MS, and the server
 * then answered a PINGREQ with nothing before the answer, all_came() is called. */
#define MQTT_LINK_QUIET_MS 300
/* From connected(): `subscriptions` answers are due. */
void mqtt_link_quiet(struct mqtt_link *l, unsigned subscriptions);
void mqtt_link_quiet_subscribed(struct mqtt_link *l); /* from subscribed() */
void mqtt_link_quiet_message(struct mqtt_link *l);    /* from message() */
void mqtt_link_quiet_ponged(struct mqtt_link *l);     /* from ponged() */

#endif
