"""The numbered statements of MQTT 3.1.1 and MQTT 5 that bind a server or what it receives, and what stands for each here: a
test of the file that is run, NN:test_… of another file of this folder, or, behind a dash, why it cannot be seen from outside.
The paraphrases are ours, and short: the standard is what counts.

`run()` fails when a statement has neither, when a test does not exist, or when the numbering of a section has a hole."""
import atexit
import pathlib
import re

import mqtt_cases
from harness import Box, main

CLIENT = "- binds the client alone; a server never sees whether it holds"
NO_TEXT = "- no answer of this server carries a text, but PUBACK and PUBREC: those are tested"
ONE_COPY = "- this server sends one copy with all identifiers: 3.3.4-4 is tested"
NO_USER = "- this server never sends user properties of its own"
# Pending: to be replaced by tests when what they are about is finished.
NO_AUTH = "- extended authentication is not offered: 4.12.0-1 is tested"

V311 = """
1.5.3-1 ill-formed UTF-8 ends the connection | test_strings_must_be_utf_8
1.5.3-2 so does U+0000 | test_strings_must_be_utf_8
1.5.3-3 a byte order mark is a character | test_strings_arrive_unaltered
2.2.2-1 reserved flags have their values | test_reserved_flags_must_be_right
2.2.2-2 others end the connection | test_reserved_flags_must_be_right test_packets_of_a_server_are_refused
2.3.1-1 packet ids are not 0 | test_packet_ids_are_never_zero
2.3.1-2 a new packet has an unused id | test_outgoing_ids_are_unused_ones
2.3.1-3 sent again, it has the same id | test_what_is_not_acknowledged_comes_again
2.3.1-4 the same for a server's PUBLISH | test_outgoing_ids_are_unused_ones test_what_is_not_acknowledged_comes_again
2.3.1-5 no id at QoS 0 | test_the_lower_qos_of_the_two
2.3.1-6 PUBACK, PUBREC, PUBREL have the PUBLISH's id | test_answers_carry_the_packet_id test_incoming_qos_2
2.3.1-7 SUBACK and UNSUBACK have their request's | test_answers_carry_the_packet_id
3.1.0-1 the first packet is a CONNECT | test_the_first_packet_is_a_connect
3.1.0-2 a second one ends the connection | test_a_second_connect_ends_the_connection
3.1.2-1 another protocol name is not gone on with | test_the_protocol_name_is_mqtt
3.1.2-2 another level: CONNACK 0x01 and the end | test_another_protocol_level_is_answered_in_the_form_of_all
3.1.2-3 the reserved connect flag is 0 | test_every_combination_of_connect_flags
3.1.2-4 without clean session the session is continued, or made | test_session_present_tells_what_is_kept test_a_session_keeps_messages_for_its_absent_client
3.1.2-5 QoS 1 and 2 messages are kept for the absent client | test_a_session_keeps_messages_for_its_absent_client
3.1.2-6 a clean session has nothing of an older one and leaves nothing | test_a_new_session_has_nothing_of_the_old
3.1.2-7 retained messages outlive sessions | test_retained_messages_are_not_of_a_session
3.1.2-8 the will is kept and published at the end | test_a_will_is_published_unless_the_client_says_goodbye
3.1.2-9 will flags are used, will fields are there | test_will_of_each_qos_retained_or_not test_connect_has_the_fields_that_its_flags_say
3.1.2-10 published or taken back, a will is gone | test_a_will_is_published_unless_the_client_says_goodbye
3.1.2-11 without the will flag no will fields | test_every_combination_of_connect_flags test_connect_has_the_fields_that_its_flags_say
3.1.2-12 and no will is published | test_a_will_is_published_unless_the_client_says_goodbye
3.1.2-13 will QoS 0 without a will | test_every_combination_of_connect_flags
3.1.2-14 no will QoS 3 | test_every_combination_of_connect_flags
3.1.2-15 no will retain without a will | test_every_combination_of_connect_flags
3.1.2-16 a will that is not to be retained is not | test_will_of_each_qos_retained_or_not
3.1.2-17 one that is, is | test_will_of_each_qos_retained_or_not
3.1.2-18 user name flag 0: no user name | test_connect_has_the_fields_that_its_flags_say
3.1.2-19 user name flag 1: a user name | test_connect_has_the_fields_that_its_flags_say
3.1.2-20 password flag 0: no password | test_connect_has_the_fields_that_its_flags_say
3.1.2-21 password flag 1: a password | test_connect_has_the_fields_that_its_flags_say
3.1.2-22 no password without a user name | test_every_combination_of_connect_flags
3.1.2-23 the client pings in time | {CLIENT}
3.1.2-24 silence of 1.5 keep-alives ends the connection | test_keep_alive_is_one_and_a_half_times
3.1.3-1 the order of the fields | test_connect_has_the_fields_that_its_flags_say
3.1.3-2 the client id names the state | test_client_ids_of_all_letters_and_lengths
3.1.3-3 it is there, and first | test_connect_has_the_fields_that_its_flags_say
3.1.3-4 it is UTF-8 | test_strings_must_be_utf_8
3.1.3-5 1 to 23 letters and digits are allowed | test_client_ids_of_all_letters_and_lengths
3.1.3-6 an empty one gets a unique one | test_an_empty_client_id_gets_one_of_its_own
3.1.3-7 an empty one needs clean session | test_an_empty_client_id_needs_a_clean_session
3.1.3-8 otherwise 0x02 and the end | test_an_empty_client_id_needs_a_clean_session
3.1.3-9 a rejected id: 0x02 and the end | test_an_empty_client_id_needs_a_clean_session
3.1.3-10 the will topic is UTF-8 | test_strings_must_be_utf_8
3.1.3-11 the user name is UTF-8 | test_strings_must_be_utf_8
3.1.4-1 a CONNECT that is wrong ends without a CONNACK | test_connect_has_the_fields_that_its_flags_say test_every_combination_of_connect_flags
3.1.4-2 the same client id ends the older connection | test_taking_over_ends_the_other_connection 39:test_the_same_client_id_takes_over_on_any_worker
3.1.4-3 clean session is carried out | test_session_present_tells_what_is_kept
3.1.4-4 success is a CONNACK of 0 | test_client_ids_of_all_letters_and_lengths
3.1.4-5 after a refusal nothing is processed | test_a_refused_client_is_not_listened_to
3.2.0-1 CONNACK comes first | test_connack_comes_first
3.2.2-1 clean session: session present 0 | test_session_present_tells_what_is_kept
3.2.2-2 a session that is kept: 1 | test_session_present_tells_what_is_kept
3.2.2-3 none: 0 | test_session_present_tells_what_is_kept
3.2.2-4 a refusal: 0 | test_a_wrong_password_is_refused
3.2.2-5 and the end | test_a_wrong_password_is_refused
3.2.2-6 no fitting code: the end without CONNACK | test_connect_has_the_fields_that_its_flags_say
3.3.1-1 sent again means DUP | test_what_is_not_acknowledged_comes_again
3.3.1-2 no DUP at QoS 0 | test_a_publish_has_qos_0_1_or_2 test_the_lower_qos_of_the_two
3.3.1-3 DUP is not passed on | test_dup_is_not_passed_on
3.3.1-4 QoS 3 ends the connection | test_a_publish_has_qos_0_1_or_2
3.3.1-5 a retained message and its QoS are kept | test_the_last_retained_message_is_for_new_subscribers
3.3.1-6 the last one goes to a new subscription | test_the_last_retained_message_is_for_new_subscribers
3.3.1-7 one of QoS 0 replaces as well | test_the_last_retained_message_is_for_new_subscribers
3.3.1-8 the flag is 1 for a new subscription | test_the_last_retained_message_is_for_new_subscribers
3.3.1-9 and 0 for an established one | test_the_last_retained_message_is_for_new_subscribers
3.3.1-10 an empty one is delivered and removes | test_the_last_retained_message_is_for_new_subscribers
3.3.1-11 an empty one is not kept | test_the_last_retained_message_is_for_new_subscribers
3.3.1-12 without the flag nothing is kept or removed | test_the_last_retained_message_is_for_new_subscribers
3.3.2-1 the topic name is first and UTF-8 | test_a_publish_has_a_topic_name test_strings_must_be_utf_8
3.3.2-2 without wildcards | test_a_publish_has_a_topic_name
3.3.2-3 what a subscriber gets matches its filter | test_filters_match_what_they_should
3.3.4-1 the answer follows the QoS | test_incoming_qos_1 test_incoming_qos_2
3.3.5-1 overlapping subscriptions: the highest QoS | test_overlapping_subscriptions_give_the_highest_qos
3.3.5-2 what may not be published is acknowledged all the same | test_what_may_not_be_published_is_acknowledged_and_goes_nowhere
3.6.1-1 flags of PUBREL | test_reserved_flags_must_be_right
3.8.1-1 flags of SUBSCRIBE | test_reserved_flags_must_be_right
3.8.3-1 filters are UTF-8 | test_strings_must_be_utf_8
3.8.3-2 wildcards are supported or refused | test_filters_match_what_they_should
3.8.3-3 at least one filter | test_malformed_subscriptions
3.8.3-4 reserved bits and QoS 3 end the connection | test_malformed_subscriptions
3.8.4-1 SUBSCRIBE gets a SUBACK | test_suback_answers_each_filter_in_order
3.8.4-2 with its id | test_answers_carry_the_packet_id
3.8.4-3 the same filter replaces, retained come again, nothing is interrupted | test_subscribing_again_replaces_and_sends_retained_again test_nothing_is_lost_while_a_subscription_is_replaced
3.8.4-4 several filters are like several packets | test_suback_answers_each_filter_in_order
3.8.4-5 a code for each filter | test_suback_answers_each_filter_in_order
3.8.4-6 the lower of both QoS | test_the_lower_qos_of_the_two
3.9.3-1 codes in the order of the filters | test_suback_answers_each_filter_in_order
3.9.3-2 codes 0, 1, 2, 0x80 only | test_suback_answers_each_filter_in_order
3.10.1-1 flags of UNSUBSCRIBE | test_reserved_flags_must_be_right
3.10.3-1 filters are UTF-8 | test_strings_must_be_utf_8
3.10.3-2 at least one | test_malformed_subscriptions
3.10.4-1 compared byte by byte | test_unsubscribing_by_the_very_filter
3.10.4-2 nothing new is added | test_unsubscribing_by_the_very_filter
3.10.4-3 what was begun is finished | test_what_was_begun_is_finished_after_unsubscribing
3.10.4-4 UNSUBACK with the id | test_answers_carry_the_packet_id
3.10.4-5 also when nothing matched | test_unsubscribing_by_the_very_filter
3.10.4-6 several filters are like several packets | test_unsubscribing_by_the_very_filter
3.12.4-1 PINGREQ gets a PINGRESP | test_ping_is_answered
3.14.1-1 reserved bits of DISCONNECT | test_reserved_flags_must_be_right
3.14.4-1 then the client closes | {CLIENT}
3.14.4-2 and sends nothing more; nor is it listened to | test_nothing_is_read_behind_a_disconnect
3.14.4-3 the will is discarded | test_a_will_is_published_unless_the_client_says_goodbye
4.1.0-1 a session is kept as long as it lasts | test_a_session_keeps_messages_for_its_absent_client
4.1.0-2 at least as long as its connection | test_a_session_keeps_messages_for_its_absent_client
4.3.1-1 QoS 0 is sent with DUP 0 | test_the_lower_qos_of_the_two
4.3.2-1 sending QoS 1: new id, DUP 0, unacknowledged until PUBACK | test_outgoing_ids_are_unused_ones test_what_is_not_acknowledged_comes_again
4.3.2-2 receiving QoS 1: PUBACK, then the id is new | test_incoming_qos_1
4.3.3-1 sending QoS 2: PUBREL for PUBREC, no PUBLISH after it | test_what_is_not_acknowledged_comes_again test_outgoing_ids_are_unused_ones
4.3.3-2 receiving QoS 2: PUBREC, once only, PUBCOMP | test_incoming_qos_2 test_incoming_qos_2_that_is_ingested
4.4.0-1 on reconnection what is unacknowledged comes again | test_what_is_not_acknowledged_comes_again
4.5.0-1 what was taken is in the session of each who subscribed | test_a_session_keeps_messages_for_its_absent_client
4.5.0-2 the client acknowledges | {CLIENT}
4.6.0-1 sent again in the first order | test_what_is_not_acknowledged_comes_again
4.6.0-2 PUBACK in order | test_order_is_kept test_acknowledgements_keep_their_order
4.6.0-3 PUBREC in order | test_order_is_kept test_acknowledgements_keep_their_order
4.6.0-4 PUBREL in order | test_what_is_not_acknowledged_comes_again
4.6.0-5 every topic is ordered | test_order_is_kept
4.6.0-6 its messages arrive in order | test_order_is_kept 39:test_qos_1_keeps_its_order_for_every_subscriber
4.7.1-1 no wildcards in names | test_a_publish_has_a_topic_name
4.7.1-2 # is the last level | test_malformed_subscriptions test_filters_match_what_they_should
4.7.1-3 + is a whole level | test_malformed_subscriptions test_filters_match_what_they_should
4.7.2-1 a wildcard in front does not match $ | test_wildcards_at_the_front
4.7.3-1 one character at least | test_a_publish_has_a_topic_name test_malformed_subscriptions
4.7.3-2 no U+0000 | test_strings_must_be_utf_8
4.7.3-3 65,535 bytes at most | test_strings_are_bounded
4.7.3-4 no normalisation | test_strings_arrive_unaltered
4.8.0-1 a violation ends the connection | test_packets_of_a_server_are_refused test_bodies_cut_short_or_too_long
4.8.0-2 so does a passing fault within | 35:test_a_message_that_waits_for_room_is_not_acknowledged_by_a_stop
6.0.0-1 binary frames only | 37:test_broken_frames_close_the_socket_with_the_code
6.0.0-2 packets and frames are independent | 37:test_packets_may_be_split_over_frames_anywhere
6.0.0-3 the client offers mqtt | 37:test_what_does_not_speak_mqtt_is_refused
6.0.0-4 the server selects it | 37:test_the_same_host_and_programs_are_let_in
7.0.0-1 who also connects to servers conforms as a client | - the uplink is a client: its own tests are tests/unit/mqtt/test_client*.c
7.0.0-2 no extension is required | 39:test_mosquitto_clients_and_large_payloads
7.1.1-1 an ordered, lossless transport | test_order_is_kept
7.1.2-1 the same for clients | {CLIENT}
"""

