/* test_response_flags: flags have Envoy's names, in its order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rules/response_flags.h"

static void flags_have_envoys_names_in_its_order(void **state)
{
	struct weir_buf buf;

	(void)state;
	weir_buf_init(&buf, 0);
	weir_response_flags_add(0, &buf);
	weir_buf_add_char(&buf, ' ');
	weir_response_flags_add(1u << 12, &buf);
	weir_buf_add_char(&buf, ' ');
	weir_response_flags_add(UINT32_MAX, &buf);
	weir_buf_add_char(&buf, '\0');
	assert_string_equal(buf.data,
		"- UAEX LH,UH,UT,LR,UR,UF,UC,UO,NR,DI,FI,RL,UAEX,RLSE,DC,URX,SI,IH,DPE,UMSDR,RFCF,"
		"NFCF,DT,UPE,NC,OM,DF,DR");
	weir_buf_fini(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(flags_have_envoys_names_in_its_order) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
