/* otlp_answer: what an OTLP sender is told, in the three spellings in which it
 * can be told (wire.md 4.3). Inside receive only. */
#ifndef WEIR_RECEIVE_OTLP_ANSWER_H
#define WEIR_RECEIVE_OTLP_ANSWER_H

#include "receive/verdict.h"

enum weir_otlp_encoding { WEIR_OTLP_PROTOBUF, WEIR_OTLP_JSON };

/* `rejected`: items that were not taken of a batch that was. */
void weir_otlp_answer_grpc(
	enum weir_signal signal, const struct weir_verdict *verdict, uint64_t rejected, struct weir_grpc_answer *ret);

/* An error's body is a google.rpc.Status in the encoding of the request. */
void weir_otlp_answer_http(enum weir_signal signal, enum weir_otlp_encoding encoding,
	const struct weir_verdict *verdict, uint64_t rejected, struct weir_http_response *ret);

/* 415, which tells what would be taken; in text, since no encoding is known. */
void weir_otlp_answer_unknown_type(struct weir_http_response *ret);

/* A refusal of serve's own, as OTLP says it. */
void weir_otlp_answer_refusal(
	enum weir_otlp_encoding encoding, unsigned status, const char *text, struct weir_http_response *ret);

#endif
