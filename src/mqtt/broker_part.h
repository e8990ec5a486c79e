#ifndef MQTT_BROKER_PART_H
#define MQTT_BROKER_PART_H
/*
 * The broker's insides, shared by its *_server.c files and by nobody else.
 *
 *     struct broker      options and limits; immutable once the workers see it
 *     struct part        one worker's share: connections, sessions, tree, its shards. Touched by
 *                        that worker's thread only; other parts reach it by mail
 *     struct conn        one network connection, from accept to close
 *     struct holding     one session on this worker, connected or not
 *     struct publication one message on its way through a part, as views; becomes a counted
 *                        struct message only if somebody has to keep it
 *
 * Files: broker_server.c (life), conn_server.c (a connection's states), conn_login_server.c
 * (CONNECT to OPEN), conn_rate_server.c (not faster than allowed),
 * conn_packet_server.c (packets of an open connection), conn_send_server.c
 * (everything that leaves), conn_ws_server.c (over WebSocket), persist_server.c and
 * persist_round_server.c (writing down), restore_server.c (the start out of that), route_server.c
 * (publications), outbox_server.c (between parts), ingest_server.c (on_publish and its tokens), holding_server.c (sessions),
 * inside_server.c (clients that are parts of this program), share_server.c (shared subscriptions),
 * keep_server.c (retained), recheck_server.c (when the rules have changed), look_server.c (listing,
 * ending), sys_server.c ($SYS).
 */
#include "base/buf.h"
#include "base/cell.h"
#include "base/list.h"
#include "base/map.h"
#include "mqtt/acks.h"
#include "mqtt/alias_out.h"
#include "mqtt/broker.h"
#include "mqtt/denials.h"
#include "mqtt/interest.h"
#include "mqtt/log_room.h"
#include "mqtt/match.h"
#include "mqtt/registry.h"
#include "mqtt/retained.h"
#include "mqtt/session.h"
#include "mqtt/tree.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/stream.h"
#include "resil/bucket.h"
#include "wire/mqtt.h"

#define CONN_HIGH        ((size_t)256 * 1024) /* bytes waiting: QoS 0 is dropped, the rest queues */
#define CONN_LOW         ((size_t)64 * 1024)
#define OUTBOX_MESSAGES  64u  /* one mail to another worker carries at most these */
#define LOG_LINES_MAX    20u  /* about misbehaving peers, per worker and second */
#define UNDECIDED_FACTOR 8u   /* what has no window (QoS 0, SUBSCRIBE): at most so many of ours */
#define SPARES_MAX       256u /* what each message needs until it is decided is kept for so many */
#define RETRY_ROOM_MS    20u  /* until a round has made room in the log */
/* Retained messages of QoS 0 on their way to the disk; publishers of more wait. */
#define UNAWAITED_MAX   4096u
#define RETRY_BEHIND_MS 5u
#define RETRY_FULL_MS   250u /* a 3.1.1 client whose PUBLISH found no room waits */
/* For so long the answers of one are taken and nothing else, so that what waits for it makes room. */
#define ANSWERS_ONLY_MS 10000u

struct broker_metrics {
    struct metric *connects, *refused, *received[3], *sent[3], *received_bytes;
    struct metric *dropped_slow, *dropped_queue, *dropped_size, *dropped_expired, *dropped_retained;
    struct metric *dropped_mount, *dropped_oldest, *dropped_offline, *redirected;
    struct metric *turned_address, *turned_handshake;
    struct metric *overfull, *throttled, *crowded, *expired_sessions, *sockets;
    struct metric *packets_in, *packets_out, *sent_bytes, *payload_in, *payload_out;
    struct metric *queued, *queued_bytes, *retained_bytes;
    struct metric *denied_publish, *denied_subscribe, *denied_session, *refused_ingest, *kept_alive,
        *taken_over;
    struct metric *connected, *sessions, *subscriptions, *shared, *retained, *proto_errors;
    struct metric *between, *proxy_refused, *unwritten;
};

struct broker_listener {
    struct broker *b;
    struct listener *l;
    const char *name;
    const struct broker_rules *rules;
    struct list link;
};
struct kept_rules {
    struct broker_rules rules;
    struct list link;
};

enum log_full { LOG_HAS_ROOM, LOG_QUOTA_FULL, LOG_DISK_FULL };

