/* sender: what the first message of a stream says of its proxy. Private to this folder. */
#ifndef WEIR_DECODE_ENVOY_SENDER_H
#define WEIR_DECODE_ENVOY_SENDER_H

#include "decode/envoy/als.h"

/* Reads a StreamAccessLogsMessage.Identifier; its node becomes the sender's. False: malformed. */
bool weir_sender_read_identifier(struct weir_str message, struct weir_als_sender *sender);

#endif
