/* grpc_log: where libgrpc's log goes. Only main logs, so its errors are
 * counted and the last sentence is kept until main asks. Of what it does not call errors only
 * failed handshakes matter: grpc_tls.c counts them by reason, and they are no
 * complaint (whoever connects can bring them about).
 *
 * Threads: libgrpc logs from any of its threads; one mutex guards the text. */
#include "serve/grpc_log.h"

#include <pthread.h>
#include <stdio.h>

#include <grpc/support/log.h>

#include "base/stat.h"
#include "serve/grpc.h"
#include "serve/grpc_tls.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char last[256];
static bool is_new;

static void keep(gpr_log_func_args *args)
{
	if (weir_grpc_tls_heard(args->message) || args->severity != GPR_LOG_SEVERITY_ERROR) {
		return;
	}
	weir_stat_add(WEIR_STAT_GRPC_LIBRARY_ERRORS, 1);
	pthread_mutex_lock(&lock);
	is_new = true;
	snprintf(last, sizeof(last), "%s", args->message);
	pthread_mutex_unlock(&lock);
}

void weir_grpc_log_take(void)
{
	gpr_set_log_verbosity(GPR_LOG_SEVERITY_INFO);
	gpr_set_log_function(keep);
}

bool weir_grpc_complaint(char *ret_last, size_t size)
{
	bool was_new;

	pthread_mutex_lock(&lock);
	was_new = is_new;
	is_new = false;
	if (was_new) {
		snprintf(ret_last, size, "%s", last);
	}
	pthread_mutex_unlock(&lock);
	return was_new;
}