struct broker {
    struct workers *workers;
    unsigned count;
    struct part **parts;
    struct limits limits;
    struct session_limits session_limits;
    const struct authz *authz;
    broker_on_publish *on_publish;
    void *publish_ctx;
    char *version;
    uint64_t sys_interval_ms;
    struct listener_places *places; /* may be NULL */
    uint64_t key[2];                /* of all hashes that workers must agree on */
    struct broker_metrics m;
    struct metrics *own_metrics;   /* when none were given: the broker asks some itself */
    struct list listeners;         /* the thread that made the broker */
    struct list rules;             /* the same; the rules themselves never change */
    struct broker_inside *insides; /* a list; complete before anybody connects */
    struct gate *stopped;
    struct journal *journal;           /* NULL: nothing is written down */
    enum broker_durability durability; /* of what comes from inside */
    struct broker_topic *topics;       /* and of these; the first that matches holds */
    size_t topic_count;
    struct journal_cursor *cursor;      /* where the log begins to be of use */
    struct journal_cursor *cursor_base; /* the base of the last round */
    struct cell memory_low;             /* 1: limits.mqtt_memory_max is passed */
    /* Bytes put into the log, of those published, and how many those may be (log_room_look()). */
    struct cell log_written, log_published, log_may;
    struct cell log_full;       /* enum log_full: a round has not made room either */
    struct cell retained_count; /* topics of clients, in all shards */
    struct rounds {             /* part 0's */
        bool running, failed;
        uint32_t number;
        unsigned waiting;
        uint64_t base, base_before;
        struct log_room room;
        uint64_t least;     /* the log grows by so much between two */
        uint64_t unwritten; /* of the metric, when the round began */
        uint64_t told_ms;   /* that the disk has no space; 0: never */
        int64_t clock_ms;   /* of the wall clock to the uptime, as it was last written down */
    } rounds;
};

/* What somebody here may want; lasting: a session that is written down. */
struct interest {
    struct interest_set any, lasting;
};

/* What has left in this turn; counted at its end. */
struct tally {
    uint64_t packets, bytes, payload;
};

struct outbox;
struct sys;
/* A packet of QoS 0 as most who get it get it: conn_send_server.c. */
struct made {
    const struct message_source *of;
    uint32_t n; /* 0: none yet */
    bool retain;
    char bytes[STREAM_ROOM_MAX];
};

struct part {
    struct broker *b;
    struct loop *loop;
    unsigned index;
    struct tree tree;
    struct list conns;  /* but those of hellos */
    struct list hellos; /* connections before their CONNECT, the oldest first */
    size_t hello_count;
    size_t conn_count;
    struct map holdings; /* client id -> struct holding */
    uint64_t last_serial;
    bool stopping;
    size_t letters; /* sent by us and not yet answered: claims, queries, fences, rounds */

    /* route_server.c, outbox_server.c */
    struct interest_counts any, lasting_any;
    struct interest interest;   /* both as sets */
    struct interest told;       /* what the last fence said */
    struct interest confirmed;  /* what every other part knows */
    unsigned fences;            /* under way */
    struct interest *others;    /* of the other parts, by index */
    struct interest others_all; /* all of them together */
    struct outbox **outboxes;   /* by index; NULL while empty */
    struct outbox *spare_outbox;
    struct later flush;
    uint64_t last_stamp; /* of a publication from here */
    bool many;           /* several get what is being delivered */
    struct made made[2]; /* for 3.1.1, and for 5 */
    uint64_t routed;     /* the highest number that part_deliver() was given */
    struct match match;  /* sessions that several filters led to */

    struct map sharers; /* serial -> session of ours that is a member of a shared subscription */
    struct map shares;  /* shard: key -> struct share */
    struct map shares_by_id;
    struct list share_list; /* the same; in a round those to come first */
    uint64_t last_share;

    /* persist_server.c, persist_round_server.c */
    struct buf writing;    /* scratch: one operation */
    int64_t begun_wall_ns; /* its clocks: what it tells is by them */
    uint64_t begun_uptime_ns;
    struct list
        lasting; /* holdings whose sessions are written down; in a round those to come first */
    size_t lasting_count;
    uint32_t round; /* the round that is or was under way */
    uint64_t round_base;
    bool round_open;         /* our share of it is not over */
    size_t round_left;       /* sessions to look at */
    size_t round_away;       /* and those between two connections, that will be there again */
    size_t round_shares;     /* shared subscriptions to look at */
    uint32_t round_retained; /* node of the retained topics */
    struct timer round_timer, look_timer;