V5 = """
1.5.4-1 ill-formed UTF-8 is malformed | test_strings_must_be_utf_8 test_property_values_in_their_range
1.5.4-2 so is U+0000 | test_strings_must_be_utf_8 test_property_values_in_their_range
1.5.4-3 a byte order mark is a character | test_strings_arrive_unaltered
1.5.5-1 numbers in their shortest form | test_numbers_are_in_their_shortest_form
1.5.7-1 both halves of a pair are UTF-8 | test_property_values_in_their_range
2.1.3-1 reserved flags have their values | test_reserved_flags_must_be_right
2.2.1-2 no id at QoS 0 | test_the_lower_qos_of_the_two
2.2.1-3 a client's ids are not 0 and unused | test_packet_ids_are_never_zero
2.2.1-4 a server's neither | test_outgoing_ids_are_unused_ones
2.2.1-5 acknowledgements have the PUBLISH's id | test_answers_carry_the_packet_id test_incoming_qos_2
2.2.1-6 SUBACK and UNSUBACK have their request's | test_answers_carry_the_packet_id
2.2.2-1 no properties: a length of 0 | test_properties_cut_short
3.1.0-1 the first packet is a CONNECT | test_the_first_packet_is_a_connect
3.1.0-2 a second one is a protocol error | test_a_second_connect_ends_the_connection
3.1.2-1 the protocol name is MQTT | test_the_protocol_name_is_mqtt
3.1.2-2 another version: the end, after a CONNACK perhaps | test_another_protocol_level_is_answered_in_the_form_of_all
3.1.2-3 the reserved connect flag is 0 | test_every_combination_of_connect_flags
3.1.2-4 clean start begins anew | test_a_new_session_has_nothing_of_the_old
3.1.2-5 without it the session goes on | test_a_session_keeps_messages_for_its_absent_client
3.1.2-6 or is made | test_session_present_tells_what_is_kept
3.1.2-7 the will is kept with the session | test_will_delay
3.1.2-8 and published after the end, its delay or the session's end | test_will_delay test_disconnect_with_a_reason test_a_will_is_published_unless_the_client_says_goodbye
3.1.2-9 its fields are there | test_connect_has_the_fields_that_its_flags_say
3.1.2-10 published or taken back, it is gone | test_a_will_is_published_unless_the_client_says_goodbye
3.1.2-11 will QoS 0 without a will | test_every_combination_of_connect_flags
3.1.2-12 no will QoS 3 | test_every_combination_of_connect_flags
3.1.2-13 no will retain without a will | test_every_combination_of_connect_flags
3.1.2-14 a will that is not to be retained is not | test_will_of_each_qos_retained_or_not
3.1.2-15 one that is, is | test_will_of_each_qos_retained_or_not
3.1.2-16 user name flag 0: no user name | test_connect_has_the_fields_that_its_flags_say
3.1.2-17 user name flag 1: a user name | test_connect_has_the_fields_that_its_flags_say
3.1.2-18 password flag 0: no password | test_connect_has_the_fields_that_its_flags_say
3.1.2-19 password flag 1: a password | test_connect_has_the_fields_that_its_flags_say
3.1.2-20 the client pings in time | {CLIENT}
3.1.2-21 the client takes the server's keep-alive | test_server_keep_alive_is_told_and_counts
3.1.2-22 silence of 1.5 keep-alives ends the connection | test_keep_alive_is_one_and_a_half_times
3.1.2-23 a session with an expiry is kept | test_a_session_ends_when_its_time_is_over
3.1.2-24 nothing larger than the client takes | test_maximum_packet_size_of_the_client test_no_answer_is_larger_than_the_client_takes
3.1.2-25 a message too large counts as sent | test_maximum_packet_size_of_the_client
3.1.2-26 no alias above the client's maximum | test_topic_aliases_of_the_server
3.1.2-27 none where it takes none | test_topic_aliases_of_the_client
3.1.2-28 no response information unless asked | test_connack_says_what_the_server_does
3.1.2-29 no texts for those who want none | test_reason_strings_only_for_those_who_want_them
3.1.2-30 a client that authenticates waits for CONNACK | {NO_AUTH}
3.1.3-1 the order of the fields | test_connect_has_the_fields_that_its_flags_say
3.1.3-2 the client id names the state | test_client_ids_of_all_letters_and_lengths
3.1.3-3 it is there, and first | test_connect_has_the_fields_that_its_flags_say
3.1.3-4 it is UTF-8 | test_strings_must_be_utf_8
3.1.3-5 1 to 23 letters and digits are allowed | test_client_ids_of_all_letters_and_lengths
3.1.3-6 an empty one gets a unique one | test_an_empty_client_id_gets_one_of_its_own
3.1.3-7 which is told | test_an_empty_client_id_gets_one_of_its_own
3.1.3-8 a rejected one ends the connection | - no client id is rejected but one that is no UTF-8, which is malformed: 3.1.3-4
3.1.3-9 back before the delay is over: no will | test_will_delay
3.1.3-10 a will's user properties keep their order | test_what_belongs_to_a_message_is_passed_on
3.1.3-11 the will topic is UTF-8 | test_strings_must_be_utf_8
3.1.3-12 the user name is UTF-8 | test_strings_must_be_utf_8
3.1.4-1 a CONNECT that is wrong ends the connection | test_connect_has_the_fields_that_its_flags_say test_each_property_belongs_to_its_packets
3.1.4-2 so does one that is not allowed | test_a_wrong_password_is_refused test_a_will_that_may_not_be_published_is_refused 81:test_sessions_are_bounded
3.1.4-3 the same client id ends the older connection, with 0x8E | test_taking_over_ends_the_other_connection
3.1.4-4 clean start is carried out | test_session_present_tells_what_is_kept
3.1.4-5 success is a CONNACK of 0 | test_client_ids_of_all_letters_and_lengths
3.1.4-6 after a refusal nothing is processed | test_a_refused_client_is_not_listened_to
3.2.0-1 CONNACK comes first | test_connack_comes_first
3.2.0-2 and once | test_a_second_connect_ends_the_connection
3.2.2-1 reserved acknowledge flags are 0 | test_session_present_tells_what_is_kept
3.2.2-2 clean start: session present 0 | test_session_present_tells_what_is_kept
3.2.2-3 else whether there is a session | test_session_present_tells_what_is_kept
3.2.2-4 a client without that session closes | {CLIENT}
3.2.2-5 a client with one that is gone discards it | {CLIENT}
3.2.2-6 a refusal: session present 0 | test_a_wrong_password_is_refused
3.2.2-7 and the end | test_a_wrong_password_is_refused
3.2.2-8 only codes of CONNACK | test_a_will_that_may_not_be_published_is_refused test_no_authentication_but_by_name
3.2.2-9 a server of less QoS says so | - all QoS are supported: test_connack_says_what_the_server_does sees that none is said
3.2.2-10 and takes all subscriptions | - all QoS are supported
3.2.2-11 a client heeds the maximum QoS | {CLIENT}
3.2.2-12 a will of too high a QoS is refused | - all QoS are supported
3.2.2-13 a retained will where nothing is retained is refused | - retained messages are supported
3.2.2-14 a client heeds retain available | {CLIENT}
3.2.2-15 a client heeds the maximum packet size; one that does not is ended | test_large_packets_pass_and_too_large_ones_end
3.2.2-16 an empty client id gets an assigned one | test_an_empty_client_id_gets_one_of_its_own
3.2.2-17 no client's alias above the maximum | test_topic_aliases_of_the_client
3.2.2-18 none where none is taken | - the server always takes some: test_connack_says_what_the_server_does
3.2.2-19 no text that makes CONNACK too large | {NO_TEXT}
3.2.2-20 nor user properties | {NO_USER}
3.2.2-21 the client takes the server's keep-alive | {CLIENT}
3.2.2-22 without one the client's own holds | test_keep_alive_is_one_and_a_half_times test_server_keep_alive_is_told_and_counts
3.3.1-1 sent again means DUP | test_what_is_not_acknowledged_comes_again
3.3.1-2 no DUP at QoS 0 | test_a_publish_has_qos_0_1_or_2 test_the_lower_qos_of_the_two
3.3.1-3 DUP is not passed on | test_dup_is_not_passed_on
3.3.1-4 no QoS 3 | test_a_publish_has_qos_0_1_or_2
3.3.1-5 a retained message replaces | test_the_last_retained_message_is_for_new_subscribers
3.3.1-6 an empty one removes | test_the_last_retained_message_is_for_new_subscribers
3.3.1-7 and is not kept | test_the_last_retained_message_is_for_new_subscribers
3.3.1-8 without the flag nothing is kept or removed | test_the_last_retained_message_is_for_new_subscribers
3.3.1-9 retain handling 0 sends them | test_retain_handling test_subscribing_again_replaces_and_sends_retained_again
3.3.1-10 1 only to a new subscription | test_retain_handling
3.3.1-11 2 never | test_retain_handling
3.3.1-12 retain as published 0: flag 0 | test_retain_as_published
3.3.1-13 1: the flag as it was | test_retain_as_published
3.3.2-1 the topic name is first and UTF-8 | test_a_publish_has_a_topic_name test_strings_must_be_utf_8
3.3.2-2 without wildcards | test_a_publish_has_a_topic_name
3.3.2-3 what a subscriber gets matches its filter | test_filters_match_what_they_should
3.3.2-4 payload format is passed on | test_what_belongs_to_a_message_is_passed_on
3.3.2-5 what has expired is not sent | test_messages_expire
3.3.2-6 the expiry is less by the time waited | test_messages_expire
3.3.2-7 aliases end with the connection | test_topic_aliases_of_the_client
3.3.2-8 no alias 0 | test_topic_aliases_of_the_client
3.3.2-9 none above the server's maximum | test_topic_aliases_of_the_client
3.3.2-10 a client takes all it allowed | {CLIENT}
3.3.2-11 a server sends none above the client's | test_topic_aliases_of_the_server
3.3.2-12 a server takes all it allowed | test_topic_aliases_of_the_client
3.3.2-13 the response topic is UTF-8 | test_property_values_in_their_range
3.3.2-14 without wildcards | test_property_values_in_their_range
3.3.2-15 and is passed on | test_what_belongs_to_a_message_is_passed_on
3.3.2-16 so is correlation data | test_what_belongs_to_a_message_is_passed_on
3.3.2-17 so are all user properties | test_what_belongs_to_a_message_is_passed_on
3.3.2-18 in their order | test_what_belongs_to_a_message_is_passed_on
3.3.2-19 the content type is UTF-8 | test_property_values_in_their_range
3.3.2-20 and is passed on | test_what_belongs_to_a_message_is_passed_on
3.3.4-1 the answer follows the QoS | test_incoming_qos_1 test_incoming_qos_2
3.3.4-2 overlapping subscriptions: the highest QoS | test_overlapping_subscriptions_give_the_highest_qos test_overlapping_subscriptions_each_with_its_identifier
3.3.4-3 their identifiers are sent | test_overlapping_subscriptions_each_with_its_identifier
3.3.4-4 in one copy: all of them | test_overlapping_subscriptions_each_with_its_identifier
3.3.4-5 in several: each its own | {ONE_COPY}
3.3.4-6 a client sends none | test_subscription_identifiers
3.3.4-7 a client heeds the receive maximum | test_receive_maximum_of_the_server
3.3.4-8 and delays nothing else | {CLIENT}
3.3.4-9 a server heeds it | test_receive_maximum_of_the_client
3.3.4-10 and delays nothing else | test_receive_maximum_of_the_client
3.4.2-1 only codes of PUBACK | test_reason_codes_of_a_client_belong_to_their_packets test_reason_strings_only_for_those_who_want_them
3.4.2-2 no text that makes it too large | test_no_answer_is_larger_than_the_client_takes
3.4.2-3 nor user properties | {NO_USER}
3.5.2-1 only codes of PUBREC | test_reason_codes_of_a_client_belong_to_their_packets test_reason_strings_only_for_those_who_want_them
3.5.2-2 no text that makes it too large | test_no_answer_is_larger_than_the_client_takes
3.5.2-3 nor user properties | {NO_USER}
3.6.1-1 flags of PUBREL | test_reserved_flags_must_be_right
3.6.2-1 only codes of PUBREL | test_reason_codes_of_a_client_belong_to_their_packets test_acknowledgements_of_the_wrong_kind
3.6.2-2 no text that makes it too large | {NO_TEXT}
3.6.2-3 nor user properties | {NO_USER}
3.7.2-1 only codes of PUBCOMP | test_reason_codes_of_a_client_belong_to_their_packets test_acknowledgements_of_the_wrong_kind
3.7.2-2 no text that makes it too large | {NO_TEXT}
3.7.2-3 nor user properties | {NO_USER}
3.8.1-1 flags of SUBSCRIBE | test_reserved_flags_must_be_right
3.8.3-1 filters are UTF-8 | test_strings_must_be_utf_8
3.8.3-2 at least one | test_malformed_subscriptions
3.8.3-3 no local | test_no_local
3.8.3-4 not on a shared subscription | test_names_of_shared_subscriptions
3.8.3-5 reserved bits are malformed | test_malformed_subscriptions test_retain_handling
3.8.4-1 SUBSCRIBE gets a SUBACK | test_suback_answers_each_filter_in_order
3.8.4-2 with its id | test_answers_carry_the_packet_id
3.8.4-3 the same filter replaces | test_subscribing_again_replaces_and_sends_retained_again
3.8.4-4 retained come again, nothing is lost | test_subscribing_again_replaces_and_sends_retained_again test_nothing_is_lost_while_a_subscription_is_replaced
3.8.4-5 several filters are like several packets | test_suback_answers_each_filter_in_order
3.8.4-6 a code for each | test_suback_answers_each_filter_in_order
3.8.4-7 what is granted or why not | test_suback_answers_each_filter_in_order test_subscriptions_beyond_the_limit
3.8.4-8 the lower of both QoS | test_the_lower_qos_of_the_two
3.9.2-1 no text that makes SUBACK too large | {NO_TEXT}
3.9.2-2 nor user properties | {NO_USER}
3.9.3-1 codes in the order of the filters | test_suback_answers_each_filter_in_order
3.9.3-2 only codes of SUBACK | test_suback_answers_each_filter_in_order test_subscriptions_beyond_the_limit
3.10.1-1 flags of UNSUBSCRIBE | test_reserved_flags_must_be_right
3.10.3-1 filters are UTF-8 | test_strings_must_be_utf_8
3.10.3-2 at least one | test_malformed_subscriptions
3.10.4-1 compared character by character | test_unsubscribing_by_the_very_filter
3.10.4-2 nothing new is added | test_unsubscribing_by_the_very_filter
3.10.4-3 what was begun is finished | test_what_was_begun_is_finished_after_unsubscribing
3.10.4-4 UNSUBSCRIBE gets an UNSUBACK | test_unsubscribing_by_the_very_filter
3.10.4-5 with its id, also when nothing matched | test_answers_carry_the_packet_id test_unsubscribing_by_the_very_filter
3.10.4-6 several filters are like several packets | test_unsubscribing_by_the_very_filter
3.11.2-1 no text that makes UNSUBACK too large | {NO_TEXT}
3.11.2-2 nor user properties | {NO_USER}
3.11.3-1 codes in the order of the filters | test_unsubscribing_by_the_very_filter
3.11.3-2 only codes of UNSUBACK | test_unsubscribing_by_the_very_filter
3.12.4-1 PINGREQ gets a PINGRESP | test_ping_is_answered
3.14.0-1 no DISCONNECT before CONNACK | test_a_disconnect_of_the_server_is_its_last_word test_the_first_packet_is_a_connect
3.14.1-1 reserved bits of DISCONNECT: 0x81 | test_reserved_flags_must_be_right
3.14.2-1 only codes of DISCONNECT | test_reason_codes_of_a_client_belong_to_their_packets test_a_second_connect_ends_the_connection
3.14.2-2 no session expiry from a server | test_taking_over_ends_the_other_connection
3.14.2-3 no text that makes it too large | {NO_TEXT}
3.14.2-4 nor user properties | {NO_USER}
3.14.4-1 nothing follows a DISCONNECT | test_a_disconnect_of_the_server_is_its_last_word
3.14.4-2 but the end | test_a_disconnect_of_the_server_is_its_last_word
3.14.4-3 with 0x00 the will is discarded | test_disconnect_with_a_reason
3.15.1-1 flags of AUTH | test_no_authentication_but_by_name
3.15.2-1 only codes of AUTH | test_no_authentication_but_by_name
3.15.2-2 no text that makes it too large | {NO_AUTH}
3.15.2-3 nor user properties | {NO_AUTH}
4.1.0-1 a session is kept while its connection is open | test_a_session_ends_when_its_time_is_over
4.1.0-2 and discarded when its time is over | test_a_session_ends_when_its_time_is_over
4.2.0-1 an ordered, lossless transport | test_order_is_kept
4.3.1-1 QoS 0 is sent with DUP 0 | test_the_lower_qos_of_the_two
4.3.2-1 sending QoS 1: an unused id | test_outgoing_ids_are_unused_ones
4.3.2-2 DUP 0 | test_outgoing_ids_are_unused_ones
4.3.2-3 unacknowledged until PUBACK | test_what_is_not_acknowledged_comes_again
4.3.2-4 receiving QoS 1: PUBACK | test_incoming_qos_1
4.3.2-5 then the id is new, whatever DUP says | test_incoming_qos_1
4.3.3-1 sending QoS 2: an unused id | test_outgoing_ids_are_unused_ones
4.3.3-2 DUP 0 | test_outgoing_ids_are_unused_ones
4.3.3-3 unacknowledged until PUBREC | test_what_is_not_acknowledged_comes_again
4.3.3-4 PUBREL for a PUBREC below 0x80 | test_what_is_not_acknowledged_comes_again test_what_the_client_refuses_is_not_sent_again
4.3.3-5 unacknowledged until PUBCOMP | test_what_is_not_acknowledged_comes_again
4.3.3-6 no PUBLISH after PUBREL | test_what_is_not_acknowledged_comes_again
4.3.3-7 no expiry once PUBLISH was sent | test_messages_expire
4.3.3-8 receiving QoS 2: PUBREC | test_incoming_qos_2
4.3.3-9 refused, the id is new | test_a_refused_message_leaves_its_id_free
4.3.3-10 repeated, it is acknowledged and not delivered again | test_incoming_qos_2 test_incoming_qos_2_that_is_ingested
4.3.3-11 PUBCOMP for PUBREL | test_incoming_qos_2
4.3.3-12 then the id is new | test_incoming_qos_2
4.3.3-13 the exchange goes on after an expiry | test_messages_expire
4.4.0-1 what is unacknowledged comes again on reconnection, and only then | test_what_is_not_acknowledged_comes_again
4.4.0-2 what was refused does not | test_what_the_client_refuses_is_not_sent_again
4.5.0-1 what was taken is in the session of each who subscribed | test_a_session_keeps_messages_for_its_absent_client
4.5.0-2 the client acknowledges | {CLIENT}
4.6.0-1 sent again in the first order | test_what_is_not_acknowledged_comes_again
4.6.0-2 PUBACK in order | test_order_is_kept test_acknowledgements_keep_their_order
4.6.0-3 PUBREC in order | test_order_is_kept test_acknowledgements_keep_their_order
4.6.0-4 PUBREL in order | test_what_is_not_acknowledged_comes_again
4.6.0-5 messages of an ordered topic arrive in order | test_order_is_kept
4.6.0-6 every topic is ordered | test_order_is_kept
4.7.0-1 no wildcards in names | test_a_publish_has_a_topic_name
4.7.1-1 # is the last level | test_malformed_subscriptions test_filters_match_what_they_should
4.7.1-2 + is a whole level | test_malformed_subscriptions test_filters_match_what_they_should
4.7.2-1 a wildcard in front does not match $ | test_wildcards_at_the_front
4.7.3-1 one character at least | test_a_publish_has_a_topic_name test_malformed_subscriptions
4.7.3-2 no U+0000 | test_strings_must_be_utf_8
4.7.3-3 65,535 bytes at most | test_strings_are_bounded
4.7.3-4 no normalisation | test_strings_arrive_unaltered
4.8.2-1 shared: $share/ and a name | test_names_of_shared_subscriptions
4.8.2-2 shared: no wildcards in the name, a filter behind it | test_names_of_shared_subscriptions
4.8.2-3 shared: the granted QoS | test_a_shared_subscription_goes_to_one_with_its_qos
4.8.2-4 shared: QoS 2 is finished with the same client | test_shared_qos_2_stays_with_its_client
4.8.2-5 shared: and with no other | test_shared_qos_2_stays_with_its_client
4.8.2-6 shared: what one refuses goes to no other | test_what_a_member_refuses_goes_to_no_other
4.9.0-1 the first quota is the receive maximum at most | test_receive_maximum_of_the_client
4.9.0-2 at 0 no more PUBLISH of QoS 1 or 2 | test_receive_maximum_of_the_client
4.9.0-3 all else goes on | test_receive_maximum_of_the_client test_receive_maximum_of_the_server
4.12.0-1 an unknown method is refused | test_no_authentication_but_by_name
4.12.0-2 the server's AUTH is 0x18 | {NO_AUTH}
4.12.0-3 so is the client's | {NO_AUTH}
4.12.0-4 a rejection ends the connection | test_no_authentication_but_by_name
4.12.0-5 the method is the same throughout | {NO_AUTH}
4.12.0-6 without a method there is no AUTH from the server | test_connack_says_what_the_server_does
4.12.0-7 nor from the client | test_no_authentication_but_by_name
4.12.1-1 a second authentication has the same method | {NO_AUTH}
4.12.1-2 one that fails ends the connection | {NO_AUTH}
4.13.1-1 malformed packets and protocol errors end the connection | test_bodies_cut_short_or_too_long test_properties_cut_short
4.13.2-1 a code of 0x80 or more ends the connection | test_a_wrong_password_is_refused test_a_disconnect_of_the_server_is_its_last_word
6.0.0-1 binary frames only | 37:test_broken_frames_close_the_socket_with_the_code
6.0.0-2 packets and frames are independent | 37:test_packets_may_be_split_over_frames_anywhere
6.0.0-3 the client offers mqtt | 37:test_what_does_not_speak_mqtt_is_refused
6.0.0-4 the server selects it | 37:test_the_same_host_and_programs_are_let_in
"""
# The number that the standard itself leaves out, and how many statements each table has, so that none is lost.
HOLES = {4: set(), 5: {"2.2.1-1"}}
COUNTS = {4: 141, 5: 251}
TABLES = {4: V311, 5: V5}


