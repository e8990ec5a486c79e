/* Streams over real loopback sockets: keeping, back-pressure, marks, the ways to end. */
#include "unit/net/rig.h"

#include "net/stream_impl.h"

#include <netinet/tcp.h>
#include <sys/un.h>

/* Nothing waits for more to send, and a peer that is gone without a word is found. */
static void sockets_are_tuned(void **state)
{
    struct rig *r = rig_new(&rig_handler, 1000);
    int on = 0;
    socklen_t n = sizeof(on);

    (void)state;
    assert_int_equal(getsockopt(r->s->fd, IPPROTO_TCP, TCP_NODELAY, &on, &n), 0);
    assert_true(on);
    on = 0;
    assert_int_equal(getsockopt(r->s->fd, SOL_SOCKET, SO_KEEPALIVE, &on, &n), 0);
    assert_true(on);
    rig_free(r);
}

/* ---- reading ---- */

static void what_is_not_used_comes_again_in_front_of_the_next(void **state)
{
    struct rig *r = rig_new(&rig_handler, 1000);

    (void)state;
    assert_int_equal(r->connected, 1);
    r->take = 4;
    rig_peer_sends(r, STR("0123456"));
    UNTIL(r, r->got.n == 4);
    assert_int_equal(r->s->kept->n, 3);
    rig_peer_sends(r, STR("7"));
    UNTIL(r, r->got.n == 8);
    assert_str(buf_str(&r->got), "01234567");
    assert_null(r->s->kept);
    rig_free(r);
}

static void again_offers_what_is_kept(void **state)
{
    struct rig *r = rig_new(&rig_handler, 1000);

    (void)state;
    r->most = 2;
    rig_peer_sends(r, STR("abcdef"));
    UNTIL(r, r->got.n == 2);
    rig_turns(r, 2);
    assert_int_equal(r->data_calls, 1);
    stream_again(r->s);
    stream_again(r->s);
    assert_int_equal(r->data_calls, 1);
    rig_turns(r, 2);
    assert_int_equal(r->data_calls, 2);
    assert_str(buf_str(&r->got), "abcd");
    stream_again(r->s);
    rig_turns(r, 2);
    assert_str(buf_str(&r->got), "abcdef");
    stream_again(r->s); /* nothing is kept: nothing is offered */
    rig_turns(r, 2);
    assert_int_equal(r->data_calls, 3);
    rig_free(r);
}

struct again_mail {
    struct mail mail;
    struct stream *s;
};

static void ask_again(struct mail *m, struct loop *l)
{
    (void)l;
    stream_again(container_of(m, struct again_mail, mail)->s);
}

static void what_is_kept_comes_before_the_end(void **state)
{
    struct rig *r = rig_new(&rig_handler, 1000);
    struct again_mail m = { .mail = { .deliver = ask_again }, .s = r->s };

    (void)state;
    r->most = 4;
    rig_peer_sends(r, STR("abcdefgh"));
    UNTIL(r, r->got.n == 4);
    /* One turn sees the mail, by which the rest is to be offered again, and then the end. */
    loop_post(r->l, &m.mail);
    assert_int_equal(shutdown(r->peer, SHUT_WR), 0);
    UNTIL(r, r->eofs == 1);
    assert_int_equal(r->got_at_eof, 8);
    rig_free(r);
}

static void a_large_packet_is_put_together_from_many_reads(void **state)
{
    struct rig *r = rig_new(&rig_handler, 1024 * 1024);
    size_t i, total = 3 * 700 * 1000, sent = 0;
    char *p = mem_new(total);

    (void)state;
    for (i = 0; i < total; i++)
        p[i] = (char)(i * 7 + i / 251);
    r->take = 700 * 1000;
    while (sent < total) {
        ssize_t n = send(r->peer, p + sent, total - sent, MSG_NOSIGNAL);

        if (n > 0)
            sent += (size_t)n;
        rig_turns(r, 1);
    }
    UNTIL(r, r->got.n == total);
    assert_memory_equal(r->got.p, p, total);
    assert_null(r->s->kept);
    mem_free(p);
    rig_free(r);
}