    struct registry registry; /* shard */
    struct retained retained; /* shard */
    struct sys *sys;          /* sys_server.c */
    struct tally tally;
    struct later tell_tally;
    struct broker_token *spare; /* at most SPARES_MAX, as of the next */
    struct acks_spare spare_acks;
    struct queue_node *spare_writing; /* struct writing */
    struct queue returned; /* spare too: those that the committer's thread is done with */
    struct cell returned_count;
    struct cell unawaited; /* of what is being written: nobody waits for so many */
    unsigned spare_count;
    struct questions *spare_questions;
    struct timer memory_timer; /* part 0's */
    struct buf mount_room;     /* scratch: what a client of a listener with a mount point named */
    uint64_t log_second;       /* part_may_log() */
    unsigned log_lines;
    struct denials denials;
    uint32_t rechecks; /* how often the rules have changed */
};

/* Peers decide how often they misbehave; this decides how often that is logged. What is left out
 * is counted by the metrics all the same. */
bool part_may_log(struct part *p);

/* ---- publications ---- */
struct publication {
    struct message_source src; /* views */
    struct message *m;         /* made when somebody has to keep it; our reference */
    bool admitted;             /* queues inside had room for it (inside_refuses()), and have to */
    bool has_place;            /* and so had the retained topics (keep_room()) */
};
/* The counted form, made at the first call; borrowed. It does not know its publisher unless it is retained:
 * who gets it is decided by src. */
struct message *publication_message(struct publication *p);
void publication_fini(struct publication *p);
static inline size_t publication_size(const struct publication *p)
{
    return p->src.topic.n + p->src.props.n + p->src.payload.n;
}
/* To those who subscribed here. */
void part_deliver(struct part *p, struct publication *pub);
/* The time, as a stamp that no other part gives. */
uint64_t part_stamp(const struct part *p);
/* MESSAGE_STAMP if what is published gets a stamp; else 0. Its message, if it is there before, better has room
 * for it, or is made anew. */
uint8_t part_stamps(const struct part *p, const struct message_source *src);
/* To all who subscribed, here and on other workers, and to the retained topics. Sets the stamp. */
void part_publish(struct part *p, struct publication *pub);

/* One filter more or less. add: true when not all others know of it yet: then nothing may be
 * acknowledged before part_fence() is done. */
bool part_interest_add(struct part *p, struct str filter, bool lasting);
void part_interest_remove(struct part *p, struct str filter, bool lasting);
/* Whether a session that lasts, here or elsewhere, may want the topic. */
bool part_lasting_interest(const struct part *p, struct str topic);
/* done(ctx) once every other worker knows our interest and has sent what it routed before, to us and to
 * each other; at once (inside) when there is no other. */
void part_fence(struct part *p, void (*done)(void *ctx), void *ctx);
/* All mail to other parts goes this way: behind the messages routed to them before. */
void part_post(struct part *from, unsigned to, struct mail *m);
/* What session_push() said is counted; a connection whose queue is full may be ended for it, soon. */
void part_queued(struct part *p, struct session *s, int rc);
/* Sends the messages collected for other parts now. */
void part_flush(struct part *p);
/* Collects it for another part. */
void outbox_put(struct part *p, unsigned to, struct publication *pub);
void outbox_fini(struct part *p);
static inline struct part *part_of(struct broker *b, const struct loop *l)
{
    return b->parts[loop_index(l)];
}
/* The part that owns a topic's retained message or a client id's registry entry. */
unsigned broker_shard(const struct broker *b, struct str key);

/* ---- sessions ---- */
struct conn;
struct holding {
    struct part *part;
    struct session *s;
    struct holding_timer *timer; /* will and expiry while disconnected; NULL: neither will come */
    struct conn *claimer;        /* was granted the session and is about to open */
    struct conn *undecided;      /* has left, and QoS 2 messages of its are still being decided */
    struct claim_mail *waiting;  /* for that */
    struct list link;            /* in part->lasting, while its session is written down */
};
/* It is looked at when its session says (session_wake_at). */
void holding_wake(struct holding *h);
/* The session is written down from now on. It has no subscription yet. */
void holding_lasts(struct holding *h);
/* Asks for the session of c's client id; conn_granted() follows. */
void holding_claim(struct conn *c);
/* A session begins on this part. s is taken. */
struct holding *holding_add(struct part *p, struct session *s);
struct holding *holding_of(struct part *p, const struct session *s);
/* The connection is gone from the session: will, expiry, or the end at once. */
void holding_detach(struct part *p, struct session *s, bool send_will);
/* The session was granted to a connection that did not come to be: one that was there waits on as before, with
 * its will, and one that was to begin is away, or over. */
