/* process: what is set once for the whole process, before any thread runs, and the sentence when it cannot run. */
#ifndef WEIR_PROCESS_H
#define WEIR_PROCESS_H

/* Standard streams that were closed are /dev/null, memory goes back, as many files as are allowed, every signal
 * blocked (threads inherit it), the log's level, the names of what stat counts. 0 or a fault. */
int weir_process_settle(const char *log_level);

/* One sentence for a start that failed: what, which of them, and why. The fault is returned unchanged. */
int weir_process_refuse(const char *what, const char *which, int fault);

#endif