static void more_than_read_max_without_progress_ends_it(void **state)
{
    struct rig *r = rig_new(&rig_handler, 100);
    char block[100] = { 0 };

    (void)state;
    r->take = 101;
    rig_peer_sends(r, str_from(block, 99));
    UNTIL(r, r->data_calls == 1);
    assert_false(stream_is_closing(r->s));
    rig_peer_sends(r, str_from(block, 1));
    close(r->peer);
    r->peer = -1;
    UNTIL(r, r->code != NONE);
    assert_int_equal(r->code, ERR_LIMIT);
    rig_free(r);
}

static void a_full_buffer_of_small_packets_is_no_limit(void **state)
{
    struct rig *r = rig_new(&rig_handler, 100);
    char block[5000] = { 0 };

    (void)state;
    r->most = 10; /* one packet per call */
    rig_peer_sends(r, str_from(block, sizeof(block)));
    UNTIL(r, r->got.n > sizeof(block) - 100);
    assert_false(stream_is_closing(r->s));
    assert_true(!r->s->kept || r->s->kept->n < 100);
    rig_free(r);
}

static void pause_holds_the_peer_back_and_resume_loses_nothing(void **state)
{
    struct rig *r = rig_new(&rig_handler, 1000);
    char block[65536];
    size_t sent = 0, held;
    unsigned full = 0;

    (void)state;
    stream_pause(r->s);
    assert_true(stream_is_paused(r->s));
    memset(block, 'x', sizeof(block));
    while (full < 20) { /* until the peer's socket takes no more */
        ssize_t n = send(r->peer, block, sizeof(block), MSG_NOSIGNAL);

        if (n > 0)
            sent += (size_t)n;
        full = n > 0 ? 0 : full + 1;
        loop_turn(r->l, n < 0);
    }
    assert_int_equal(r->got.n, 0);
    held = sent;
    stream_resume(r->s);
    UNTIL(r, r->got.n == held);
    /* Pausing from inside data() takes effect at once; the rest is kept and comes with resume. */
    r->pause_in_data = true;
    r->most = 3;
    rig_peer_sends(r, STR("123456"));
    UNTIL(r, r->got.n == held + 3);
    rig_peer_sends(r, STR("789"));
    rig_turns(r, 5);
    assert_int_equal(r->got.n, held + 3);
    r->pause_in_data = false;
    r->most = 0;
    stream_resume(r->s);
    UNTIL(r, r->got.n == held + 9);
    assert_str(str_skip(buf_str(&r->got), held), "123456789");
    rig_free(r);
}

static size_t upgraded_data(void *ctx, struct stream *s, struct str bytes)
{
    struct rig *r = ctx;

    (void)s;
    buf_put(&r->got, STR("|"));
    buf_put(&r->got, bytes);
    return bytes.n;
}
static const struct stream_handler upgraded = { .data = upgraded_data, .closed = rig_closed };

static size_t upgrading_data(void *ctx, struct stream *s, struct str bytes)
{
    struct rig *r = ctx;

    buf_put(&r->got, str_sub(bytes, 0, 3));
    stream_set(s, &upgraded, r, 1000);
    return 3;
}
static const struct stream_handler upgrading = { .data = upgrading_data, .closed = rig_closed };

static void a_new_protocol_gets_what_the_old_one_left(void **state)
{
    struct rig *r = rig_new(&upgrading, 1000);

    (void)state;
    rig_peer_sends(r, STR("oldnew"));
    UNTIL(r, r->got.n == 7);
    assert_str(buf_str(&r->got), "old|new");
    rig_free(r);
}

/* ---- writing ---- */

static void a_turn_of_small_writes_leaves_together(void **state)
{
    struct rig *r = rig_new(&rig_handler, 1000);
    struct blob *b = blob_new(STR("ef"));
    char in[100];

    (void)state;
    assert_true(stream_send(r->s, STR("ab")));
    memcpy(stream_room(r->s, 10), "cd", 2);
    assert_true(stream_commit(r->s, 2));
    assert_true(stream_send_blob(r->s, b, 0, 2));
    (void)stream_room(r->s, 10);
    assert_true(stream_commit(r->s, 0));
    assert_int_equal(stream_pending(r->s), 6);
    assert_int_equal(rig_peer_reads(r, in, sizeof(in)), -1);
    rig_turns(r, 1);
    assert_int_equal(stream_pending(r->s), 0);
    assert_null(r->s->out.first);
    assert_int_equal(rig_peer_reads(r, in, sizeof(in)), 6);
    assert_memory_equal(in, "abcdef", 6);
    blob_unref(b);
    rig_free(r);
}