void holding_unclaimed(struct part *p, struct session *s, bool was_there);
/* Nothing is undecided any more (h->undecided): a claim that waited goes on, and h may be gone. */
void holding_decided(struct holding *h);
/* Ends the session here for good; its will is published first if it is still there. */
void holding_end(struct holding *h);
/* Ends the connection to the session of that client id, if this part has it, and the session on wish. */
enum broker_kick holding_kick(struct part *p, struct str client_id, bool end_session);
/* No session here begins anything by itself any more; then they can be freed. */
void holding_quiet_all(struct part *p);
void holding_free_all(struct part *p);
/* Subscribes or unsubscribes all of s on this part. enter: true when a fence is needed. */
bool holding_enter_tree(struct part *p, struct session *s);
void holding_leave_tree(struct part *p, struct session *s);
void will_publish(struct part *p, struct session *s);
/* Nobody publishes it. */
void will_drop(struct part *p, struct session *s);

/* ---- inside_server.c ---- */
/* The client inside of that id; NULL: none, whether or not its id says that it was one. */
struct broker_inside *inside_find(const struct broker *b, struct str client_id);
bool inside_is_id(struct str client_id);
const struct session_limits *inside_limits(const struct broker_inside *i);
/* Takes out of a restored session what its client does not subscribe any more, and reads its mark. Before it
 * is in a tree. */
void inside_restored(struct part *p, struct broker_inside *i, struct session *s);
/* Looks at the queue of s, when it is one of a client inside. */
void inside_look(struct part *p, const struct session *s);
/* The name of a client inside whose full queue the topic would go into; NULL: there is none. from: whose
 * publications never go to itself. */
const struct broker_inside *inside_refuses(const struct broker *b, struct str topic,
                                           const struct broker_inside *from);
void inside_free_all(struct broker *b);

/* ---- recheck_server.c ---- */
/* May a client do that, by the rules of now? */
bool recheck_allows(struct part *p, const struct identity *who, struct str client_id,
                    enum authz_action action, struct str object);
/* Ends the subscriptions of s that are no longer allowed, and drops what waits and may not be received
 * then. in_tree: they are in this part's tree. */
void recheck_session(struct part *p, struct session *s, bool in_tree);
/* Drops what waits for s and may not be received. */
void recheck_queue(struct part *p, struct session *s);
/* May the session receive that message? */
bool recheck_receives(struct part *p, const struct session *s, const struct message *m);

/* ---- shared subscriptions ---- */
struct share;
struct share_wish {
    struct str key; /* "$share/NAME/FILTER" */
    uint32_t sub_id;
    uint8_t options; /* enum tree_options */
};
/* c's session becomes a member; done(ctx) once it gets its share of what is published, later and never
 * from inside. The caller holds c. */
void share_subscribe(struct conn *c, const struct share_wish *w, void (*done)(void *ctx),
                     void *ctx);
/* False: it was no member. */
bool share_unsubscribe(struct part *p, struct session *s, struct str key);
/* A message of its filter, at the home of the group. */
void share_publish(struct part *p, struct share *sh, struct publication *pub);
/* The session has come to this part, or goes. */
void share_enter(struct part *p, struct session *s);
void share_exit(struct part *p, struct session *s);
/* Its connection has room: the groups whose credit is used up are told. */
void share_room(struct part *p, struct session *s);
/* Its connection is gone: what it has not acknowledged goes to other members. */
void share_absent(struct part *p, struct session *s);
/* The session is over. */
void share_leave_all(struct part *p, struct session *s);
/* Message seq is done with, which the session's member of that id had of its group. */
void share_done(struct part *p, const struct session *s, uint64_t id, uint64_t seq);
/* What o says is in flight for s, and so far its group's, is to be its own: that is put where
 * persist_append() finds it. o->seq is not 0. */
void share_put_taken(struct part *p, const struct session *s, const struct session_out *o);
/* That is written down: its group owes it no more, if s is a member still. */
void share_taken(struct part *p, const struct session *s, const struct session_out *o);
void share_free_all(struct part *p);

/* A session that was restored is a member again. */
void share_rejoin(struct part *p, struct session *s);
/* A member's session is written down from now on. */
void share_lasts(struct part *p, struct session *s);
/* Its group owes m to whoever is a member again; before any rejoins. */
void share_restore_owed(struct part *p, struct str key, struct message *m);
/* Once all have: whoever has no member is over. */
void share_end_empty(struct part *p);

/* ---- written down ---- */
/* On the part's thread. code 0: it is on the disk, as number seq. Never from inside. */
typedef void persist_done(void *ctx, int code, uint64_t seq);
enum persist_op;
struct persist_sub;
/* The scratch buffer, empty; then what it holds is written. done NULL: nobody waits. how: when it is called,
 * BROKER_COMMIT or _INTERVAL. */
