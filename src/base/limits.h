#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H
/*
 * Every limit of the program: name, default, least, most, unit, meaning. The configuration rows
 * under `limits:` are made from this list, so each limit has a setting. A module takes what it
 * needs from a const struct limits that it is given; nothing reads a default by itself.
 */
#include <stdint.h>

#define KIB(n) ((uint64_t)(n)*1024)
#define MIB(n) ((uint64_t)(n)*1024 * 1024)

/* clang-format off */
#define LIMITS_LIST(X)                                                                             \
    /* name, default, least, most, unit, help */                                                   \
    X(connections_max, 10000, 1, 1000000, COUNT, "open connections of all services together, but for health, the control socket and the local one") \
    X(health_connections_max, 64, 1, 1000, COUNT, "open connections to health, which has places of its own: a full node still answers its probes") \
    X(open_files_reserve, 128, 16, 100000, COUNT, "open files that connections leave to the journal, the store, the control socket and a reload, beside those of health; together never more than a quarter of what the system allows") \
    X(connections_per_address_max, 0, 0, 1000000, COUNT, "open connections of one address through one listener (IPv6: of one /64); 0: no limit") \
    X(tls_handshakes_max, 256, 1, 1000000, COUNT, "TLS handshakes under way on one listener: more wait, and for each of them one that takes longer than 1 s goes") \
    X(tls_handshake_timeout_ms, 10000, 100, 600000, MS, "time for a TLS handshake")               \
    X(proxy_header_max_bytes, 1024, 232, 65551, BYTES, "PROXY header in front of a connection, with its additions") \
    X(proxy_timeout_ms, 5000, 100, 600000, MS, "time from accept to a whole PROXY header")         \
    X(mqtt_packet_max_bytes, MIB(1), 128, MIB(255), BYTES, "largest MQTT packet from a client that is connected") \
    X(mqtt_connect_max_bytes, KIB(16), 128, MIB(1), BYTES, "largest CONNECT packet")               \
    X(mqtt_connect_timeout_ms, 10000, 100, 600000, MS, "time from accept to a whole CONNECT")      \
    X(mqtt_connecting_max, 2000, 1, 1000000, COUNT, "connections that have not sent a whole CONNECT: the oldest of more goes") \
    X(mqtt_logins_pending_max, 1000, 1, 1000000, COUNT, "logins whose password waits to be looked up in mqtt.password_file: more are told that the server is unavailable (0x88; 3.1.1: 3)") \
    X(mqtt_topic_max_bytes, 1024, 1, 65535, BYTES, "longest topic name or filter")                 \
    X(mqtt_topic_levels_max, 64, 1, 1024, COUNT, "levels in a topic name or filter")               \
    X(mqtt_subscriptions_max, 1000, 1, 1000000, COUNT, "subscriptions of one session")             \
    X(mqtt_shared_subscriptions_max, 32, 1, 1000000, COUNT, "shared subscriptions ($share/...) of one session: each sends it a copy, and keeps what waits up to mqtt_queue_max") \
    X(mqtt_sessions_max, 100000, 1, 100000000, COUNT, "MQTT sessions, of connected and of absent clients") \
    X(mqtt_inflight_max, 100, 1, 65535, COUNT, "unacknowledged QoS 1 messages to one client, and from it (Receive Maximum)") \
    X(mqtt_queue_max_messages, 10000, 1, 100000000, COUNT, "messages waiting for one client")      \
    X(mqtt_queue_max_bytes, MIB(16), 1024, MIB(65536), BYTES, "bytes waiting for one client")      \
    X(mqtt_memory_max_bytes, 0, 0, MIB(16777216), BYTES, "memory of the process above which a client's queue holds 16 KiB and nothing more is retained; 0: three quarters of the machine's") \
    X(mqtt_retained_max, 100000, 0, 100000000, COUNT, "retained topics; new ones beyond are refused, or not retained where nobody can be told") \
    X(mqtt_keepalive_max_s, 0, 0, 65535, COUNT, "longest keep-alive in seconds that is granted: of one that asks for more, or for none, MQTT 5 is told so, and 3.1.1 refused; 0: as the client asks") \
    X(access_file_max_bytes, MIB(1), 64, MIB(64), BYTES, "mqtt.acl_file, and mqtt.password_file")        \
    X(password_iterations_max, 10000, 1, 10000000, COUNT, "iterations of one line of mqtt.password_file; each login costs as many as its costliest line") \
    X(mqtt_message_rate_max, 0, 0, 1000000000, COUNT, "packets a second that ask for something (PUBLISH, SUBSCRIBE, UNSUBSCRIBE, PINGREQ, PUBREL of an unknown id) from one client: one beyond it is not read for a while; 0: no limit") \
    X(mqtt_byte_rate_max_bytes, 0, 0, MIB(1048576), BYTES, "bytes a second from one client, as mqtt_message_rate_max; 0: no limit") \
    X(mqtt_session_expiry_max_ms, UINT64_C(30) * 86400000, 0, UINT64_C(4294967295) * 1000, MS, "longest life of a session whose client is away; 0: sessions end with their connections, the most: no limit") \
    X(mqtt_will_delay_max_ms, UINT64_C(30) * 86400000, 0, UINT64_C(4294967295) * 1000, MS, "longest delay of a will; 0: wills go out at once") \
    X(mqtt_qos_max, 2, 0, 2, COUNT, "highest QoS of a publication from a client, and of what it is sent") \
    X(mqtt_topic_alias_max, 16, 0, 1024, COUNT, "topic aliases that one client may use")           \
    X(mqtt_alias_out_max, 16, 0, 1024, COUNT, "topic aliases used towards one client that allows them") \
    X(http_head_max_bytes, KIB(16), 512, MIB(1), BYTES, "request line and header fields together") \
    X(http_fields_max, 100, 4, 1000, COUNT, "header fields of one request")                        \
    X(http_body_max_bytes, MIB(1), 0, MIB(4096), BYTES, "body of one request")                     \
    X(http_head_timeout_ms, 10000, 100, 600000, MS, "time from the first byte to the end of the head") \
    X(http_body_timeout_ms, 30000, 100, 3600000, MS, "longest pause while a body arrives or an answer leaves") \
    X(http_idle_timeout_ms, 60000, 100, 3600000, MS, "keep-alive connection without a request")    \
    X(http_requests_max, 100000, 1, 1000000000, COUNT, "requests on one connection")               \
    X(ws_message_max_bytes, MIB(1), 126, MIB(256), BYTES, "one WebSocket message; of MQTT, whose packets may share a frame, what a frame may hold beside the largest of them") \
    X(json_depth_max, 32, 1, 48, COUNT, "nesting of a JSON value")                               \
    X(record_payload_max_bytes, KIB(256), 64, MIB(16), BYTES, "payload of one record")             \
    X(socket_line_max_bytes, KIB(256), 128, MIB(16), BYTES, "one line on the local socket")        \
    X(socket_clients_max, 64, 1, 10000, COUNT, "connections to the local socket")                  \
    X(clock_error_max_ms, 60000, 1000, 86400000, MS, "a device's clock that is off by more is wrong: its times are corrected by uptime") \
    X(uplink_senders_max, 10000, 1, 1000000, COUNT, "nodes that send their journals here")          \
    X(uplink_pending_max_bytes, MIB(128), MIB(1), MIB(65536), BYTES, "batches of other nodes that wait for the disk, as they are in memory") \
    X(send_queue_max_bytes, MIB(4), KIB(16), MIB(4096), BYTES, "bytes waiting to leave on one connection")
/* clang-format on */

enum limit_unit { LIMIT_COUNT, LIMIT_BYTES, LIMIT_MS };

struct limits {
#define LIMIT_FIELD(name, def, least, most, unit, help) uint64_t name;
    LIMITS_LIST(LIMIT_FIELD)
#undef LIMIT_FIELD
};

/* All at their defaults. */
struct limits limits_default(void);

#endif