/* Fills the path to the peer until bytes wait here. */
static size_t fill(struct rig *r)
{
    struct blob *b = blob_alloc(32 * 1024);
    size_t sent = 0;

    memset(b->bytes, 'f', b->n);
    while (stream_pending(r->s) == 0) {
        stream_send_blob(r->s, b, 0, b->n);
        sent += b->n;
        loop_turn(r->l, false);
    }
    blob_unref(b);
    return sent;
}

static void the_marks_hold_a_producer_back(void **state)
{
    struct rig *r = rig_new(&rig_handler, 1000);
    char block[8192], in[65536];
    size_t sent, read = 0;

    (void)state;
    memset(block, 'm', sizeof(block));
    stream_set_marks(r->s, 32 * 1024, 8 * 1024, 1024 * 1024);
    sent = fill(r);
    for (;;) {
        sent += sizeof(block);
        if (!stream_send(r->s, str_from(block, sizeof(block))))
            break;
    }
    assert_true(stream_pending(r->s) > 32 * 1024);
    rig_turns(r, 3);
    assert_int_equal(r->drained, 0);
    while (read < sent) {
        ssize_t n = rig_peer_reads(r, in, sizeof(in));

        if (r->drained)
            assert_true(stream_pending(r->s) <= 8 * 1024);
        if (n > 0)
            read += (size_t)n;
        else
            rig_turns(r, 1);
    }
    assert_int_equal(read, sent);
    UNTIL(r, r->drained > 0);
    assert_int_equal(r->drained, 1);
    rig_free(r);
}

static void beyond_send_max_it_ends(void **state)
{
    struct rig *r = rig_new(&rig_handler, 1000);
    struct blob *b = blob_alloc(100 * 1024);
    unsigned i;

    (void)state;
    memset(b->bytes, 'b', b->n);
    stream_set_marks(r->s, 100 * 1024, 1024, 300 * 1024);
    r->inside = true;
    for (i = 0; i < 1000 && !stream_is_closing(r->s); i++)
        stream_send_blob(r->s, b, 0, b->n);
    assert_true(stream_is_closing(r->s));
    assert_false(stream_send(r->s, STR("more")));
    (void)stream_room(r->s, 4);
    assert_false(stream_commit(r->s, 4));
    r->inside = false;
    UNTIL(r, r->code != NONE);
    assert_int_equal(r->code, ERR_LIMIT);
    assert_int_equal(atomic_load(&b->refs), 1);
    blob_unref(b);
    rig_free(r);
}

struct producer {
    struct rig *r;
    size_t left;
};
static struct producer producer;

static void producer_drained(void *ctx, struct stream *s)
{
    char block[4096] = { 0 };

    (void)ctx;
    while (producer.left > 0) {
        producer.left -= sizeof(block);
        if (!stream_send(s, str_from(block, sizeof(block))))
            break;
    }
}
static const struct stream_handler producing = {
    .data = rig_data,
    .drained = producer_drained,
    .closed = rig_closed,
};

static void a_producer_that_refills_in_drained_is_served_to_the_end(void **state)
{
    struct rig *r = rig_new(&producing, 1000);
    size_t total = 16 * 1024 * 1024, read = 0;
    char *in = mem_new(256 * 1024);

    (void)state;
    producer = (struct producer){ r, total };
    producer_drained(r, r->s);
    while (read < total) {
        ssize_t n = rig_peer_reads(r, in, 256 * 1024);

        if (n > 0)
            read += (size_t)n;
        else
            rig_turns(r, 1);
    }
    assert_int_equal(read, total);
    mem_free(in);
    rig_free(r);
}

/* ---- ending ---- */