struct buf *persist_begin(struct part *p);
void persist_append(struct part *p, enum broker_durability how, persist_done *done, void *ctx);
/* What was published on that topic; otherwise: where no row says. */
enum broker_durability persist_topic(const struct broker *b, struct str topic,
                                     enum broker_durability otherwise);
void persist_put_source(struct part *p, enum persist_op op, const struct message_source *src,
                        uint16_t packet_id);
/* Whether what is retained for a topic is written down, whoever published it. What has a number is, too. */
bool persist_retains(const struct broker *b, struct str topic);
/* Whether a publication must be on the disk before it is routed and acknowledged. */
bool persist_wants(const struct part *p, const struct message_source *src,
                   enum broker_durability how);
/* packet_id: of QoS 2 from a session that is written down; else 0. */
void persist_publication(struct part *p, const struct message_source *src, uint16_t packet_id,
                         enum broker_durability how, persist_done *done, void *ctx);
/* The id of one of QoS 2 that was taken and goes to nobody here. serial: of its session. */
void persist_arrived(struct part *p, uint64_t serial, uint16_t packet_id,
                     enum broker_durability how, persist_done *done, void *ctx);
/* A retained message that nobody waits for. */
void persist_retained(struct part *p, const struct message_source *src);
/* Message seq is retained for that topic no more, and what is now is not written down. */
void persist_unretained(struct part *p, struct str topic, uint64_t seq);
/* The session as it is, at once: one that begins. */
void persist_whole(struct part *p, struct session *s, enum broker_durability how,
                   persist_done *done, void *ctx);
void persist_end(struct part *p, uint64_t serial, enum broker_durability how, persist_done *done,
                 void *ctx);
/* How what is written of c's session is waited for. */
enum broker_durability persist_how(const struct conn *c);
/* When its client had gone, by the wall clock of the record that was begun last; 0: it was never there. */
int64_t persist_away_wall_ms(const struct part *p, const struct session *s);
/* That its client had gone at s->away_ms. */
void persist_away(struct part *p, const struct session *s);
void persist_back(struct part *p, const struct session *s, uint32_t expiry_s);
/* The will that s has now, or that it has none any more. */
void persist_will(struct part *p, struct session *s);
void persist_subscribe(struct part *p, const struct session *s, const struct persist_sub *sub,
                       enum broker_durability how, persist_done *done, void *ctx);
void persist_unsubscribe(struct part *p, const struct session *s, struct str filter,
                         enum broker_durability how, persist_done *done, void *ctx);
void persist_item_done(struct part *p, const struct session *s, const struct session_out *o);
void persist_share_done(struct part *p, struct str key, uint64_t seq);
/* m has a number: whoever names it in this round or behind it finds a copy of it. */
void persist_copied(struct part *p, struct message *m);
/* Each writes its step down and then sends what follows: PUBLISH, PUBREL, PUBCOMP. Until then the session is as it
 * was, so that what is asked for again is written down again. */
void persist_sent(struct conn *c, const struct session_out *o);
void persist_released(struct conn *c, const struct session_out *o);
void persist_complete(struct conn *c, uint16_t packet_id);
/* The same for a PUBLISH whose id the session knows, but perhaps not the disk: PUBREC. */
void persist_again(struct conn *c, uint16_t packet_id);
/* A session leaves for another worker: the round may not have come to it yet. */
void persist_catch_up(struct part *p, struct session *s);
/* A session is here that is written down: it takes part in rounds. */
void persist_enter(struct part *p, struct holding *h);
/* Whether the log takes more publications now; if not and broker_log_is_low() neither, a round will tell. */
bool persist_has_room(const struct broker *b);
/* Whether more than so many are being written that nobody waits for: those have no window that bounds them. */
bool persist_is_behind(struct part *p, unsigned most);
/* What is kept for the next that is written. */
void persist_fini(struct part *p);
/* memory_server.c. What this process has in memory for itself. */
uint64_t memory_resident(void);
void memory_init(struct part *p);
void memory_start(struct part *p);
void memory_stop(struct part *p);
void persist_rounds_init(struct part *p);
void persist_rounds_start(struct part *p);
void persist_rounds_stop(struct part *p);
/* So much of a round as one turn of the loop does; true: there is no more. */
bool persist_round_turn(struct part *p);
/* Begins a round now, when none is under way. Part 0's thread. */
void persist_round(struct broker *b);
/* Waits until every request between parts, and to the disk, is answered. Not from a worker's thread. */
void broker_settle(struct broker *b);

/* ---- retained ---- */
/* has_place: it is kept for sure, unless a later one is. Else it may be a topic too many by now: that is counted
 * and, if m was written down, written down. */
