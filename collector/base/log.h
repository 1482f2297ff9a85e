/* log: logfmt lines on stderr: `time level room message key=value …`.
 *
 * Only main.c and the top loop of a thread log; everyone else returns. The
 * same message (format) is written at most once a second, with the number that
 * was held back. */
#ifndef WEIR_BASE_LOG_H
#define WEIR_BASE_LOG_H

enum weir_log_level { WEIR_LOG_DEBUG, WEIR_LOG_INFO, WEIR_LOG_WARN, WEIR_LOG_ERROR };

void weir_log_set_level(enum weir_log_level level);

/* `format` is the message and its key=value pairs, as for printf. */
void weir_log(enum weir_log_level level, const char *room, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