static void flush_delivers_everything_to_a_slow_reader(void **state)
{
    struct rig *r = rig_new(&rig_handler, 1000);
    size_t total = 3 * 1024 * 1024, read = 0, i;
    struct blob *b = blob_alloc(total);
    char *in = mem_new(total);
    ssize_t n;

    (void)state;
    for (i = 0; i < total; i++)
        b->bytes[i] = (char)(i * 13 + i / 257);
    stream_send_blob(r->s, b, 0, total);
    /* What the peer sent is not read by anybody: closing the socket over it would reset. */
    rig_peer_sends(r, STR("unread"));
    r->inside = true;
    stream_close(r->s, STREAM_FLUSH, 0);
    assert_false(stream_send(r->s, STR("late")));
    r->inside = false;
    while ((n = rig_peer_reads(r, in + read, total - read > 5000 ? 5000 : total - read)) != 0) {
        if (n == -1) {
            rig_turns(r, 1);
            continue;
        }
        assert_true(n > 0);
        read += (size_t)n;
        if (read == total)
            break;
    }
    assert_int_equal(read, total);
    assert_memory_equal(in, b->bytes, total);
    UNTIL(r, rig_peer_reads(r, in, 10) == 0); /* FIN, not a reset */
    assert_int_equal(r->code, NONE);          /* lingers until the peer ends too */
    close(r->peer);
    r->peer = -1;
    UNTIL(r, r->code != NONE);
    assert_int_equal(r->code, 0);
    assert_int_equal(r->got.n, 0);
    assert_int_equal(atomic_load(&b->refs), 1);
    blob_unref(b);
    mem_free(in);
    rig_free(r);
}

static void now_overtakes_a_flush(void **state)
{
    struct rig *r = rig_new(&rig_handler, 1000);

    (void)state;
    fill(r);
    stream_close(r->s, STREAM_FLUSH, 0);
    rig_turns(r, 3);
    assert_int_equal(r->code, NONE);
    r->inside = true;
    stream_close(r->s, STREAM_NOW, ERR_STOPPED);
    stream_close(r->s, STREAM_NOW, 0);
    stream_close(r->s, STREAM_FLUSH, 0);
    r->inside = false;
    UNTIL(r, r->code != NONE);
    assert_int_equal(r->code, ERR_STOPPED);
    rig_free(r);
}

static void reset_resets(void **state)
{
    struct rig *r = rig_new(&rig_handler, 1000);
    char in[10];

    (void)state;
    stream_close(r->s, STREAM_RESET, ERR_PROTO);
    UNTIL(r, r->code != NONE);
    assert_int_equal(r->code, ERR_PROTO);
    assert_int_equal(rig_peer_reads(r, in, sizeof(in)), -ECONNRESET);
    rig_free(r);
}

static void closing_inside_data_leaves_the_view_good(void **state)
{
    struct rig *r = rig_new(&rig_handler, 1000);

    (void)state;
    r->take = 10;
    rig_peer_sends(r, STR("01234"));
    UNTIL(r, r->data_calls == 1);
    r->close_in_data = true;
    rig_peer_sends(r, STR("56789"));
    UNTIL(r, r->code != NONE);
    assert_str(buf_str(&r->got), "0123456789");
    assert_int_equal(r->code, 0);
    rig_free(r);
}

static void the_peers_end_is_told_and_our_side_still_sends(void **state)
{
    struct rig *r = rig_new(&rig_handler, 1000);
    char in[100];

    (void)state;
    rig_peer_sends(r, STR("last"));
    shutdown(r->peer, SHUT_WR);
    UNTIL(r, r->eofs == 1);
    assert_str(buf_str(&r->got), "last");
    rig_turns(r, 5);
    assert_int_equal(r->eofs, 1);
    stream_send(r->s, STR("answer"));
    rig_turns(r, 2);
    assert_int_equal(rig_peer_reads(r, in, sizeof(in)), 6);
    stream_close(r->s, STREAM_FLUSH, 0);
    UNTIL(r, r->code != NONE); /* the peer has ended: nothing to linger for */
    assert_int_equal(r->code, 0);
    rig_free(r);
}

static void without_eof_the_peers_end_ends_the_stream(void **state)
{
    struct rig *r = rig_new(&rig_plain_handler, 1000);
    char in[100];

    (void)state;
    stream_send(r->s, STR("waiting"));
    shutdown(r->peer, SHUT_WR);
    UNTIL(r, r->code != NONE);
    assert_int_equal(r->code, ERR_CLOSED);
    assert_int_equal(rig_peer_reads(r, in, sizeof(in)), 7);
    rig_free(r);
}