void keep_set(struct part *p, struct message *m, bool has_place);
/* What the shard of a topic has said about it, to a connection whose packet waits for that. */
enum keep_place { PLACE_UNKNOWN, PLACE_ASKED, PLACE_THERE, PLACE_NONE };
/* Whether what c publishes, not empty, will be retained for that topic. Not while its shard is being asked. */
enum keep_room {
    KEEP_ROOM, /* at most what is on its way goes beyond the limit */
    KEEP_FULL, /* a topic too many; logged */
    KEEP_LATER /* c does not read, and the packet comes again */
};
enum keep_room keep_room(struct conn *c, struct str topic);
/* The retained messages that filter matches are to go to c: asked for in turn. options: of enum
 * tree_options, TREE_QOS and TREE_NO_LOCAL. */
void keep_query(struct conn *c, struct str filter, uint8_t options, uint32_t sub_id);
/* What has just been delivered: when it is a retained message, it is not to come again as one. */
void keep_note(struct conn *c, struct publication *pub);
struct replay;
/* True when the connection has been given something as new as m since m's filter was to be asked for. */
bool keep_is_seen(const struct conn *c, const struct replay *r, const struct message *m);
/* Asks for the next, when nothing is being asked and not too much waits to be sent; c->keep may be gone then.
 * What is not subscribed any more is not asked for. */
void keep_next(struct conn *c);
void keep_forget(struct conn *c);
/* Gives c->keep back when nothing is on its way any more. */
void keep_done(struct conn *c);
/* The rules have changed: what may not be received is not sent. */
void keep_recheck(struct conn *c);

/* What is retained and wanted by a connection, from the SUBSCRIBE until all of it was sent. */
struct keep {
    struct replay *replay, **replay_last;
    size_t replay_pending; /* messages in them */
    struct keep_ask *asks,
        **asks_last; /* filters whose retained messages are yet to be asked for */
    size_t ask_count;
    uint32_t queries;  /* retained shards that have not answered */
    uint64_t last_ask; /* number of the filter that was added last */
    struct map *seen;  /* retained topics delivered live meanwhile -> struct seen (keep_server.c) */
};
/* Retained messages on their way to a new subscriber, sent as fast as it takes them. */
struct replay {
    struct replay *next;
    size_t count, at;
    uint64_t ask; /* number of its filter */
    uint32_t sub_id;
    uint8_t options; /* enum tree_options of the subscription */
    struct message *messages[];
};

/* ---- ingestion ---- */
void ingest_fini(struct part *p);
struct broker_token {
    struct part *part;
    struct broker_token *next; /* while spare */
    struct conn *conn;         /* held by conn->holds; NULL for a will */
    uint32_t ack;              /* number in conn->acks */
    uint8_t qos;
    bool waits;             /* BROKER_WAIT, else BROKER_LATER */
    uint16_t packet_id;     /* of QoS 2 from a session that is written down */
    uint8_t durability;     /* enum broker_durability */
    uint64_t serial;        /* of the session that packet_id is of */
    struct publication pub; /* with its message, unless it is surely not routed */
};
enum ingest { INGEST_DONE, INGEST_AGAIN };
/* on_publish and what follows from it. INGEST_AGAIN: the packet is not taken, c does not read. */
enum ingest ingest_publish(struct conn *c, const struct mqtt_publish *pk, struct publication *pub);
void ingest_will(struct part *p, struct session *s, struct message *m);
/* Published from inside: on_publish is not asked. */
void ingest_inside(struct part *p, struct publication *pub);

/* ---- connections ---- */
enum conn_state { CONN_HELLO, CONN_AUTHENTICATING, CONN_CLAIMING, CONN_OPEN, CONN_CLOSING };
enum conn_busy {
    BUSY_LOGIN = 1,
    BUSY_CHECK = 2,
    BUSY_WAIT = 4,
    BUSY_CLAIM = 8,
    BUSY_ACKS = 16,
    BUSY_JOIN = 32,
    BUSY_RATE = 64
};

/* The CONNECT packet, kept until the connection is open. */
struct hello {
    struct mqtt_connect pk; /* views into bytes */
    char *bytes;
    char *assigned_id;       /* when the client left it to us */
    char *will_topic;        /* below its mount point */
    uint32_t generation;     /* of the holding that was granted */
    struct session *session; /* granted */
    bool session_present;
    bool begins;    /* to last, with this CONNECT, or one before that could not say so */
    uint64_t ended; /* serial of a session that was written down and is over with this CONNECT */
    struct conn *c;
    struct authz_login login;
    struct addr peer, local; /* for authz, which may answer later */
    struct buf certified;    /* the name in its certificate, where that is asked for */
};

