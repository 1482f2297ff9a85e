/* grpc_log: takes libgrpc's log away from stderr (private to serve). */
#ifndef WEIR_SERVE_GRPC_LOG_H
#define WEIR_SERVE_GRPC_LOG_H

void weir_grpc_log_take(void); /* any number of times */

#endif