static void peer_resets(struct rig *r)
{
    struct linger hard = { 1, 0 };

    setsockopt(r->peer, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(r->peer);
    r->peer = -1;
}

static void a_reset_by_the_peer_is_told(void **state)
{
    struct rig *r = rig_new(&rig_handler, 1000);

    (void)state;
    peer_resets(r);
    UNTIL(r, r->code != NONE);
    assert_int_equal(r->code, -ECONNRESET);
    rig_free(r);
}

static void what_came_before_a_reset_is_still_read(void **state)
{
    struct rig *r = rig_new(&rig_handler, 1000);
    char block[1024] = { 0 };

    (void)state;
    rig_peer_sends(r, STR("why"));
    peer_resets(r);
    r->inside = true;
    while (stream_send(r->s, str_from(block, sizeof(block)))) /* finds out by writing */
        ;
    r->inside = false;
    UNTIL(r, r->code != NONE);
    assert_int_equal(r->code, -ECONNRESET);
    assert_str(buf_str(&r->got), "why");
    rig_free(r);
}

static void a_paused_stream_with_output_notices_a_reset(void **state)
{
    struct rig *r = rig_new(&rig_handler, 1000);

    (void)state;
    fill(r);
    stream_pause(r->s);
    rig_peer_sends(r, STR("x"));
    rig_turns(r, 3);
    peer_resets(r);
    UNTIL(r, r->code != NONE);
    assert_int_equal(r->code, -ECONNRESET);
    rig_free(r);
}

static void a_peer_that_takes_nothing_is_given_up(void **state)
{
    struct rig *r = rig_new(&rig_handler, 1000);
    uint64_t before;

    (void)state;
    fill(r);
    stream_close(r->s, STREAM_FLUSH, 0);
    before = loop_now_ms(r->l);
    rig_turns(r, 2);
    /* Five seconds in a moment. */
    stream_timer_in(r->s, 3);
    assert_true(r->s->timer->timer.at_ms <= before + 5000);
    UNTIL(r, r->code != NONE);
    assert_int_equal(r->code, 0);
    rig_free(r);
}

static void addresses_are_told(void **state)
{
    struct rig *r = rig_new(&rig_handler, 1000);
    char text[ADDR_TEXT_SIZE], expect[ADDR_TEXT_SIZE];
    struct sockaddr_in in4;
    socklen_t n = sizeof(in4);
    uint32_t uid, gid;
    int32_t pid;

    (void)state;
    snprintf(expect, sizeof(expect), "127.0.0.1:%u", r->port);
    assert_string_equal(addr_format(stream_peer(r->s), text), expect);
    getpeername(r->peer, (struct sockaddr *)&in4, &n);
    assert_int_equal(addr_port(stream_local(r->s)), ntohs(in4.sin_port));
    assert_int_equal(stream_peer_cred(r->s, &uid, &gid, &pid), -ENOTSUP);
    assert_false(stream_is_tls(r->s));
    assert_ptr_equal(stream_loop(r->s), r->l);
    stream_set_user_timeout(r->s, 4000);
    rig_free(r);
}

RUN(TEST(sockets_are_tuned), TEST(what_is_not_used_comes_again_in_front_of_the_next),
    TEST(again_offers_what_is_kept), TEST(what_is_kept_comes_before_the_end),
    TEST(a_large_packet_is_put_together_from_many_reads),
    TEST(more_than_read_max_without_progress_ends_it),
    TEST(a_full_buffer_of_small_packets_is_no_limit),
    TEST(pause_holds_the_peer_back_and_resume_loses_nothing),
    TEST(a_new_protocol_gets_what_the_old_one_left), TEST(a_turn_of_small_writes_leaves_together),
    TEST(the_marks_hold_a_producer_back), TEST(beyond_send_max_it_ends),
    TEST(a_producer_that_refills_in_drained_is_served_to_the_end),
    TEST(flush_delivers_everything_to_a_slow_reader), TEST(now_overtakes_a_flush),
    TEST(reset_resets), TEST(closing_inside_data_leaves_the_view_good),
    TEST(the_peers_end_is_told_and_our_side_still_sends),
    TEST(without_eof_the_peers_end_ends_the_stream), TEST(a_reset_by_the_peer_is_told),
    TEST(what_came_before_a_reset_is_still_read), TEST(a_paused_stream_with_output_notices_a_reset),
    TEST(a_peer_that_takes_nothing_is_given_up), TEST(addresses_are_told))