def rows(version):
    """(id, paraphrase, [test …]) or (id, paraphrase, reason)."""
    names = {"CLIENT": CLIENT, "NO_TEXT": NO_TEXT, "NO_USER": NO_USER, "NO_AUTH": NO_AUTH, "ONE_COPY": ONE_COPY}
    for line in TABLES[version].strip().splitlines():
        head, _, proof = line.partition(" | ")
        number, _, words = head.partition(" ")
        proof = proof.strip().format(**names)
        yield number, words, proof if proof.startswith("- ") else proof.split()


def check_table(version, tests):
    """Every mistake, as a sentence."""
    found, wrong, last = {}, [], {}
    for number, words, proof in rows(version):
        m = re.fullmatch(r"(\d+\.\d+\.\d+)-(\d+)", number)
        if not m or not words:
            wrong.append(f"{number}: not a statement with its paraphrase")
            continue
        section, n = m.group(1), int(m.group(2))
        last.setdefault(section, 0)
        while last[section] + 1 < n and f"{section}-{last[section] + 1}" in HOLES[version]:
            last[section] += 1
        if number in found or n != last[section] + 1:
            wrong.append(f"{number}: comes twice, or the one before it is missing")
        last[section], found[number] = n, proof
        if isinstance(proof, str):
            if len(proof.split()) < 4:
                wrong.append(f"{number}: neither a test nor a reason")
            continue
        if not proof:
            wrong.append(f"{number}: neither a test nor a reason")
        for test in proof:
            file, _, name = test.rpartition(":")
            where = list(pathlib.Path(__file__).parent.glob(f"{file}-*.py")) if file else []
            if not (where and f"def {name}(" in where[0].read_text() if file else name in tests):
                wrong.append(f"{number}: there is no {test}")
    if len(found) != COUNTS[version]:
        wrong.append(f"{len(found)} statements, and there were {COUNTS[version]}")
    return wrong