/* What is asked of authz about one packet. A part keeps one for whoever asks next. */
struct questions {
    struct conn *c;
    struct authz_check check;
    char *object; /* while an answer is to come; NULL: none is */
    int *answers;
    uint32_t count, cap;
};

/* To go on reading, or to end: not inside of what found that out. */
struct conn_retry {
    struct timer timer;
    struct conn *c;
    uint64_t answers_until_ms;
};

/* How a connection that is not plainly a stream reaches its peer. */
struct conn_far {
    const struct conn_transport *transport;
};
struct conn_transport {
    bool (*send)(struct conn *c, struct str bytes); /* false: above the high mark */
    bool (*send_blob)(struct conn *c, struct str head, struct blob *b, size_t from, size_t n);
    void (*pause)(struct conn *c, bool paused); /* resuming offers the kept bytes again */
    void (*close)(struct conn *c, enum stream_end how, int code);
    void (*set_read_max)(struct conn *c, size_t n);
    const struct addr *(*peer)(const struct conn *c);
    const struct addr *(*local)(const struct conn *c);
    bool (*is_tls)(const struct conn *c);
    int (*cert_name)(const struct conn *c, enum cert_name which, struct buf *out);
};

/* What a client has taken of its rates (conn_rate_server.c); only where its listener has any. */
struct conn_rate {
    struct bucket messages, bytes;
    struct timer timer; /* it is read again */
    struct conn *c;
    uint64_t pauses;
};

struct conn {
    struct part *part;
    struct stream *stream; /* NULL: through `far` */
    struct conn_far *far;
    const struct broker_rules *rules; /* of its listener */
    unsigned char state;
    uint8_t version;
    uint8_t busy;      /* bits of enum conn_busy: why nothing is read */
    bool choked : 1;   /* more waits than the high mark */
    bool gone : 1;     /* the transport has closed */
    bool will_off : 1; /* DISCONNECT said so */
    bool bridge : 1;   /* its CONNECT (3.1.1) said that it is one */
    bool v31 : 1;      /* it speaks 3.1, which is 3.1.1 to all but the decoder and its CONNACK */
    bool answers_problems : 1; /* Request Problem Information */
    bool overfull : 1;         /* ends soon: its queue is full */
    bool answers_only : 1;     /* and pings: all else is not taken; it ends, and says that again */
    uint16_t keep_alive_s;
    uint8_t place;      /* enum keep_place, about the packet at hand */
    unsigned holds;     /* requests under way whose answers come to this structure */
    unsigned undecided; /* BROKER_LATER that has not come back */
    unsigned unwritten; /* of those: on their way to the disk */
    uint32_t max_out;   /* Maximum Packet Size of the client, and the format's */
    struct list link;
    struct session *session;
    struct holding *left; /* where decisions are noted that come after we have left */
    struct identity *who;
    struct hello *hello;
    struct timer timer;
    uint64_t last_read_ms;
    uint32_t received, sent; /* publications; for whoever looks */
    struct acks acks;
    struct str *aliases;         /* rules->topic_alias_max heap strings, or NULL */
    struct alias_out *alias_out; /* NULL: the client allows none */
    struct questions *questions; /* to authz about the packet at hand; NULL: none */
    struct keep *keep;           /* retained messages on their way to it; NULL: none */
    struct conn_rate *rate;      /* NULL: no limit */
    struct conn_retry *retry;    /* made when it is first needed */
    uint64_t since_uptime_ns;    /* of its CONNACK */
};

void conn_accepted(void *ctx, struct loop *l, struct stream *s);
/* A connection over s begins. */
void conn_begin(struct part *p, const struct broker_rules *rules, struct stream *s);
struct conn *conn_new(struct part *p, const struct broker_rules *rules);
/* Beyond this many waiting bytes the transport cuts the connection: room for the high mark and a
 * packet of the largest size behind it, whatever limits.send_queue_max_bytes says. */
size_t conn_send_max(const struct broker *b);
/* Bytes from the transport; how many were used. */
size_t conn_data(struct conn *c, struct str bytes);
void conn_drained(struct conn *c);
void conn_gone(struct conn *c, int code);
/* Ends it: MQTT 5 is told the reason where the state allows. text: constant, for the log. */
void conn_end(struct conn *c, uint8_t reason, const char *text);
/* conn_end without a word to the client. */
void conn_drop(struct conn *c, int err);
void conn_busy_set(struct conn *c, enum conn_busy why);
void conn_busy_clear(struct conn *c, enum conn_busy why);
/* on_retry() after that time: ends it when it is overfull, or clears BUSY_WAIT. */
void conn_retry_in(struct conn *c, uint64_t after_ms);
/* A 3.1.1 client's PUBLISH finds no room, and messages wait for its answers: those are taken, and all else is
 * not until it comes back. */
