/* log: one line an event; see the header.
 *
 * A small table remembers the formats of the last second. It is guarded by a
 * mutex: logging is rare by contract. */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

struct recent {
	const char *format;
	uint64_t last_ns;
	unsigned held_back;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct recent recents[64];
static _Atomic int threshold = WEIR_LOG_INFO;

void weir_log_set_level(enum weir_log_level level)
{
	atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

static struct recent *recent_of(const char *format)
{
	struct recent *oldest = &recents[0];

	for (size_t i = 0; i < sizeof(recents) / sizeof(recents[0]); i++) {
		if (recents[i].format == format) {
			return &recents[i];
		}
		if (recents[i].last_ns < oldest->last_ns) {
			oldest = &recents[i];
		}
	}
	*oldest = (struct recent){ .format = format };
	return oldest;
}

/* What an outsider sent may stand in a line, but must not end it and begin another. */
static void blank_controls(char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f) {
			*text = '?';
		}
	}
}

void weir_log(enum weir_log_level level, const char *room, const char *format, ...)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };
	uint64_t now_ns = weir_clock_now_ns();
	time_t seconds = (time_t)(now_ns / 1000000000u);
	struct recent *recent;
	char text[1024], stamp[32], held_back[32] = "";
	struct tm utc;
	va_list args;

	if ((int)level < atomic_load_explicit(&threshold, memory_order_relaxed)) {
		return;
	}
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	blank_controls(text);
	gmtime_r(&seconds, &utc);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);

	pthread_mutex_lock(&lock);
	recent = recent_of(format);
	if (recent->last_ns != 0 && now_ns - recent->last_ns < 1000000000u) {
		recent->held_back++;
	} else {
		if (recent->held_back > 0) {
			snprintf(held_back, sizeof(held_back), " suppressed=%u", recent->held_back);
		}
		dprintf(STDERR_FILENO, "%s.%03uZ %s %s %s%s\n", stamp, (unsigned)(now_ns / 1000000 % 1000),
			names[level], room, text, held_back); /* one write, so that lines stay whole */
		recent->held_back = 0;
		recent->last_ns = now_ns;
	}
	pthread_mutex_unlock(&lock);
}