LISTENERS = """    - {address: "127.0.0.1:0"}
  users: [{name: ann, password: secretive}]"""
LIMITS = "limits: {mqtt_inflight_max: 20, mqtt_keepalive_max_s: 600, mqtt_packet_max: 64KiB, mqtt_subscriptions_max: 50}"


def run(names, version):
    """The tests of a file, and the cases of both, on one hub of two workers."""
    box = Box(f"mqtt{version}")
    atexit.register(box.close)
    hub = []

    def on_the_hub(test, *more):
        def wrapped(_):
            if not hub:
                hub.append(box.hub(mqtt=LISTENERS, extra=LIMITS, node=", workers: 2"))
            test(hub[0], *more)
        return wrapped
    tests = {}

    def test_every_statement_has_its_test_or_its_reason(_):
        wrong = check_table(version, tests)
        assert not wrong, "\n".join(wrong)

    def test_nobody_is_left_and_the_hub_ends_well(_):
        problems = box.close()
        assert not problems, "\n".join(problems)
    for name, f in vars(mqtt_cases).items():
        if getattr(f, "__module__", "") == "mqtt_cases" and name != "topic_of":
            tests[f"test_{name}"] = on_the_hub(f, version)
    for name, f in names.items():
        if name.startswith("test_"):
            tests[name] = on_the_hub(f)
    main({"test_every_statement_has_its_test_or_its_reason": test_every_statement_has_its_test_or_its_reason, **tests,
          "test_nobody_is_left_and_the_hub_ends_well": test_nobody_is_left_and_the_hub_ends_well})