void conn_take_answers_only(struct conn *c);
/* One request less whose answer comes here; frees c if it was the last and the transport closed. */
void conn_unhold(struct conn *c);
const struct addr *conn_peer(const struct conn *c);
const struct addr *conn_local(const struct conn *c);
bool conn_is_tls(const struct conn *c);
/* How long its session may live on without it, in seconds: what it asks for, and no longer than its
 * listener allows. */
uint32_t conn_expiry_s(const struct conn *c, uint32_t asked_s);
/* As stream_cert_name(). */
MUST_USE int conn_cert_name(const struct conn *c, enum cert_name which, struct buf *out);
static inline bool conn_is_open(const struct conn *c)
{
    return c->state == CONN_OPEN && !c->gone;
}
void conn_move(struct conn *c, enum conn_state to);
/* Its CONNECT has come, or will not: it is not of p->hellos any more. */
void conn_hello_over(struct conn *c);
void conn_shutdown(struct conn *c);

/* conn_login_server.c */
void conn_connect(struct conn *c, const struct mqtt_connect *pk, struct str packet);
/* The answer to holding_claim(); s (taken) is NULL when there was none. in_tree: its subscriptions
 * are in this part's tree already. */
struct grant {
    struct session *s;
    uint32_t generation;
    bool in_tree;
    int code;
};
void conn_granted(struct conn *c, const struct grant *g);
void conn_login_cancel(struct conn *c);
void hello_free(struct hello *h);
/* 0, ERR_REFUSED or ERR_MORE: the answer comes later and the packet is handled again then.
 * at: which question of the packet this is. */
int conn_ask(struct conn *c, uint32_t at, enum authz_action action, struct str object);
void conn_answers_clear(struct conn *c);
void questions_free(struct questions *q);

/* conn_rate_server.c. The session is open: its listener's rates hold from now on. */
void conn_rate_begin(struct conn *c);
/* A packet of n bytes was taken; the connection may be busy afterwards. */
void conn_rate_count(struct conn *c, enum mqtt_type type, size_t n);
/* It took a packet about nothing that is known. */
void conn_rate_unknown(struct conn *c);
void conn_rate_end(struct conn *c);

/* conn_packet_server.c. False: the packet was not taken and comes again. */
bool conn_packet(struct conn *c, const struct mqtt_packet *pk);

/* conn_send_server.c */
void conn_send(struct conn *c, struct str bytes);
struct delivery {
    const struct message_source *src;
    struct message *m; /* for payloads that go by reference; may be NULL for small ones */
    struct sub_ids ids;
    uint16_t packet_id;
    uint8_t qos;
    bool retain, dup;
    bool many; /* others get it, too; the part forgets what it made before (conn_send_forget()) */
};
/* The next delivery is of another publication. */
void conn_send_forget(struct part *p);
/* False: larger than the client takes, or outside of its mount point; nothing was sent, and that is
 * counted. */
MUST_USE bool conn_send_publish(struct conn *c, const struct delivery *d);
/* A publication whose topic, properties and payload are longer together, or with more identifiers,
 * needs its message; payloads above this are sent by reference. */
#define SEND_COPY_MAX 1024u
#define SEND_IDS_MAX  128u
/* What session_next() said; counted. */
void conn_send_out(struct conn *c, const struct session_out *out);
void conn_send_ack(struct conn *c, enum mqtt_type type, uint16_t packet_id, uint8_t code,
                   const char *reason);
/* The session s goes its own way; what is undecided of it will be noted there. */
void conn_leave_answers(struct conn *c, struct session *s);
/* Answers owed that are ready, in order. */
void conn_flush_acks(struct conn *c);
/* Sends what the session and the replays have, as far as window and transport allow. */
void conn_pump(struct conn *c);
void conn_end_transport(struct conn *c, enum stream_end how, int code);
void conn_pause(struct conn *c, bool paused);
void conn_set_read_max(struct conn *c, size_t n);

void sys_start(struct part *p);
void sys_stop(struct part *p);
void sys_free(struct part *p);
/* A packet leaves, of so many bytes; payload: of those, a PUBLISH's. */
static inline void part_sent(struct part *p, size_t n, size_t payload)
{
    if (p->tally.packets++ == 0)
        loop_later(p->loop, &p->tell_tally);
    p->tally.bytes += n;
    p->tally.payload += payload;
}

#endif
