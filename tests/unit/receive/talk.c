/* talk: see talk.h. */
#include "talk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

void weir_grpc_talk_say(struct weir_grpc_talk *talk, struct weir_buf message)
{
	assert_true(talk->count < TALK_SAID);
	assert_int_equal(weir_buf_error(&message), 0);
	talk->said[talk->count++] = message;
}

struct weir_str talk_next(struct weir_grpc_talk *talk)
{
	return talk->read < talk->count ? weir_buf_str(&talk->said[talk->read++]) : weir_str_make(NULL, 0);
}

void talk_fini(struct weir_grpc_talk *talk)
{
	for (size_t i = 0; i < talk->count; i++) {
		weir_buf_fini(&talk->said[i]);
	}
	*talk = (struct weir_grpc_talk){ 0 };
}
